"""What the finder is trained to lower: the losses of YuNet, and one for the mask label.

The maps of the network and a batch's truth go in, one number per part comes out. Boxes: EIoU
(Zhang et al., "Focal and Efficient IOU Loss", 2022).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from masklens.training.finder.assign import assign
from masklens.training.finder.network import COLUMNS, WIDTH


@dataclass(frozen=True, slots=True)
class LossWeights:
    """How much each part counts; the first four as in YuNet's own training."""

    overlap: float = 1.0
    objectness: float = 1.0
    box: float = 5.0
    landmarks: float = 0.1
    labels: float = 0.3


def finder_loss(
    maps: list[Any], batch: tuple[Any, ...], centres: Any, strides: Any, weights: LossWeights
) -> dict[str, Any]:
    """The weighted losses of a batch, per learning cell, and their sum as ``loss``.

    Args:
        maps: the network's, per stride (N, h, w, WIDTH).
        batch: boxes, labels, landmarks, real, ignored: see
            :class:`masklens.training.finder.batch.Batch`.
        centres, strides: of all cells (A, 2), (A,), in pixels.
        weights: see there.
    """
    truth, labels, landmarks, real, ignored = batch
    cells = tf.concat([tf.reshape(m, (tf.shape(m)[0], -1, WIDTH)) for m in maps], axis=1)
    part = {name: cells[..., columns] for name, columns in COLUMNS.items()}
    overlap, objectness = part["class"][..., 0], part["object"][..., 0]
    corners = centres - strides[:, None] / 2
    middle = part["box"][..., :2] * strides[:, None] + corners
    size = tf.exp(tf.minimum(part["box"][..., 2:], 8.0)) * strides[:, None]
    boxes = tf.concat([middle - size / 2, middle + size / 2], axis=-1)
    plan = assign(
        tf.stop_gradient(tf.sqrt(tf.sigmoid(overlap) * tf.sigmoid(objectness))),
        tf.stop_gradient(boxes), truth, real, centres, strides,
    )  # fmt: skip

    learns = tf.cast(plan.positive, tf.float32)
    count = tf.maximum(tf.reduce_sum(learns), 1.0)
    counts = tf.where(plan.positive, 1.0, tf.cast(~ignored, tf.float32))
    cross = tf.nn.sigmoid_cross_entropy_with_logits
    losses = {
        "overlap": tf.reduce_sum(learns * cross(plan.iou, overlap)),
        "objectness": tf.reduce_sum(counts * cross(learns, objectness)),
    }
    # The rest is taken at the learning cells only.
    rows = tf.where(plan.positive)
    faces = tf.stack([rows[:, 0], tf.cast(tf.gather_nd(plan.face, rows), tf.int64)], axis=1)
    scale = tf.gather(strides, rows[:, 1])[:, None]
    corner = tf.gather(corners, rows[:, 1])
    losses["box"] = tf.reduce_sum(eiou(tf.gather_nd(boxes, rows), tf.gather_nd(truth, faces)))

    points = tf.gather_nd(landmarks, faces)
    known = tf.cast(tf.math.is_finite(points[:, 0]), tf.float32)
    points = tf.where(known[:, None] > 0, (points - tf.tile(corner, (1, 5))) / scale, 0.0)
    missed = abs(tf.gather_nd(part["landmarks"], rows) - points)
    smooth = tf.where(missed < 1, 0.5 * missed**2, missed - 0.5)
    losses["landmarks"] = tf.reduce_sum(known * tf.reduce_mean(smooth, axis=1))

    label = tf.gather_nd(labels, faces)
    guess = tf.nn.sparse_softmax_cross_entropy_with_logits(
        tf.maximum(label, 0), tf.gather_nd(part["labels"], rows)
    )
    losses["labels"] = tf.reduce_sum(tf.where(label >= 0, guess, 0.0))

    losses = {name: getattr(weights, name) * value / count for name, value in losses.items()}
    return {"loss": tf.add_n(list(losses.values())), **losses}


def eiou(a: Any, b: Any) -> Any:
    """Efficient IoU loss of boxes in pairs: (K, 4), (K, 4) -> (K,)."""
    low, high = tf.minimum(a, b), tf.maximum(a, b)
    shared = tf.reduce_prod(tf.maximum(low[:, 2:] - high[:, :2], 0.0), axis=1)
    sides_a, sides_b = a[:, 2:] - a[:, :2], b[:, 2:] - b[:, :2]
    union = tf.reduce_prod(sides_a, axis=1) + tf.reduce_prod(sides_b, axis=1) - shared
    hull = high[:, 2:] - low[:, :2]
    apart = (a[:, :2] + a[:, 2:] - b[:, :2] - b[:, 2:]) / 2
    return (
        1
        - shared / tf.maximum(union, 1e-6)
        + tf.reduce_sum(apart**2, axis=1) / tf.maximum(tf.reduce_sum(hull**2, axis=1), 1e-6)
        + tf.reduce_sum((sides_a - sides_b) ** 2 / tf.maximum(hull**2, 1e-6), axis=1)
    )
