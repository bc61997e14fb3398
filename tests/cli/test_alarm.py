"""``masklens live --alarm``, from end to end."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image as PillowImage

from tests.cli.conftest import one_sentence, run
from tests.conftest import ROOT
from tests.io.camera_server import CameraServer
from tests.io.films import write_film
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


@pytest.fixture(scope="module")
def gate(tmp_path_factory):
    """A film of a gate, 3 s: two people with masks stand there, two without pass, one badly worn
    mask comes last."""
    pictures = ROOT / "examples" / "pictures"
    masked, bare, badly = (
        np.asarray(PillowImage.open(pictures / f"{name}.jpg").convert("RGB").resize((256, 256)))
        for name in ("astronaut-masked", "astronaut", "astronaut-badly-worn")
    )
    nobody = np.full_like(masked, 90)
    scenes = [(nobody, nobody), (bare, nobody), (nobody, bare), (nobody, nobody), (badly, nobody)]
    images = [np.hstack([masked, masked, *scene]) for scene in scenes for _ in range(15)]
    return write_film(tmp_path_factory.mktemp("gate") / "gate.mp4", images)


def test_too_small_a_share_rings_the_bell_once(gate, bell, tmp_path):
    script, out = bell
    log = tmp_path / "log.jsonl"
    options = ("--alarm", script, "--alarm-after", 0.2, "--alarm-people", 3, "--alarm-pause", 0)
    result = run("live", gate, "--json", log, *options, "--alarm-share", 0.6)
    assert (result.exit_code, result.stderr) == (0, "")
    (event,) = map(json.loads, out.read_text().splitlines())
    assert (event["source"], event["kind"]) == (str(gate), "share")
    assert (event["people"], event["share_compliant"]) == (4, 0.5)
    assert event["counts"] == {"with_mask": 2, "without_mask": 2, "mask_worn_incorrectly": 0}
    assert 0.2 <= event["seconds"] < 0.3
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert lines[event["frame"]]["time"] == event["time"]
    seen = {face["track"] for line in lines[: event["frame"] + 1] for face in line["faces"]}
    assert len(seen) == event["people"]
    out.unlink()
    # There are two of five at the end, and two of three while each of the others passes.
    for more in ((0.4,), (0.6, "--alarm-people", 6), (0.6, "--alarm-minutes", 0.001)):
        assert run("live", gate, *options, "--alarm-share", *more).exit_code == 0
        assert not out.exists()


def test_a_command_finds_the_share_in_its_environment(gate, tmp_path):
    out = tmp_path / "out"
    bell = f"""sh -c 'echo "$MASKLENS_KIND $MASKLENS_PEOPLE $MASKLENS_SHARE_COMPLIANT" > {out}'"""
    options = ("--alarm-share", 0.6, "--alarm-people", 4, "--alarm-after", 0)
    result = run("live", gate, "--alarm", bell, *options)
    assert (result.exit_code, result.stderr) == (0, "")
    assert out.read_text() == "share 4 0.5\n"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--alarm-share", "0.8"], "say when --alarm is raised. Give it."),
        (["--alarm", "true", "--alarm-people", "5"], "are of --alarm-share. Give it."),
        (["--alarm", "true", "--alarm-minutes", "5"], "are of --alarm-share. Give it."),
        *(
            (["--alarm", "true", "--alarm-share", value], "'--alarm-share'")
            for value in ("0", "-0.1", "1.01", "80", "80%", "nan", "")
        ),
        *(
            (["--alarm", "true", "--alarm-share", "0.8", "--alarm-people", value], "-people'")
            for value in ("0", "-3", "2.5", "some")
        ),
        *(
            (["--alarm", "true", "--alarm-share", "0.8", "--alarm-minutes", value], "-minutes'")
            for value in ("0", "-1", "nan", "inf")
        ),
    ],
)
def test_wrong_use_of_the_share(film, options, message):
    result = run("live", film, *options)
    assert result.exit_code == 2
    assert message in result.output


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
