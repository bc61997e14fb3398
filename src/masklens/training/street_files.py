"""The street network as files, and the way back to Keras.

In ``classifier.onnx`` kernels are 8-bit integers with a scale per output channel, biases float16.
It gives the same numbers as Keras, because :func:`round_weights` gives them to Keras first. The
file takes what the Keras network takes, float32 (N, size, size, 3) in the card's value range, and
gives ``probabilities`` (N, outputs) and ``box`` (N, 4).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import keras
import numpy as np
import onnx
from keras import layers
from onnx import numpy_helper

from masklens.bundle import Bundle
from masklens.errors import BundleError
from masklens.io.atomic import atomic_path
from masklens.training.mobilenet import street_network
from masklens.training.onnx_graph import Graph, keep_small, onnx_order, save, to_integers


def round_weights(model: keras.Model) -> None:
    """Give every weight the nearest value that :func:`save_onnx` can keep."""
    for layer in model.layers:
        if layer.weights:
            kernel, bias = layer.get_weights()
            axis = onnx_order(layer)[_channel_axis(layer)]
            integers, scale = to_integers(kernel, axis)
            layer.set_weights([integers * scale, bias.astype(np.float16).astype(np.float32)])


def save_onnx(model: keras.Model, path: Path) -> None:
    """Write the street network, with softmax on its logits, to an ONNX file."""
    graph = Graph()
    names = graph.add(model)
    graph.node("Softmax", [names[model.output["logits"].name]], "probabilities", axis=1)
    size, outputs = int(model.input_shape[1]), int(model.output["logits"].shape[1])
    network = graph.model(
        "street",
        {"image": ["N", size, size, 3]},
        {"probabilities": ["N", outputs], "box": ["N", 4]},
    )
    weighted = [layer for layer in model.layers if layer.weights]
    keep_small(
        network.graph,
        half=[f"{layer.name}_b" for layer in weighted],
        integers={f"{layer.name}_w": _channel_axis(layer) for layer in weighted},
    )
    save(network, path)


def restore_keras(bundle: Bundle) -> keras.Model:
    """The Keras network of a street bundle, from its ONNX file; outputs as in the bundle.

    The bundle that ships has no room for a Keras file beside the ONNX one; this is the way back,
    for exports and for training on.

    Raises:
        BundleError: the bundle was not trained with this recipe, or its file is another.
    """
    return with_probabilities(restore_street(bundle))


def restore_street(bundle: Bundle) -> keras.Model:
    """The same with logits, as it is trained; see :func:`restore_keras`."""
    network = bundle.card.training.get("network")
    if bundle.card.name != "street" or not isinstance(network, Mapping):
        raise BundleError(f"{bundle.folder} was not trained with the street recipe.")
    path = bundle.path()
    values = {w.name: numpy_helper.to_array(w) for w in onnx.load(path).graph.initializer}
    # Channels inside of each block: how many filters each depthwise convolution has.
    widths = [len(w) for name, w in values.items() if name.endswith("_depthwise_w_int8")]
    if len(widths) != network["blocks"]:
        raise BundleError(f"{path} does not lead back to Keras: it is no file of this recipe.")
    model = street_network(
        bundle.card.size,
        outputs=len(bundle.card.outputs),
        blocks=network["blocks"],
        head=network["head"],
        weights=None,
        widths=widths,
    )
    try:
        for layer in model.layers:
            if layer.weights:
                name = layer.name
                kernel = values[f"{name}_w_int8"] * values[f"{name}_w_scale"]
                kernel = kernel.transpose(np.argsort(onnx_order(layer)))
                layer.set_weights([kernel, values[f"{name}_b_half"].astype(np.float32)])
    except KeyError as error:
        raise BundleError(
            f"{path} does not lead back to Keras: it has no weight {error}."
        ) from error
    return model


def with_probabilities(model: keras.Model) -> keras.Model:
    """The network with probabilities instead of logits, as the bundle's files have it."""
    probabilities = keras.layers.Softmax(name="probabilities")(model.output["logits"])
    outputs = {"probabilities": probabilities, "box": model.output["box"]}
    return keras.Model(model.input, outputs, name="street")


def save_keras(model: keras.Model, path: Path) -> None:
    """Write the network with its probabilities, whole or not at all."""
    with atomic_path(path) as temporary:
        with_probabilities(model).save(temporary)


def _channel_axis(layer: keras.Layer) -> int:
    """The axis of a kernel in ONNX that counts output channels."""
    return 1 if isinstance(layer, layers.Dense) else 0
