"""The training loop of classifier and finder; it reads from top to bottom.

A network, its batches and what it loses on them go in; the network with averaged weights comes out.
Every epoch ends with a checkpoint, so that a run that was stopped goes on where it was, and Ctrl-C
keeps the last whole epoch.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf
from tqdm import tqdm

from masklens.errors import InputError, OutputError
from masklens.training.history import append_row
from masklens.training.prefetch import ahead

#: Called with the row of the history after each epoch, to which it may add; the network holds the
#: averaged weights then.
AfterEpoch = Callable[[dict[str, float]], None]

#: From the tensors of a batch to "loss", which is to fall, and what else the history shows.
Losses = Callable[..., Mapping[str, tf.Tensor]]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopSettings:
    """How a network is trained, whatever it learns.

    Attributes:
        epochs: passes over the data.
        batch: views per step.
        learning_rate: highest one; warmed up over ``warmup`` steps, then a half cosine to 1 %.
        weight_decay: of AdamW, not on biases.
        average: momentum of the running mean of the weights, which is what ships.
        seed: of everything random.
    """

    epochs: int = 18
    batch: int
    learning_rate: float
    warmup: int
    weight_decay: float = 1e-4
    average: float
    seed: int = 42


class RunningMean:
    """The running mean of weights over the steps of a training.

    Args:
        weights: Keras variables of the network.
        momentum: share of the mean that a step keeps.
        ramp: begin with a short memory, a momentum of (1 + n) / (10 + n) after n steps
            (as TensorFlow's ExponentialMovingAverage does); otherwise at what step 1 leaves.
    """

    def __init__(self, weights: Sequence[Any], momentum: float, *, ramp: bool = False) -> None:
        self.weights = weights
        self.means = [tf.Variable(weight.value, trainable=False) for weight in weights]
        self._momentum = momentum
        self._ramp = ramp

    def update(self, steps: tf.Tensor) -> None:
        """Take in the weights as they are after ``steps`` steps, at least one."""
        n = tf.cast(steps, tf.float32)
        at_first = (1 + n) / (10 + n) if self._ramp else n - 1
        momentum = tf.minimum(self._momentum, at_first)
        for mean, weight in zip(self.means, self.weights, strict=True):
            mean.assign(momentum * mean + (1 - momentum) * weight.value)

    def put(self) -> None:
        """Give the network the mean for its weights."""
        for mean, weight in zip(self.means, self.weights, strict=True):
            weight.assign(mean)

    @contextlib.contextmanager
    def in_place(self) -> Iterator[None]:
        """The network has the mean for its weights inside of the block."""
        trained = [weight.numpy() for weight in self.weights]
        self.put()
        try:
            yield
        finally:
            for weight, value in zip(self.weights, trained, strict=True):
                weight.assign(value)


def train(
    network: keras.Model,
    losses: Losses,
    batches: Callable[[int], Iterator[Iterable[Any]]],
    settings: LoopSettings,
    average: RunningMean,
    *,
    steps: int,
    clip: float,
    checkpoints: Path,
    history: Path,
    resume: bool = False,
    after_epoch: AfterEpoch | None = None,
) -> int:
    """Train in place; afterwards the network holds the averaged weights.

    Args:
        network: built; what is not trainable stays as it is.
        losses: of this network.
        batches: from the number of an epoch, from 0, to its ``steps`` batches.
        settings: see there.
        average: of this network's weights.
        steps: per epoch.
        clip: largest norm of a weight's gradient.
        checkpoints: folder for the checkpoint.
        history: CSV file that gets a row per epoch.
        resume: go on from the checkpoint, if there is one.
        after_epoch: see there.

    Returns:
        Number of finished epochs; fewer than asked for after Ctrl-C.

    Raises:
        InputError: the checkpoint is damaged, or another version's.
        OutputError: a checkpoint or the history cannot be written.
        KeyboardInterrupt: before the first epoch was finished.
    """
    optimizer = _adamw(settings, steps, clip)
    optimizer.build(network.trainable_variables)
    step = _step(network, losses, optimizer, average)

    finished = tf.Variable(0, trainable=False)
    kept = {"average": average.means, "dropout": _dropout_states(network), "finished": finished}
    state = tf.train.Checkpoint(model=network, optimizer=optimizer, **kept)
    manager = tf.train.CheckpointManager(state, str(checkpoints), max_to_keep=1)
    if resume and manager.latest_checkpoint:
        _restore(state, manager.latest_checkpoint)
    if int(finished) == 0:
        history.unlink(missing_ok=True)
    try:
        for epoch in range(int(finished), settings.epochs):
            row: dict[str, float] = {"epoch": epoch + 1}
            name = f"epoch {epoch + 1}/{settings.epochs}"
            with tqdm(ahead(batches(epoch)), name, steps, disable=None) as bar:
                for batch in bar:
                    for part, value in step(*batch).items():
                        row[part] = row.get(part, 0.0) + float(value) / steps
            finished.assign(epoch + 1)
            _save(manager)
            try:
                if after_epoch is not None:
                    with average.in_place():
                        after_epoch(row)
            finally:  # the checkpoint has this epoch, so the history has it too
                append_row(history, row)
    except KeyboardInterrupt:
        if not manager.latest_checkpoint:
            raise
        _restore(state, manager.latest_checkpoint)
    average.put()
    return int(finished)


def _adamw(settings: LoopSettings, steps: int, clip: float) -> keras.optimizers.Optimizer:
    rate = keras.optimizers.schedules.CosineDecay(
        settings.learning_rate * 0.05,
        max(1, steps * settings.epochs - settings.warmup),
        alpha=0.01,
        warmup_target=settings.learning_rate,
        warmup_steps=settings.warmup,
    )
    optimizer = keras.optimizers.AdamW(rate, weight_decay=settings.weight_decay, clipnorm=clip)
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    return optimizer


def _step(network: keras.Model, losses: Losses, optimizer: Any, average: RunningMean) -> Any:
    """One step, compiled: from the arrays of a batch to what the history shows of it."""

    def step(*batch: tf.Tensor) -> Mapping[str, tf.Tensor]:
        with tf.GradientTape() as tape:
            parts = losses(*batch)
        gradients = tape.gradient(parts["loss"], network.trainable_variables)
        optimizer.apply_gradients(zip(gradients, network.trainable_variables, strict=True))
        average.update(optimizer.iterations)
        return parts

    return tf.function(step, reduce_retracing=True)


def _dropout_states(network: keras.Model) -> list[tf.Variable]:
    """What dropout draws next depends on variables that are no weights, so no part of ``model``."""
    weights = {id(weight) for weight in network.weights}
    return [v.value for v in network.variables if id(v) not in weights]


def _save(manager: tf.train.CheckpointManager) -> None:
    try:
        manager.save()
    except (tf.errors.OpError, OSError) as error:
        raise OutputError(
            f"Cannot write a checkpoint into {manager.directory}: is there room, and may you write "
            "there? --resume goes on from the last one."
        ) from error


def _restore(state: tf.train.Checkpoint, path: str) -> None:
    try:
        state.restore(path).expect_partial().assert_existing_objects_matched()
    except (tf.errors.OpError, AssertionError, LookupError, RuntimeError, ValueError) as error:
        raise InputError(
            f"The checkpoint {path} is damaged or was written by another version of masklens, so "
            "its run cannot be resumed. Start anew with --overwrite."
        ) from error
