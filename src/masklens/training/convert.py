"""From Keras to ONNX, with proof: the converted network must agree with the original."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np
import onnx

from masklens.crop import FloatArray
from masklens.errors import BundleError
from masklens.io.quiet import quiet
from masklens.runtime import open_session

#: Largest difference of a probability between Keras and ONNX Runtime that is taken for rounding.
TOLERANCE = 1e-4


def to_onnx(model: keras.Model, path: Path, outputs: Sequence[str] = ("probabilities",)) -> None:
    """Convert a network; the number of pictures in a batch stays free.

    Args:
        model: one input, float32.
        path: of the ONNX file.
        outputs: names for the outputs, in the order of the network's.

    Raises:
        BundleError: the network has another number of outputs.
    """
    # Keras only exports a network that has been called, and building one does not count.
    model(np.zeros((1, *model.inputs[0].shape[1:]), np.float32))
    with warnings.catch_warnings(), quiet(unless_it_fails=True):
        # Keras mends tf2onnx for NumPy 2, and NumPy warns of the attribute that it asks for.
        warnings.simplefilter("ignore", FutureWarning)
        model.export(str(path), format="onnx", verbose=False)
    converted = onnx.load(path)
    if len(converted.graph.output) != len(outputs):
        raise BundleError(
            f"The network has {len(converted.graph.output)} outputs. Received names for "
            f"{len(outputs)}: {list(outputs)}."
        )
    renamed = {
        output.name: name for output, name in zip(converted.graph.output, outputs, strict=True)
    }
    for node in converted.graph.node:
        for names in (node.input, node.output):
            for index, name in enumerate(names):
                names[index] = renamed.get(name, name)
    for value in converted.graph.output:
        value.name = renamed[value.name]
    for value in [*converted.graph.input, *converted.graph.output]:
        value.type.tensor_type.shape.dim[0].dim_param = "n"
    onnx.checker.check_model(converted)
    onnx.save(converted, path)


def check_parity(model: keras.Model, path: Path, tensor: FloatArray) -> float:
    """Run a network in Keras and in ONNX Runtime on the same input.

    Args:
        model: one input, one output.
        path: of its ONNX file.
        tensor: float32 (N, …), real pictures: an input that means nothing passes any comparison.

    Returns:
        The largest difference found.

    Raises:
        BundleError: they differ by more than :data:`TOLERANCE`.
    """
    session = open_session(path.read_bytes())
    (ours,) = session.run(None, {session.get_inputs()[0].name: tensor})
    difference = float(np.abs(model.predict(tensor, verbose=0) - ours).max())
    if not difference <= TOLERANCE:  # so that NaN fails too
        raise BundleError(
            f"{path.name} does not agree with the Keras network: its outputs differ by "
            f"{difference:.1e}, more than the {TOLERANCE:.0e} that rounding explains. Nothing was "
            "written; please report the versions of keras, tensorflow and tf2onnx."
        )
    return difference
