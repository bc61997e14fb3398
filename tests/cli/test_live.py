"""``masklens live`` and ``masklens detect`` on films, from end to end."""

import csv
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import types
from datetime import datetime, timedelta
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import av
import click
import jsonschema
import numpy as np
import pytest
from PIL import Image as PillowImage

from masklens.cli import live_console
from masklens.detections import Detections
from masklens.io.frames import Frame
from masklens.io.signature import is_signed
from masklens.io.video import VideoReader
from masklens.labels import LABELS
from masklens.stream.live import Labelled
from tests.cli.conftest import one_sentence, run
from tests.conftest import ROOT
from tests.io.camera_server import CameraServer
from tests.io.films import damage, write_film, write_sound


def test_live_on_a_film_writes_everything(film, tmp_path):
    log, record = tmp_path / "log.jsonl", tmp_path / "out.mp4"
    result = run("live", film, "--json", log, "--record", record)
    assert result.exit_code == 0, result.output
    assert "30 frames" in result.output
    assert "1 face followed" in result.output
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [line["frame"] for line in lines] == list(range(30))
    assert {face["track"] for line in lines for face in line["faces"]} == {1}
    assert sum(len(line["faces"]) for line in lines) == 30
    assert lines[10]["counts"]["without_mask"] == 1
    (row,) = csv.DictReader((tmp_path / "log.tracks.csv").open())
    assert (row["track"], row["label"], row["frames"]) == ("1", "without_mask", "30")
    assert (lines[0].get("clock"), row["clock"]) == (None, "")
    assert len(list(VideoReader(record))) == 30


def test_max_fps_and_every(film, tmp_path):
    log = tmp_path / "log.jsonl"
    assert run("live", film, "--json", log, "--max-fps", 5, "--every", 1).exit_code == 0
    assert len(log.read_text().splitlines()) == pytest.approx(6, abs=1)


def test_a_small_face_in_large_frames_needs_a_larger_size(portrait_frames, tmp_path):
    """A face of 21 px in frames of 2,400 px."""
    frames = tmp_path / "frames"
    frames.mkdir()
    head = PillowImage.fromarray(portrait_frames[0]).resize((96, 96))
    for number in range(4):
        frame = PillowImage.new("RGB", (2400, 1350), (90, 100, 110))
        frame.paste(head, (1000 + 2 * number, 600))
        frame.save(frames / f"{number}.png")
    for size, faces in ((640, 0), ("640,1920", 4)):
        log = tmp_path / f"{size}.jsonl"
        result = run("live", frames, "--json", log, "--every", 1, "--long-side", size)
        assert result.exit_code == 0, result.output
        lines = [json.loads(line) for line in log.read_text().splitlines()]
        assert sum(len(line["faces"]) for line in lines) == faces


def test_frames_of_a_folder_that_cannot_be_read_are_told_and_counted(portrait_frames, tmp_path):
    frames, log = tmp_path / "frames", tmp_path / "log.jsonl"
    frames.mkdir()
    for number in (1, 3, 10):
        PillowImage.fromarray(portrait_frames[number]).save(frames / f"{number}.png")
    (frames / "0.png").write_text("no picture")
    (frames / "4.png").write_bytes(b"")
    (frames / "5.png").symlink_to("gone.png")
    result = run("live", frames, "--json", log)
    assert result.exit_code == 1
    told = [line for line in result.stderr.splitlines() if line.startswith("Error: ")]
    words = ("0.png is not a picture", "4.png is empty", "5.png is a link to gone.png")
    for line, expected in zip(told, words, strict=True):
        assert expected in line
    assert "3 frames could not be read" in result.stderr
    assert "3 frames, 0.2 s, 1 face followed" in result.stdout
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    # They keep their place: 25 per second, whether they can be read or not.
    assert [(line["frame"], line["time"]) for line in lines] == [(1, 0.04), (2, 0.08), (5, 0.2)]
    assert all(len(line["faces"]) == 1 for line in lines)


def test_a_folder_without_a_frame_that_can_be_read(tmp_path):
    (tmp_path / "0.png").write_text("no picture")
    (tmp_path / "out.mp4").write_text("of an earlier run")
    result = run("live", tmp_path, "--record", tmp_path / "out.mp4")
    one_sentence(result, "1 frame could not be read")
    assert "0 frames" in result.stdout
    assert "Written" not in result.output


def test_detect_keeps_every_frame_and_the_sound(film, tmp_path):
    result = run(
        *("detect", film, "--out", tmp_path / "out", "--json", tmp_path / "r.json"),
        *("--csv", tmp_path / "r.csv", "--tracks", tmp_path / "t.csv"),
    )
    assert result.exit_code == 0, result.output
    with av.open(str(tmp_path / "out" / "walk.mp4")) as made:
        assert made.streams.video[0].codec_context.name == "h264"
        assert sum(f.samples for f in made.decode(audio=0)) / 48000 == pytest.approx(1.2, abs=0.1)
    assert len(list(VideoReader(tmp_path / "out" / "walk.mp4"))) == 30
    assert is_signed(tmp_path / "out" / "walk.mp4")  # the next run may replace it
    records = json.loads((tmp_path / "r.json").read_text())
    schema = json.loads((ROOT / "docs" / "detections.schema.json").read_text())
    jsonschema.validate(records, schema)
    assert [r["frame"] for r in records] == list(range(30))
    rows = list(csv.DictReader((tmp_path / "r.csv").open()))
    assert {row["track"] for row in rows} == {"1"}
    assert len(list(csv.DictReader((tmp_path / "t.csv").open()))) == 1


def test_a_film_is_not_replaced_by_its_own_recording(film, tmp_path):
    path = tmp_path / "a walk.mp4"
    shutil.copy(film, path)
    for address in (path, path.as_uri()):
        result = run("live", address, "--record", path)
        assert result.exit_code == 2
        assert "is read" in result.output
    result = run(
        "live", path, "--json", tmp_path / "a.jsonl", "--record", tmp_path / "a.tracks.csv"
    )
    assert result.exit_code == 2
    assert "Use two files" in result.output
    assert path.read_bytes() == film.read_bytes()


def test_a_device_as_log_has_no_tracks_beside_it(film):
    result = run("live", film, "--json", "/dev/null")
    assert result.exit_code == 0, result.output
    assert not Path("/dev/null.tracks.csv").exists()


@pytest.mark.parametrize("command", ["detect", "live"])
def test_lines_on_standard_output_are_not_written_over(command, film, tmp_path):
    table = tmp_path / "t.csv"
    with table.open("wb") as file:
        words = [sys.executable, "-m", "masklens", command, str(film), "--tracks", "/dev/stdout"]
        done = subprocess.run(words, stdout=file, stderr=subprocess.PIPE, check=True)
    (row,) = csv.DictReader(table.open())
    assert row["source"] == str(film)
    assert b"1 face followed" in done.stderr


def test_a_film_on_a_web_server_is_named_without_its_password(portrait_frames, tmp_path):
    film = write_film(tmp_path / "walk.mp4", portrait_frames, options={"movflags": "faststart"})

    class Handler(SimpleHTTPRequestHandler):
        def __init__(self, *arguments):
            super().__init__(*arguments, directory=tmp_path)

        def log_message(self, *_):
            pass

    tracks = tmp_path / "t.csv"
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            address = f"127.0.0.1:{server.server_address[1]}/{film.name}"
            login = f"http://me:secret@{address}?usr=me&pwd=secret"
            result = run("live", login, "--tracks", tracks)
        finally:
            server.shutdown()
            thread.join()
    assert result.exit_code == 0, result.output
    (row,) = csv.DictReader(tracks.open())
    assert row["source"] == f"http://{address}?usr=***&pwd=***"
    assert "secret" not in result.output


def test_a_film_is_not_replaced_by_the_copy_by_the_copy_of_another(film, tmp_path):
    names = ["walk.mkv", "walk.mp4"]
    for name in names:
        shutil.copy(film, tmp_path / name)
    for _ in range(2):  # the second time the copies are replaced, not labelled
        assert run("detect", tmp_path, "--out", tmp_path).exit_code == 0
        assert {(tmp_path / name).read_bytes() for name in names} == {film.read_bytes()}
        assert sorted(p.name for p in tmp_path.iterdir()) == ["walk-2.mp4", "walk-3.mp4", *names]


def test_detect_labels_what_can_be_read_and_says_where_it_broke(film, tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (60, 64, 96, 3), np.uint8)
    path = write_film(tmp_path / "a.mp4", noise, options={"movflags": "faststart"})
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    result = run("detect", path, film, "--out", tmp_path / "out", "--json", tmp_path / "r.jsonl")
    one_sentence(result, "is damaged or cut off: it could be read up to")
    names = [json.loads(line)["file"] for line in (tmp_path / "r.jsonl").read_text().splitlines()]
    assert 10 < names.count(str(path)) < 50
    assert names.count(str(film)) == 30
    assert len(list(VideoReader(tmp_path / "out" / "a.mp4"))) == names.count(str(path))


@pytest.mark.parametrize("command", ["detect", "live"])
def test_frames_in_the_middle_that_cannot_be_read_are_told_at_the_end(command, tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (60, 64, 96, 3), np.uint8)
    path = damage(write_film(tmp_path / "a.mov", noise, codec="png"), 20, 30, 31)
    result = run(command, path, "--json", tmp_path / "r.jsonl")
    one_sentence(result, f"3 frames of {path} could not be read")
    assert len((tmp_path / "r.jsonl").read_text().splitlines()) == 57


@pytest.mark.parametrize("command", ["detect", "live"])
def test_bad_input_is_one_sentence(command, tmp_path):
    (tmp_path / "empty.mp4").write_bytes(b"")
    (tmp_path / "text.mp4").write_text("no video" * 100)
    write_sound(tmp_path / "sound.mp4")
    for name, message in (
        ("empty.mp4", "is empty"),
        ("text.mp4", "is not a video"),
        ("sound.mp4", "has no pictures in it"),
        ("absent.mp4", "does not exist"),
    ):
        one_sentence(run(command, tmp_path / name), message)


def test_no_camera_and_no_display(film, tmp_path, monkeypatch):
    log, tracks = tmp_path / "log.jsonl", tmp_path / "log.tracks.csv"
    log.write_text("of yesterday")
    tracks.write_text("of yesterday")
    one_sentence(run("live", "87", "--json", log), "There is no camera 87")
    monkeypatch.delenv("DISPLAY", raising=False)
    one_sentence(run("live", film, "--show", "--json", log), "--show")
    assert log.read_text() == tracks.read_text() == "of yesterday"


def test_a_recording_that_cannot_be_written_costs_no_log(film, tmp_path):
    log = tmp_path / "log.jsonl"
    log.write_text("of yesterday")
    one_sentence(run("live", film, "--json", log, "--record", film / "a.mp4"), "Cannot write")
    assert log.read_text() == "of yesterday"


def test_a_log_that_cannot_be_written_costs_no_table(film, tmp_path):
    tracks = tmp_path / "t.csv"
    tracks.write_text("of yesterday")
    one_sentence(run("live", film, "--json", film / "a.jsonl", "--tracks", tracks), "Cannot write")
    assert tracks.read_text() == "of yesterday"


def test_a_paused_window_hears_that_the_program_is_to_end(monkeypatch):
    class Paused:
        wants_picture, paused, closed = False, True, False

        def __init__(self, title):
            self.shown = []

        def show(self, image):
            self.shown.append(image)

        def listen(self):
            stopping.set()

    stopping = threading.Event()
    monkeypatch.setattr(live_console, "Window", Paused)
    grey = np.full((32, 32, 3), 90, np.uint8)
    film = types.SimpleNamespace(name="a film", live=False)
    frame = Labelled(Frame(grey, "a", time=0.0), Detections.empty(LABELS), 25.0)
    assert live_console.Screen(film, True, stopping, live_console.StatusLine()).show(frame)


def test_a_window_lives_and_says_so_while_the_camera_is_lost(portrait_frames, monkeypatch):
    class Impatient:
        """Closed a second after the camera was seen to be lost."""

        wants_picture, paused = False, False

        def __init__(self, title):
            self.shown, self.dark = 0, None

        def show(self, image):
            self.shown += 1
            if self.shown == 5:
                server.cut()
            if image.mean() < 0.6 * portrait_frames[0].mean():
                self.dark = self.dark or time.monotonic()
                heard.append(0)

        def listen(self):
            if self.dark:
                heard[0] += 1

        @property
        def closed(self):
            return self.dark is not None and time.monotonic() - self.dark > 1

        def __exit__(self, *_):
            pass

    heard = []
    monkeypatch.setattr(live_console, "Window", Impatient)
    server = CameraServer(portrait_frames)
    began = time.monotonic()
    result = run("live", server.url, "--show", "--give-up", 60)
    assert result.exit_code == 0, result.output
    assert time.monotonic() - began < 30
    assert len(heard) == 1  # drawn once
    assert 3 <= heard[0] <= 12  # ten times a second, on a machine that has time


def test_pictures_that_are_saved_are_told_and_may_fail(tmp_path, monkeypatch, capsys):
    class Asking:
        wants_picture, paused, closed = True, False, False

        def __init__(self, title):
            pass

        def show(self, image):
            pass

    monkeypatch.setattr(live_console, "Window", Asking)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    film = types.SimpleNamespace(name="a film", live=False)
    frame = Frame(np.full((32, 32, 3), 90, np.uint8), "a", time=0.0)
    gone = tmp_path / "gone"
    gone.mkdir()
    with live_console.StatusLine() as line:
        screen = live_console.Screen(film, True, threading.Event(), line)
        for folder, told in (
            (tmp_path, "Written: masklens-"),
            (gone, "Error: Cannot write masklens-"),
        ):
            monkeypatch.chdir(folder)
            if folder == gone:
                gone.rmdir()
            assert screen.show(Labelled(frame, Detections.empty(LABELS), 25.0))
            assert told in click.unstyle(capsys.readouterr().err)
    (saved,) = tmp_path.glob("masklens-*-0.png")
    assert not is_signed(saved)  # signed, a later detect --out could replace it


def test_the_line_of_counts_is_one_in_a_narrow_terminal(monkeypatch):
    termios = pytest.importorskip("termios")
    ours, theirs = os.openpty()
    termios.tcsetwinsize(theirs, (24, 40))
    frame = Frame(np.zeros((8, 8, 3), np.uint8), "a", time=0.0)
    with os.fdopen(theirs, "w") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        with live_console.StatusLine() as line:
            line.show(Labelled(frame, Detections.empty(LABELS), 25.0))
            line.say("A camera was lost.")
        shown = ""
        while "lost" not in shown or select.select([ours], [], [], 0.2)[0]:
            shown += os.read(ours, 10_000).decode()
    os.close(ours)
    assert "25.0 fps  0 mask" in shown
    assert "\rA camera was lost.\r\n" in shown  # where the line was taken away
    assert max(len(part) for part in shown.replace("\n", "\r").split("\r")) <= 40


def test_disk_full(film, tmp_path):
    (tmp_path / "full.mp4").symlink_to("/dev/full")
    one_sentence(run("live", film, "--record", tmp_path / "full.mp4"), "No space left")
    (tmp_path / "full.jsonl").symlink_to("/dev/full")
    one_sentence(run("live", film, "--json", tmp_path / "full.jsonl"), "No space left")


@pytest.mark.skipif(os.name != "posix", reason="limits of POSIX")
def test_nothing_is_said_to_be_written_that_is_not_there(film, tmp_path):
    record = tmp_path / "out.mp4"
    words = [sys.executable, "-m", "masklens", "live", str(film), "--record", str(record)]
    shell = ["bash", "-c", 'ulimit -f 0; exec "$@"', "bash", *words]
    result = subprocess.run(shell, capture_output=True, text=True)
    assert result.returncode == 1
    assert f"Error: Cannot write {record}" in result.stderr
    assert not record.exists()
    assert "Written" not in result.stdout


def test_coco_is_for_pictures(film, tmp_path):
    result = run("detect", film, "--coco", tmp_path / "r.json")
    one_sentence(result, "COCO results are for pictures")


def test_a_table_of_tracks_that_cannot_be_written_is_found_out_before_the_work(
    film, portrait_file, tmp_path
):
    (tmp_path / "file").write_text("in the way")
    result = run("detect", portrait_file, film, "--tracks", tmp_path / "file" / "t.csv")
    one_sentence(result, "a part of its path is a file")
    assert "1 picture" not in result.output
    tracks = tmp_path / "t.csv"
    tracks.write_text("of yesterday")
    one_sentence(
        run("detect", film, "--tracks", tracks, "--bundle", tmp_path / "file"), "is not a bundle"
    )
    assert tracks.read_text() == "of yesterday"


def test_followed_faces_need_a_video(portrait_file, tmp_path):
    result = run("detect", portrait_file, "--tracks", tmp_path / "t.csv")
    one_sentence(result, "--tracks is for videos")


def test_a_run_goes_on_in_the_files_of_an_earlier_one(film, tmp_path):
    log, table, record = (tmp_path / n for n in ("log.jsonl", "log.tracks.csv", "out.mp4"))
    options = ("--json", log, "--record", record)
    assert run("live", film, *options, "--append").exit_code == 0
    log.write_text(log.read_text() + '{"frame":')  # it was killed
    once = record.read_bytes()
    result = run("live", film, *options, "--append")
    assert result.exit_code == 0, result.output
    assert f"Written: {tmp_path / 'out-2.mp4'}" in result.output
    assert record.read_bytes() == once
    lines = log.read_text().splitlines()
    assert lines.pop(30) == '{"frame":'
    assert [json.loads(line)["frame"] for line in lines] == 2 * list(range(30))
    assert [row["track"] for row in csv.DictReader(table.open())] == ["1", "1"]
    assert run("live", film, *options).exit_code == 0  # without it, they are replaced
    assert [len(log.read_text().splitlines()), len(table.read_text().splitlines())] == [30, 2]
    table.write_text("source,track\n")
    one_sentence(run("live", film, *options, "--append"), "has other columns")
    assert len(log.read_text().splitlines()) == 30


@pytest.mark.parametrize("log", ["hall.jsonl", "hall.json", "192.168.1.10", "192.168.1.10.jsonl"])
def test_each_log_has_a_table_of_its_own(film, tmp_path, log):
    assert run("live", film, "--json", tmp_path / log).exit_code == 0
    stem = log.removesuffix(".jsonl").removesuffix(".json")
    assert {path.name for path in tmp_path.iterdir()} - {film.name} == {log, f"{stem}.tracks.csv"}


def test_a_camera_is_told_by_the_clock(portrait_frames, tmp_path):
    log = tmp_path / "log.jsonl"
    server = CameraServer(portrait_frames, moment=25)  # then it is lost
    began = datetime.now().astimezone()
    try:
        result = run("live", server.url, "--json", log, "--give-up", 0)
    finally:
        server.cut()
    one_sentence(result, "was lost and did not come back")
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    clocks = [datetime.fromisoformat(line["clock"]) for line in lines]
    assert began - timedelta(seconds=1) < clocks[0] <= clocks[-1] <= datetime.now().astimezone()
    assert clocks == sorted(clocks)
    rows = list(csv.DictReader((tmp_path / "log.tracks.csv").open()))
    assert len(rows) == 2  # before the camera was lost, and after
    times = {line["clock"]: line["time"] for line in lines}
    for row in rows:
        assert times[row["clock"]] == pytest.approx(float(row["first_seen"]), abs=0.002)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_an_interrupted_recording_is_valid(portrait_frames, tmp_path, how):
    server = CameraServer(portrait_frames)
    log, record = tmp_path / "log.jsonl", tmp_path / "out.mp4"
    command = [sys.executable, "-m", "masklens", "live", server.url]
    process = subprocess.Popen(
        [*command, "--json", str(log), "--record", str(record)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        # nohup hands on that a signal is ignored.
        preexec_fn=lambda: how == signal.SIGKILL or signal.signal(how, signal.SIG_DFL),
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )
    try:
        deadline = time.monotonic() + 120
        while not (log.exists() and log.read_bytes().count(b"\n") >= 80):
            assert process.poll() is None, process.stdout.read()
            assert time.monotonic() < deadline
            time.sleep(0.1)
        process.send_signal(how)
        output, _ = process.communicate(timeout=60)
    finally:
        process.kill()
        server.cut()
    whole = log.read_bytes()
    lines = [json.loads(line) for line in whole[: whole.rindex(b"\n")].splitlines()]
    assert len(lines) >= 79
    assert len(list(VideoReader(record))) >= 25
    if how != signal.SIGKILL:
        assert process.returncode == 0, output
        assert b"Traceback" not in output
        assert b"faces followed" in output or b"face followed" in output
        assert len(list(csv.DictReader((tmp_path / "log.tracks.csv").open()))) >= 1


@pytest.mark.parametrize("scheme", ["rtsp", "http"])
def test_an_address_that_stays_silent_can_be_given_up(scheme):
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(120)
        address = f"{scheme}://127.0.0.1:{server.getsockname()[1]}/x"
        process = subprocess.Popen(
            [sys.executable, "-m", "masklens", "live", address],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )
        try:
            with server.accept()[0]:
                began = time.monotonic()
                process.send_signal(signal.SIGINT)
                output, _ = process.communicate(timeout=60)
        finally:
            process.kill()
    assert time.monotonic() - began < 5  # of the 10 that it has to answer
    assert (process.returncode, output) == (130, b"Interrupted.\n")


def test_a_camera_that_fell_silent_can_be_given_up(portrait_frames, tmp_path):
    server = CameraServer(portrait_frames, moment=100, stall=60)
    log, record = tmp_path / "log.jsonl", tmp_path / "out.mp4"
    command = [sys.executable, "-m", "masklens", "live", server.url]
    process = subprocess.Popen(
        [*command, "--json", str(log), "--record", str(record)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    try:
        deadline = time.monotonic() + 120
        while server.sent < 100:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=60)
    finally:
        process.kill()
        server.cut()
    assert process.returncode == 0, output
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert f"{len(lines)} frames".encode() in output
    assert len(list(VideoReader(record))) == len(lines)
    assert len(list(csv.DictReader((tmp_path / "log.tracks.csv").open()))) >= 1
