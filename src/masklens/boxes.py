"""Arithmetic on boxes that several rooms share: xyxy, pixels, one row per box."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


def iou(a: npt.NDArray[Any], b: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Intersection over union of boxes (N, 4) and (M, 4), xyxy -> (N, M)."""
    sides = np.minimum(a[:, None, 2:], b[None, :, 2:]) - np.maximum(a[:, None, :2], b[None, :, :2])
    overlap = np.prod(np.maximum(sides, 0), axis=2)
    areas = np.prod(a[:, 2:] - a[:, :2], axis=1)[:, None] + np.prod(b[:, 2:] - b[:, :2], axis=1)
    return np.asarray(overlap / np.maximum(areas - overlap, 1e-12))
