"""Views of one size in one batch, with their truth padded to the same number of faces."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from masklens.crop import FloatArray, Image
from masklens.training.finder.scenes import Scene


class Batch(NamedTuple):
    """Views with their truth, padded to the same number of faces.

    Attributes:
        pixels: uint8 (N, S, S, 3).
        boxes: float32 (N, G, 4), xyxy pixels.
        labels: int32 (N, G); -1 not known.
        landmarks: float32 (N, G, 10); NaN not known.
        real: bool (N, G): a face, no padding.
        ignored: bool (N, A): cells that are neither face nor background.
    """

    pixels: Image
    boxes: FloatArray
    labels: npt.NDArray[np.int32]
    landmarks: FloatArray
    real: npt.NDArray[np.bool_]
    ignored: npt.NDArray[np.bool_]


def collate(views: Sequence[Scene], centres: FloatArray, room: int = 16) -> Batch:
    """Put views into one batch; the number of faces is padded to a multiple of ``room``.

    Args:
        views: all of the same side.
        centres: (A, 2), the cells' centres in pixels.
        room: so that few different shapes reach the compiled step.
    """
    most = max((len(view.boxes) for view in views), default=0)
    faces = max(room, most + -most % room)
    n = len(views)
    batch = Batch(
        np.stack([view.image for view in views]),
        np.zeros((n, faces, 4), np.float32),
        np.full((n, faces), -1, np.int32),
        np.full((n, faces, 10), np.nan, np.float32),
        np.zeros((n, faces), bool),
        np.zeros((n, len(centres)), bool),
    )
    for i, view in enumerate(views):
        count = len(view.boxes)
        batch.boxes[i, :count] = view.boxes
        batch.labels[i, :count] = view.labels
        batch.landmarks[i, :count] = view.landmarks.reshape(-1, 10)
        batch.real[i, :count] = True
        for x1, y1, x2, y2 in view.ignore:
            batch.ignored[i] |= (
                (centres[:, 0] >= x1) & (centres[:, 0] <= x2)
                & (centres[:, 1] >= y1) & (centres[:, 1] <= y2)
            )  # fmt: skip
    return batch
