"""Small geometry that several drawings share: tilted planes and soft curves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from masklens.crop import FloatArray
from masklens.dataset.synthesize.canvas import EVERYWHERE, Array, Board, Window

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Tilted:
    """A plane of its own on the board: origin in head coordinates, turned by an angle."""

    x: float
    y: float
    angle: float

    def at(self, u: float, v: float) -> Point:
        """Its coordinates (right, down) -> head coordinates."""
        cos, sin = np.cos(self.angle), np.sin(self.angle)
        return float(self.x + u * cos - v * sin), float(self.y + u * sin + v * cos)

    def window(self, board: Board, low: Point, high: Point) -> Window:
        """The part of the board with the rectangle between two of its corners."""
        corners = np.array([self.at(u, v) for u in (low[0], high[0]) for v in (low[1], high[1])])
        (left, top), (right, bottom) = corners.min(axis=0), corners.max(axis=0)
        return board.window(left, top, right, bottom)

    def coordinates(self, board: Board, at: Window = EVERYWHERE) -> tuple[FloatArray, FloatArray]:
        """Its coordinates of every pixel in a window: two of (h, w)."""
        cos, sin = np.float32(np.cos(self.angle)), np.float32(np.sin(self.angle))
        px, py = board.x[:, at[1]] - np.float32(self.x), board.y[at[0]] - np.float32(self.y)
        return px * cos + py * sin, py * cos - px * sin


def midway(a: tuple[float, float], b: tuple[float, float], drop: float) -> tuple[float, float]:
    """The middle between two points, sagging by ``drop``."""
    return (a[0] + b[0]) / 2, (a[1] + b[1]) / 2 + drop


def curve(points: Array) -> FloatArray:
    """A smooth path through two or three points: (N, 2)."""
    if len(points) == 2:
        return points
    t = np.linspace(0, 1, 9)[:, None]
    a, b, c = points
    control = 2 * b - (a + c) / 2
    return np.asarray((1 - t) ** 2 * a + 2 * t * (1 - t) * control + t**2 * c)
