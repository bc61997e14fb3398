"""Fixtures that every test may use: the shared data, made pictures, and a toy bundle."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NoReturn

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image as PillowImage

from masklens.bundle import Bundle, write_bundle
from masklens.card import ModelCard
from masklens.labels import LABELS

ROOT = Path(__file__).resolve().parent.parent
DATA_ROOT = Path(os.environ.get("MASKLENS_DATA", ROOT.parent / "shared"))

# Keras reads these when it is first imported, by whichever test that is: a fixture would be late.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
if (DATA_ROOT / "weights" / "keras_home").is_dir():
    os.environ.setdefault("KERAS_HOME", str(DATA_ROOT / "weights" / "keras_home"))


def lacking(reason: str) -> NoReturn:
    """End a test that lacks something of this machine's: it is skipped, but failed in CI."""
    (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The root of the shared data, see :func:`lacking`."""
    root = DATA_ROOT
    if not (root / "data" / "scenes").is_dir():
        lacking(f"no data at {root}: set MASKLENS_DATA to the folder that has data/scenes")
    return root


@pytest.fixture(scope="session")
def portrait_file() -> Path:
    """A real photograph with one bare face (NASA, public domain), 512×512."""
    return ROOT / "examples" / "pictures" / "astronaut.jpg"


@pytest.fixture(scope="session")
def portrait(portrait_file: Path) -> np.ndarray:
    return np.asarray(PillowImage.open(portrait_file).convert("RGB"))


def make_toy_model(path: Path, size: int = 32, outputs: int = 3) -> None:
    """A classifier by colour: the mean of red, green and blue (and a constant) through softmax."""
    weights = np.eye(3, outputs, dtype=np.float32) * 6
    bias = np.zeros(outputs, np.float32)
    if outputs > 3:
        bias[3] = -4
    graph = helper.make_graph(
        [
            helper.make_node("ReduceMean", ["input"], ["mean"], axes=[1, 2], keepdims=0),
            helper.make_node("Gemm", ["mean", "w", "b"], ["logits"]),
            helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
        ],
        "toy",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["n", size, size, 3])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", outputs])],
        [numpy_helper.from_array(weights, "w"), numpy_helper.from_array(bias, "b")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, path)


def toy_card(**changes: object) -> ModelCard:
    values: dict[str, object] = {
        "name": "toy",
        "version": "1",
        "labels": LABELS,
        "outputs": LABELS,
        "size": 32,
        "value_range": (-1.0, 1.0),
        "margin": 0.2,
        "thresholds": {"default": 0.3, "precise": 0.6, "sensitive": 0.1},
    }
    return ModelCard(**(values | changes))


@pytest.fixture
def toy_bundle(tmp_path: Path) -> Bundle:
    """A bundle whose classifier goes by colour: red, green, blue are the three labels."""
    model = tmp_path / "toy.onnx"
    make_toy_model(model)
    return write_bundle(tmp_path / "toy-bundle", toy_card(), {"classifier.onnx": model})
