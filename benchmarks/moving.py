"""A film with known faces: heads cut from scenes/val move over blurred backgrounds.

Every act of ten seconds has another background and four other heads, which go round an ellipse, so
that each passes where the others have been. The number of the frame stands in black and white
squares in the upper left corner, so that a frame can be recognised after any journey.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
from common import data_root

from masklens.dataset.scan import load_dataset
from masklens.io.pictures import read_picture
from masklens.io.video import import_av

WIDTH, HEIGHT, FPS = 1280, 720, 30
ACT = 10  # seconds
FACES = 4
_BITS, _SQUARE = 16, 16
_MARGIN = 0.45  # around the face's box, as a share of it
_PERIOD = 12.0  # seconds for the ellipse


@dataclass
class Head:
    """A head to paste: RGB with its mask, and where the face is in it."""

    pixels: np.ndarray
    alpha: np.ndarray
    face: tuple[float, float, float, float]
    label: str


def make_film(path: Path, seconds: int = 60, seed: int = 1) -> Path:
    """Write the film and, beside it, ``.json``: for each frame [[box, label, who], …]."""
    truth_file = path.with_suffix(".json")
    if path.is_file() and truth_file.is_file():
        return path
    av = import_av()
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    heads, backgrounds = _heads(rng, FACES * -(-seconds // ACT)), _backgrounds(rng, seconds)
    truth = []
    with av.open(str(path), "w") as film:
        stream = film.add_stream("libx264", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.codec_context.gop_size = FPS
        stream.options = {"preset": "superfast", "tune": "zerolatency", "crf": "21"}
        stream.codec_context.time_base = Fraction(1, FPS)
        for number in range(seconds * FPS):
            act = number // (ACT * FPS)
            cast = heads[act * FACES : (act + 1) * FACES]
            image, faces = _frame(backgrounds[act], cast, number / FPS, act)
            truth.append(
                [[box, head.label, act * FACES + i] for i, (box, head) in enumerate(faces)]
            )
            _stamp(image, number)
            frame = av.VideoFrame.from_ndarray(image, "rgb24").reformat(format="yuv420p")
            frame.pts = number
            film.mux(stream.encode(frame))
        film.mux(stream.encode(None))
    truth_file.write_text(json.dumps(truth))
    return path


def read_stamp(image: np.ndarray) -> int:
    """The number that stands in a frame of the film."""
    middle = image[_SQUARE // 2, _SQUARE // 2 : _BITS * _SQUARE : _SQUARE]
    bits = middle.astype(int).mean(axis=1) > 127
    return int(sum(1 << i for i in np.flatnonzero(bits)))


def _stamp(image: np.ndarray, number: int) -> None:
    for bit in range(_BITS):
        image[:_SQUARE, bit * _SQUARE : (bit + 1) * _SQUARE] = 255 * (number >> bit & 1)


def _frame(
    background: np.ndarray, cast: list[Head], time: float, act: int
) -> tuple[np.ndarray, list[tuple[list[float], Head]]]:
    image = background.copy()
    faces = []
    for i, head in enumerate(cast):
        angle = 2 * np.pi * (time / _PERIOD + i / FACES) + act * np.pi / 4
        x, y = WIDTH / 2 + 430 * np.cos(angle), HEIGHT / 2 + 30 + 190 * np.sin(angle)
        size = 1 + 0.2 * np.sin(angle * 1.7 + i)
        pixels = cv2.resize(head.pixels, None, fx=size, fy=size, interpolation=cv2.INTER_AREA)
        alpha = cv2.resize(head.alpha, pixels.shape[1::-1])[..., None]
        left, top = round(x - pixels.shape[1] / 2), round(y - pixels.shape[0] / 2)
        left = int(np.clip(left, 0, WIDTH - pixels.shape[1]))
        top = int(np.clip(top, _SQUARE, HEIGHT - pixels.shape[0]))
        area = image[top : top + pixels.shape[0], left : left + pixels.shape[1]]
        area[:] = (area * (1 - alpha) + pixels * alpha).astype(np.uint8)
        x1, y1, x2, y2 = (v * size for v in head.face)
        faces.append(([left + x1, top + y1, left + x2, top + y2], head))
    return image, faces


def _heads(rng: np.random.Generator, count: int) -> list[Head]:
    data = load_dataset(data_root() / "data" / "scenes" / "val" / "annotations.coco.json")
    faces = [
        (picture.path, a)
        for picture in data.pictures
        for a in picture.annotations
        if a.box
        and min(a.box[2] - a.box[0], a.box[3] - a.box[1]) >= 56
        and all(b is a or not _near(a.box, b.box) for b in picture.annotations if b.box)
    ]
    chosen = rng.permutation(len(faces))[:count]
    return [_head(read_picture(faces[i][0]), faces[i][1]) for i in chosen]


def _near(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    """Whether the head cut around ``a`` would show a part of the face ``b``."""
    mx, my = _MARGIN * (a[2] - a[0]), _MARGIN * (a[3] - a[1])
    return a[0] - mx < b[2] and b[0] < a[2] + mx and a[1] - my < b[3] and b[1] < a[3] + my


def _head(image: np.ndarray, annotation: object) -> Head:
    x1, y1, x2, y2 = annotation.box
    mx, my = _MARGIN * (x2 - x1), _MARGIN * (y2 - y1)
    left, top = max(0, round(x1 - mx)), max(0, round(y1 - my))
    right, bottom = min(image.shape[1], round(x2 + mx)), min(image.shape[0], round(y2 + my))
    scale = 110 / (y2 - y1)
    pixels = cv2.resize(image[top:bottom, left:right], None, fx=scale, fy=scale)
    rows, columns = np.mgrid[-1 : 1 : pixels.shape[0] * 1j, -1 : 1 : pixels.shape[1] * 1j]
    distance = (np.abs(rows) ** 4 + np.abs(columns) ** 4) ** 0.25
    alpha = np.clip((1 - distance) / 0.12, 0, 1).astype(np.float32)
    face = tuple((v - o) * scale for v, o in zip((x1, y1, x2, y2), (left, top) * 2, strict=True))
    return Head(pixels, alpha, face, annotation.label)


def _backgrounds(rng: np.random.Generator, seconds: int) -> list[np.ndarray]:
    paths = sorted((data_root() / "data" / "scenes" / "val").rglob("*.jpg"))
    paths += sorted((data_root() / "data" / "scenes" / "val").rglob("*.png"))
    chosen = rng.choice(len(paths), -(-seconds // ACT))
    pictures = (cv2.resize(read_picture(paths[i]), (WIDTH, HEIGHT)) for i in chosen)
    return [cv2.GaussianBlur(picture, (0, 0), 30) for picture in pictures]
