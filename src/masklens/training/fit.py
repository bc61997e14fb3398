"""Fine-tuning the street network: samples go in, the network with averaged weights comes out.

What it learns stands here: its batches and what it loses on them; :mod:`masklens.training.loop` is
the loop.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from masklens.crop import FloatArray, Image
from masklens.training import loop
from masklens.training.augment import Augmentation, view
from masklens.training.loop import AfterEpoch, LoopSettings, Losses, RunningMean
from masklens.training.samples import Samples

Batch = tuple[Image, npt.NDArray[np.int64], FloatArray]


@dataclass(frozen=True, slots=True, kw_only=True)
class FitSettings(LoopSettings):
    """How the network is trained.

    Attributes:
        smoothing: of the labels (Szegedy et al. 2016); about 1.5 % of them are debatable.
        mixup: share of the batches whose pictures are mixed in pairs (Zhang et al. 2018), against
            labels that are wrong or debatable.
        taught: share of the labels' place that what a teacher says of the same view and of its
            mirror image takes (Hinton et al. 2015), where there is one.
        box_weight: of the box loss against the cross-entropy.
        found_share: how often a face is cut at the finder's box instead of the annotated one.
    """

    batch: int = 64
    learning_rate: float = 6e-4
    warmup: int = 150
    average: float = 0.995
    smoothing: float = 0.05
    mixup: float = 0.0
    taught: float = 0.0
    box_weight: float = 1.0
    found_share: float = 0.5
    augmentation: Augmentation = field(default_factory=Augmentation)


def fit(
    model: keras.Model,
    samples: Samples,
    weights: FloatArray,
    settings: FitSettings,
    *,
    margin: float,
    teacher: keras.Model | None = None,
    checkpoints: Path,
    history: Path,
    resume: bool = False,
    after_epoch: AfterEpoch | None = None,
) -> int:
    """Train in place; afterwards the model holds the averaged weights.

    Args:
        model: :func:`masklens.training.mobilenet.street_network`.
        samples: see there.
        weights: (N,), how often a sample is shown per epoch on average.
        settings: see there.
        margin: of the crops.
        teacher: a network with the same input and outputs, see ``settings.taught``.
        checkpoints, history, resume, after_epoch: see :func:`masklens.training.loop.train`, also
            for its errors.

    Returns:
        Number of finished epochs; fewer than asked for after Ctrl-C.
    """
    size = model.input_shape[1]
    return loop.train(
        model,
        _losses(model, settings, teacher),
        lambda epoch: batches(size, samples, weights, settings, margin, epoch),
        settings,
        RunningMean(model.trainable_variables, settings.average),
        steps=_steps(weights, settings),
        clip=5.0,
        checkpoints=checkpoints,
        history=history,
        resume=resume,
        after_epoch=after_epoch,
    )


def _steps(weights: FloatArray, settings: FitSettings) -> int:
    return max(1, int(weights.sum() // settings.batch))


def _losses(model: keras.Model, settings: FitSettings, teacher: keras.Model | None) -> Losses:
    classes = int(model.output["logits"].shape[1])
    smoothing = settings.smoothing

    def losses(pixels: tf.Tensor, targets: tf.Tensor, boxes: tf.Tensor) -> dict[str, tf.Tensor]:
        wanted = tf.one_hot(targets, classes) * (1 - smoothing) + smoothing / classes
        known = tf.cast(tf.math.is_finite(boxes[:, 0]), tf.float32)
        boxes = tf.where(known[:, None] > 0, boxes, tf.zeros_like(boxes))
        values = tf.cast(pixels, tf.float32) / 127.5 - 1
        if settings.mixup:
            share = _mixing_share(settings.mixup)
            values = share * values + (1 - share) * values[::-1]
            wanted = share * wanted + (1 - share) * wanted[::-1]
            # Where the other face is seen as well, there is no one box to learn.
            known *= tf.cast(share > 0.9, tf.float32)
        if teacher is not None:
            said = [
                tf.nn.softmax(teacher(side, training=False)["logits"])
                for side in (values, values[:, :, ::-1])
            ]
            wanted = (1 - settings.taught) * wanted + settings.taught * tf.add_n(said) / 2
        got = model(values, training=True)
        label_loss = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(wanted, got["logits"]))
        iou = _iou(got["box"], boxes)
        distance = tf.reduce_mean(tf.abs(got["box"] - boxes), axis=1)
        count = tf.maximum(tf.reduce_sum(known), 1.0)
        box_loss = tf.reduce_sum(known * (2 * distance + 0.5 * (1 - iou))) / count
        hits = tf.cast(tf.argmax(got["logits"], axis=1) == targets, tf.float32)
        return {
            "loss": label_loss + settings.box_weight * box_loss,
            "accuracy": tf.reduce_mean(hits),
            "iou": tf.reduce_sum(known * iou) / count,
        }

    return losses


def _mixing_share(batches: float) -> tf.Tensor:
    """How much of each picture of a batch stays: 1, or at least a half, from Beta(0.4, 0.4)."""
    gammas = tf.random.gamma((2,), 0.4)
    share = tf.reduce_max(gammas) / tf.reduce_sum(gammas)
    return tf.where(tf.random.uniform(()) < batches, share, tf.ones(()))


def _iou(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
    """Intersection over union of boxes in pairs: (N, 4), (N, 4) -> (N,)."""
    sides = tf.maximum(tf.minimum(a[:, 2:], b[:, 2:]) - tf.maximum(a[:, :2], b[:, :2]), 0.0)
    inter = sides[:, 0] * sides[:, 1]
    area_a = tf.reduce_prod(tf.maximum(a[:, 2:] - a[:, :2], 0.01), axis=1)
    area_b = tf.reduce_prod(b[:, 2:] - b[:, :2], axis=1)
    return inter / (area_a + area_b - inter + 1e-6)


def batches(
    size: int,
    samples: Samples,
    weights: FloatArray,
    settings: FitSettings,
    margin: float,
    epoch: int,
) -> Iterator[Batch]:
    """The batches of one epoch; the same seed and epoch give the same views."""
    rng = np.random.default_rng([settings.seed, epoch])
    count = _steps(weights, settings) * settings.batch
    times = np.floor(weights + rng.random(len(weights))).astype(np.int64)
    order = rng.permutation(np.repeat(np.arange(len(weights)), times))
    order = np.resize(order, count)
    for start in range(0, count, settings.batch):
        rows = order[start : start + settings.batch]
        pixels = np.empty((len(rows), size, size, 3), np.uint8)
        boxes = np.empty((len(rows), 4), np.float32)
        for i, row in enumerate(rows):
            tight, found = samples.annotated[row], samples.found[row]
            use_found = np.isfinite(found[0]) and (
                not np.isfinite(tight[0]) or rng.random() < settings.found_share
            )
            pixels[i], boxes[i] = view(
                samples.contexts[row],
                found if use_found else tight,
                tight,
                size=size,
                margin=margin,
                augmentation=settings.augmentation,
                rng=rng,
            )
        yield pixels, samples.targets[rows], boxes
