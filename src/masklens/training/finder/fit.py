"""Fine-tuning the finder: a loop that reads from top to bottom.

Scenes go in, the network with averaged weights comes out. Every epoch ends with a checkpoint, so
that a run that was stopped goes on where it was, and Ctrl-C keeps the last whole epoch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tqdm import tqdm

from masklens.crop import FloatArray
from masklens.finder import grid
from masklens.training.finder.batch import Batch, collate
from masklens.training.finder.loss import LossWeights, finder_loss
from masklens.training.finder.network import STRIDES
from masklens.training.finder.scenes import Scene
from masklens.training.finder.views import ViewSettings, make_view
from masklens.training.history import append_row
from masklens.training.prefetch import ahead

#: Called with the row of the history after each epoch; the network holds the averaged weights then.
AfterEpoch = Callable[[dict[str, float]], None]


@dataclass(frozen=True, slots=True)
class FitSettings:
    """How the finder is trained.

    Attributes:
        epochs: passes over the pictures.
        batch: views per step.
        learning_rate: highest one; warmed up over ``warmup`` steps, then a half cosine to 1 %.
        weight_decay: of AdamW, not on biases.
        average: momentum of the running mean of the weights, which is what ships.
        seed: of everything random.
    """

    epochs: int = 18
    batch: int = 8
    learning_rate: float = 8e-4
    warmup: int = 200
    weight_decay: float = 1e-4
    average: float = 0.998
    seed: int = 42
    views: ViewSettings = field(default_factory=ViewSettings)
    loss: LossWeights = field(default_factory=LossWeights)


def fit(
    network: keras.Model,
    scenes: Sequence[Scene],
    settings: FitSettings,
    *,
    checkpoints: Path,
    history: Path,
    resume: bool = False,
    after_epoch: AfterEpoch | None = None,
) -> int:
    """Train in place; afterwards the network holds the averaged weights.

    Args:
        network: :func:`masklens.training.finder.network.finder_network`, started from YuNet.
        scenes: at least one.
        settings: see there.
        checkpoints: folder for the checkpoint.
        history: CSV file that gets a row per epoch.
        resume: go on from the checkpoint, if there is one.
        after_epoch: see there.

    Returns:
        Number of finished epochs; fewer than asked for after Ctrl-C.
    """
    # Edges and colours are found already, and the gradient of the largest map costs a fifth.
    network.get_layer("first_conv").trainable = False
    steps = math.ceil(len(scenes) / settings.batch)
    rate = keras.optimizers.schedules.CosineDecay(
        settings.learning_rate * 0.05,
        max(1, steps * settings.epochs - settings.warmup),
        alpha=0.01,
        warmup_target=settings.learning_rate,
        warmup_steps=settings.warmup,
    )
    optimizer = keras.optimizers.AdamW(rate, weight_decay=settings.weight_decay, clipnorm=10.0)
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    optimizer.build(network.trainable_variables)
    average = [tf.Variable(w, trainable=False) for w in network.get_weights()]
    centres, strides = cells(settings.views.side)
    step = _training_step(network, average, optimizer, settings, centres, strides)

    finished = tf.Variable(0, trainable=False)
    checkpoint = tf.train.Checkpoint(
        model=network, optimizer=optimizer, average=average, finished=finished
    )
    manager = tf.train.CheckpointManager(checkpoint, str(checkpoints), max_to_keep=1)
    if resume and manager.latest_checkpoint:
        checkpoint.restore(manager.latest_checkpoint).expect_partial()
    if int(finished) == 0:
        history.unlink(missing_ok=True)
    try:
        for epoch in range(int(finished), settings.epochs):
            sums: dict[str, float] = {}
            stream = ahead(batches(scenes, settings, centres, epoch))
            name = f"epoch {epoch + 1}/{settings.epochs}"
            for batch in tqdm(stream, name, steps, disable=None):
                for part, value in step(*_tensors(batch)).items():
                    sums[part] = sums.get(part, 0.0) + float(value) / steps
            finished.assign(epoch + 1)
            manager.save()
            row: dict[str, float] = {"epoch": epoch + 1, **sums}
            if after_epoch is not None:
                trained = network.get_weights()
                network.set_weights([w.numpy() for w in average])
                after_epoch(row)
                network.set_weights(trained)
            append_row(history, row)
    except KeyboardInterrupt:
        if not manager.latest_checkpoint:
            raise
        checkpoint.restore(manager.latest_checkpoint)
    network.set_weights([w.numpy() for w in average])
    return int(finished)


def cells(side: int) -> tuple[FloatArray, FloatArray]:
    """Centres (A, 2) and strides (A,) of the cells of a square view, in pixels."""
    corners, strides = grid(side, side, STRIDES)
    return (corners + np.float32(0.5)) * strides[:, None], strides


def batches(
    scenes: Sequence[Scene], settings: FitSettings, centres: FloatArray, epoch: int
) -> Iterator[Batch]:
    """The batches of one epoch; the same seed and epoch give the same views."""
    rng = np.random.default_rng([settings.seed, epoch])
    order = rng.permutation(len(scenes))
    count = math.ceil(len(order) / settings.batch) * settings.batch
    order = np.resize(order, count)
    for start in range(0, count, settings.batch):
        views = [
            make_view(scenes, int(index), settings.views, rng)
            for index in order[start : start + settings.batch]
        ]
        yield collate(views, centres)


def _tensors(batch: Batch) -> tuple[Any, ...]:
    fields = (
        batch.pixels, batch.boxes, batch.labels, batch.landmarks, batch.real, batch.ignored,
    )  # fmt: skip
    return tuple(tf.constant(values) for values in fields)


def _training_step(
    network: keras.Model,
    average: list[Any],
    optimizer: Any,
    settings: FitSettings,
    centres: FloatArray,
    strides: FloatArray,
) -> Any:
    def step(pixels: Any, *truth: Any) -> dict[str, Any]:
        with tf.GradientTape() as tape:
            maps = network(tf.cast(pixels, tf.float32), training=True)
            losses = finder_loss(
                maps, truth, tf.constant(centres), tf.constant(strides), settings.loss
            )
        gradients = tape.gradient(losses["loss"], network.trainable_variables)
        optimizer.apply_gradients(zip(gradients, network.trainable_variables, strict=True))
        done = tf.cast(optimizer.iterations, tf.float32)
        momentum = tf.minimum(settings.average, (1 + done) / (10 + done))
        for mean, now in zip(average, network.weights, strict=True):
            mean.assign(momentum * mean + (1 - momentum) * now.value)
        return losses

    return tf.function(step, reduce_retracing=True)
