"""How the camera itself moved: what stands still in the scene moves through the picture.

Two frames go in; how far the second is moved against the first comes out, by phase correlation
(Kuglin and Hines, "The Phase Correlation Image Alignment Method", 1975). Faces that would be lost
are looked for where the camera has taken them, as in BoT-SORT (Aharon et al. 2022).
"""

from __future__ import annotations

import cv2
import numpy as np

from masklens.crop import FloatArray, Image

#: The frames are compared with this share of their width and height.
_SHRINK = 4
#: Less than this many pixels on a side say too little.
_SMALLEST = 16
#: Height of the correlation's peak, 0…1, from which the movement is believed.
_CLEAR = 0.3
#: Movements by more than this share of the picture are not believed: opposite borders are
#: neighbours to phase correlation.
_FARTHEST = 0.25


def camera_motion(before: Image, now: Image) -> tuple[float, float] | None:
    """How far the scene has moved from one frame to the other.

    Args:
        before, now: uint8 (H, W, 3), RGB, of the same size.

    Returns:
        In x and y, as shares of the width and the height; None where it cannot be told: the frames
        are tiny, or too much has changed.
    """
    if before.shape != now.shape or min(now.shape[:2]) < _SMALLEST * _SHRINK:
        return None
    first, second = _view(before), _view(now)
    height, width = second.shape
    window = cv2.createHanningWindow((width, height), cv2.CV_32F)
    (x, y), clear = cv2.phaseCorrelate(first, second, window)
    x, y = x / width, y / height
    if clear < _CLEAR or max(abs(x), abs(y)) > _FARTHEST:
        return None
    return x, y


def _view(image: Image) -> FloatArray:
    """Small and grey: float32 (H // 4, W // 4)."""
    rows, columns = (side // _SHRINK for side in image.shape[:2])
    # Four pixels for each are enough, and five times quicker than all sixteen.
    thin = cv2.resize(image, (2 * columns, 2 * rows), interpolation=cv2.INTER_NEAREST)
    small = cv2.resize(thin, (columns, rows), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.float32)
