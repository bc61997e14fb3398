"""The augmentation of the report: the same views as Keras' ImageDataGenerator makes."""

import cv2
import numpy as np
import pytest

from masklens.training.affine import REPORT, AffineRanges, random_matrix, view_matrix, warp

STILL = {"rotation": 0.0, "shift": (0.0, 0.0), "shear": 0.0, "zoom": (1.0, 1.0), "flip": False}


@pytest.fixture(scope="module")
def smooth(portrait):
    """A photograph without fine grain: interpolation to 1/32 px and exact one agree on it."""
    return cv2.GaussianBlur(cv2.resize(portrait, (224, 224)), (0, 0), 2)


def test_no_change_is_no_change(smooth):
    np.testing.assert_array_equal(warp(smooth, view_matrix((224, 224), **STILL)), smooth)


@pytest.mark.parametrize(
    "change",
    [
        {"rotation": 17.0},
        {"shift": (30.5, -12.25)},
        {"shear": 12.0},  # more than the report's, so that a wrong sign shows
        {"zoom": (0.87, 1.12)},
        {"flip": True},
        {"rotation": -9.0, "shift": (8.0, 3.0), "shear": 0.1, "zoom": (1.1, 0.9), "flip": True},
    ],
)
def test_views_are_those_of_keras(smooth, change):
    from keras.src.legacy.preprocessing.image import apply_affine_transform

    view = STILL | change
    expected = apply_affine_transform(
        smooth.astype(np.float32),
        theta=view["rotation"],
        tx=view["shift"][0],  # Keras calls the shift along rows tx and uses it along x
        ty=view["shift"][1],
        shear=view["shear"],
        zx=view["zoom"][0],
        zy=view["zoom"][1],
        row_axis=0,
        col_axis=1,
        channel_axis=2,
        fill_mode="nearest",
    )
    if view["flip"]:
        expected = expected[:, ::-1]
    difference = np.abs(warp(smooth, view_matrix((224, 224), **view)) - expected)
    assert difference.mean() < 0.6
    assert np.quantile(difference, 0.999) < 4


def test_random_views_stay_in_their_ranges_and_repeat():
    def views(ranges, seed):
        rng = np.random.default_rng(seed)
        return np.array([random_matrix(rng, ranges, (224, 224)) for _ in range(400)])

    drawn = views(REPORT, 1)
    np.testing.assert_array_equal(drawn, views(REPORT, 1))
    scales = np.sqrt(np.abs(np.linalg.det(drawn[:, :, :2])))
    assert scales.min() > 0.85
    assert scales.max() < 1.15
    mirrored = np.linalg.det(drawn[:, :, :2]) < 0
    assert 0.4 < mirrored.mean() < 0.6
    still = views(AffineRanges(0, 0, 0, 0, flip=False), 1)
    np.testing.assert_allclose(still, np.broadcast_to(np.eye(2, 3), still.shape), atol=1e-9)
