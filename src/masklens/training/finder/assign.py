"""Which cells learn which face: simplified optimal transport.

For every face the cells near it are ranked by how well they do already, and as many of the best as
the overlaps add up to learn it (SimOTA: Ge et al., "YOLOX: Exceeding YOLO Series in 2021"; YuNet is
trained so too).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import tensorflow as tf

#: Cells within this many strides of a face's centre may learn it, though they lie outside.
_RADIUS = 2.5

#: How many of the best overlaps are added up.
_BEST = 10

_FAR = 1e8


class Assignment(NamedTuple):
    """What the cells of N views learn.

    Attributes:
        positive: bool (N, A): cells that learn a face.
        face: int32 (N, A): the number of that face in its view; 0 elsewhere.
        iou: float32 (N, A): overlap of the cell's box with it; 0 elsewhere.
    """

    positive: Any
    face: Any
    iou: Any


def assign(
    scores: Any, boxes: Any, truth: Any, real: Any, centres: Any, strides: Any
) -> Assignment:
    """Share out the cells among the faces.

    Args:
        scores: float32 (N, A), 0…1.
        boxes: float32 (N, A, 4), xyxy pixels: what the cells say now.
        truth: float32 (N, G, 4), xyxy pixels, padded.
        real: bool (N, G): a face, no padding.
        centres: float32 (A, 2), of the cells, in pixels.
        strides: float32 (A,).
    """
    x, y = centres[:, 0], centres[:, 1]
    left, top, right, bottom = (truth[..., i, None] for i in range(4))
    inside = (x > left) & (x < right) & (y > top) & (y < bottom)
    reach = _RADIUS * strides
    near = (abs(x - (left + right) / 2) < reach) & (abs(y - (top + bottom) / 2) < reach)
    allowed = (inside | near) & real[..., None]

    overlap = tf.where(allowed, _pairwise_iou(truth, boxes), 0.0)
    cost = (
        -tf.math.log(tf.maximum(scores, 1e-6))[:, None]
        - 3 * tf.math.log(overlap + 1e-6)
        + 1e5 * tf.cast(~(inside & near), tf.float32)
    )
    cost = tf.where(allowed, cost, _FAR)

    counts = tf.reduce_sum(tf.math.top_k(overlap, _BEST).values, axis=-1)
    counts = tf.maximum(tf.cast(counts, tf.int32), 1)
    lowest = -tf.math.top_k(-cost, _BEST).values  # rising
    limit = tf.gather(lowest, counts - 1, axis=-1, batch_dims=2)
    chosen = (cost <= limit[..., None]) & allowed
    # A cell that several faces want learns the one that it costs least.
    wanted = tf.where(chosen, cost, _FAR)
    positive = tf.reduce_any(chosen, axis=1)
    face = tf.argmin(wanted, axis=1, output_type=tf.int32)
    iou = tf.gather(tf.transpose(overlap, (0, 2, 1)), face, axis=-1, batch_dims=2)
    return Assignment(positive, tf.where(positive, face, 0), tf.where(positive, iou, 0.0))


def _pairwise_iou(truth: Any, boxes: Any) -> Any:
    """(N, G, 4) and (N, A, 4) -> (N, G, A)."""
    a, b = truth[:, :, None], boxes[:, None]
    sides = tf.minimum(a[..., 2:], b[..., 2:]) - tf.maximum(a[..., :2], b[..., :2])
    shared = tf.reduce_prod(tf.maximum(sides, 0.0), axis=-1)
    areas = _area(a) + _area(b)
    return shared / tf.maximum(areas - shared, 1e-6)


def _area(boxes: Any) -> Any:
    return tf.reduce_prod(boxes[..., 2:] - boxes[..., :2], axis=-1)
