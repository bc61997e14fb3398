import numpy as np
import pytest

from masklens.io.frames import Frame
from masklens.stream.pace import Pace, at_most, every_for_file


def run(pace, rate, with_faces, without, frames=300):
    looked = 0
    for i in range(frames):
        look = pace.due(i / rate)
        looked += look
        pace.took(with_faces if look else without, look)
    return looked


@pytest.mark.parametrize(
    ("rate", "with_faces", "without", "expected"),
    [
        (30, 0.005, 0.001, 2),  # time enough, but more than 15 looks a second are of no use
        (30, 0.060, 0.005, 3),
        (30, 0.200, 0.005, 9),
        (30, 5.0, 0.005, 10),  # too slow a machine still looks three times a second
        (5, 0.050, 0.005, 1),
    ],
)
def test_k_follows_the_time_there_is(rate, with_faces, without, expected):
    pace = Pace(rate=rate)
    run(pace, rate, with_faces, without)
    assert pace.every == expected


def test_k_can_be_fixed():
    assert run(Pace(every=4), 30, 1.0, 1.0) == 75


@pytest.mark.parametrize(("rate", "looked"), [(1, 20), (2, 20), (5, 10)])
def test_a_camera_slower_than_it_says_is_looked_at_three_times_a_second(rate, looked):
    pace = Pace(rate=25)
    assert [pace.due(i / rate) for i in range(20)].count(True) >= looked


def test_a_new_session_begins_with_a_look():
    pace = Pace(every=10)
    assert [pace.due(i / 30, session=i // 5) for i in range(10)].count(True) == 2


@pytest.mark.parametrize(("rate", "every"), [(30, 5), (25, 5), (15, 3), (10, 2), (5, 1), (None, 5)])
def test_files(rate, every):
    assert every_for_file(rate) == every


@pytest.mark.parametrize(("rate", "expected"), [(30, 30), (15, 15), (7, 7), (60, 30), (None, 30)])
def test_at_most_so_many_frames_a_second(rate, expected):
    stream = (Frame(np.zeros((1, 1, 3), np.uint8), "x", time=i / 30) for i in range(300))
    assert len(list(at_most(stream, rate))) == pytest.approx(10 * expected, abs=1)


def test_not_one_frame_more_in_the_first_second():
    stream = (Frame(np.zeros((1, 1, 3), np.uint8), "x", time=3 + i / 10) for i in range(12))
    assert [frame.time for frame in at_most(stream, 2)] == pytest.approx([3, 3.5, 4])
