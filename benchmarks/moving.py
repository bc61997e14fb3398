"""Films with known faces: heads cut from scenes/val move over blurred backgrounds.

Every act has another background and four other heads, which go round an ellipse, so that each
passes where the others have been. ``make_film`` shows a few heads drawn by chance, ten seconds
each: what the benchmarks of speed, memory and cameras look at. ``make_full_film`` shows every head
there is once: what labels are judged by. The number of the frame stands in black and white squares
in the upper left corner, so that a frame can be recognised after any journey. The same code writes
the same bytes.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
from common import data_root, scenes

from masklens.dataset.scan import Annotation, Picture, load_dataset
from masklens.io.atomic import atomic_path, write_text
from masklens.io.containers import import_av
from masklens.io.pictures import read_picture

WIDTH, HEIGHT, FPS = 1280, 720, 30
ACT = 10  # seconds
#: Of the film with every head. Tracks are settled after a second, so that acts may be short. Faces
#: are looked for six times a second in any case, and in the frames between nothing is classified.
FULL_ACT, FULL_FPS = 4, 12
FACES = 4
_BITS, _SQUARE = 16, 16
_MIN_FACE = 56  # pixels, of the shorter side of the box in the photograph
_MARGIN = 0.45  # around the face's box, as a share of it
#: In the film with every head, around the square of the longer side: the classifier's crop, with a
#: margin of 0.2, must not show the edge where the head was cut.
_SQUARE_MARGIN = 0.35
_FADE = 0.08  # of the cut's side, where the head passes into the background
_HIGH = 110  # pixels, of a face in the middle of its size's range
_PERIOD = 12.0  # seconds for the ellipse

Box = tuple[float, float, float, float]


@dataclass
class Head:
    """A head to paste: RGB with its mask, and where the face is in it.

    Attributes:
        picture, annotation: the photograph it was cut from, and the face there.
        scale: from these pixels to the film's, in the middle of the size's range.
        enlarge: OpenCV's interpolation where the film shows the head larger than these pixels.
    """

    pixels: np.ndarray
    alpha: np.ndarray
    face: Box
    picture: Picture
    annotation: Annotation
    scale: float = 1.0
    enlarge: int = cv2.INTER_LINEAR


@dataclass(frozen=True)
class Known:
    """One head of a film: the photograph it was cut from, its box there (xyxy) and its label."""

    picture: str
    box: Box
    label: str


@dataclass(frozen=True)
class Truth:
    """What a film shows.

    Attributes:
        frames: for each frame the heads in it: number of the head, and the face's box, xyxy pixels.
    """

    heads: list[Known]
    frames: list[list[tuple[int, Box]]]


def make_film(path: Path, seconds: int = 60, seed: int = 1) -> Path:
    """Write the film of heads drawn by chance, if it is not there, and its truth beside it."""
    if _is_made(path):
        return path
    rng = np.random.default_rng(seed)
    acts = -(-seconds // ACT)
    faces = suitable_faces()
    chosen = [faces[i] for i in rng.permutation(len(faces))[: FACES * acts]]
    backgrounds = _backgrounds(rng, acts)
    heads = [_badge(*face) for face in chosen]
    _write(path, heads, backgrounds, FPS, act=ACT * FPS, frames=seconds * FPS)
    return path


def make_full_film(path: Path, seed: int = 1) -> Path:
    """Write the film of every suitable head, if it is not there, and its truth beside it."""
    if _is_made(path):
        return path
    rng = np.random.default_rng(seed)
    faces = suitable_faces()
    order = [faces[i] for i in rng.permutation(len(faces))]
    acts, act = -(-len(order) // FACES), FULL_ACT * FULL_FPS
    heads, backgrounds = [_whole(*face) for face in order], _backgrounds(rng, acts)
    _write(path, heads, backgrounds, FULL_FPS, act=act, frames=acts * act)
    return path


def read_truth(path: Path) -> Truth:
    """What the film at a path shows."""
    values = json.loads(_truth_file(path).read_text())
    heads = [Known(picture, tuple(box), label) for picture, box, label in values["heads"]]
    frames = [[(who, tuple(box)) for who, box in faces] for faces in values["frames"]]
    return Truth(heads, frames)


def _truth_file(path: Path) -> Path:
    return path.with_suffix(".truth.json")


def _is_made(path: Path) -> bool:
    return path.is_file() and _truth_file(path).is_file()


def _write(
    path: Path, heads: list[Head], backgrounds: list[np.ndarray], fps: int, *, act: int, frames: int
) -> None:
    """Write a film of so many frames, of which each act has ``act``, and its truth."""
    av = import_av()
    shown = []
    with atomic_path(path) as temporary, av.open(str(temporary), "w") as film:
        stream = film.add_stream("libx264", rate=fps)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.codec_context.gop_size = fps
        stream.options = {"preset": "superfast", "tune": "zerolatency", "crf": "21"}
        stream.codec_context.time_base = Fraction(1, fps)
        # Each thread codes a slice of its own: their number must not depend on the machine.
        stream.codec_context.thread_count = 2
        for number in range(frames):
            now = number // act
            cast = heads[now * FACES : (now + 1) * FACES]
            image, boxes = _frame(backgrounds[now], cast, number / fps, now)
            shown.append([(now * FACES + i, box) for i, box in enumerate(boxes)])
            _stamp(image, number)
            frame = av.VideoFrame.from_ndarray(image, "rgb24").reformat(format="yuv420p")
            frame.pts = number
            film.mux(stream.encode(frame))
        film.mux(stream.encode(None))
    known = [(h.picture.name, h.annotation.box, h.annotation.label) for h in heads]
    write_text(_truth_file(path), json.dumps({"heads": known, "frames": shown}))


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
) -> tuple[np.ndarray, list[list[float]]]:
    """One frame, and the boxes of its heads' faces."""
    image = background.copy()
    boxes = []
    for i, head in enumerate(cast):
        angle = 2 * np.pi * (time / _PERIOD + i / FACES) + act * np.pi / 4
        x, y = WIDTH / 2 + 430 * np.cos(angle), HEIGHT / 2 + 30 + 190 * np.sin(angle)
        size = head.scale * (1 + 0.2 * np.sin(angle * 1.7 + i))
        how = cv2.INTER_AREA if size < 1 else head.enlarge
        pixels = cv2.resize(head.pixels, None, fx=size, fy=size, interpolation=how)
        alpha = cv2.resize(head.alpha, pixels.shape[1::-1])[..., None]
        left, top = round(x - pixels.shape[1] / 2), round(y - pixels.shape[0] / 2)
        left = int(np.clip(left, 0, WIDTH - pixels.shape[1]))
        top = int(np.clip(top, _SQUARE, HEIGHT - pixels.shape[0]))
        area = image[top : top + pixels.shape[0], left : left + pixels.shape[1]]
        area[:] = (area * (1 - alpha) + pixels * alpha).astype(np.uint8)
        x1, y1, x2, y2 = (v * size for v in head.face)
        boxes.append([left + x1, top + y1, left + x2, top + y2])
    return image, boxes


def suitable_faces() -> list[tuple[Picture, Annotation]]:
    """The faces of scenes/val that are large enough and have no neighbour in the cut."""
    data = load_dataset(scenes("val"))
    return [
        (picture, a)
        for picture in data.pictures
        for a in picture.annotations
        if a.box
        and min(a.box[2] - a.box[0], a.box[3] - a.box[1]) >= _MIN_FACE
        and all(b is a or not _near(a.box, b.box) for b in picture.annotations if b.box)
    ]


def _near(a: Box, b: Box) -> bool:
    """Whether the head cut around ``a`` would show a part of the face ``b``."""
    mx, my = _MARGIN * (a[2] - a[0]), _MARGIN * (a[3] - a[1])
    return a[0] - mx < b[2] and b[0] < a[2] + mx and a[1] - my < b[3] and b[1] < a[3] + my


def _badge(picture: Picture, annotation: Annotation) -> Head:
    """A head in a frame with round corners, enlarged or reduced once to the film's size.

    Narrow heads are cut narrowly: the classifier sees the edge of the frame.
    """
    image = read_picture(picture.path)
    x1, y1, x2, y2 = annotation.box
    mx, my = _MARGIN * (x2 - x1), _MARGIN * (y2 - y1)
    left, top = max(0, round(x1 - mx)), max(0, round(y1 - my))
    right, bottom = min(image.shape[1], round(x2 + mx)), min(image.shape[0], round(y2 + my))
    scale = _HIGH / (y2 - y1)
    pixels = cv2.resize(image[top:bottom, left:right], None, fx=scale, fy=scale)
    rows, columns = np.mgrid[-1 : 1 : pixels.shape[0] * 1j, -1 : 1 : pixels.shape[1] * 1j]
    distance = (np.abs(rows) ** 4 + np.abs(columns) ** 4) ** 0.25
    alpha = np.clip((1 - distance) / 0.12, 0, 1).astype(np.float32)
    face = tuple((v - o) * scale for v, o in zip((x1, y1, x2, y2), (left, top) * 2, strict=True))
    return Head(pixels, alpha, face, picture, annotation, enlarge=cv2.INTER_AREA)


def _whole(picture: Picture, annotation: Annotation) -> Head:
    """A head as a photograph shows it: all that the classifier's crop takes of it, and no edge.

    Where the photograph ends, or another face begins, the cut ends too; the fade is outside the
    face's box in any case.
    """
    image = read_picture(picture.path)
    x1, y1, x2, y2 = annotation.box
    half = (0.5 + _SQUARE_MARGIN) * max(x2 - x1, y2 - y1)
    x, y = (x1 + x2) / 2, (y1 + y2) / 2
    cut = [x - half, y - half, x + half, y + half]
    for other in picture.annotations:
        if other is not annotation and other.box:
            _keep_out(cut, annotation.box, other.box)
    left, top = max(0, round(cut[0])), max(0, round(cut[1]))
    right, bottom = min(image.shape[1], round(cut[2])), min(image.shape[0], round(cut[3]))
    face = x1 - left, y1 - top, x2 - left, y2 - top
    fade = _FADE * 2 * half
    across = _ramp(right - left, face[0], face[2], fade)
    down = _ramp(bottom - top, face[1], face[3], fade)
    return Head(
        np.ascontiguousarray(image[top:bottom, left:right]),
        np.minimum(across, down[:, None]),
        face,
        picture,
        annotation,
        _HIGH / (y2 - y1),
    )


def _keep_out(cut: list[float], face: Box, other: Box) -> None:
    """Move the side of a cut that lies in another face back to where that face begins."""
    if cut[0] >= other[2] or other[0] >= cut[2] or cut[1] >= other[3] or other[1] >= cut[3]:
        return
    gaps = face[0] - other[2], face[1] - other[3], other[0] - face[2], other[1] - face[3]
    side = int(np.argmax(gaps))
    cut[side] = other[(side + 2) % 4]


def _ramp(size: int, low: float, high: float, fade: float) -> np.ndarray:
    """How much of the head shows along one axis: 1 from ``low`` to ``high``, 0 at both ends.

    A head that reaches to the photograph's edge is cut off there, as a camera cuts it off.
    """
    at = np.arange(size) + 0.5
    before, after = max(min(fade, low), 0.5), max(min(fade, size - high), 0.5)
    return np.clip(np.minimum(at / before, (size - at) / after), 0, 1).astype(np.float32)


def _backgrounds(rng: np.random.Generator, acts: int) -> list[np.ndarray]:
    paths = sorted((data_root() / "data" / "scenes" / "val").rglob("*.jpg"))
    paths += sorted((data_root() / "data" / "scenes" / "val").rglob("*.png"))
    chosen = rng.choice(len(paths), acts)
    pictures = (cv2.resize(read_picture(paths[i]), (WIDTH, HEIGHT)) for i in chosen)
    return [cv2.GaussianBlur(picture, (0, 0), 30) for picture in pictures]
