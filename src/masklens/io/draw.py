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

from masklens.boxes import areas, intersection
from masklens.crop import FloatArray, Image
from masklens.detections import Detection, Detections
from masklens.labels import MASK_WORN_INCORRECTLY, WITH_MASK, WITHOUT_MASK

Colour = tuple[int, int, int]

#: RGB; green, red and orange that stay apart for eyes without red or green cones, too: the green is
#: much lighter than the red, and can be seen in the dark. The label's words say the same, so that
#: colour is never the only sign.
COLOURS: dict[str, Colour] = {
    WITH_MASK: (40, 200, 140),
    WITHOUT_MASK: (214, 39, 40),
    MASK_WORN_INCORRECTLY: (255, 160, 30),
}
_OTHER: Colour = (90, 90, 90)
_STATUS: Colour = (32, 32, 32)

#: A box's line takes at most this share of its shorter side: in a large picture small faces would
#: vanish beneath it.
_LINE_SHARE = 0.05

#: What is written on a picture, where room is short.
SHORT_NAMES: dict[str, str] = {
    WITH_MASK: "mask",
    WITHOUT_MASK: "no mask",
    MASK_WORN_INCORRECTLY: "badly worn",
}

#: What is written where there is no room for that either, as in a crowd.
SIGNS: dict[str, str] = {WITH_MASK: "ok", WITHOUT_MASK: "no", MASK_WORN_INCORRECTLY: "!"}

#: What a shorter text costs, as a share of the area of the whole one: so much of faces may
#: be covered before it is taken.
_SHORTENED = (0.0, 0.07, 0.2)

#: What a covered pixel of another label costs, in those of faces: a number that is cut is another.
_WORDS = 5

#: Smallest letters, in pixels.
_SMALLEST = 5

#: The same of the line along the lower edge, which need not be near a face.
_SMALLEST_LINE = 8

#: Labels together may take this share of the picture, or as much as the faces do.
_ROOM = 0.12

#: (N, 4): x1, y1, x2, y2.
Rectangles = npt.NDArray[np.int64]

#: What a label looks like, and what it costs to take it.
Label = tuple[Image, float]


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
    boxes = np.array([[round(v) for v in face.box] for face in faces], np.int64).reshape(-1, 4)
    sides = (boxes[:, 2:] - boxes[:, :2]).min(axis=1)
    lines = np.rint(_LINE_SHARE * sides).astype(np.int64).clip(1, line).tolist()
    # The surest faces are drawn last, so that they lie on top.
    for row in reversed(range(len(faces))):
        x1, y1, x2, y2 = boxes[row].tolist()
        inner = (min(x2, width - 1), min(y2, height - 1))
        cv2.rectangle(canvas, (x1, y1), inner, colour_of(faces[row].label), lines[row])
    sprites = [_sprites(face, (height, width)) for face in faces]
    first = _first_text(sprites, detections.boxes, (height, width))
    labels = np.zeros_like(boxes)
    for row in range(len(faces)):
        labels[row] = _draw_label(
            canvas, sprites[row][first:], row, lines[row], boxes, labels[:row]
        )
    return canvas


def draw_status(canvas: Image, detections: Detections, fps: float) -> Image:
    """Write counts, the share that complies and frames per second along the lower edge.

    What does not fit is left out, the last first: of "12" cut in the middle another number is left.

    Args:
        canvas: uint8 (H, W, 3), RGB; changed in place, and returned.
        detections: of this frame.
        fps: frames per second; 0 where nobody knows yet.
    """
    counts = detections.counts()
    words = [f"{counts[label]} {SHORT_NAMES.get(label, label)}" for label in detections.labels]
    share = detections.share_compliant
    words.append("nobody" if share is None else f"{share:.0%} compliant")
    if fps > 0:
        words.append(f"{fps:.{0 if fps >= 10 else 1}f} fps")
    return _with_line(canvas, ["  ·  ".join(words[:n]) for n in range(len(words), 0, -1)])


def draw_lost(image: Image) -> Image:
    """A dark copy of the last picture of a camera, uint8 (H, W, 3), RGB, which says it is lost."""
    return _with_line(image // 3, ["camera lost, trying again", "camera lost", "lost"])


def _with_line(canvas: Image, texts: Sequence[str]) -> Image:
    """Write the first text that fits along the lower edge, in place; returns the picture."""
    height, width = canvas.shape[:2]
    largest = max(11, round(max(height, width) / 48))
    sizes = range(largest, _SMALLEST_LINE - 1, -1)
    sprites = (_label_sprite(text, _STATUS, size) for text in texts for size in sizes)
    sprite = next((s for s in sprites if s.shape[1] <= width), None)
    if sprite is None:
        return canvas
    sprite = sprite[:height]
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


def _first_text(
    sprites: Sequence[Sequence[Label]], faces: FloatArray, picture: tuple[int, int]
) -> int:
    """Which of a face's texts to begin with: in a crowd the whole ones would hide the picture."""
    room = max(_ROOM * picture[0] * picture[1], float(areas(faces).sum()))
    for level in range(len(_SHORTENED) - 1):
        if sum(_area(labels[level][0]) for labels in sprites) <= room:
            return level
    return len(_SHORTENED) - 1


def _draw_label(
    canvas: Image,
    sprites: Sequence[Label],
    row: int,
    line: int,
    faces: Rectangles,
    labels: Rectangles,
) -> Rectangles:
    """Draw the label of a row's face that covers least of faces and labels; returns where, (4,)."""
    own = faces[row]
    options: list[tuple[float, Image, Rectangles]] = []
    for sprite, least in sprites:
        places = _places(sprite.shape[:2], own, line, canvas.shape[:2])
        covered = intersection(places, faces).astype(float)
        # A close-up can spare the strip that its label takes; what hides a small face hides all.
        covered[:, row] *= covered[:, row] / max(areas(own), 1)
        costs = least + covered.sum(axis=1) + _WORDS * intersection(places, labels).sum(axis=1)
        cheapest = int(costs.argmin())
        options.append((float(costs[cheapest]), sprite, places[cheapest]))
        if costs[cheapest] <= least:
            break
    _, sprite, place = min(options, key=lambda option: option[0])
    left, top, right, bottom = place.tolist()
    canvas[top:bottom, left:right] = sprite
    return place


def _places(label: Sequence[int], box: Rectangles, line: int, picture: Sequence[int]) -> Rectangles:
    """Where a label can stand, (P, 4): above, below or beside its box, the best first."""
    label_height, label_width = label
    height, width = picture[:2]
    x1, y1, x2, y2 = box.tolist()
    pad = line // 2
    lefts = (x1 - pad, x2 + pad - label_width)
    corners = [(left, top) for top in (y1 - pad - label_height, y2 + pad) for left in lefts]
    corners += [(x2 + pad, y1 - pad), (x1 - pad - label_width, y1 - pad)]
    low = np.clip(corners, 0, (width - label_width, height - label_height))
    return np.concatenate([low, low + np.array([label_width, label_height])], axis=1)


def _sprites(face: Detection, picture: tuple[int, int]) -> list[Label]:
    """A face's label with each of its texts, no larger than the picture (height, width).

    A text that does not fit gives way to the next shorter one: "97" of "97%" is another number.
    """
    height, width = picture
    # A label about as wide as its face, within what can be read and what does not cover the rest.
    largest = max(12, round(max(height, width) / 40))
    wanted = int(np.clip((face.box[2] - face.box[0]) / 5, min(11, largest), largest))
    sprites: list[Image] = []
    for text in reversed(texts_of(face)):
        for size in range(wanted, _SMALLEST - 1, -1):
            sprite = _label_sprite(text, colour_of(face.label), size)
            if fits := sprite.shape[0] <= height and sprite.shape[1] <= width:
                break
        sprites.insert(0, sprites[0] if sprites and not fits else sprite[:height, :width])
    whole = _area(sprites[0])
    return [(sprite, share * whole) for sprite, share in zip(sprites, _SHORTENED, strict=True)]


def _area(sprite: Image) -> int:
    height, width = sprite.shape[:2]
    return int(height * width)


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
