"""Looking at a doubtful crop again: at its middle, mirrored; the mean of both answers counts.

Test-time augmentation (Krizhevsky, Sutskever, Hinton 2012, section 4.1) for the crops that need it.
Crops and the network's first answer go in; the second views and the share of the answer to them
come out. The share rises steadily with the doubt, without an edge on whose two sides the same
picture from two decoders could fall. The page's copy is ``web/src/core/second-look.ts``.
"""

from __future__ import annotations

import cv2
import numpy as np

from masklens.card import SecondLook
from masklens.crop import FloatArray, Image


def second_weights(labels: FloatArray, look: SecondLook) -> FloatArray:
    """How much the second answer counts.

    Args:
        labels: (N, L), the outputs for the labels, without ``not_a_face``: what is no face for
            certain is no reason to look again.
        look: see there.

    Returns:
        float32 (N,), 0…0.5.
    """
    doubt = labels.sum(axis=1) - labels.max(axis=1)
    share = np.clip((doubt - look.low) / (look.high - look.low), 0, 1) / 2
    return np.asarray(share, dtype=np.float32)


def second_views(crops: Image, cut: int) -> Image:
    """The crops' middles, mirrored and enlarged to the crops' size.

    Args:
        crops: uint8 (N, size, size, 3), RGB.
        cut: pixels that are left out on each side.
    """
    views = np.empty_like(crops)
    size = crops.shape[1]
    for view, crop in zip(views, crops, strict=True):
        middle = cv2.flip(crop[cut : size - cut, cut : size - cut], 1)
        view[:] = cv2.resize(middle, (size, size), interpolation=cv2.INTER_LINEAR)
    return views
