"""Reports, from logs that the writers of ``live`` and ``detect`` have written."""

import gzip
import json
import os
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from scipy import stats

from masklens.detections import Detections
from masklens.errors import InputError
from masklens.io.frames import Frame
from masklens.io.log_files import find_logs
from masklens.io.logs import JsonLines
from masklens.io.writers import frame_record
from masklens.labels import LABELS
from masklens.stream.records import TrackRecord
from masklens.stream.report import make_reports
from masklens.stream.results import TrackTable, frame_line

BERLIN = ZoneInfo("Europe/Berlin")
MASK, NONE, BADLY = LABELS


def shown(tracks):
    """The detections of a frame: track -> label."""
    columns = [LABELS.index(label) for label in tracks.values()]
    return Detections(
        boxes=np.tile(np.array([[10, 10, 40, 50]], np.float32), (len(tracks), 1)),
        scores=np.full(len(tracks), 0.9, np.float32),
        face_scores=np.full(len(tracks), 0.9, np.float32),
        probabilities=np.eye(len(LABELS), dtype=np.float32)[columns].reshape(-1, len(LABELS)),
        labels=LABELS,
        landmarks=np.zeros((len(tracks), 5, 2), np.float32),
        track_ids=np.array(list(tracks), np.int64),
    )


class Run:
    """A run of ``live``: a log, and the table beside it.

    Args:
        log: the path of its lines; rows go beside it.
        clock: local time of its first frame; None for a film.
    """

    def __init__(self, log, clock):
        self.log, self.clock = Path(log), clock and datetime.fromisoformat(clock)
        self.index = self.session = 0
        self.time = 0.0
        self.tracks = {}

    def frames(self, seconds, tracks=None, rate=5):
        """So many seconds of frames, with these faces."""
        with JsonLines(self.log, append=True) as lines:
            for _ in range(round(seconds * rate)):
                frame = Frame(np.zeros((60, 80, 3), np.uint8), "cam", index=self.index)
                frame.time, frame.session = self.time, self.session
                frame.clock = self.now()
                lines.write(frame_line(frame, shown(tracks or {})))
                for number, label in (tracks or {}).items():
                    record = self.tracks.setdefault(
                        number, TrackRecord(number, self.time, self.time, clock=frame.clock)
                    )
                    record.shown(self.time, label)
                self.index += 1
                self.time += 1 / rate
        return self

    def now(self):
        """Local time, with the offset that Berlin has then."""
        if self.clock is None:
            return None
        moment = self.clock.astimezone(ZoneInfo("UTC")) + timedelta(seconds=self.time)
        local = moment.astimezone(BERLIN)
        return datetime.fromisoformat(local.isoformat())

    def lost(self, seconds):
        """The camera is away."""
        self.session += 1
        self.time += seconds
        return self

    def end(self, source="rtsp://hall.local/4k"):
        """All tracks get their rows."""
        with TrackTable(self.log.with_suffix(".tracks.csv"), append=True) as table:
            for record in self.tracks.values():
                table.ended(source, record)
        self.tracks = {}
        return self


def report(*places, by="hour"):
    """The reports, and how many lines were broken."""
    broken = []

    def fail(error):
        raise error

    logs = find_logs(map(Path, places), fail)
    made = make_reports(logs, by, on_broken=lambda _, n: broken.append(n), on_error=fail)
    return made, sum(broken)


def only(*places, by="hour"):
    ((one,), broken) = report(*places, by=by)
    assert broken == 0
    return one


def start_of(row):
    return row.start if isinstance(row.start, float) else row.start.isoformat(timespec="minutes")


def test_people_are_counted_where_they_were_first_seen_with_the_label_they_had_most(tmp_path):
    run = Run(tmp_path / "hall.jsonl", "2026-05-04T08:59:50+02:00")
    run.frames(8, {1: MASK}).frames(4, {1: NONE, 2: NONE}).frames(3, {2: NONE, 3: BADLY})
    nine, ten = only(run.log).rows
    assert [start_of(row) for row in (nine, ten)] == [
        "2026-05-04T08:00+02:00",
        "2026-05-04T09:00+02:00",
    ]
    assert (nine.people, dict(nine.labels), nine.at_once) == (2, {MASK: 1, NONE: 1}, 2)
    assert (ten.people, dict(ten.labels), ten.at_once) == (1, {BADLY: 1}, 2)
    assert nine.observed == pytest.approx(10)
    assert ten.observed == pytest.approx(4.8)  # up to the last frame
    total = only(run.log).total
    assert (total.people, total.at_once, total.observed) == (3, 2, pytest.approx(14.8))
    share, low, high = total.compliant
    expected = stats.binomtest(1, 3).proportion_ci(method="wilson")
    assert (share, low, high) == pytest.approx((1 / 3, expected.low, expected.high))


def test_a_person_has_the_label_of_most_frames_and_not_the_first_one(tmp_path):
    run = Run(tmp_path / "hall.jsonl", "2026-05-04T09:00:00+02:00")
    run.frames(1, {1: NONE}).frames(3, {1: MASK}).frames(1, {1: NONE})
    assert dict(only(run.log).total.labels) == {MASK: 1}


def test_what_log_and_table_tell_is_counted_once(tmp_path):
    run = Run(tmp_path / "hall.jsonl", "2026-05-04T09:00:00+02:00")
    run.frames(3, {1: MASK, 2: NONE}).end().frames(3, {3: MASK})  # killed: 3 has no row
    table = tmp_path / "hall.tracks.csv"
    assert [r.people for r in only(run.log, table).rows] == [3]
    assert [r.people for r in only(table, run.log, tmp_path).rows] == [3]
    alone = only(table).rows[0]
    assert (alone.people, alone.at_once, alone.observed, alone.away) == (2, None, None, None)


def test_away_is_told_where_it_began_and_hours_without_anybody_have_a_row(tmp_path):
    run = Run(tmp_path / "hall.jsonl", "2026-05-04T09:59:00+02:00").frames(30)
    run.lost(2 * 3600).frames(20, {1: MASK})
    first, last = only(run.log).rows
    assert [start_of(row)[11:13] for row in (first, last)] == ["09", "11"]
    assert (first.people, first.compliant, first.at_once) == (0, None, 0)
    assert first.observed == pytest.approx(29.8)
    assert first.away == pytest.approx(2 * 3600 + 0.2)
    assert (last.people, last.away, last.observed) == (1, 0, pytest.approx(19.8))


def test_a_clock_that_is_set_back_makes_no_second_count_twice(tmp_path):
    run = Run(tmp_path / "hall.jsonl", "2026-05-04T09:10:00+02:00").frames(20, {1: MASK})
    run.clock -= timedelta(seconds=10)
    (row,) = only(run.frames(20, {1: MASK}).log).rows
    assert (row.people, row.observed, row.away) == (1, pytest.approx(29.8), 0)


def test_a_clock_that_is_set_back_by_an_hour_leaves_each_hour_what_was_watched_in_it(tmp_path):
    run = Run(tmp_path / "hall.jsonl", "2026-05-04T10:10:00+02:00").frames(20)
    run.clock -= timedelta(hours=1)
    nine, ten = only(run.frames(20).log).rows
    assert (nine.observed, ten.observed) == (pytest.approx(19.8), pytest.approx(19.8))


def test_a_clock_that_was_behind_for_a_while_makes_no_interruption_longer(tmp_path):
    run = Run(tmp_path / "hall.jsonl", "2026-05-04T09:10:00+02:00").frames(60)
    run.clock -= timedelta(seconds=40)
    run.frames(20)  # from 20 to 40 seconds, which were watched already
    run.clock += timedelta(seconds=40)
    (row,) = only(run.frames(10).log).rows  # from 80 seconds
    assert (row.observed, row.away) == (pytest.approx(59.8 + 9.8), pytest.approx(20.2))


def test_interruptions_of_all_hours_together(tmp_path):
    run = Run(tmp_path / "hall.jsonl", "2026-05-04T09:10:00+02:00").frames(1)
    one = only(run.lost(3600).frames(1).lost(1800).frames(1).log)
    assert [row.away for row in one.rows] == [pytest.approx(3600.2), pytest.approx(1800.2)]
    assert one.total.away == pytest.approx(5400.4)


def test_most_at_once_and_minutes_of_a_camera(tmp_path):
    run = Run(tmp_path / "hall.jsonl", "2026-05-04T09:59:00+02:00")
    run.frames(30, {1: MASK, 2: MASK, 3: NONE}).frames(30, {1: MASK}).frames(30, {1: MASK, 4: NONE})
    rows = only(run.log, by="minute").rows
    assert [(start_of(row)[11:16], row.people, row.at_once) for row in rows] == [
        ("09:59", 3, 3),
        ("10:00", 1, 2),
    ]


def test_a_log_to_which_a_film_and_a_camera_were_appended(tmp_path):
    for clock in (None, "2026-05-04T09:00:00+02:00"):
        run = Run(tmp_path / "hall.jsonl", clock).frames(5, {1: MASK})
    reports, broken = report(run.log)
    assert [(r.total.people, r.total.observed) for r in reports] == [(1, pytest.approx(4.8))] * 2
    assert broken == 0


def test_between_two_frames_an_hour_ends_for_both(tmp_path):
    run = Run(tmp_path / "hall.jsonl", "2026-05-04T08:59:55+02:00").frames(30, rate=0.1)
    eight, nine = only(run.log).rows  # frames at 55, 5 and 15 seconds
    assert (eight.observed, nine.observed) == (5, 15)


@pytest.mark.parametrize("again", ["camera", "run"])
def test_a_short_interruption_was_not_watched(tmp_path, again):
    run = Run(tmp_path / "hall.jsonl", "2026-05-04T09:00:00+02:00").frames(10, {1: MASK})
    run = run.lost(5) if again == "camera" else Run(run.log, "2026-05-04T09:00:15+02:00")
    (row,) = only(run.frames(10, {1: MASK}).log).rows
    assert (row.observed, row.away) == (pytest.approx(2 * 9.8), pytest.approx(5.2))
    assert row.people == (1 if again == "camera" else 2)  # numbers are of a run


def test_runs_of_a_single_frame_have_people_of_their_own(tmp_path):
    for second in (0, 5):
        run = Run(tmp_path / "hall.jsonl", f"2026-05-04T09:00:0{second}+02:00")
        run.frames(0.2, {1: MASK})
    assert only(run.log).total.people == 2
    for _ in range(2):
        run = Run(tmp_path / "walk.jsonl", None).frames(0.2, {1: MASK})
    assert [r.total.people for r in report(run.log)[0]] == [1, 1]


@pytest.mark.parametrize(("pause", "observed"), [(15, 30), (30, 0)])
def test_how_long_a_camera_may_send_nothing(tmp_path, pause, observed):
    """HLS sends pieces of 15 seconds; half a minute without a frame is an interruption."""
    run = Run(tmp_path / "hall.jsonl", "2026-05-04T09:00:00+02:00")
    (row,) = only(run.frames(3 * pause, rate=1 / pause).log).rows
    assert (row.observed, row.away) == (observed, 60 if pause == 30 else 0)


def test_a_run_that_stood_still_did_not_watch(tmp_path):
    run = Run(tmp_path / "hall.jsonl", "2026-05-04T09:00:00+02:00").frames(10, rate=0.1)
    run.frames(40, rate=0.1)
    run.time += 100  # the machine slept; the same session
    (row,) = only(run.frames(40, rate=0.1).log).rows
    assert row.observed == pytest.approx(40 + 30)
    assert row.away == pytest.approx(110)


@pytest.mark.parametrize("by", ["hour", "day"])
def test_the_hour_that_the_end_of_summer_time_repeats(tmp_path, by):
    """Three hours and a half, from half past one: two of the clock's hours are called two."""
    run = Run(tmp_path / "hall.jsonl", "2026-10-25T01:30:00+02:00")
    for number in range(1, 22):  # somebody new every ten minutes
        run.frames(600, {number: MASK}, rate=0.2)
    rows = only(run.log, by=by).rows
    if by == "day":
        assert [(start_of(r), r.people) for r in rows] == [("2026-10-25T00:00", 21)]
        assert rows[0].observed == pytest.approx(3.5 * 3600, abs=6)
        return
    assert [(start_of(row)[11:], row.people) for row in rows] == [
        ("01:00+02:00", 3),
        ("02:00+02:00", 6),
        ("02:00+01:00", 6),
        ("03:00+01:00", 6),
    ]
    assert [round(row.observed) for row in rows] == [1800, 3600, 3600, 3595]


def test_the_hour_that_summer_time_leaves_out(tmp_path):
    run = Run(tmp_path / "hall.jsonl", "2026-03-29T01:50:00+01:00")
    run.frames(1200, {1: MASK}, rate=0.2)
    rows = only(run.log).rows
    assert [start_of(row)[11:] for row in rows] == ["01:00+01:00", "03:00+02:00"]
    assert [round(row.observed) for row in rows] == [600, 595]


def test_rotated_logs_are_one_and_copies_of_them_change_nothing(tmp_path):
    log, old = tmp_path / "hall.jsonl", tmp_path / "hall.jsonl.1"
    run = Run(log, "2026-05-04T09:00:00+02:00").frames(5, {1: MASK})
    with gzip.open(tmp_path / "hall.jsonl.2.gz", "wb") as file:
        file.write(log.read_bytes())
    os.truncate(log, 0)  # as logrotate does with copytruncate
    run.frames(5, {1: MASK, 2: NONE})
    old.write_bytes(log.read_bytes())
    os.truncate(log, 0)
    run.frames(5, {2: NONE, 3: NONE})
    (tmp_path / "hall.jsonl-20260503").write_bytes(b"")
    for places in ([tmp_path], [log, old, tmp_path / "hall.jsonl.2.gz"]):
        one = only(*places)
        assert one.name == str(tmp_path / "hall")
        (row,) = one.rows
        assert (row.people, row.at_once, row.away) == (3, 2, 0)
        assert row.observed == pytest.approx(14.8)
    # logrotate has copied the log, and has not emptied it yet; nor has it removed what it packed.
    (tmp_path / "hall.jsonl.3").write_bytes(log.read_bytes()[:1000])
    with gzip.open(tmp_path / "hall.jsonl.1.gz", "wb") as file:
        file.write(old.read_bytes()[:1500])
    (row,) = report(tmp_path)[0][0].rows
    assert (row.people, row.observed, row.away) == (3, pytest.approx(14.8), 0)


@pytest.mark.parametrize("older", [(".2", ".1"), ("-20260503", "-20260504")])
def test_the_rotated_log_of_a_film_is_of_one_run(tmp_path, older):
    """Its lines have no clock that says which file goes on with which."""
    run = Run(tmp_path / "walk.jsonl", None)
    for suffix in older:
        run.frames(5, {1: MASK})
        run.log.rename(f"{run.log}{suffix}")
    one = only(run.frames(5, {1: MASK, 2: NONE}).log.parent)
    assert (one.total.people, one.total.observed) == (2, pytest.approx(14.8))


def test_a_log_that_is_being_written_and_one_that_was_killed(tmp_path):
    run = Run(tmp_path / "hall.jsonl", "2026-05-04T09:00:00+02:00").frames(2, {1: MASK}).end()
    table = tmp_path / "hall.tracks.csv"
    for path, part in ((run.log, '{"frame":10,"ti'), (table, '"rtsp://hall.loc')):
        with path.open("a") as file:
            file.write(part)
    reports, broken = report(run.log, table)
    assert (reports[0].total.people, broken) == (1, 0)  # the line is still being written
    Run(run.log, "2026-05-04T09:01:00+02:00").frames(2, {1: NONE}).end()  # it is started again
    reports, broken = report(run.log, table)
    assert (dict(reports[0].total.labels), broken) == ({MASK: 1, NONE: 1}, 2)


@pytest.mark.parametrize("kind", ["jsonl", "tracks.csv"])
def test_a_byte_order_mark_in_front_of_a_log_is_passed_over(tmp_path, kind):
    Run(tmp_path / "hall.jsonl", "2026-05-04T09:00:00+02:00").frames(1, {1: MASK}).end()
    file = tmp_path / f"hall.{kind}"
    saved = tmp_path / f"saved.{kind}"
    saved.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())  # as spreadsheets save tables
    assert only(saved).total.people == 1


def test_a_packed_log_that_is_not_finished_counts_up_to_there(tmp_path):
    run = Run(tmp_path / "hall.jsonl", "2026-05-04T09:00:00+02:00").frames(60, {1: MASK})
    packed = tmp_path / "hall.jsonl.1.gz"
    packed.write_bytes(gzip.compress(run.log.read_bytes())[:-200])
    assert only(packed).total.people == 1
    broken = bytearray(gzip.compress(run.log.read_bytes()))
    broken[-8] ^= 1  # of the checksum
    packed.write_bytes(broken)
    told = []
    (made,) = make_reports(find_logs([packed], told.append), "hour", on_error=told.append)
    assert made.total.people == 1
    (error,) = told
    assert "hall.jsonl.1.gz: CRC check failed" in str(error)
    packed.write_bytes(run.log.read_bytes())
    with pytest.raises(InputError, match="Not a gzipped file"):
        report(packed)


@pytest.mark.parametrize("name", ["hall.jsonl.2.xz", "hall.tracks.csv-20260504.zst"])
def test_logs_that_are_packed_by_others_are_told(tmp_path, name):
    Run(tmp_path / "hall.jsonl", "2026-05-04T09:00:00+02:00").frames(1)
    (tmp_path / name).write_bytes(b"\xfd7zXZ\0")
    told = []
    assert len(find_logs([tmp_path], told.append)) == 1
    assert [str(error).partition(" cannot be read packed")[0] for error in told] == [
        str(tmp_path / name)
    ]


def test_films_are_told_by_their_own_time(tmp_path):
    run = (
        Run(tmp_path / "walk.jsonl", None).frames(50, {1: MASK}).frames(20, {2: NONE}).end("a.mp4")
    )
    one = only(tmp_path, by="minute")  # the table tells nothing else
    assert one.name == str(tmp_path / "walk")
    assert [(r.start, r.people, dict(r.labels)) for r in one.rows] == [
        (0.0, 2, {MASK: 1, NONE: 1}),
        (60.0, 0, {}),
    ]
    assert [r.observed for r in one.rows] == [pytest.approx(60), pytest.approx(9.8)]
    table = tmp_path / "walk.tracks.csv"
    assert only(table, run.log, by="minute").name == one.name
    assert only(table, by="minute").name == "a.mp4"
    Run(run.log, None).frames(5, {1: BADLY})  # another film, with --append
    again = report(run.log)[0]
    assert [(r.name, r.total.people) for r in again] == [(one.name, 2), (f"{one.name} (run 2)", 1)]


def test_what_detect_writes_of_films_and_pictures(tmp_path):
    log = tmp_path / "r.jsonl"
    with JsonLines(log) as lines, TrackTable(tmp_path / "t.csv") as table:
        for _ in range(150):
            lines.write(frame_record(Frame(np.zeros((9, 9, 3), np.uint8), "a.jpg"), shown({})))
        for film, label in (("a.mp4", MASK), ("b.mp4", NONE)):
            for index in range(10):
                frame = Frame(np.zeros((9, 9, 3), np.uint8), film, index=index, time=index / 3)
                tracks = {1: label, 2: label} if index else {1: label}
                lines.write(frame_record(frame, shown(tracks)))
            for number, first in ((1, 0), (2, 1 / 3)):
                record = TrackRecord(number, first, 3, frames_by_label=Counter([label]))
                table.ended(film, record)
    for places in ([log], [tmp_path / "t.csv"], [tmp_path], [tmp_path / "t.csv", log]):
        reports, broken = report(*places)
        assert broken == 0
        assert [(r.name, dict(r.total.labels)) for r in reports] == [
            ("a.mp4", {MASK: 2}),
            ("b.mp4", {NONE: 2}),
        ]


def test_films_whose_logs_begin_alike_are_two_runs(tmp_path):
    """Nobody is there at first, and live does not name its film."""
    for day, label in (("20260503", MASK), ("20260504", NONE)):
        Run(tmp_path / f"walk-{day}.jsonl", None).frames(1).frames(9, {1: label})
    (tmp_path / "walk.jsonl.2").write_bytes((tmp_path / "walk-20260503.jsonl").read_bytes())
    (tmp_path / "walk.jsonl.3").write_bytes((tmp_path / "walk-20260504.jsonl").read_bytes()[:2000])
    reports, broken = report(tmp_path)
    assert [(dict(r.total.labels), broken) for r in reports] == [({MASK: 1}, 0), ({NONE: 1}, 0)]
    nobody = Run(tmp_path / "empty" / "walk.jsonl", None)
    nobody.log.parent.mkdir()
    assert only(nobody.frames(5).log).total.observed == pytest.approx(4.8)


def test_two_cameras_are_two_reports(tmp_path):
    for name in ("hall", "gate"):
        Run(tmp_path / f"{name}.jsonl", "2026-05-04T09:00:00+02:00").frames(2, {1: MASK}).end()
    assert [r.name for r in report(tmp_path)[0]] == [str(tmp_path / n) for n in ("gate", "hall")]


def test_a_name_with_a_date_is_the_same_camera(tmp_path):
    for day in ("2026-05-04", "2026-05-05"):
        Run(tmp_path / f"hall-{day}.jsonl", f"{day}T09:00:00+02:00").frames(2, {1: MASK})
    one = only(tmp_path, by="day")
    assert one.name == str(tmp_path / "hall")
    assert [row.people for row in one.rows] == [1, 1]
    assert one.rows[0].away == pytest.approx(86400 - 1.8)


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("hall.jsonl", "hall"),
        ("hall.jsonl.12", "hall"),
        ("hall.json", "hall"),  # live does not mind
        ("hall.tracks.csv.3.gz", "hall"),
        ("hall.tracks.csv-20260504.gz", "hall"),
        ("hall_2026-05-04.jsonl", "hall"),
        ("20260504.jsonl", ""),
        ("hall.jsonl-2026050409", "hall"),  # logrotate's hourly dateext
        ("hall.jsonl-20260504-1777880000.gz", "hall"),  # its %s
        ("hall_2026-05-04_09-30.jsonl", "hall"),
        ("hall-20260504T093000.tracks.csv", "hall"),
        ("hall-2026-05-04-12.jsonl", "hall-12"),  # may be the camera
        ("cam-2026050499.jsonl", "cam-2026050499"),
        ("cam-10203040.jsonl", "cam-10203040"),  # no date
        ("cam-120260504.jsonl", "cam-120260504"),
        ("192.168.1.20.jsonl", "192.168.1.20"),
        ("faces.csv", "faces"),
    ],
)
def test_which_files_are_of_one_log(tmp_path, name, family):
    run = Run(tmp_path / "a.jsonl", "2026-05-04T09:00:00+02:00").frames(1, {1: MASK}).end()
    content = (run.log.with_suffix(".tracks.csv") if "csv" in name else run.log).read_bytes()
    (tmp_path / "logs").mkdir()
    path = tmp_path / "logs" / name
    path.write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    (log,) = find_logs([tmp_path / "logs"], pytest.fail)
    assert log.family == str(tmp_path / "logs" / family)


def test_lines_that_make_no_sense_cost_only_themselves(tmp_path):
    run = Run(tmp_path / "hall.jsonl", "2026-05-04T09:00:00+02:00").frames(2, {1: MASK})
    clock = "2026-05-04T09:00:01+02:00"
    strange = [
        *("[]", "7", "null", "{}", "[" * 5000, '{"time":0}', '{"time":0,"faces":[]}'),
        json.dumps({"frame": 1, "time": float("nan"), "faces": []}),
        json.dumps({"frame": 1, "time": 0, "faces": [], "clock": "yesterday"}),
        json.dumps({"frame": 1, "time": 0, "faces": [], "clock": clock[:-6]}),
        json.dumps({"frame": 1, "time": 0, "faces": [{"track": 1e999}], "clock": clock}),
        json.dumps({"frame": 1, "time": 0, "faces": [None], "clock": clock}),
        json.dumps({"frame": 1, "time": 0, "faces": 3, "clock": 5}),
        "\0" * 40,
        "x" * 3_000_000,
    ]
    with run.log.open("a") as file:
        file.write("\n".join(strange) + "\n")
    run.frames(2, {1: MASK})
    reports, broken = report(run.log)
    assert (reports[0].total.people, reports[0].total.observed) == (1, pytest.approx(3.8))
    assert broken == len(strange) + 3  # the longest one counts by the million
