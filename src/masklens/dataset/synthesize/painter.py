"""Painting one face: the styles, and the function that draws them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from masklens.crop import FloatArray, Image
from masklens.dataset.synthesize.canvas import (
    HIGH,
    NEAR,
    TALL,
    TALLEST,
    WIDE,
    WIDEST,
    Board,
    Extent,
)
from masklens.dataset.synthesize.garments import GARMENTS
from masklens.dataset.synthesize.geometry import face_frame
from masklens.dataset.synthesize.hands import draw_hand
from masklens.dataset.synthesize.held import draw_cup, draw_phone
from masklens.dataset.synthesize.masks import draw_any_mask, draw_mask
from masklens.dataset.synthesize.microphone import draw_microphone
from masklens.dataset.synthesize.misworn import draw_hanging, draw_under_chin
from masklens.dataset.synthesize.worn import draw_beard, draw_helmet, draw_scarf
from masklens.errors import InputError
from masklens.labels import MASK_WORN_INCORRECTLY, WITH_MASK, WITHOUT_MASK


@dataclass(frozen=True, slots=True)
class Style:
    """What can be painted: its label, the function that draws it, and the room that it needs."""

    label: str
    draw: Callable[[Board], None]
    extent: Extent = NEAR


_STYLES: dict[str, Style] = {
    **{name: Style(WITH_MASK, partial(draw_mask, garment=name)) for name in GARMENTS},
    "nose_out": Style(MASK_WORN_INCORRECTLY, partial(draw_any_mask, wear="nose_out")),
    "below_lip": Style(MASK_WORN_INCORRECTLY, partial(draw_any_mask, wear="below_lip")),
    "one_ear": Style(MASK_WORN_INCORRECTLY, partial(draw_any_mask, wear="one_ear")),
    "over_eyes": Style(MASK_WORN_INCORRECTLY, partial(draw_any_mask, wear="over_eyes"), HIGH),
    "over_face": Style(MASK_WORN_INCORRECTLY, partial(draw_any_mask, wear="over_face"), TALL),
    "mouth_out": Style(MASK_WORN_INCORRECTLY, partial(draw_any_mask, wear="mouth_out")),
    "forehead": Style(MASK_WORN_INCORRECTLY, partial(draw_any_mask, wear="forehead"), HIGH),
    "under_chin": Style(MASK_WORN_INCORRECTLY, draw_under_chin),
    "hanging": Style(MASK_WORN_INCORRECTLY, draw_hanging, WIDE),
    "hand": Style(WITHOUT_MASK, draw_hand, WIDEST),
    "scarf": Style(WITHOUT_MASK, draw_scarf, WIDE),
    "microphone": Style(WITHOUT_MASK, draw_microphone, WIDEST),
    "beard": Style(WITHOUT_MASK, draw_beard),
    "cup": Style(WITHOUT_MASK, draw_cup, WIDEST),
    "phone": Style(WITHOUT_MASK, draw_phone, WIDEST),
    "helmet": Style(WITHOUT_MASK, draw_helmet, TALLEST),
}

#: Every style and the label of what it shows.
STYLES: dict[str, str] = {name: style.label for name, style in _STYLES.items()}


@dataclass(frozen=True, slots=True, eq=False)
class Painted:
    """One painted picture.

    Attributes:
        image: uint8 (H, W, 3), RGB, of the same size as the picture given.
        label: what the face shows now, one of :data:`masklens.labels.LABELS`.
        style: a key of :data:`STYLES`.
        shown: share of what was painted that lies inside of the picture. Where much of a mask lies
            outside, the label says more than can be seen.
    """

    image: Image
    label: str
    style: str
    shown: float


def paint(
    image: Image, landmarks: FloatArray, box: FloatArray, style: str, rng: np.random.Generator
) -> Painted:
    """Paint one bare face.

    Args:
        image: uint8 (H, W, 3), RGB. It is not changed.
        landmarks: (5, 2), x and y in pixels: right eye (left in the picture), left eye, nose tip,
            right and left corner of the mouth. They may lie outside the picture.
        box: (4,), xyxy pixels of the face.
        style: a key of :data:`STYLES`.
        rng: chooses shape, colour and fit; the same state paints the same picture.

    Raises:
        InputError: an unknown style, an array of another form, a face too small (below about 12
            pixels), or landmarks that are no face.
    """
    if style not in _STYLES:
        raise InputError(f'There is no style "{style}". Choose one of: {", ".join(_STYLES)}.')
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or image.size == 0:
        raise InputError(
            "A picture must be a uint8 array (height, width, 3), RGB. "
            f"Received: {image.dtype} {image.shape}"
        )
    chosen = _STYLES[style]
    board = Board(image, face_frame(landmarks, box), rng, chosen.extent)
    chosen.draw(board)
    height, width = image.shape[:2]
    return Painted(board.lay_over(image), chosen.label, style, board.shown(width, height))
