import numpy as np
import pytest

from masklens.stream.tracks import PATIENCE, Tracker


def update(tracker, boxes, time, scores=None, moved=lambda: None):
    """The numbers of the tracks in which the faces are, in the order in which they began."""
    boxes = np.asarray(boxes, np.float32).reshape(-1, 4)
    scores = np.full(len(boxes), 0.9, np.float32) if scores is None else np.asarray(scores)
    marks = np.zeros((len(boxes), 5, 2), np.float32)
    found = tracker.update(boxes, scores, marks, time, moved)
    tracker.expire(time)
    begun = vars(tracker).setdefault("begun", [])
    begun += [track for track in found if track is not None and track not in begun]
    return [None if track is None else begun.index(track) for track in found]


def square(x, y, side=40):
    return [x, y, x + side, y + side]


@pytest.mark.parametrize(
    ("speed", "gap"),
    [(0, 1 / 30), (200, 1 / 30), (400, 0.1), (-400, 0.1), (500, 1 / 15)],  # pixels per second
)
def test_a_moving_face_keeps_its_track(speed, gap):
    tracker = Tracker(3)
    keys = {update(tracker, square(500 + speed * gap * i, 100), i * gap)[0] for i in range(20)}
    assert len(keys) == 1


def test_the_place_ahead_is_where_its_motion_leads():
    tracker = Tracker(3)
    for i in range(2):
        update(tracker, square(500 + 6 * i, 100 - 4 * i), i / 5)
    (track,) = tracker.tracks
    assert track.velocity == pytest.approx((30, -20))
    moved = np.subtract(track.at(0.3), track.box)
    assert moved.tolist() == pytest.approx([3, -2, 3, -2])
    assert track.at(9.0) == track.at(0.7), "not for ever"


@pytest.mark.parametrize("speed", [1.8, -1.8])  # widths between two searches
def test_a_small_face_that_walks_by_keeps_its_track(speed):
    tracker = Tracker(3)
    keys = [update(tracker, square(500 + 25 * speed * i, 100, 25), i / 5) for i in range(6)]
    assert keys == [[0]] * 6


def test_who_is_known_to_stand_does_not_jump():
    tracker = Tracker(3)
    for i in range(3):
        assert update(tracker, square(500, 100, 25), i / 5) == [0]
    assert update(tracker, square(545, 100, 25), 0.6) == [1], "somebody else"


def test_faces_that_a_jerk_of_the_camera_would_lose_are_looked_for_where_it_took_them():
    tracker = Tracker(3)
    first = [square(500, 100, 25), square(700, 90, 25)]
    for i in range(4):
        assert update(tracker, first, i / 5, moved=pytest.fail) == [0, 1], "nobody asks in vain"
    jerked = [square(625, 60, 25), square(825, 50, 25)]
    assert update(tracker, jerked, 0.8, moved=lambda: (125, -40)) == [0, 1]
    assert update(tracker, square(100, 100, 25), 1.0, moved=lambda: (0, 0)) == [2]
    lost = Tracker(3)
    for i in range(4):
        update(lost, first, i / 5)
    assert update(lost, jerked, 0.8) == [2, 3], "nobody knows how far the camera turned"


def test_what_is_no_face_does_not_become_one():
    tracker = Tracker(3)
    update(tracker, square(500, 100, 25), 0.0)
    tracker.tracks[0].votes.add(np.array([0.8, 0.1, 0.1], np.float32), 0.02, 25)
    assert update(tracker, square(540, 100, 25), 0.2) == [1]


def test_two_faces_that_pass_each_other_keep_theirs():
    tracker = Tracker(3)
    seen = [
        update(tracker, [square(10 * i, 100), square(400 - 10 * i, 130)], i / 30) for i in range(40)
    ]
    assert {tuple(keys) for keys in seen} == {(0, 1)}


def test_the_prediction_is_where_the_face_will_be():
    tracker = Tracker(3)
    for i in range(20):
        update(tracker, square(10 * i, 100), i / 10)
    expected = tracker.tracks[0].at(2.0)
    assert expected == pytest.approx(square(200, 100), abs=4)


def test_a_face_that_is_not_seen_is_not_looked_for_far_away():
    tracker = Tracker(3)
    for i in range(20):
        update(tracker, square(10 * i, 100), i / 10)
    (track,) = tracker.tracks
    assert track.at(1.9 + 0.5) == track.at(1.9 + 5) != track.at(1.9 + 0.4)


def test_size_and_correction_are_smoothed():
    tracker = Tracker(3)
    for i, side in enumerate((40, 44)):
        update(tracker, square(100, 100, side), i / 10)
    (track,) = tracker.tracks
    assert track.width == pytest.approx(42)
    found = np.array([0, 0, 100, 100], np.float32)
    track.refine(found, found + 10)
    track.refine(found, found + 20)
    assert track.offset == pytest.approx([0.14] * 4)


def test_an_unsure_face_continues_a_track_but_begins_none():
    tracker = Tracker(3)
    assert update(tracker, square(0, 0), 0.0, [0.35]) == [None]
    assert update(tracker, square(0, 0), 0.1, [0.9]) == [0]
    assert update(tracker, square(2, 0), 0.2, [0.35]) == [0]


def test_sure_faces_choose_first():
    tracker = Tracker(3)
    update(tracker, square(0, 0), 0.0)
    assert update(tracker, [square(0, 0), square(8, 0)], 0.1, [0.35, 0.9]) == [None, 0]


def test_a_lost_face_comes_back_soon_or_not_at_all():
    tracker = Tracker(3)
    update(tracker, square(0, 0), 0.0)
    update(tracker, [], 0.5)
    assert update(tracker, square(0, 0), 0.9) == [0]
    update(tracker, [], 0.9 + PATIENCE + 0.1)
    assert update(tracker, square(0, 0), 2.5) == [1]


def test_size_must_fit():
    tracker = Tracker(3)
    update(tracker, square(0, 0, 40), 0.0)
    assert update(tracker, square(0, 0, 100), 0.1) == [1]


def test_fifty_faces():
    tracker = Tracker(3)
    for i in range(20):
        boxes = [square(60 * (n % 10) + 2 * i, 60 * (n // 10)) for n in range(50)]
        assert update(tracker, boxes, i / 10) == list(range(50))
