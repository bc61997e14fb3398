"""The drawing board: a small picture in head coordinates, laid back over the photograph at the end.

Everything is painted upright and at a fixed place on the board, as a premultiplied layer of colour
and coverage; a shadow is black with little coverage. Laying it over the photograph turns and scales
it once, and gives it the sharpness and the noise that the photograph has.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from masklens.crop import FloatArray, Image
from masklens.dataset.synthesize.geometry import FaceFrame
from masklens.dataset.synthesize.photograph import LUMA, is_grey, read_light, sharpness

#: Any array of floating point numbers; what is stored is float32.
Array = npt.NDArray[np.floating[Any]]
#: Reach of a board in head units: half its width, its top and its bottom. Masks need the least,
#: shawls more, arms the most; a small board is painted faster.
Extent = tuple[float, float, float]
NEAR: Extent = (1.45, -0.45, 2.55)
HIGH: Extent = (1.45, -1.1, 1.5)
TALL: Extent = (1.45, -1.6, 2.55)
TALLEST: Extent = (1.65, -2.4, 2.55)
WIDE: Extent = (1.9, -0.45, 2.9)
WIDEST: Extent = (2.5, -0.45, 3.3)
#: Rows and columns of a board.
Window = tuple[slice, slice]
EVERYWHERE: Window = (slice(None), slice(None))


class Board:
    """A layer in head coordinates over one face of a picture.

    Args:
        image: uint8 (H, W, 3), RGB.
        frame: where the head is.
        rng: source of everything random.
        extent: how far the board reaches.

    Attributes:
        scale: pixels of the board per head unit.
        x, y: head coordinates of the pixels, (1, w) and (h, 1).
        height: (h, 1), heights on the average face.
        colour: float32 (3, h, w), 0…1, premultiplied. coverage: float32 (h, w), 0…1.
        light: what the photograph tells about its light.
    """

    def __init__(
        self,
        image: Image,
        frame: FaceFrame,
        rng: np.random.Generator,
        extent: Extent = WIDEST,
    ) -> None:
        self.frame = frame
        self.rng = rng
        self.reach, self.top, bottom = extent
        self.scale = float(np.clip(0.85 * frame.unit, 40, 96))
        width = int(2 * self.reach * self.scale)
        rows = int((bottom - self.top) * self.scale)
        self.x = ((np.arange(width, dtype=np.float32) + 0.5) / self.scale - self.reach)[None]
        self.y = ((np.arange(rows, dtype=np.float32) + 0.5) / self.scale + self.top)[:, None]
        self.height = frame.height(self.y)
        self.colour = np.zeros((3, rows, width), np.float32)
        self.coverage = np.zeros((rows, width), np.float32)
        self.light = read_light(self._photo(image), frame, self.x, self.y, self.scale)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the board."""
        rows, columns = self.coverage.shape
        return rows, columns

    def _matrix(self) -> npt.NDArray[np.float64]:
        """(2, 3): pixels of the board -> pixels of the picture."""
        to_head = np.array(
            [
                [1 / self.scale, 0, 0.5 / self.scale - self.reach],
                [0, 1 / self.scale, 0.5 / self.scale + self.top],
                [0, 0, 1],
            ]
        )
        return np.asarray(self.frame.matrix @ to_head)

    def _photo(self, image: Image) -> FloatArray:
        rows, width = self.shape
        warped = cv2.warpAffine(
            image,
            self._matrix(),
            (width, rows),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
        return np.asarray(warped, np.float32) / np.float32(255)

    # -- painting -----------------------------------------------------------------------------

    def window(self, left: float, top: float, right: float, bottom: float) -> Window:
        """The rows and columns of the board between these head coordinates, never none."""
        rows, columns = self.shape
        x1, x2 = (round((x + self.reach) * self.scale) for x in (left, right))
        y1, y2 = (round((y - self.top) * self.scale) for y in (top, bottom))
        x1, y1 = min(max(x1, 0), columns - 1), min(max(y1, 0), rows - 1)
        return slice(y1, max(y2, y1 + 1)), slice(x1, max(x2, x1 + 1))

    def cover(self, colour: Array, coverage: Array, at: Window = EVERYWHERE) -> None:
        """Lay colour over what is there.

        Args:
            colour: (3,) or (3, h, w), 0…1.
            coverage: (h, w), 0…1.
            at: the part of the board that colour and coverage are for.
        """
        keep = 1 - coverage
        under = self.colour[(slice(None), *at)]
        under *= keep
        under += (colour[:, None, None] if colour.ndim == 1 else colour) * coverage
        under = self.coverage[at]
        under *= keep
        under += coverage

    def shadow(
        self,
        shape: Array,
        strength: float,
        size: float,
        drop: float = 0.0,
        at: Window = EVERYWHERE,
    ) -> None:
        """A soft shadow around a shape that is painted next.

        Args:
            shape: float32 (h, w), 0…1: coverage of the thing that throws it.
            strength: 0…1.
            size: softness in head units.
            drop: how far it falls downwards, in head units.
            at: the part of the board that the shape is for.
        """
        soft = soften(shape, size * self.scale)
        if drop:
            soft = shifted(soft, 0, drop * self.scale)
        soft = soft * np.float32(strength)
        keep = 1 - soft
        under = self.colour[(slice(None), *at)]
        under *= keep
        under = self.coverage[at]
        under *= keep
        under += soft

    def stroke(self, points: npt.NDArray[np.floating], thickness: float) -> FloatArray:
        """Coverage (h, w) of a line through points (N, 2) in head units, with a round pen."""
        layer = np.zeros(self.shape, np.uint8)
        pen = thickness * self.scale
        pixels = (np.asarray(points) - [-self.reach, self.top]) * self.scale - 0.5
        cv2.polylines(
            layer,
            [np.round(pixels * 16).astype(np.int32)],
            False,
            255,
            max(1, round(pen)),
            cv2.LINE_AA,
            4,
        )
        return layer.astype(np.float32) * np.float32(min(1.0, pen) / 255)

    def edge(self, distance: Array, softness: float = 0.0) -> FloatArray:
        """Coverage from a signed distance in head units (positive inside)."""
        span = 1 / self.scale + softness
        return np.asarray(np.clip(distance / span + 0.5, 0, 1), np.float32)

    # -- back to the photograph ---------------------------------------------------------------

    def shown(self, width: int, height: int) -> float:
        """Share of what is painted that lies inside of a picture of this size."""
        rows, columns = np.nonzero(self.coverage > 0.5)
        x, y = self._matrix() @ np.stack([columns, rows, np.ones_like(rows)])
        return float(np.mean((x >= 0) & (x < width) & (y >= 0) & (y < height))) if len(x) else 0.0

    def lay_over(self, image: Image) -> Image:
        """A copy of the picture with the board laid over it."""
        out = image.copy()
        window = _window(self.coverage, margin=6)
        if window is None:
            return out
        lines, used = window
        layer = cv2.merge([*self.colour[(slice(None), *window)], self.coverage[window]])
        matrix = self._matrix() @ _shift(used.start, lines.start)
        left, top, right, bottom = _extent(matrix, layer.shape)
        left, top = max(left, 0), max(top, 0)
        region = image[top : max(bottom, 0), left : max(right, 0)]
        if region.size == 0:
            return out
        ratio = self.frame.unit / self.scale
        if ratio < 0.75:  # shrink by averaging first: warping alone would skip pixels
            rows, columns = (max(2, round(side * ratio)) for side in layer.shape[:2])
            fx, fy = layer.shape[1] / columns, layer.shape[0] / rows
            layer = cv2.resize(layer, (columns, rows), interpolation=cv2.INTER_AREA)
            matrix = matrix @ np.array([[fx, 0, fx / 2 - 0.5], [0, fy, fy / 2 - 0.5], [0, 0, 1]])
            ratio = 1.0
        sigma, grain = sharpness(region)
        if sigma > 0.3 * ratio:
            layer = cv2.GaussianBlur(layer, (0, 0), sigma / ratio)
        matrix[:, 2] -= [left, top]
        layer = cv2.warpAffine(layer, matrix, region.shape[1::-1], flags=cv2.INTER_LINEAR)
        out[top : top + region.shape[0], left : left + region.shape[1]] = self._mix(
            region, layer, grain
        )
        return out

    def _mix(self, region: Image, layer: npt.NDArray[Any], grain: float) -> Image:
        """The region with a layer (h, w, 4) over it, as noisy as it is itself."""
        *colour, coverage = (np.clip(plane, 0, 1) for plane in cv2.split(layer))
        if is_grey(region):
            luma = sum(plane * weight for plane, weight in zip(colour, LUMA, strict=True))
            colour = [luma, luma, luma]
        noise = np.zeros(1, np.float32)
        if grain > 0.4:
            noise = self.rng.standard_normal(coverage.shape, dtype=np.float32) * coverage
        noise = noise * np.float32(grain) + np.float32(0.5)
        keep = 1 - coverage
        planes = [
            np.clip(plane * np.float32(255) + under * keep + noise, 0, 255)
            for plane, under in zip(colour, cv2.split(region), strict=True)
        ]
        mixed = cv2.merge(planes).astype(np.uint8)
        return np.where((coverage > 0.004)[..., None], mixed, region)


def soften(layer: Array, sigma: float) -> FloatArray:
    """Gaussian blur; wide ones run on a smaller copy."""
    if sigma < 0.3:
        return layer
    if sigma > 5:
        rows, width = layer.shape[:2]
        factor = 3
        small = cv2.resize(
            layer, (max(1, width // factor), max(1, rows // factor)), interpolation=cv2.INTER_AREA
        )
        return np.asarray(
            cv2.resize(cv2.GaussianBlur(small, (0, 0), sigma / factor), (width, rows)), np.float32
        )
    return np.asarray(cv2.GaussianBlur(layer, (0, 0), sigma), np.float32)


def shifted(layer: Array, dx: float, dy: float) -> FloatArray:
    """The layer moved by whole pixels, zeros coming in."""
    out = np.zeros_like(layer)
    x, y = round(dx), round(dy)
    rows, width = layer.shape[:2]
    out[max(y, 0) : rows + min(y, 0), max(x, 0) : width + min(x, 0)] = layer[
        max(-y, 0) : rows + min(-y, 0), max(-x, 0) : width + min(-x, 0)
    ]
    return out


def _window(coverage: Array, margin: int = 0) -> Window | None:
    """The rows and columns in which something is covered, and a margin around them."""
    seen = (coverage > 0.004).astype(np.uint8)
    x, y, width, height = cv2.boundingRect(seen)
    if width == 0:
        return None
    return (
        slice(max(y - margin, 0), y + height + margin),
        slice(max(x - margin, 0), x + width + margin),
    )


def _shift(x: int, y: int) -> npt.NDArray[np.float64]:
    return np.array([[1, 0, x], [0, 1, y], [0, 0, 1]], np.float64)


def _extent(matrix: npt.NDArray[np.float64], shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    """The box, in whole pixels, that a layer of this shape fills behind a transformation."""
    rows, columns = shape[:2]
    corners = np.array([[x, y, 1] for x in (0, columns) for y in (0, rows)], np.float64)
    spots = corners @ matrix.T
    left, top = (int(v) for v in np.floor(spots.min(axis=0)))
    right, bottom = (int(v) for v in np.ceil(spots.max(axis=0)))
    return left, top, right + 1, bottom + 1
