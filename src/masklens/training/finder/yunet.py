"""YuNet's published weights in our network: where the training starts.

An ONNX file of libfacedetection.train goes in; the Keras network is filled. That the loaded network
gives the same numbers as the file proves the re-implementation.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np
import onnx
from onnx import numpy_helper

from masklens.crop import FloatArray
from masklens.errors import BundleError
from masklens.training.finder.network import COLUMNS, STRIDES, FinderPlan

#: The columns that YuNet's heads become, in the order they stand in its file.
_HEADS = ("class", "box", "object", "landmarks")

Pair = tuple[FloatArray, FloatArray]


def load_yunet(network: keras.Model, path: Path) -> None:
    """Fill a network of YuNet-n's plan from its ONNX file; the label columns stay as they are.

    Args:
        network: from :func:`masklens.training.finder.network.finder_network`.
        path: ``yunet_n_dynamic.onnx`` of libfacedetection.train.

    Raises:
        BundleError: the file cannot be read or is no YuNet-n.
    """
    try:
        graph = onnx.load(path).graph
    except OSError as error:
        raise BundleError(f"Cannot read {path}: {error.strerror}.") from error
    except Exception as error:  # protobuf raises its own DecodeError, which moves between versions
        raise BundleError(f"{path} is not an ONNX file.") from error
    values = {w.name: numpy_helper.to_array(w) for w in graph.initializer}
    try:
        convolutions = iter(
            [
                (values[node.input[1]], values[node.input[2]])
                for node in graph.node
                if node.op_type == "Conv"
            ]
        )
        _fill_units(network, convolutions, FinderPlan())
        _fill_heads(network, convolutions)
    except (KeyError, IndexError, ValueError, StopIteration) as error:
        raise BundleError(f"{path} is not a YuNet of this plan: {error}") from error


def _fill_units(network: keras.Model, pairs: Iterator[Pair], plan: FinderPlan) -> None:
    kernel, bias = next(pairs)
    network.get_layer("first_conv").set_weights(
        [kernel[:, ::-1].transpose(2, 3, 1, 0), bias]  # YuNet reads BGR
    )
    for unit in plan.units():
        kernel, bias = next(pairs)
        network.get_layer(f"{unit}_conv").set_weights([kernel.transpose(2, 3, 1, 0), bias])
        kernel, bias = next(pairs)
        network.get_layer(f"{unit}_deep").set_weights([kernel.transpose(2, 3, 0, 1), bias])


def _fill_heads(network: keras.Model, pairs: Iterator[Pair]) -> None:
    for column in _HEADS:
        for stride in STRIDES:
            for kind, axes in (("conv", (2, 3, 1, 0)), ("deep", (2, 3, 0, 1))):
                layer = network.get_layer(f"head{stride}_{kind}")
                kernel, bias = layer.get_weights()
                part, part_bias = next(pairs)
                if kind == "conv":
                    kernel[..., COLUMNS[column]] = part.transpose(axes)
                else:
                    kernel[:, :, COLUMNS[column]] = part.transpose(axes)
                bias[COLUMNS[column]] = part_bias
                layer.set_weights([kernel, bias])


def reset_labels(network: keras.Model, seed: int) -> None:
    """Let the label columns start near "all labels equally likely", with a plain depthwise part."""
    rng = np.random.default_rng(seed)
    labels = COLUMNS["labels"]
    for stride in STRIDES:
        layer = network.get_layer(f"head{stride}_conv")
        kernel, bias = layer.get_weights()
        kernel[..., labels] = rng.normal(0, 0.01, kernel[..., labels].shape)
        bias[labels] = 0
        layer.set_weights([kernel, bias])
        layer = network.get_layer(f"head{stride}_deep")
        kernel, bias = layer.get_weights()
        kernel[:, :, labels] = 0
        kernel[1, 1, labels] = 1
        bias[labels] = 0
        layer.set_weights([kernel, bias])
