"""Random views of a training sample: where the box lies, and what cameras and crowds do to a face.

A square with room around the face comes in (:mod:`masklens.training.samples`), a crop as
:func:`masklens.crop.crop_face` would cut it around a jittered box goes out, with the face's tight
box in the crop. A third of the faces in street pictures are smaller than 32 px, so most views are
scaled down and up again. Only OpenCV on small arrays: about 0.4 ms a view.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from masklens.crop import FloatArray, Image


@dataclass(frozen=True, slots=True)
class Augmentation:
    """How strongly views differ. Probabilities are per view, spreads are standard deviations.

    Attributes:
        shift, zoom: of the box, as a share of its longer side; zoom is of its logarithm.
        rotation: in degrees.
        flip: left and right swapped.
        small: scaled down to a side between ``small_side`` and the full one, and up again.
        small_side: smallest side of a crop in pixels; with 20 % margin 17 px hold a 12 px face.
        light: gain, gamma and colour cast.
        hue: turn of all colours, in degrees; masks come in all of them.
        grey, blur, noise, jpeg, occlude: probabilities of each.
    """

    shift: float = 0.06
    zoom: float = 0.10
    rotation: float = 8.0
    flip: float = 0.5
    small: float = 0.45
    small_side: int = 16
    light: float = 0.2
    hue: float = 12.0
    grey: float = 0.05
    blur: float = 0.2
    noise: float = 0.15
    jpeg: float = 0.3
    occlude: float = 0.15


def view(
    context: Image,
    box: FloatArray,
    tight: FloatArray,
    *,
    size: int,
    margin: float,
    augmentation: Augmentation,
    rng: np.random.Generator,
) -> tuple[Image, FloatArray]:
    """One random view of a face.

    Args:
        context: uint8 (C, C, 3), RGB.
        box: the box to cut around, xyxy in the context, 0…1.
        tight: the face's tight box, xyxy in the context, 0…1; NaN where not known.
        size: side of the view in pixels.
        margin: see :func:`masklens.crop.crop_square`.
        augmentation: how strongly views differ.
        rng: the source of chance.

    Returns:
        uint8 (size, size, 3), RGB, and the tight box, float32 (4,), xyxy in the view, 0…1.
    """
    a = augmentation
    sides = box[2:] - box[:2]
    longer = float(sides.max())
    centre = (box[:2] + box[2:]) / 2 + longer * a.shift * rng.standard_normal(2)
    side = longer * (1 + 2 * margin) * float(np.exp(a.zoom * rng.standard_normal()))
    angle = np.deg2rad(a.rotation * float(np.clip(rng.standard_normal(), -2, 2)))
    mirror = -1.0 if rng.random() < a.flip else 1.0

    # From unit coordinates of the context to unit coordinates of the view.
    cos, sin = np.cos(angle), np.sin(angle)
    linear = np.array([[mirror * cos, mirror * sin], [-sin, cos]]) / side
    shift = 0.5 - linear @ centre
    pixels = _warp(context, linear, shift, size)
    middle = linear @ ((tight[:2] + tight[2:]) / 2) + shift
    half = (tight[2:] - tight[:2]) / (2 * side)
    return degrade(pixels, a, rng), np.concatenate([middle - half, middle + half]).astype(
        np.float32
    )


def _warp(
    context: Image,
    linear: npt.NDArray[np.float64],
    shift: npt.NDArray[np.float64],
    size: int,
) -> Image:
    """Sample the context through a map of unit coordinates; pixel centres lie at half integers."""
    extent = context.shape[0]
    matrix = np.empty((2, 3))
    matrix[:, :2] = linear * (size / extent)
    matrix[:, 2] = shift * size - 0.5 + matrix[:, :2].sum(axis=1) * 0.5
    return np.asarray(
        cv2.warpAffine(
            context, matrix, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        ),
        dtype=np.uint8,
    )


def degrade(pixels: Image, a: Augmentation, rng: np.random.Generator) -> Image:
    """What light, lens, distance and compression do to a crop: uint8 (S, S, 3) in and out."""
    size = pixels.shape[0]
    if rng.random() < a.occlude:
        pixels = _occlude(pixels, rng)
    if a.light:
        pixels = _relight(pixels, a.light, rng)
    if a.hue:
        pixels = _turn_hue(pixels, a.hue * float(rng.standard_normal()))
    if rng.random() < a.grey:
        grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
        pixels = np.repeat(np.asarray(grey, np.uint8)[..., None], 3, axis=2)
    if rng.random() < a.small:
        low = np.exp(rng.uniform(np.log(min(a.small_side, size)), np.log(size)))
        pixels = _resize(pixels, int(low), cv2.INTER_AREA)
    scale = pixels.shape[0] / size
    if rng.random() < a.blur:
        pixels = _blur(pixels, 2.5 * max(scale, 0.3), rng)
    if rng.random() < a.noise:
        grain = rng.standard_normal(pixels.shape, dtype=np.float32) * rng.uniform(2, 14)
        pixels = np.clip(pixels + grain, 0, 255).astype(np.uint8)
    if rng.random() < a.jpeg:
        _, code = cv2.imencode(
            ".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(25, 90))]
        )
        pixels = np.asarray(cv2.imdecode(code, cv2.IMREAD_COLOR), np.uint8)
    return pixels if pixels.shape[0] == size else _resize(pixels, size, cv2.INTER_LINEAR)


def _resize(pixels: Image, size: int, interpolation: int) -> Image:
    return np.asarray(cv2.resize(pixels, (size, size), interpolation=interpolation), np.uint8)


def _relight(pixels: Image, strength: float, rng: np.random.Generator) -> Image:
    """Gain, gamma, contrast and a colour cast, as one table per channel."""
    gamma = np.exp(strength * rng.standard_normal())
    contrast = np.exp(0.7 * strength * rng.standard_normal())
    gains = np.exp(strength * (0.7 * rng.standard_normal() + 0.35 * rng.standard_normal(3)))
    ramp = (np.linspace(0, 1, 256) ** gamma)[:, None] * gains
    table = np.clip((ramp - 0.5) * contrast + 0.5, 0, 1) * 255
    return np.asarray(cv2.LUT(pixels, table.astype(np.uint8)[None]), dtype=np.uint8)


def _turn_hue(pixels: Image, degrees: float) -> Image:
    """Turn the colours about the grey axis; a linear map, three times cheaper than HSV."""
    cos, sin = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    axis = np.full((3, 3), (1 - cos) / 3)
    cross = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]) * sin / np.sqrt(3)
    return np.asarray(cv2.transform(pixels, axis + cross + cos * np.eye(3)), dtype=np.uint8)


def _blur(pixels: Image, strength: float, rng: np.random.Generator) -> Image:
    """Out of focus, or moved in a straight line."""
    if rng.random() < 0.5:
        return np.asarray(
            cv2.GaussianBlur(pixels, (0, 0), float(rng.uniform(0.3, 1)) * strength), dtype=np.uint8
        )
    length = max(2, round(float(rng.uniform(1, 3)) * strength))
    kernel = np.zeros((length, length), np.float32)
    cv2.line(kernel, (0, int(rng.integers(length))), (length - 1, int(rng.integers(length))), 1.0)
    if rng.random() < 0.5:
        kernel = np.ascontiguousarray(kernel.T)
    return np.asarray(cv2.filter2D(pixels, -1, kernel / kernel.sum()), dtype=np.uint8)


def _occlude(pixels: Image, rng: np.random.Generator) -> Image:
    """A plain or textured rectangle, often at the edge: a shoulder, a post, another head."""
    size = pixels.shape[0]
    width, height = (int(v) for v in rng.uniform(0.1, 0.35, 2) * size)
    left = int(rng.integers(-width // 2, size - width // 2))
    top = int(rng.integers(-height // 2, size - height // 2))
    rows, columns = slice(max(0, top), top + height), slice(max(0, left), left + width)
    patch = pixels[rows, columns]
    filled = pixels.copy()
    if rng.random() < 0.5:
        filled[rows, columns] = rng.integers(0, 256, 3)
    else:
        filled[rows, columns] = pixels[: patch.shape[0], -patch.shape[1] :]
    return filled
