"""Drawing detections onto a picture: boxes, and labels that never leave the picture."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import cast

import cv2
import numpy as np
import numpy.typing as npt
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

#: What is written where there is no room for that either, as in a crowd.
SIGNS: dict[str, str] = {WITH_MASK: "ok", WITHOUT_MASK: "no", MASK_WORN_INCORRECTLY: "!"}

#: What a shorter text costs, as a share of the area of the whole one: so much of other faces and
#: labels may be covered before it is taken.
_SHORTENED = (0.0, 0.15, 0.4)

#: Labels together may take this share of the picture, or as much as the faces do.
_ROOM = 0.12

#: (N, 4): x1, y1, x2, y2.
Rectangles = npt.NDArray[np.int64]


def draw_detections(image: Image, detections: Detections) -> Image:
    """A copy of the picture with a box and a label for each face.

    Line width and text follow the size of the picture and the faces. Labels stand above their box
    where there is room, move and become shorter to keep off other faces and each other, and stay
    inside the picture.

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
    boxes = np.array([[round(v) for v in face.box] for face in faces]).reshape(-1, 4)
    labels = np.zeros((0, 4), int)
    first = _first_text(faces, (height, width))
    for row, face in enumerate(faces):
        mine = _draw_label(canvas, face, line, first, np.delete(boxes, row, axis=0), labels)
        labels = np.concatenate([labels, [mine]])
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


def texts_of(face: Detection) -> tuple[str, str, str]:
    """What is written at a face: its track if it has one, label and score; less; and least."""
    track = "" if face.track_id is None else f"#{face.track_id} "
    words = track + SHORT_NAMES.get(face.label, face.label)
    return f"{words} {face.score:.0%}", words, SIGNS.get(face.label, face.label[:2])


def _first_text(faces: Sequence[Detection], picture: tuple[int, int]) -> int:
    """Which of a face's texts to begin with: in a crowd the whole ones would hide the picture."""
    room = max(
        _ROOM * picture[0] * picture[1],
        sum((x2 - x1) * (y2 - y1) for x1, y1, x2, y2 in (face.box for face in faces)),
    )
    for level in range(len(_SHORTENED) - 1):
        if sum(_sprite(face, level, picture)[..., 0].size for face in faces) <= room:
            return level
    return len(_SHORTENED) - 1


def _draw_label(
    canvas: Image,
    face: Detection,
    line: int,
    first: int,
    faces: Rectangles,
    labels: Rectangles,
) -> Rectangles:
    """Draw the label that covers least of other faces and labels; returns where, (4,)."""
    height, width = canvas.shape[:2]
    whole = _sprite(face, 0, (height, width))[..., 0].size
    best: tuple[float, Image, Rectangles] | None = None
    for level in range(first, len(_SHORTENED)):
        sprite = _sprite(face, level, (height, width))
        least = _SHORTENED[level] * whole
        places = _places(sprite.shape[:2], face.box, line, (height, width))
        costs = least + _covered(places, faces) + 2 * _covered(places, labels)
        cheapest = int(costs.argmin())
        if best is None or costs[cheapest] < best[0]:
            best = float(costs[cheapest]), sprite, places[cheapest]
        if best[0] <= least:
            break
    assert best is not None  # there is always a place
    _, sprite, place = best
    left, top, right, bottom = place.tolist()
    canvas[top:bottom, left:right] = sprite
    return place


def _places(
    label: Sequence[int], box: tuple[float, ...], line: int, picture: tuple[int, int]
) -> Rectangles:
    """Where a label can stand, (P, 4): above, below or inside its box, the best first."""
    label_height, label_width = label
    height, width = picture
    x1, y1, x2, y2 = (round(v) for v in box)
    pad = line // 2
    lefts = (x1 - pad, x2 + pad - label_width)
    tops = (y1 - pad - label_height, y2 + pad, y1 + line)
    inside = [top for top in tops if 0 <= top <= height - label_height] or tops[:1]
    corners = np.array([(left, top) for top in inside for left in lefts])
    corners = np.clip(corners, 0, (width - label_width, height - label_height))
    return np.concatenate([corners, corners + np.array([label_width, label_height])], axis=1)


def _covered(places: Rectangles, others: Rectangles) -> Rectangles:
    """How many pixels of other rectangles lie under each place: (P,)."""
    first = np.maximum(places[:, None, :2], others[None, :, :2])
    last = np.minimum(places[:, None, 2:], others[None, :, 2:])
    return np.asarray(np.maximum(last - first, 0).prod(axis=2).sum(axis=1), np.int64)


def _sprite(face: Detection, level: int, picture: tuple[int, int]) -> Image:
    """A face's label with one of its texts, no larger than the picture (height, width)."""
    height, width = picture
    text, colour = texts_of(face)[level], colour_of(face.label)
    # A label about as wide as its face, within what can be read and what does not cover the rest.
    largest = max(12, round(max(height, width) / 40))
    size = int(np.clip((round(face.box[2]) - round(face.box[0])) / 5, min(11, largest), largest))
    sprite = _label_sprite(text, colour, size)
    while size > 5 and (sprite.shape[1] > width or sprite.shape[0] > height):
        size -= 1
        sprite = _label_sprite(text, colour, size)
    return sprite[:height, :width]


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
