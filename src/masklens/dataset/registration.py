"""Laying one picture upon another: the transform between them, and how well the pixels then agree.

Two :class:`~masklens.dataset.features.Features` go in. A similarity (turn, scale, shift) is fitted
to the matches of their local features with RANSAC (Fischler and Bolles 1981).
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from masklens.crop import FloatArray
from masklens.dataset.features import Features

#: Fewer agreeing features are a coincidence.
LEAST_INLIERS = 10

_LEAST_COSINE = 0.75
_REPROJECTION = 3.0  # pixels of the working copy
_LEAST_RATIO = 0.4  # of the mutual matches that the transform explains
_BLOCK = 12  # pixels of the small copy
_TEXTURE = 3.0  # grey levels of standard deviation; plainer blocks say nothing


def register(a: Features, b: Features) -> tuple[npt.NDArray[np.float64], int] | None:
    """The turn, scale and shift (2, 3) from one working copy to another, and its support."""
    if min(len(a.points), len(b.points)) < LEAST_INLIERS:
        return None
    cosines = a.descriptors @ b.descriptors.T
    there, back = cosines.argmax(axis=1), cosines.argmax(axis=0)
    mine = np.arange(len(there))
    mutual = (back[there] == mine) & (cosines[mine, there] > _LEAST_COSINE)
    matches = int(mutual.sum())
    if matches < LEAST_INLIERS:
        return None
    transform, inside = cv2.estimateAffinePartial2D(
        a.points[mutual],
        b.points[there[mutual]],
        method=cv2.RANSAC,
        ransacReprojThreshold=_REPROJECTION,
        maxIters=1000,
        confidence=0.995,
    )
    inliers = 0 if transform is None else int(inside.sum())
    if inliers < max(LEAST_INLIERS, _LEAST_RATIO * matches):
        return None
    scale = float(np.hypot(transform[0, 0], transform[1, 0]))
    return (transform, inliers) if 0.25 <= scale <= 4 else None


def lay_upon(a: Features, b: Features, transform: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Lay one small copy upon the other: the share that overlaps, and how the pixels agree.

    The agreement is the median over blocks of the correlation coefficient, so that a local change
    (a hand, a caption, a mask outside the expected place) does not outweigh the rest.
    """
    small = transform.copy()
    small[:, :2] *= b.scale / a.scale
    small[:, 2] *= b.scale
    shape = (b.grey.shape[1], b.grey.shape[0])
    warped = cv2.warpAffine(a.grey, small, shape, flags=cv2.INTER_LINEAR)
    inside = cv2.warpAffine(np.ones_like(a.grey), small, shape, flags=cv2.INTER_NEAREST)
    usable = cv2.warpAffine(a.usable.astype(np.uint8), small, shape, flags=cv2.INTER_NEAREST)
    zoom = float(np.hypot(small[0, 0], small[1, 0])) ** 2
    overlap = float(inside.sum()) / min(b.grey.size, a.grey.size * zoom)
    both = cv2.bitwise_and(inside, usable)
    valid = (cv2.erode(both, np.ones((3, 3), np.uint8)) > 0) & b.usable
    correlations = _block_correlations(warped, b.grey, valid)
    return overlap, float(np.median(correlations)) if len(correlations) else 0.0


def _block_correlations(
    a: npt.NDArray[Any], b: npt.NDArray[Any], valid: npt.NDArray[np.bool_]
) -> FloatArray:
    """Correlation coefficients of the blocks of two pictures that are valid and not plain."""
    height, width = (side // _BLOCK * _BLOCK for side in a.shape)

    def blocks(values: npt.NDArray[Any]) -> FloatArray:
        grid = values[:height, :width].astype(np.float32)
        grid = grid.reshape(height // _BLOCK, _BLOCK, width // _BLOCK, _BLOCK)
        return np.asarray(grid.transpose(0, 2, 1, 3).reshape(-1, _BLOCK * _BLOCK))

    weights = blocks(valid)
    total = weights.sum(axis=1)
    keep = total >= 0.5 * _BLOCK * _BLOCK
    weights, total = weights[keep], total[keep, None]
    x, y = blocks(a)[keep], blocks(b)[keep]
    x = (x - (weights * x).sum(axis=1, keepdims=True) / total) * weights
    y = (y - (weights * y).sum(axis=1, keepdims=True) / total) * weights
    least = _TEXTURE**2 * total[:, 0]
    xx, yy, xy = (x * x).sum(axis=1), (y * y).sum(axis=1), (x * y).sum(axis=1)
    textured = np.maximum(xx, yy) > least
    floor = np.maximum(np.sqrt(xx * yy), least)[textured]
    return np.asarray(xy[textured] / floor, dtype=np.float32)


def correlate_plain(a: Features, b: Features) -> float:
    """Correlation of two whole small copies of about the same shape, in the best quarter turn."""
    best = -1.0
    for turn in range(4):
        x = np.rot90(a.grey, turn)
        if abs(x.shape[0] / x.shape[1] / (b.grey.shape[0] / b.grey.shape[1]) - 1) > 0.1:
            continue
        x = cv2.resize(np.ascontiguousarray(x), b.grey.shape[::-1]).astype(np.float32)
        y = b.grey.astype(np.float32)
        if x.std() > _TEXTURE and y.std() > _TEXTURE:
            best = max(best, float(np.corrcoef(x.ravel(), y.ravel())[0, 1]))
    return best
