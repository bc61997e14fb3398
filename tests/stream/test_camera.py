"""How far the scene moves through the picture."""

import numpy as np
import pytest

from masklens.stream.camera import camera_motion


@pytest.fixture(scope="module")
def scene(portrait):
    return np.tile(portrait, (2, 3, 1))


def cut(scene, x, y):
    return np.ascontiguousarray(scene[100 + y : 460 + y, 100 + x : 740 + x])


@pytest.mark.parametrize(("x", "y"), [(0, 0), (40, 0), (-25, 12), (90, -60)])
def test_a_camera_that_turns_is_followed(scene, x, y):
    moved = camera_motion(cut(scene, 0, 0), cut(scene, x, y))
    assert moved is not None
    right, down = moved
    # The camera turns to the right, and the scene moves to the left.
    assert (640 * right, 360 * down) == pytest.approx((-x, -y), abs=2)


def test_another_scene_tells_nothing(scene):
    noise = np.random.default_rng(0).integers(0, 256, (360, 640, 3), dtype=np.uint8)
    assert camera_motion(cut(scene, 0, 0), noise) is None


def test_more_than_a_quarter_of_the_picture_is_not_believed(scene):
    assert camera_motion(cut(scene, 0, 0), cut(scene, 200, 0)) is None


@pytest.mark.parametrize("size", [(1, 1), (3, 500), (500, 3), (60, 60), (360, 640), (353, 641)])
def test_tiny_and_empty_frames(size):
    grey = np.full((*size, 3), 128, np.uint8)
    moved = camera_motion(grey, grey)
    assert moved is None or moved == pytest.approx((0, 0), abs=1e-6)
    assert camera_motion(grey, np.zeros((480, 480, 3), np.uint8)) is None, "another size"
