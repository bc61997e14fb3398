"""The curved skin that masks and beards lie on, unrolled onto the board."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from masklens.crop import FloatArray
from masklens.dataset.synthesize.canvas import Array, Board


@dataclass(frozen=True, slots=True)
class Surface:
    """A skin around the lower head, as it lies on the board.

    Attributes:
        x: float32 (h, w): place sideways, -1…1 across the half width, as seen from the front.
        along: float32 (h, w): way around the head from its midline, in head units.
        facing: float32 (h, w), 0…1: 1 where it faces the camera, 0 at the outline.
        side: float32 (h, w), -1…1: place between the outlines in the picture.
        outline: float32 (h, w): signed distance to the outline in head units.
        slope: float32 (h, 1): how fast it comes forward going down.
    """

    x: FloatArray
    along: FloatArray
    facing: FloatArray
    side: FloatArray
    outline: FloatArray
    slope: FloatArray


def surface(board: Board, width: Array, depth: Array) -> Surface:
    """The skin whose sections have these half widths and depths, (h, 1) in head units."""
    frame = board.frame
    cos, sin = np.cos(frame.yaw), np.sin(frame.yaw)
    a, b = np.maximum(width, 0.02), np.maximum(depth, 0.05)
    radius = np.hypot(a * cos, b * sin).astype(np.float32)
    turn = np.arctan2(b * sin, a * cos).astype(np.float32)
    offset = board.x - np.float32(frame.lean) * board.y
    side = np.clip(offset / radius, -1, 1).astype(np.float32)
    angle = np.arcsin(side) - turn
    # A point of the ellipse is (a sin t, b cos t), and t is the angle that was found; behind the
    # ears x goes on growing, so that "how far around" stays one comparison.
    behind = np.maximum(np.abs(angle) - np.float32(np.pi / 2), 0)
    x = np.where(behind > 0, np.sign(angle) * (1 + behind), np.sin(angle))
    along = angle * (a + b) / 2
    facing = np.sqrt(1 - side * side)
    slope = np.gradient(b[:, 0], 1 / board.scale)[:, None].astype(np.float32)
    return Surface(
        x=x.astype(np.float32),
        along=along.astype(np.float32),
        facing=facing,
        side=side,
        outline=(radius - np.abs(offset)).astype(np.float32),
        slope=slope,
    )
