from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("keras")

from masklens.crop import crop_face
from masklens.training.augment import Augmentation, degrade, view
from masklens.training.samples import CONTEXT_MARGIN, CONTEXT_SIZE

#: No change at all: the crop that serving would cut.
PLAIN = Augmentation(0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0)


def gradient(size: int) -> np.ndarray:
    """A picture whose colour tells the place: red grows to the right, green downwards."""
    ramp = np.linspace(0, 255, size)
    x, y = np.meshgrid(ramp, ramp)
    return np.stack([x, y, np.full_like(x, 100)], axis=2).astype(np.uint8)


def test_without_augmentation_a_view_is_what_serving_cuts() -> None:
    image = gradient(400)
    box = np.array([150, 140, 250, 260], np.float32)
    context = crop_face(image, box, CONTEXT_SIZE, CONTEXT_MARGIN)
    side = 120 * (1 + 2 * CONTEXT_MARGIN)
    origin = 200 - side / 2
    unit = ((box - origin) / side).astype(np.float32)
    pixels, tight = view(
        context, unit, unit, size=96, margin=0.2, augmentation=PLAIN, rng=np.random.default_rng(0)
    )
    served = crop_face(image, box, 96, 0.2)
    assert np.abs(pixels.astype(int) - served).max() <= 3
    # The box is 120 high in a square of 168 pixels, and 100 wide.
    assert tight == pytest.approx([34 / 168, 24 / 168, 134 / 168, 144 / 168], abs=0.01)


@pytest.mark.parametrize("seed", range(8))
def test_the_box_follows_the_picture(seed: int) -> None:
    """A white rectangle on black stays in its box through shift, zoom, flip and rotation."""
    context = np.zeros((192, 192, 3), np.uint8)
    context[70:130, 60:110] = 255
    tight = np.array([60, 70, 110, 130], np.float32) / 192
    moves = Augmentation(small=0, light=0, grey=0, blur=0, noise=0, jpeg=0, occlude=0, rotation=3)
    pixels, box = view(
        context,
        tight,
        tight,
        size=128,
        margin=0.3,
        augmentation=moves,
        rng=np.random.default_rng(seed),
    )
    rows, columns = np.nonzero(pixels[..., 0] > 127)
    seen = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]) / 128
    # Turning a rectangle by 6 degrees moves its corners by a few pixels.
    assert np.abs(seen - box).max() < 0.07


def test_an_unknown_box_stays_unknown() -> None:
    unknown = np.full(4, np.nan, np.float32)
    box = np.array([0.3, 0.3, 0.7, 0.7], np.float32)
    _, tight = view(
        gradient(192),
        box,
        unknown,
        size=64,
        margin=0.2,
        augmentation=Augmentation(),
        rng=np.random.default_rng(0),
    )
    assert np.isnan(tight).all()


def test_the_same_seed_gives_the_same_view() -> None:
    def once() -> np.ndarray:
        return degrade(gradient(64), Augmentation(), np.random.default_rng(5))

    assert np.array_equal(once(), once())


@pytest.mark.parametrize("name", ["small", "grey", "blur", "noise", "jpeg", "occlude"])
def test_every_degradation_changes_the_picture_and_keeps_its_form(name: str) -> None:
    only = Augmentation(**{**dict.fromkeys(Augmentation.__slots__, 0), "small_side": 14, name: 1.0})
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (64, 64, 3)).astype(np.uint8)
    out = degrade(image, only, rng)
    assert out.shape == image.shape
    assert out.dtype == np.uint8
    assert not np.array_equal(out, image)
