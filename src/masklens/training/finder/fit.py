"""Fine-tuning the finder: scenes go in, the network with averaged weights comes out.

What it learns stands here: its batches and what it loses on them; :mod:`masklens.training.loop` is
the loop.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from masklens.crop import FloatArray
from masklens.finder import grid
from masklens.training import loop
from masklens.training.finder.batch import Batch, collate
from masklens.training.finder.loss import LossWeights, finder_loss
from masklens.training.finder.network import STRIDES
from masklens.training.finder.scenes import Scene
from masklens.training.finder.views import ViewSettings, make_view
from masklens.training.loop import AfterEpoch, LoopSettings, RunningMean


@dataclass(frozen=True, slots=True, kw_only=True)
class FitSettings(LoopSettings):
    """How the finder is trained."""

    batch: int = 8
    learning_rate: float = 8e-4
    warmup: int = 200
    average: float = 0.998
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
        checkpoints, history, resume, after_epoch: see :func:`masklens.training.loop.train`, also
            for its errors.

    Returns:
        Number of finished epochs; fewer than asked for after Ctrl-C.
    """
    # Edges and colours are found already, and the gradient of the largest map costs a fifth.
    network.get_layer("first_conv").trainable = False
    centres, strides = cells(settings.views.side)

    def losses(pixels: tf.Tensor, *truth: tf.Tensor) -> dict[str, tf.Tensor]:
        maps = network(tf.cast(pixels, tf.float32), training=True)
        return finder_loss(maps, truth, tf.constant(centres), tf.constant(strides), settings.loss)

    return loop.train(
        network,
        losses,
        lambda epoch: batches(scenes, settings, centres, epoch),
        settings,
        # With the statistics of batch normalisation, which are no trainable weights.
        RunningMean(network.weights, settings.average, ramp=True),
        steps=_steps(scenes, settings),
        clip=10.0,
        checkpoints=checkpoints,
        history=history,
        resume=resume,
        after_epoch=after_epoch,
    )


def _steps(scenes: Sequence[Scene], settings: FitSettings) -> int:
    return math.ceil(len(scenes) / settings.batch)


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
    order = np.resize(order, _steps(scenes, settings) * settings.batch)
    for start in range(0, len(order), settings.batch):
        views = [
            make_view(scenes, int(index), settings.views, rng)
            for index in order[start : start + settings.batch]
        ]
        yield collate(views, centres)
