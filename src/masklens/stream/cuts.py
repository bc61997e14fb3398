"""Telling a cut from movement: after a cut, a face in an old place is somebody else's."""

from __future__ import annotations

import cv2
import numpy as np

from masklens.crop import FloatArray, Image

#: A cut moves both: the mean difference of brightness between small versions of the frames (0…255),
#: which a pan reaches too, and the share of pixels that change their colour, which a pan does not.
#: ``benchmarks/video.py cuts`` prints what clips reach.
_MOVED = 30.0
_RECOLOURED = 0.16
_SIDE = 32
_MEAN = np.full((1, 3), 1 / 3, np.float32)


#: What :func:`signature` returns.
Signature = tuple[FloatArray, FloatArray]


class CutDetector:
    """Compares each frame it is given with the one before."""

    def __init__(self) -> None:
        self._last: Signature | None = None

    def is_cut(self, now: Signature) -> bool:
        """Whether a frame shows another scene than the last one given."""
        last, self._last = self._last, now
        return last is not None and is_other_scene(last, now)


def signature(image: Image) -> Signature:
    """What tells one scene from another.

    Args:
        image: uint8 (H, W, 3), RGB.

    Returns:
        Brightness (32, 32), and shares of eight levels for each colour (24,), summing to 3.
    """
    # Four pixels for each cell are enough, and quicker than all of them.
    thin = cv2.resize(image, (2 * _SIDE, 2 * _SIDE), interpolation=cv2.INTER_NEAREST)
    small = cv2.resize(thin, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)
    levels = [cv2.calcHist([thin], [c], None, [8], [0, 256]).ravel() for c in range(3)]
    shares = np.concatenate(levels) / np.float32(thin.shape[0] * thin.shape[1])
    return np.asarray(cv2.transform(small, _MEAN), np.float32), np.asarray(shares, np.float32)


def is_other_scene(a: Signature, b: Signature) -> bool:
    """Whether a cut lies between two frames that follow each other closely."""
    moved, recoloured = differences(a, b)
    return moved > _MOVED and recoloured > _RECOLOURED


def differences(a: Signature, b: Signature) -> tuple[float, float]:
    """Mean difference of brightness (0…255), and share of pixels of another colour (0…1)."""
    return float(np.abs(a[0] - b[0]).mean()), float(np.abs(a[1] - b[1]).sum() / 6)
