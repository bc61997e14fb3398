"""Fine-tuning the street network: a loop that reads from top to bottom.

Samples go in, the network with averaged weights comes out. Every epoch ends with a checkpoint, so
that a run that was stopped goes on where it was, and Ctrl-C keeps the last whole epoch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from tqdm import tqdm

from masklens.crop import FloatArray, Image
from masklens.training.augment import Augmentation, view
from masklens.training.history import append_row
from masklens.training.prefetch import ahead
from masklens.training.samples import Samples

#: Called with the row of the history: epoch, loss, accuracy, iou.
AfterEpoch = Callable[[dict[str, float]], None]

Batch = tuple[Image, npt.NDArray[np.int64], FloatArray]


@dataclass(frozen=True, slots=True)
class FitSettings:
    """How the network is trained.

    Attributes:
        epochs: passes over the weighted samples.
        batch: views per step.
        learning_rate: highest one; warmed up over ``warmup`` steps, then a half cosine to 1 %.
        weight_decay: of AdamW, not on biases.
        smoothing: of the labels (Szegedy et al. 2016); about 1.5 % of them are debatable.
        mixup: share of the batches whose pictures are mixed in pairs (Zhang et al. 2018), against
            labels that are wrong or debatable.
        average: momentum of the running mean of the weights, which is what ships.
        box_weight: of the box loss against the cross-entropy.
        found_share: how often a face is cut at the finder's box instead of the annotated one.
        seed: of everything random.
    """

    epochs: int = 18
    batch: int = 64
    learning_rate: float = 6e-4
    warmup: int = 150
    weight_decay: float = 1e-4
    smoothing: float = 0.05
    mixup: float = 0.0
    average: float = 0.995
    box_weight: float = 1.0
    found_share: float = 0.5
    seed: int = 42
    augmentation: Augmentation = field(default_factory=Augmentation)


def fit(
    model: keras.Model,
    samples: Samples,
    weights: FloatArray,
    settings: FitSettings,
    *,
    margin: float,
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
        checkpoints: folder for the checkpoint.
        history: CSV file that gets a row per epoch.
        resume: go on from the checkpoint, if there is one.
        after_epoch: called with the row of the history after each epoch.

    Returns:
        Number of finished epochs; fewer than asked for after Ctrl-C.
    """
    steps = max(1, int(weights.sum() // settings.batch))
    rate = keras.optimizers.schedules.CosineDecay(
        settings.learning_rate * 0.05,
        max(1, steps * settings.epochs - settings.warmup),
        alpha=0.01,
        warmup_target=settings.learning_rate,
        warmup_steps=settings.warmup,
    )
    optimizer = keras.optimizers.AdamW(
        rate,
        weight_decay=settings.weight_decay,
        clipnorm=5.0,
        use_ema=True,
        ema_momentum=settings.average,
    )
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    optimizer.build(model.trainable_variables)
    step = _training_step(model, optimizer, settings)

    finished = tf.Variable(0, trainable=False)
    checkpoint = tf.train.Checkpoint(model=model, optimizer=optimizer, finished=finished)
    manager = tf.train.CheckpointManager(checkpoint, str(checkpoints), max_to_keep=1)
    if resume and manager.latest_checkpoint:
        checkpoint.restore(manager.latest_checkpoint).expect_partial()
    if int(finished) == 0:
        history.unlink(missing_ok=True)
    try:
        for epoch in range(int(finished), settings.epochs):
            stream = batches(model.input_shape[1], samples, weights, settings, margin, epoch)
            bar = tqdm(ahead(stream), f"epoch {epoch + 1}/{settings.epochs}", steps, disable=None)
            sums = np.zeros(3)
            for views in bar:
                sums += [float(value) for value in step(*views)]
            loss, accuracy, iou = sums / steps
            bar.close()
            row = {"epoch": epoch + 1, "loss": loss, "accuracy": accuracy, "iou": iou}
            finished.assign(epoch + 1)
            manager.save()
            append_row(history, row)
            if after_epoch is not None:
                after_epoch(row)
    except KeyboardInterrupt:
        if not manager.latest_checkpoint:
            raise
        checkpoint.restore(manager.latest_checkpoint)
    optimizer.finalize_variable_values(model.trainable_variables)
    return int(finished)


def _training_step(model: keras.Model, optimizer: Any, settings: FitSettings) -> Any:
    classes = int(model.output["logits"].shape[1])
    smoothing = settings.smoothing

    def step(pixels: tf.Tensor, targets: tf.Tensor, boxes: tf.Tensor) -> tuple[tf.Tensor, ...]:
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
        with tf.GradientTape() as tape:
            got = model(values, training=True)
            label_loss = tf.reduce_mean(
                tf.nn.softmax_cross_entropy_with_logits(wanted, got["logits"])
            )
            iou = _iou(got["box"], boxes)
            distance = tf.reduce_mean(tf.abs(got["box"] - boxes), axis=1)
            count = tf.maximum(tf.reduce_sum(known), 1.0)
            box_loss = tf.reduce_sum(known * (2 * distance + 0.5 * (1 - iou))) / count
            loss = label_loss + settings.box_weight * box_loss
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        hits = tf.cast(tf.argmax(got["logits"], axis=1) == targets, tf.float32)
        return loss, tf.reduce_mean(hits), tf.reduce_sum(known * iou) / count

    return tf.function(step, reduce_retracing=True)


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
    count = max(1, int(weights.sum() // settings.batch)) * settings.batch
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
