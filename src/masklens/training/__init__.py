"""Training: one recipe per module, each a function from options to a run folder with a bundle."""

from __future__ import annotations

import contextlib
import importlib
import os
import tempfile
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import TYPE_CHECKING

from masklens.errors import MissingExtraError

if TYPE_CHECKING:
    from masklens.training.run import TrainOptions, TrainResult

#: recipe -> module of this package that holds it as ``train``
RECIPES = {"report": "report", "street": "street"}

_NEEDED = ("keras", "tensorflow", "tf2onnx", "sklearn", "scipy", "matplotlib")


def load_recipe(name: str) -> Callable[[TrainOptions], TrainResult]:
    """The function of a recipe; imports TensorFlow.

    Raises:
        MissingExtraError: not everything is installed that training needs.
    """
    if any(find_spec(module) is None for module in _NEEDED):
        raise MissingExtraError("Training", "train")
    with _quiet():
        importlib.import_module("tensorflow")
    module = importlib.import_module(f"masklens.training.{RECIPES[name]}")
    recipe: Callable[[TrainOptions], TrainResult] = module.train
    return recipe


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep TensorFlow's greeting from the terminal; show it when the import fails.

    It is written by C++ before any setting of ours is read, so that only the file descriptor helps.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # for what comes after the greeting
    kept = os.dup(2)
    with tempfile.TemporaryFile() as greeting:
        os.dup2(greeting.fileno(), 2)
        try:
            yield
        except BaseException:
            greeting.seek(0)
            os.write(kept, greeting.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)
