"""``masklens live --alarm``, from end to end."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from tests.cli.conftest import one_sentence, run
from tests.io.camera_server import CameraServer
from tests.io.test_notify import is_running, server  # noqa: F401


@pytest.fixture
def bell(tmp_path):
    """A command that keeps each event on a line of its own, and the file."""
    script, out = tmp_path / "bell", tmp_path / "rung.jsonl"
    script.write_text(f"#!/bin/sh\ncat >> '{out}'\necho >> '{out}'\n")
    script.chmod(0o755)
    return script, out


def test_a_bare_face_rings_the_bell_once(film, bell, tmp_path):
    script, out = bell
    log = tmp_path / "log.jsonl"
    result = run("live", film, "--json", log, "--alarm", script, "--alarm-after", 0.5)
    assert (result.exit_code, result.stderr) == (0, "")
    (event,) = map(json.loads, out.read_text().splitlines())
    assert (event["source"], event["track"], event["label"]) == (str(film), 1, "without_mask")
    assert 0.5 <= event["seconds"] <= event["time"] < 0.7
    assert event["counts"] == {"with_mask": 0, "without_mask": 1, "mask_worn_incorrectly": 0}
    line = json.loads(log.read_text().splitlines()[event["frame"]])  # the moment is in the log
    assert (line["time"], line["faces"][0]["score"]) == (event["time"], event["score"])
    out.unlink()
    assert run("live", film, "--alarm", script).exit_code == 0  # it is there for 1.2 s
    assert not out.exists()


def test_it_is_posted_and_a_failure_costs_nothing(film, server, tmp_path):  # noqa: F811
    options = ("--alarm-after", 0.2, "--json", tmp_path / "log.jsonl")
    result = run("live", film, "--alarm", f"http://me:secret@{server.place}/ok", *options)
    assert (result.exit_code, result.stderr) == (0, "")
    assert json.loads(server.posted[0][2])["label"] == "without_mask"
    result = run("live", film, "--alarm", f"http://me:secret@{server.place}/no", *options)
    assert result.exit_code == 0
    assert (
        result.stderr == f"Error: An alarm did not reach http://{server.place}: it answered 500.\n"
    )
    assert len((tmp_path / "log.jsonl").read_text().splitlines()) == 30


@pytest.mark.parametrize("target", ["no-such-command", "sh -c '", "", "http://"])
def test_what_can_never_ring_is_told_before_the_logs_are_replaced(film, tmp_path, target):
    log = tmp_path / "log.jsonl"
    log.write_text("of yesterday")
    one_sentence(run("live", film, "--json", log, "--alarm", target), "alarm")
    assert log.read_text() == "of yesterday"


def test_wrong_use(film):
    result = run("live", film, "--alarm-after", 3)
    assert result.exit_code == 2
    assert "Give it" in result.output
    for value in ("-1", "nan"):
        assert run("live", film, "--alarm", "true", "--alarm-pause", value).exit_code == 2


def test_a_bell_that_hangs_holds_up_neither_frames_nor_the_end(portrait_frames, tmp_path):
    """A camera, Ctrl-C while the command hangs: all frames are there, and nothing is left."""
    pids, log = tmp_path / "pids", tmp_path / "log.jsonl"
    script = tmp_path / "bell"
    script.write_text(f"#!/bin/sh\nsleep 1000 & echo $$ $! > '{pids}'\nwait\n")
    script.chmod(0o755)
    camera = CameraServer(portrait_frames)
    words = ["live", camera.url, "--json", str(log), "--alarm", str(script), "--alarm-after", "0"]
    process = subprocess.Popen(
        [sys.executable, "-m", "masklens", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )
    try:
        deadline = time.monotonic() + 120
        while not (pids.exists() and log.read_bytes().count(b"\n") >= 100):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        began = time.monotonic()
        output, errors = process.communicate(timeout=30)
    finally:
        process.kill()
        camera.cut()
    assert process.returncode == 0, errors
    assert time.monotonic() - began < 15
    assert errors == f"Error: The alarm's command {script} took too long and was ended.\n"
    assert "followed" in output
    assert not any(is_running(pid) for pid in pids.read_text().split())
