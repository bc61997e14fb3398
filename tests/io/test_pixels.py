"""Decoded frames to RGB, against OpenCV on the same pixels."""

import subprocess
import sys

import av
import cv2
import numpy as np
import pytest

from masklens.io.pixels import rgb
from masklens.io.video import VideoReader
from tests.io.films import write_film


@pytest.fixture
def picture(portrait):
    """A photograph as a frame in YUV, as films have it."""
    image = np.ascontiguousarray(portrait[:300, :480])
    return av.VideoFrame.from_ndarray(image, "rgb24").reformat(format="yuv420p")


def test_whole_pictures_are_as_pyav_makes_them(picture):
    assert np.array_equal(rgb(picture), picture.to_ndarray(format="rgb24"))


@pytest.mark.parametrize("size", [(240, 150), (361, 225), (479, 299), (97, 61)])
def test_scaled_pictures_average_over_areas(picture, size):
    expected = cv2.resize(rgb(picture), size, interpolation=cv2.INTER_AREA)
    seen = rgb(picture, size)
    assert seen.shape == expected.shape
    assert np.abs(seen.astype(int) - expected).mean() < 2.5
    # What is half a pixel off differs more than that.
    shifted = np.roll(expected, 2, axis=1)
    assert np.abs(shifted.astype(int) - expected).mean() > 3


@pytest.mark.parametrize("colours", [(2, 0), (1, 1), (1, 2), (5, 1), (9, 1)])
def test_colours_are_read_as_the_frame_says(picture, colours):
    """BT.709, BT.601 and BT.2020, of limited and full range, against PyAV's reformatter."""
    picture.colorspace, picture.color_range = colours
    small = picture.reformat(width=240, height=150, interpolation="AREA")
    assert np.array_equal(rgb(picture), picture.to_ndarray(format="rgb24"))
    other = small.to_ndarray(format="rgb24").astype(int)
    assert np.abs(rgb(picture, (240, 150)) - other).mean() < 0.5


_FAULTS = """
import resource
import numpy as np
from av import VideoFrame
from masklens.io.pixels import rgb
from masklens.memory import keep_flat
keep_flat()
frame = VideoFrame.from_ndarray(np.zeros((1080, 720), np.uint8), "yuv420p")
for _ in range(5):
    rgb(frame), rgb(frame, (480, 480))
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(50):
    rgb(frame), rgb(frame, (480, 480))
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="counts page faults as Linux does")
def test_pictures_are_made_in_memory_that_is_kept():
    """Fresh memory would be 750 pages each time."""
    done = subprocess.run([sys.executable, "-c", _FAULTS], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 50 * 20


def test_a_picture_stays_as_it_is_when_the_next_is_made():
    frames = [
        av.VideoFrame.from_ndarray(np.full((64, 96, 3), shade, np.uint8), "rgb24")
        for shade in (10, 200, 90)
    ]
    kept = [(rgb(frame), rgb(frame, (48, 32))) for frame in frames]
    assert [int(image.max()) for pair in kept for image in pair] == [10, 10, 200, 200, 90, 90]


@pytest.mark.parametrize(
    "form", ["rgb24", "gray", "yuvj422p", "yuv444p", "nv12", "yuv420p10le", "gbrp", "bgra"]
)
def test_forms_that_cameras_and_films_have(picture, form):
    other = picture.reformat(format=form)
    expected = other.to_ndarray(format="rgb24")
    small = cv2.resize(expected, (240, 150), interpolation=cv2.INTER_AREA)
    assert np.abs(rgb(other).astype(int) - expected).max() <= 1
    assert np.abs(rgb(other, (240, 150)).astype(int) - small).mean() < 2.5


def test_pictures_of_changing_sizes(portrait):
    for side in (64, 200, 64, 130):
        image = np.ascontiguousarray(portrait[:side, :side])
        frame = av.VideoFrame.from_ndarray(image, "rgb24")
        assert np.array_equal(rgb(frame), image)
        assert rgb(frame, (side // 2, side // 3)).shape == (side // 3, side // 2, 3)


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
def test_turned_films_are_upright_at_the_finders_size(tmp_path, turn):
    image = np.full((64, 96, 3), 90, np.uint8)
    image[:20, :30] = (220, 30, 30)
    path = write_film(tmp_path / "a.mp4", [image] * 2, turn=turn)
    (first, *_) = VideoReader(path)
    small = first.within(48)
    assert max(small.shape) == 48
    expected = cv2.resize(
        np.ascontiguousarray(np.rot90(image, turn // 90)),
        small.shape[1::-1],
        0,
        0,
        0,
        cv2.INTER_AREA,
    )
    assert np.abs(small.astype(int) - expected).mean() < 6
