"""Telling a cut from movement: after a cut whoever is where somebody was is somebody else."""

from __future__ import annotations

import cv2
import numpy as np

from masklens.crop import FloatArray, Image

#: Mean difference of brightness, 0…255, from which two small versions of frames are another scene.
#: In hand-held clips it reaches 32 between frames a third of a second apart (``benchmarks/video.py
#: cuts``).
_ANOTHER_SCENE = 38.0
_SIDE = 32


class CutDetector:
    """Compares each frame it is given with the one before."""

    def __init__(self) -> None:
        self._last: FloatArray | None = None

    def is_cut(self, image: Image) -> bool:
        """Whether a picture, uint8 (H, W, 3), shows another scene than the last one given."""
        # Every fourth pixel is enough, and quicker than all of them.
        thin = image[::4, ::4] if min(image.shape[:2]) > 4 * _SIDE else image
        small = cv2.resize(thin, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
        now = np.asarray(small.mean(axis=2), dtype=np.float32)
        last, self._last = self._last, now
        return last is not None and difference(last, now) > _ANOTHER_SCENE


def difference(a: FloatArray, b: FloatArray) -> float:
    """Mean absolute difference of two brightness pictures of one size."""
    return float(np.abs(a - b).mean())
