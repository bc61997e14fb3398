"""Drawing detections onto a picture: boxes, and labels that never leave the picture."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import cast

import cv2
import numpy as np
from PIL import Image as PillowImage
from PIL import ImageDraw, ImageFont

from masklens.crop import Image
from masklens.detections import Detection, Detections
from masklens.labels import MASK_WORN_INCORRECTLY, WITH_MASK, WITHOUT_MASK

Colour = tuple[int, int, int]

#: RGB; green, red and orange that stay apart for colour-blind eyes by their lightness too. The
#: label's words say the same, so that colour is never the only sign.
COLOURS: dict[str, Colour] = {
    WITH_MASK: (22, 133, 66),
    WITHOUT_MASK: (214, 39, 40),
    MASK_WORN_INCORRECTLY: (255, 160, 30),
}
_OTHER: Colour = (90, 90, 90)
_STATUS: Colour = (32, 32, 32)

#: What is written on a picture, where room is short.
SHORT_NAMES: dict[str, str] = {
    WITH_MASK: "mask",
    WITHOUT_MASK: "no mask",
    MASK_WORN_INCORRECTLY: "badly worn",
}

Rectangle = tuple[int, int, int, int]


def draw_detections(image: Image, detections: Detections) -> Image:
    """A copy of the picture with a box and a label for each face.

    Line width and text follow the size of the picture and the faces. Labels stand above their box
    where there is room, move to keep off each other, and stay inside the picture.

    Args:
        image: uint8 (H, W, 3), RGB.
        detections: in pixels of ``image``.

    Returns:
        uint8 (H, W, 3), RGB.
    """
    canvas = image.copy()
    height, width = image.shape[:2]
    line = max(1, round(max(height, width) / 400))
    faces = list(detections)
    # The surest faces are drawn last, so that they lie on top.
    for face in reversed(faces):
        x1, y1, x2, y2 = (round(v) for v in face.box)
        inner = (min(x2, width - 1), min(y2, height - 1))
        cv2.rectangle(canvas, (x1, y1), inner, colour_of(face.label), line)
    taken: list[Rectangle] = []
    for face in faces:
        _draw_label(canvas, face, line, taken)
    return canvas


def draw_status(canvas: Image, detections: Detections, fps: float) -> Image:
    """Write counts, the share that complies and frames per second along the lower edge.

    Args:
        canvas: uint8 (H, W, 3), RGB; changed in place, and returned.
        detections: of this frame.
        fps: frames per second.
    """
    height, width = canvas.shape[:2]
    counts = detections.counts()
    words = [f"{counts[label]} {SHORT_NAMES.get(label, label)}" for label in detections.labels]
    share = detections.share_compliant
    words.append("nobody" if share is None else f"{share:.0%} compliant")
    words.append(f"{fps:.0f} fps")
    size = max(11, round(max(height, width) / 48))
    sprite = _label_sprite("  ·  ".join(words), _STATUS, size)
    while size > 6 and sprite.shape[1] > width:
        size -= 1
        sprite = _label_sprite("  ·  ".join(words), _STATUS, size)
    sprite = sprite[:height, :width]
    canvas[height - sprite.shape[0] :, : sprite.shape[1]] = sprite
    return canvas


def colour_of(label: str) -> Colour:
    """The RGB colour of a label."""
    return COLOURS.get(label, _OTHER)


def text_of(face: Detection) -> str:
    """What is written at a face: its track if it has one, label and score in per cent."""
    track = "" if face.track_id is None else f"#{face.track_id} "
    return f"{track}{SHORT_NAMES.get(face.label, face.label)} {face.score:.0%}"


def _draw_label(canvas: Image, face: Detection, line: int, taken: list[Rectangle]) -> None:
    height, width = canvas.shape[:2]
    x1, y1, x2, y2 = (round(v) for v in face.box)
    # A label about as wide as its face, within what can be read and what does not cover the rest.
    largest = max(12, round(max(height, width) / 40))
    size = int(np.clip((x2 - x1) / 5, min(11, largest), largest))
    sprite = _label_sprite(text_of(face), colour_of(face.label), size)
    while size > 5 and (sprite.shape[1] > width or sprite.shape[0] > height):
        size -= 1
        sprite = _label_sprite(text_of(face), colour_of(face.label), size)
    sprite = sprite[:height, :width]
    left, top = _place(sprite.shape[:2], (x1, y1, x2, y2), line, (height, width), taken)
    canvas[top : top + sprite.shape[0], left : left + sprite.shape[1]] = sprite
    taken.append((left, top, left + sprite.shape[1], top + sprite.shape[0]))


def _place(
    label: Sequence[int],
    box: Rectangle,
    line: int,
    picture: tuple[int, int],
    taken: list[Rectangle],
) -> tuple[int, int]:
    """Left and top of a label: above, below or inside its box, off the other labels if it can."""
    label_height, label_width = label
    height, width = picture
    x1, y1, x2, y2 = box
    pad = line // 2
    lefts = (x1 - pad, x2 + pad - label_width)
    tops = (y1 - pad - label_height, y2 + pad, y1 + line)
    candidates = [
        (
            int(np.clip(left, 0, width - label_width)),
            int(np.clip(top, 0, height - label_height)),
        )
        for top in tops
        if 0 <= top <= height - label_height
        for left in lefts
    ] or [
        (
            int(np.clip(lefts[0], 0, width - label_width)),
            int(np.clip(tops[0], 0, height - label_height)),
        )
    ]
    for left, top in candidates:
        mine = (left, top, left + label_width, top + label_height)
        if not any(_overlap(mine, other) for other in taken):
            return left, top
    return candidates[0]


def _overlap(a: Rectangle, b: Rectangle) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


@lru_cache(maxsize=512)
def _label_sprite(text: str, colour: Colour, size: int) -> Image:
    """The label as a small picture: text on a filled background. Cached: videos repeat them."""
    font = _font(size)
    left, _, right, _ = font.getbbox(text)
    _, letter_top, _, letter_bottom = font.getbbox("Hg%0")
    pad = max(1, round(size / 5))
    box_size = (round(right - left) + 2 * pad, round(letter_bottom - letter_top) + 2 * pad)
    sprite = PillowImage.new("RGB", box_size, colour)
    light = 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2] < 140
    ink = "white" if light else "black"
    ImageDraw.Draw(sprite).text((pad - left, pad - letter_top), text, fill=ink, font=font)
    return np.asarray(sprite)


@lru_cache(maxsize=64)
def _font(size: int) -> ImageFont.FreeTypeFont:
    return cast(ImageFont.FreeTypeFont, ImageFont.load_default(size))
