"""The state of training after an epoch, in one file, so that it can never be half old, half new."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from masklens.errors import InputError
from masklens.io.atomic import atomic_path

Row = dict[str, float]


@dataclass(frozen=True)
class Checkpoint:
    """Everything that the next epoch depends on.

    Attributes:
        history: a row per finished epoch.
        weights: of the network, in Keras' order.
        optimizer: its variables: step counter and moments.
    """

    history: tuple[Row, ...]
    weights: tuple[np.ndarray, ...]
    optimizer: tuple[np.ndarray, ...]

    @classmethod
    def take(cls, model: keras.Model, history: Sequence[Row]) -> Checkpoint:
        """Copy the state of a compiled network."""
        model.optimizer.build(model.trainable_variables)
        return cls(
            tuple(history),
            tuple(model.get_weights()),
            tuple(keras.ops.convert_to_numpy(v) for v in model.optimizer.variables),
        )

    def restore(self, model: keras.Model) -> None:
        """Put the state back into a network that was built and compiled the same way."""
        model.set_weights(self.weights)
        model.optimizer.build(model.trainable_variables)
        for variable, value in zip(model.optimizer.variables, self.optimizer, strict=True):
            variable.assign(value)

    def save(self, path: Path) -> None:
        """Write it as .npz, whole or not at all."""
        arrays: dict[str, Any] = {f"weight_{i}": w for i, w in enumerate(self.weights)}
        arrays |= {f"optimizer_{i}": v for i, v in enumerate(self.optimizer)}
        with atomic_path(path) as temporary:
            np.savez(temporary, history=np.array(json.dumps(self.history)), **arrays)

    @classmethod
    def load(cls, path: Path, model: keras.Model) -> Checkpoint:
        """Read what :meth:`save` wrote, and put it into a network as :meth:`restore` does.

        Raises:
            InputError: the file is damaged, or is of another network.
        """
        try:
            with np.load(path, allow_pickle=False) as arrays:
                history = tuple(map(dict, json.loads(str(arrays["history"]))))
                state = cls(history, _column(arrays, "weight"), _column(arrays, "optimizer"))
            state.restore(model)
        except Exception as error:  # NumPy, zipfile and Keras each raise their own
            raise InputError(
                f"{path} is damaged or was written by another version of masklens, so its run "
                "cannot be resumed. Start anew with --overwrite."
            ) from error
        return state


def _column(arrays: Any, prefix: str) -> tuple[np.ndarray, ...]:
    count = sum(name.startswith(f"{prefix}_") for name in arrays.files)
    return tuple(arrays[f"{prefix}_{i}"] for i in range(count))
