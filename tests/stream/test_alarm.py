"""When alarms are raised, frame by frame."""

from datetime import datetime

import numpy as np
import pytest

from masklens.io.frames import Frame
from masklens.labels import LABELS
from masklens.stream.alarm import Alarm
from tests.stream.test_report import shown

MASK, NONE, BADLY = LABELS
GREY = np.zeros((60, 80, 3), np.uint8)


def events(alarm, *scenes, rate=10):
    """(time, track) of each alarm; a scene is its seconds and the faces that are shown in it."""
    raised, index = [], 0
    for seconds, tracks in scenes:
        for _ in range(round(seconds * rate)):
            frame = Frame(GREY, "a", index=index, time=index / rate)
            if event := alarm.update(frame, shown(tracks)):
                raised.append((event["time"], event["track"]))
            index += 1
    return raised


@pytest.mark.parametrize(
    ("scenes", "expected"),
    [
        ([(5, {1: NONE})], [(2.0, 1)]),
        ([(5, {1: BADLY})], [(2.0, 1)]),
        ([(1, {1: NONE}), (5, {1: BADLY})], [(2.0, 1)]),  # one is as bad as the other
        ([(9, {1: MASK}), (9, {})], []),
        ([(1.9, {1: NONE}), (0.1, {1: MASK}), (1.9, {1: NONE})], []),
        ([(1, {1: NONE}), (0.5, {}), (5, {1: NONE})], [(2.0, 1)]),  # hidden for a moment
        ([(1, {1: NONE}), (0.8, {}), (5, {1: NONE})], [(2.0, 1)]),
        ([(1, {1: NONE}), (1.2, {}), (5, {1: NONE})], [(4.2, 1)]),  # it begins anew
        ([(1, {1: NONE}), (1, {2: NONE}), (1, {3: NONE})], []),  # nobody for so long
        ([(100, {1: NONE})], [(2.0, 1)]),  # once
        ([(3, {1: NONE}), (9, {1: MASK}), (9, {1: NONE})], [(2.0, 1)]),  # and once only
        ([(5, {1: NONE, 2: NONE})], [(2.0, 1)]),  # the surest first
        ([(30, {1: NONE, 2: NONE, 3: MASK})], [(2.0, 1), (12.0, 2)]),  # still there after the pause
        ([(5, {1: NONE}), (3, {2: NONE}), (9, {3: NONE})], [(2.0, 1), (12.0, 3)]),
    ],
)
def test_alarms(scenes, expected):
    assert events(Alarm(after=2, pause=10), *scenes) == expected


def test_at_once_and_without_a_pause():
    everybody = dict.fromkeys(range(1, 6), NONE)
    assert events(Alarm(after=0, pause=0), (1, everybody)) == [
        (pytest.approx(i / 10), i + 1) for i in range(5)
    ]


def test_frames_that_come_slowly():
    assert events(Alarm(after=2, pause=0), (30, {1: NONE}), rate=0.1) == [(10.0, 1)]


def test_nothing_is_kept_of_those_who_are_gone():
    alarm = Alarm(after=2, pause=0)
    events(alarm, *((0.5, {number: NONE}) for number in range(1, 400)))
    assert len(alarm._shown) < 5


def test_the_event_says_what_is_known_and_holds_no_picture():
    alarm = Alarm(after=0, pause=0)
    frame = Frame(GREY, "a", index=7, time=0.28)
    frame.clock = datetime.fromisoformat("2026-05-04T09:30:00.125+02:00")
    assert alarm.update(frame, shown({3: BADLY, 4: MASK})) == {
        "frame": 7,
        "time": 0.28,
        "clock": "2026-05-04T09:30:00.125+02:00",
        "track": 3,
        "label": BADLY,
        "score": 0.9,
        "seconds": 0.0,
        "counts": {MASK: 1, NONE: 0, BADLY: 1},
    }


def test_the_event_says_for_how_long_the_face_was_shown():
    alarm = Alarm(after=2, pause=0)
    told = [alarm.update(Frame(GREY, "a", time=time), shown({1: NONE})) for time in (3, 4, 5.25)]
    assert [event and event["seconds"] for event in told] == [None, None, 2.25]


def test_faces_without_a_track_raise_none():
    found = shown({1: NONE})
    found.track_ids[:] = -1
    assert Alarm(after=0, pause=0).update(Frame(GREY, "a", time=0.0), found) is None
