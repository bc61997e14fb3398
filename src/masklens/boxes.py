"""Arithmetic on boxes that several rooms share: xyxy, pixels, one row per box."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


def iou(a: npt.NDArray[Any], b: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Intersection over union of boxes (N, 4) and (M, 4), xyxy -> (N, M)."""
    overlap = intersection(a, b)
    union = areas(a)[:, None] + areas(b) - overlap
    return np.asarray(overlap / np.maximum(union, 1e-12))


def coverage(a: npt.NDArray[Any], b: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """How much of each box (N, 4) lies in each region (M, 4), xyxy -> (N, M), shares 0…1."""
    return np.asarray(intersection(a, b) / np.maximum(areas(a)[:, None], 1e-12))


def intersection(a: npt.NDArray[Any], b: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The area that boxes (N, 4) and (M, 4), xyxy, have in common -> (N, M)."""
    sides = np.minimum(a[:, None, 2:], b[None, :, 2:]) - np.maximum(a[:, None, :2], b[None, :, :2])
    sides = np.maximum(sides, 0)
    return np.asarray(sides[..., 0] * sides[..., 1])


def clipped(boxes: npt.NDArray[Any], width: int, height: int) -> npt.NDArray[Any]:
    """The part of boxes (N, 4), xyxy, that lies in a picture of so many pixels -> (N, 4)."""
    return np.asarray(np.clip(boxes, 0, np.array([width, height] * 2, np.float32)))


def areas(boxes: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Width times height of boxes (..., 4), xyxy -> (...)."""
    return np.asarray((boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1]))
