"""``masklens report``, from end to end: what it shows, writes and says."""

import csv
import json
import os
import subprocess
import sys

import pytest

from tests.cli.conftest import run
from tests.io.camera_server import CameraServer
from tests.stream.test_report import BADLY, MASK, NONE, Run

HOUR = "2026-05-04T09:{}:00+02:00"


@pytest.fixture
def hall(tmp_path):
    """Two hours of a camera, with a run that was killed and a camera that was away."""
    (tmp_path / "logs").mkdir()
    first = Run(tmp_path / "logs" / "hall.jsonl", HOUR.format("58"))
    first.frames(20, dict.fromkeys(range(1, 10), MASK)).frames(10, {10: NONE}).lost(60)
    first.frames(30, {11: BADLY, 12: MASK}).end()
    first.log.write_text(first.log.read_text() + '{"frame":3')
    Run(first.log, "2026-05-04T10:10:00+02:00").frames(10, {1: MASK}).end()
    return first.log


@pytest.fixture
def values_of(tmp_path_factory):
    """What ``--json`` has for a row."""

    def values(*arguments):
        file = tmp_path_factory.mktemp("report") / "r.json"
        result = run("report", *arguments, "--json", file)
        assert result.exit_code == 0, result.output
        return json.loads(file.read_text())

    return values


def test_the_table_fits_a_terminal_and_adds_up(hall):
    result = run("report", hall.parent)
    assert result.exit_code == 0, result.output
    assert "Skipped: 1 line of " in result.stderr
    lines = result.stdout.splitlines()
    assert max(map(len, lines)) <= 79
    assert lines[0] == str(hall.with_suffix(""))
    assert lines[1].split()[:5] == ["2026-05-04", "people", "mask", "badly", "none"]
    rows = [" ".join(line.split()) for line in lines[2:5]]
    assert rows == [
        "09:00 12 10 1 1 83% (55–95) 9 0:01:00 0:11:00",
        "10:00 1 1 0 0 100% (21–100) 1 0:00:10 0:00:00",
        "all 13 11 1 1 85% (58–96) 9 0:01:09 0:11:00",
    ]
    assert "counts twice" in result.stdout
    assert "and their labels for right" in result.stdout


def test_the_same_as_csv_and_as_json(hall, tmp_path):
    table, values = tmp_path / "r.csv", tmp_path / "r.json"
    result = run("report", hall, "--by", "minute", "--csv", table, "--json", values)
    assert result.exit_code == 0, result.output
    assert f"Written: {table}" in result.stdout
    rows = list(csv.DictReader(table.open()))
    same = json.loads(values.read_text())
    assert [row["start"] for row in rows] == [
        f"2026-05-04T{t}+02:00" for t in ("09:58", "09:59", "10:10")
    ]
    assert [row["people"] for row in rows] == ["10", "2", "1"]
    assert [{k: "" if v is None else str(v) for k, v in row.items()} for row in same] == rows
    assert float(rows[1]["share_compliant"]) == 0.5
    assert float(rows[1]["low"]) == pytest.approx(0.0945, abs=1e-4)
    words = [sys.executable, "-m", "masklens", "report", hall, "--by", "day", "--csv", "-"]
    by_day = subprocess.run(words, capture_output=True, text=True, check=True)
    assert by_day.stdout.splitlines()[1].split(",")[1:4] == ["2026-05-04", "13", "11"]
    assert "compliant" in by_day.stderr


def test_a_report_among_the_logs_is_not_read_by_the_next_one(hall):
    table = hall.parent / "report.csv"
    for _ in range(2):
        result = run("report", hall.parent, "--csv", table)
        assert result.exit_code == 0, result.output
    assert len(list(csv.DictReader(table.open()))) == 2


def test_what_cannot_be_reported_is_one_sentence_each(hall, tmp_path, portrait_file):
    (tmp_path / "empty.jsonl").write_bytes(b"")
    (tmp_path / "begun.jsonl").write_text('{"frame":0,')
    (tmp_path / "faces.csv").write_text("file,x,y\n")
    (tmp_path / "r.json").write_text("[\n  {}\n]\n")
    (tmp_path / "folder").mkdir()
    for name, message in (
        ("absent.jsonl", "absent.jsonl does not exist."),
        ("empty.jsonl", "empty.jsonl has no whole line in it yet."),
        ("begun.jsonl", "begun.jsonl has no whole line in it yet."),
        ("faces.csv", 'faces.csv is no log of moving pictures: it begins with "file,x,y".'),
        ("r.json", 'r.json is no log of moving pictures: it begins with "[".'),
        ("folder", "folder has no log of moving pictures in it. Logs are"),
    ):
        alone = run("report", tmp_path / name)
        assert alone.exit_code == 1
        assert message in alone.output
        assert len(alone.output.splitlines()) == 1, alone.output
        beside = run("report", tmp_path / name, hall)
        assert beside.exit_code == 1
        assert message in beside.stderr
        assert "all " in beside.stdout
    for place in ("x" * 300, hall / "x"):  # as a folder that may not be entered, also for root
        beside = run("report", place, hall)
        assert beside.exit_code == 1
        assert beside.stderr.count("Error: ") == 1, beside.stderr
        assert "all " in beside.stdout
    assert "astronaut.jpg is no log of moving pictures: it is no text." in (
        run("report", portrait_file).output
    )
    assert run("report").exit_code == 2
    assert run("report", "").exit_code == 2


def test_a_log_without_rights_does_not_end_the_report_of_the_others(hall, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, *_, **__: "closed" not in str(path))
    (closed := hall.with_name("closed.jsonl")).write_bytes(hall.read_bytes())
    result = run("report", hall, closed)  # root may read it all the same
    assert result.exit_code == 0, result.output
    assert result.stdout.count("all ") == 2


def test_a_log_is_not_replaced_by_its_report(hall):
    before = hall.read_bytes()
    result = run("report", hall.parent, "--csv", hall)
    assert result.exit_code == 2
    assert "is read" in result.output
    result = run("report", hall, "--json", hall / "r.json")
    assert result.exit_code == 1
    assert "Cannot write" in result.output
    assert hall.read_bytes() == before


def test_a_table_without_anybody_yet(tmp_path):
    table = Run(tmp_path / "hall.jsonl", HOUR.format("00")).end().log.with_suffix(".tracks.csv")
    result = run("report", table)
    assert result.exit_code == 0, result.output
    assert "Nobody" in result.output


def test_of_a_camera_that_live_watches(portrait_frames, tmp_path, values_of):
    """A real run, whose camera is lost after a second."""
    log = tmp_path / "log.jsonl"
    server = CameraServer(portrait_frames, moment=25)
    try:
        run("live", server.url, "--json", log, "--give-up", 0)
    finally:
        server.cut()
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    tracks = {(line.get("session", 0), f["track"]) for line in lines for f in line["faces"]}
    both, alone, table = (
        values_of(*places, "--by", "day")
        for places in ([tmp_path], [log], [tmp_path / "log.tracks.csv"])
    )
    assert both == alone  # each face has the same key in both files
    assert sum(row["people"] for row in both) == sum(row["people"] for row in table) == len(tracks)
    assert sum(row["without_mask"] for row in both) == len(tracks)
    assert max(row["at_once"] for row in both) == 1
    assert 0 < sum(row["away"] for row in both) < 30


def test_of_films_that_live_and_detect_labelled(film, tmp_path, values_of):
    run("live", film, "--json", tmp_path / "live.jsonl")
    run("detect", film, "--json", tmp_path / "d.jsonl", "--tracks", tmp_path / "t.csv")
    assert [(row["source"], row["people"]) for row in values_of(tmp_path)] == [
        (str(film), 1),
        (str(tmp_path / "live"), 1),
    ]


def test_it_needs_no_extra(hall):
    probe = (
        "import sys\n"
        "for name in ('av', 'scipy', 'sklearn'): sys.modules[name] = None\n"
        "from masklens.cli import main\nmain(sys.argv[1:], standalone_mode=False)"
    )
    done = subprocess.run(
        [sys.executable, "-c", probe, "report", str(hall)], capture_output=True, text=True
    )
    assert "compliant" in done.stdout, done.stderr
