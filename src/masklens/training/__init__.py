"""Training: one recipe per module, each a function from options to a run folder with a bundle."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from importlib.util import find_spec
from types import ModuleType
from typing import TYPE_CHECKING

from masklens.errors import MissingExtraError
from masklens.io.quiet import quiet
from masklens.memory import keep_freed

if TYPE_CHECKING:
    from masklens.training.run import TrainOptions, TrainResult

_NEEDED = ("keras", "tensorflow", "tf2onnx", "sklearn", "scipy", "matplotlib")


def require_extra() -> None:
    """Raise MissingExtraError unless everything is installed that training needs."""
    if any(find_spec(module) is None for module in _NEEDED):
        raise MissingExtraError("Training", "train")


def load_module(name: str) -> ModuleType:
    """A module of this package that trains; imports TensorFlow.

    Raises:
        MissingExtraError: not everything is installed that training needs.
    """
    require_extra()
    keep_freed()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # for what comes after the greeting
    with quiet(unless_it_fails=True):
        importlib.import_module("tensorflow")
    return importlib.import_module(f"masklens.training.{name}")


def load_recipe(name: str) -> Callable[[TrainOptions], TrainResult]:
    """The function of a recipe, ``train`` in the module of its name; see :func:`load_module`."""
    recipe: Callable[[TrainOptions], TrainResult] = load_module(name).train
    return recipe
