"""The geometric augmentation of the report: random rotation, shift, shear, zoom and flip.

The same distribution as Keras' (deprecated) ``ImageDataGenerator`` with ``fill_mode="nearest"``,
which the report's notebook uses, but as one OpenCV call per picture instead of three of SciPy.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from masklens.crop import Image

Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class AffineRanges:
    """How far views go; every value is drawn evenly between minus and plus its range.

    Attributes:
        rotation: degrees.
        zoom: around 1, along x and y independently.
        shift: share of the picture's width, and of its height.
        shear: degrees. The report's 0.15 was perhaps meant as radians; Keras reads degrees, so it
            hardly shears at all, and so do we.
        flip: left and right are swapped in half of the views.
    """

    rotation: float = 20.0
    zoom: float = 0.15
    shift: float = 0.2
    shear: float = 0.15
    flip: bool = True


#: What the report's notebook asks of ``ImageDataGenerator``.
REPORT = AffineRanges()


def random_matrix(rng: np.random.Generator, ranges: AffineRanges, shape: tuple[int, int]) -> Matrix:
    """A random view, as :func:`view_matrix` describes one; ``shape`` is height and width."""
    height, width = shape
    return view_matrix(
        shape,
        rotation=rng.uniform(-ranges.rotation, ranges.rotation),
        shift=(
            rng.uniform(-ranges.shift, ranges.shift) * width,
            rng.uniform(-ranges.shift, ranges.shift) * height,
        ),
        shear=rng.uniform(-ranges.shear, ranges.shear),
        zoom=(
            rng.uniform(1 - ranges.zoom, 1 + ranges.zoom),
            rng.uniform(1 - ranges.zoom, 1 + ranges.zoom),
        ),
        flip=ranges.flip and rng.random() < 0.5,
    )


def view_matrix(
    shape: tuple[int, int],
    *,
    rotation: float,
    shift: tuple[float, float],
    shear: float,
    zoom: tuple[float, float],
    flip: bool,
) -> Matrix:
    """A view as a map from its pixels to the picture's, in the order of Keras' transforms.

    Args:
        shape: height and width in pixels.
        rotation, shear: degrees.
        shift: x, y in pixels.
        zoom: x, y; above 1 shows more of the picture.
        flip: swap left and right.

    Returns:
        float64 (2, 3): x, y, 1 of a pixel in the view -> x, y in the picture.
    """
    height, width = shape
    angle, slant = np.deg2rad(rotation), np.deg2rad(shear)
    cos, sin = np.cos(angle), np.sin(angle)
    matrix = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
    matrix @= np.array([[1, 0, shift[0]], [0, 1, shift[1]], [0, 0, 1]])
    matrix @= np.array([[1, -np.sin(slant), 0], [0, np.cos(slant), 0], [0, 0, 1]])
    matrix @= np.diag([zoom[0], zoom[1], 1.0])
    centre = np.array([[1, 0, (width - 1) / 2], [0, 1, (height - 1) / 2], [0, 0, 1]])
    matrix = centre @ matrix @ np.linalg.inv(centre)
    if flip:
        matrix @= np.array([[-1, 0, width - 1], [0, 1, 0], [0, 0, 1]])
    return np.asarray(matrix[:2], dtype=np.float64)


def warp(image: Image, matrix: Matrix) -> Image:
    """Take the view of a picture: uint8 (H, W, 3) in and out; outside it repeats the border."""
    height, width = image.shape[:2]
    return np.asarray(
        cv2.warpAffine(
            image,
            matrix,
            (width, height),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        ),
        dtype=np.uint8,
    )
