"""The shipped finder as a Keras network again: for tests that write its file anew."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import onnx
from onnx import numpy_helper

from masklens.training.onnx_graph import onnx_order


def load_weights(network: keras.Model, path: Path) -> None:
    """Fill a network from the ONNX file that :func:`save_onnx` wrote."""
    values = {w.name: numpy_helper.to_array(w) for w in onnx.load(path).graph.initializer}
    for layer in network.layers:
        if not layer.weights:
            continue
        order = onnx_order(layer)
        count = layer.weights[0].shape[order[0]]
        kernel, bias = (
            values[f"{layer.name}_{part}_half"].astype(np.float32)[:count] for part in "wb"
        )
        layer.set_weights([kernel.transpose(np.argsort(order)), bias])
