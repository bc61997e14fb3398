"""Training the report's head on the features of the frozen backbone, epoch by epoch."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from masklens.crop import FloatArray
from masklens.training.checkpoint import Checkpoint, Row
from masklens.training.network import head

LEARNING_RATE = 1e-4
#: Of the learning rate per step: rate / (1 + decay * step), what Keras' Adam called ``decay``.
DECAY = 1e-4 / 20

#: Of the history, in order; the first two are of the training part, under dropout.
COLUMNS = ("loss", "accuracy", "val_loss", "val_accuracy")

AfterEpoch = Callable[[Row], None]


def fit_head(
    train_data: tuple[FloatArray, npt.NDArray[np.int64]],
    test_data: tuple[FloatArray, npt.NDArray[np.int64]],
    *,
    outputs: int,
    epochs: int,
    batch_size: int,
    seed: int,
    checkpoint: Path,
    after_epoch: AfterEpoch | None = None,
) -> tuple[keras.Model, list[Row]]:
    """Train the head on features, from its checkpoint if there is one.

    What an epoch draws depends on the seed and its number only, so that a run that was interrupted
    ends like one that was not.

    Args:
        train_data: features float32 (N, views, F), targets int64 (N,).
        test_data: features float32 (M, F), targets int64 (M,).
        outputs: number of classes.
        epochs: to have been done at the end.
        batch_size, seed: as everywhere.
        checkpoint: written after every epoch.
        after_epoch: called with the row of the history after each epoch.

    Returns:
        The head and a row per finished epoch: all of them, or those before Ctrl-C.

    Raises:
        InputError: the checkpoint is damaged, or another version's.
    """
    features, targets = train_data
    top = head(outputs, seed)
    rate = keras.optimizers.schedules.InverseTimeDecay(LEARNING_RATE, 1, DECAY)
    # On two classes the same number as the report's binary cross-entropy over both outputs.
    top.compile(
        optimizer=keras.optimizers.Adam(rate),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    state = Checkpoint.load(checkpoint, top) if checkpoint.exists() else Checkpoint.take(top, [])
    rows = np.arange(len(features))
    first_view = np.random.default_rng(seed).integers(features.shape[1], size=len(features))
    with tqdm(
        total=epochs, initial=len(state.history), desc="training", unit="epoch", disable=None
    ) as bar:
        try:
            for epoch in range(len(state.history), epochs):
                view = (first_view + epoch) % features.shape[1]
                order = np.random.default_rng((seed, epoch)).permutation(rows)
                top.get_layer("dropout").seed_generator.state.assign([seed % 2**32, epoch])
                fitted = top.fit(
                    features[order, view[order]],
                    targets[order],
                    batch_size=batch_size,
                    validation_data=test_data,
                    shuffle=False,
                    verbose=0,
                )
                row: Row = {"epoch": epoch + 1}
                row |= {name: float(fitted.history[name][0]) for name in COLUMNS}
                row["learning_rate"] = float(rate(top.optimizer.iterations))
                state = Checkpoint.take(top, [*state.history, row])
                state.save(checkpoint)
                bar.update()
                bar.set_postfix(
                    accuracy=f"{row['val_accuracy']:.4f}", loss=f"{row['val_loss']:.4f}"
                )
                if after_epoch is not None:
                    after_epoch(row)
        except KeyboardInterrupt:
            if not state.history:
                raise  # nothing to keep
            tqdm.write(f"Interrupted: keeping epoch {len(state.history)}.", file=sys.stderr)
    state.restore(top)
    return top, list(state.history)
