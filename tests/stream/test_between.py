"""Frames between two searches."""

from dataclasses import replace

import numpy as np
import pytest

from masklens.detections import Detections
from masklens.errors import InputError
from masklens.io.frames import Frame
from masklens.stream.between import filled_in


def frame(index, time=None, session=0):
    image = np.zeros((8, 8, 3), np.uint8)
    return Frame(image, "x", index=index, time=index if time is None else time, session=session)


def seen(*faces):
    """Detections of (track, x): squares of 10 px whose landmarks are their corner."""
    n = len(faces)
    x = np.array([x for _, x in faces], np.float32).reshape(n)
    return replace(
        Detections.empty(),
        boxes=np.stack([x, 0 * x, x + 10, 0 * x + 10], axis=1),
        scores=np.full(n, 0.9, np.float32),
        face_scores=np.full(n, 0.9, np.float32),
        probabilities=np.full((n, 3), 1 / 3, np.float32),
        landmarks=np.repeat(x, 10).reshape(n, 5, 2),
        track_ids=np.array([track for track, _ in faces], np.int64),
    )


def places(labelled):
    return [
        {int(t): float(x) for t, x in zip(d.track_ids, d.boxes[:, 0], strict=True)}
        for _, d in filled_in(labelled)
    ]


def test_a_face_goes_straight_from_one_sighting_to_the_next():
    labelled = [
        (frame(0, 0.0), seen((8, 100), (7, 0)), True),
        (frame(1, 0.25), seen((8, 90), (7, -5)), False),  # guessed
        (frame(2, 0.5), seen((7, -10), (8, 80)), False),
        (frame(3, 0.75), seen((7, 60), (8, 130)), True),
    ]
    assert places(labelled) == [
        {7: 0, 8: 100},
        {7: 20, 8: 110},
        {7: 40, 8: 120},
        {7: 60, 8: 130},
    ]
    (_, first), (_, second), *_ = filled_in(labelled)
    assert second.landmarks[second.track_ids == 7].ravel().tolist() == [20] * 10
    assert first.track_ids.tolist() == [8, 7]


def test_times_count_and_not_numbers():
    labelled = [
        (frame(0, 0.0), seen((1, 0)), True),
        (frame(1, 0.9), seen((1, 0)), False),
        (frame(2, 1.0), seen((1, 10)), True),
    ]
    assert places(labelled)[1] == pytest.approx({1: 9})


@pytest.mark.parametrize("times", [(5, 5, 5), (0, 0, 0), (3, 2, 1), (None, None, None)])
def test_without_times_guesses_stay(times):
    labelled = [
        (replace(frame(i), time=t), seen((1, x)), i != 1)
        for i, (t, x) in enumerate(zip(times, (0, 4, 10), strict=True))
    ]
    assert places(labelled)[1] == {1: 4}


def test_who_is_on_one_side_only_stays_where_guessed():
    labelled = [
        (frame(0), seen(), False),
        (frame(1), seen((1, 0)), True),
        (frame(2), seen((1, 3), (2, 49)), False),
        (frame(3), seen((2, 50)), True),
        (frame(4), seen((2, 51)), False),
    ]
    assert places(labelled) == [{}, {1: 0}, {1: 3, 2: 49}, {2: 50}, {2: 51}]


def test_faces_of_the_scene_before_a_cut_are_not_left_in_the_one_after_it():
    """Where nobody goes on, frames are looked at: who walks away stays where guessed."""
    yellow, blue = np.full((9, 9, 3), (250, 220, 40), np.uint8), np.full((9, 9, 3), 30, np.uint8)

    def faces(*scenes):
        tracks = (seen((1, 0)), seen((1, 1)), seen((1, 2)), seen((1, 3)), seen((2, 50)))
        labelled = [
            (Frame(image, "x", index=i, time=i / 10), detections, i in (0, 4))
            for i, (image, detections) in enumerate(zip(scenes, tracks, strict=True))
        ]
        return [list(shown) for shown in places(labelled)]

    assert faces(yellow, yellow, blue, blue, blue) == [[1], [1], [], [], [2]]
    assert faces(yellow, yellow, yellow, yellow, yellow) == [[1], [1], [1], [1], [2]]


def test_a_break_costs_no_frame():
    def broken():
        yield frame(0), seen((1, 0)), True
        yield frame(1), seen((1, 1)), False
        raise InputError("cut off")

    given = []
    with pytest.raises(InputError, match="cut off"):
        for item, _ in filled_in(broken()):
            given.append(item.index)
    assert given == [0, 1]
