"""When alarms are raised, frame by frame."""

from datetime import datetime

import numpy as np
import pytest

from masklens.io.frames import Frame
from masklens.labels import LABELS
from masklens.stream.alarm import Alarm, ShareAlarm
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
        "kind": "person",
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


def crowd(right, wrong, first=1, label=NONE):
    """Tracks: so many with a mask, and so many without."""
    labels = [MASK] * right + [label] * wrong
    return dict(enumerate(labels, first))


def shares(alarm, *scenes, rate=10, stays=None, sessions=None):
    """(time, people, share) of each alarm; a scene is its seconds and who is shown in it, and in
    ``stays`` is who is shown in all; a scene in ``sessions`` begins after the camera was lost."""
    raised, index, session = [], 0, 0
    for number, (seconds, tracks) in enumerate(scenes):
        session += number in (sessions or ())
        for _ in range(round(seconds * rate)):
            frame = Frame(GREY, "a", index=index, time=index / rate, session=session)
            if event := alarm.update(frame, shown({**(stays or {}), **tracks})):
                raised.append((event["time"], event["people"], event["share_compliant"]))
            index += 1
    return raised


def share_alarm(share=0.8, people=5, minutes=1, after=0, pause=0):
    return ShareAlarm(share, people, minutes, after, pause)


@pytest.mark.parametrize(
    ("scenes", "expected"),
    [
        ([(9, crowd(4, 1))], []),  # as many as they should be
        ([(9, crowd(3, 2))], [(0.0, 5, 0.6)]),
        ([(9, crowd(3, 2, label=BADLY))], [(0.0, 5, 0.6)]),
        ([(9, crowd(0, 4))], []),  # too few to tell
        ([(99, {1: MASK}), (9, {2: NONE})], []),
        ([(600, crowd(3, 2))], [(0.0, 5, 0.6)]),  # once
        ([(1, {n: NONE}) for n in range(1, 9)], [(4.0, 5, 0.0)]),  # one after the other
        ([(9, crowd(4, 0)), (9, crowd(3, 1)), (9, {5: NONE})], [(18.0, 5, 0.6)]),  # the last label
        ([(9, crowd(3, 2)), (9, crowd(5, 0)), (9, crowd(3, 2))], [(0.0, 5, 0.6), (18.0, 5, 0.6)]),
        ([(1, crowd(3, 2)), (59, {}), (1, {6: NONE})], [(0.0, 5, 0.6)]),  # the same, and one more
        ([(1, crowd(3, 2)), (61, {}), (1, crowd(3, 2, 6))], [(0.0, 5, 0.6), (62.0, 5, 0.6)]),
        # Too few to tell is no better than before.
        ([(1, crowd(3, 2)), (70, {5: NONE}), (9, crowd(0, 5, 6))], [(0.0, 5, 0.6)]),
        ([(1, crowd(4, 0)), (55, {}), (5, {5: NONE}), (1, {6: NONE})], []),  # the first are gone
        ([(1, crowd(4, 1)), (59, {}), (1, crowd(0, 5, 6))], [(60.0, 10, 0.4)]),
    ],
)
def test_alarms_on_the_share(scenes, expected):
    assert shares(share_alarm(), *scenes) == expected


def test_who_stays_for_an_hour_counts_all_the_time_and_once():
    passing = [(30, {n: NONE}) for n in range(10, 130)]
    assert shares(share_alarm(0.5, 5), *passing, stays=crowd(3, 0), rate=2) == []  # 3 of 6, of 5
    assert shares(share_alarm(0.51, 6), *passing, stays=crowd(3, 0), rate=2) == [(60.0, 6, 0.5)]


def test_the_share_must_be_too_small_for_some_time():
    alarm = share_alarm(after=2, pause=0)
    new_faces = [scene for n in range(6, 30) for scene in ((1.9, {n: NONE}), (1, {n: MASK}))]
    assert shares(alarm, (3, crowd(4, 1)), *new_faces) == []  # first looks that were wrong
    assert shares(share_alarm(after=2), (1, {}), (9, crowd(3, 2))) == [(3.0, 5, 0.6)]
    assert shares(share_alarm(after=2), (30, crowd(3, 2)), rate=0.1) == [(10.0, 5, 0.6)]


def test_the_pause_between_two_alarms_on_the_share():
    bad, good = (10, crowd(3, 2)), (10, crowd(5, 0))
    assert shares(share_alarm(pause=30), bad, good, bad, good, bad) == [(0, 5, 0.6), (40, 5, 0.6)]
    assert shares(share_alarm(pause=30), bad, good, (30, bad[1])) == [(0, 5, 0.6), (30, 5, 0.6)]


@pytest.mark.parametrize(("share", "right", "of"), [(0.55, 11, 20), (0.07, 7, 100), (1, 5, 5)])
def test_as_many_as_asked_are_enough(share, right, of):
    """0.55 · 20 is a little more than 11 for a computer."""
    assert shares(share_alarm(share), (9, crowd(right, of - right))) == []
    assert len(shares(share_alarm(share), (9, crowd(right - 1, of - right + 1)))) == 1


def test_who_is_there_when_the_camera_comes_back_counts_once():
    one_person = [(5, {n: NONE}) for n in range(1, 30)]
    assert shares(share_alarm(), *one_person, sessions=range(1, 29)) == []
    gone_before = [(1, crowd(3, 0)), (5, {4: NONE}), (5, {5: NONE, 6: NONE})]
    assert shares(share_alarm(), *gone_before, sessions=[2]) == [(6.0, 5, 0.6)]


def test_of_thousands_only_the_window_is_kept():
    alarm = share_alarm(minutes=0.5)
    shares(alarm, *((0.1, crowd(2, 1, first)) for first in range(1, 9000, 3)))
    assert len(alarm._people) == pytest.approx(3 * 10 * 30, abs=3)
    assert alarm._counts == {MASK: 2 * len(alarm._people) // 3, NONE: len(alarm._people) // 3}
    assert alarm.update(Frame(GREY, "a", time=999.0), shown({})) is None
    assert not alarm._people
    assert not alarm._counts.total()


def test_the_event_on_the_share_says_what_is_known():
    alarm = share_alarm(people=3, after=1)
    clock = datetime.fromisoformat("2026-05-04T09:30:00.125+02:00")
    tracks = {1: MASK, 2: NONE, 3: BADLY}
    assert alarm.update(Frame(GREY, "a", index=6, time=0.0, clock=clock), shown(tracks)) is None
    assert alarm.update(Frame(GREY, "a", index=9, time=1.25, clock=clock), shown({2: MASK})) == {
        "kind": "share",
        "frame": 9,
        "time": 1.25,
        "clock": "2026-05-04T09:30:00.125+02:00",
        "people": 3,
        "share_compliant": 0.6667,
        "seconds": 1.25,
        "counts": {MASK: 2, NONE: 0, BADLY: 1},
    }


def test_faces_without_a_track_are_nobody():
    found = shown(crowd(0, 9))
    found.track_ids[:] = -1
    assert share_alarm().update(Frame(GREY, "a", time=0.0), found) is None
