"""The street network as files: ONNX, one operator per Keras layer, and the way back to Keras.

Kernels are kept as 8-bit integers with a scale per output channel, biases as float16. Both become
float32 once, when a session opens: a quarter of the size at the speed of float32, and the same
numbers in every runtime, because :func:`round_weights` gives them to Keras first. The file takes
what the Keras network takes, float32 (N, size, size, 3) in the card's value range, and gives
``probabilities`` (N, outputs) and ``box`` (N, 4).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import onnx
from keras import layers
from onnx import helper, numpy_helper

from masklens.bundle import Bundle
from masklens.crop import FloatArray
from masklens.errors import BundleError
from masklens.io.atomic import atomic_path
from masklens.training.mobilenet import street_network

_OPSET = 17


class Graph:
    """Nodes and weights under construction."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []

    def node(self, operator: str, inputs: list[str], output: str, **attributes: Any) -> str:
        """One operator with one output, whose name comes back."""
        self.nodes.append(helper.make_node(operator, inputs, [output], output, **attributes))
        return output

    def kernel(self, name: str, values: FloatArray, axis: int) -> str:
        """A kernel kept as 8-bit integers, with a scale for each index of ``axis``."""
        integers, scale = _integers(values, axis)
        stored = self.constant(f"{name}_int8", integers)
        whole = self.node("Cast", [stored], f"{name}_whole", to=onnx.TensorProto.FLOAT)
        return self.node("Mul", [whole, self.constant(f"{name}_scale", scale)], name)

    def half(self, name: str, values: npt.NDArray[np.floating]) -> str:
        """Weights kept as float16."""
        half = self.constant(f"{name}_half", values.astype(np.float16))
        return self.node("Cast", [half], name, to=onnx.TensorProto.FLOAT)

    def constant(self, name: str, values: npt.NDArray[np.generic]) -> str:
        """A value kept as it is."""
        self.weights.append(numpy_helper.from_array(values, name))
        return name


def round_weights(model: keras.Model) -> None:
    """Give every weight the nearest value that :func:`save_onnx` can keep."""
    for layer in model.layers:
        if layer.weights:
            kernel, bias = layer.get_weights()
            integers, scale = _integers(kernel, _channel_axis(layer))
            layer.set_weights([integers * scale, bias.astype(np.float16).astype(np.float32)])


def load_weights(model: keras.Model, path: Path) -> None:
    """Fill a street network from the ONNX file that :func:`save_onnx` wrote.

    The bundle that ships has no room for a Keras file beside the ONNX one; this is the way back,
    for exports and for training on.

    Args:
        model: built with the size, blocks and head that the card's ``training`` names.
        path: of the ONNX file.

    Raises:
        BundleError: the file was written by something else.
    """
    values = {w.name: numpy_helper.to_array(w) for w in onnx.load(path).graph.initializer}
    try:
        for layer in model.layers:
            if layer.weights:
                name = layer.name
                kernel = values[f"{name}_w_int8"] * values[f"{name}_w_scale"]
                kernel = kernel.transpose(np.argsort(_onnx_order(layer)))
                layer.set_weights([kernel, values[f"{name}_b_half"].astype(np.float32)])
    except KeyError as error:
        raise BundleError(
            f"{path} does not lead back to Keras: it has no weight {error}."
        ) from error


def _integers(values: FloatArray, axis: int) -> tuple[npt.NDArray[np.int8], FloatArray]:
    """Symmetric rounding to -127…127, and the scale, which broadcasts against the kernel."""
    others = tuple(i for i in range(values.ndim) if i != axis)
    scale = np.abs(values).max(axis=others, keepdims=True) / 127
    scale = np.where(scale == 0, 1, scale).astype(np.float32)
    return np.rint(values / scale).astype(np.int8), scale


def _channel_axis(layer: keras.Layer) -> int:
    """The axis of a Keras kernel that counts output channels."""
    return 2 if isinstance(layer, layers.DepthwiseConv2D) else layer.get_weights()[0].ndim - 1


def _onnx_order(layer: keras.Layer) -> tuple[int, ...]:
    """How the axes of a Keras kernel are ordered in ONNX."""
    match layer:
        case layers.DepthwiseConv2D():  # (rows, columns, channels, 1)
            return (2, 3, 0, 1)
        case layers.Conv2D():  # (rows, columns, in, out)
            return (3, 2, 0, 1)
        case _:
            return (0, 1)


def save_onnx(model: keras.Model, path: Path) -> None:
    """Write the street network, with softmax on its logits, to an ONNX file."""
    graph = Graph()
    size = int(model.input_shape[1])
    zero = graph.constant("zero", np.array(0, np.float32))
    six = graph.constant("six", np.array(6, np.float32))
    names = {model.inputs[0].name: graph.node("Transpose", ["image"], "nchw", perm=[0, 3, 1, 2])}
    pads: dict[str, list[int]] = {}
    for layer in model.layers[1:]:
        inputs = layer.input if isinstance(layer.input, list) else [layer.input]
        sources = [names[tensor.name] for tensor in inputs]
        source, name = sources[0], layer.name
        match layer:
            case layers.ZeroPadding2D():
                (top, bottom), (left, right) = layer.padding
                pads[source] = [top, left, bottom, right]
                name = source
            case layers.DepthwiseConv2D() | layers.Conv2D():
                kernel, bias = layer.get_weights()
                depthwise = isinstance(layer, layers.DepthwiseConv2D)
                kernel = kernel.transpose(_onnx_order(layer))
                around = (kernel.shape[2] - 1) // 2
                graph.node(
                    "Conv",
                    [source, graph.kernel(f"{name}_w", kernel, 0), graph.half(f"{name}_b", bias)],
                    name,
                    strides=list(layer.strides),
                    group=kernel.shape[0] if depthwise else 1,
                    pads=pads.pop(source, [around] * 4),
                )
            case layers.ReLU():
                graph.node("Clip", [source, zero, six], name)
            case layers.Add():
                graph.node("Add", sources, name)
            case layers.Concatenate():
                graph.node("Concat", sources, name, axis=1)
            case layers.GlobalAveragePooling2D():
                graph.node("GlobalAveragePool", [source], f"{name}_4d")
                graph.node("Flatten", [f"{name}_4d"], name)
            case layers.Flatten():
                graph.node("Transpose", [source], f"{name}_nhwc", perm=[0, 2, 3, 1])
                graph.node("Flatten", [f"{name}_nhwc"], name)
            case layers.Dense():
                kernel, bias = layer.get_weights()
                weights = [graph.kernel(f"{name}_w", kernel, 1), graph.half(f"{name}_b", bias)]
                graph.node("Gemm", [source, *weights], name)
            case layers.Dropout():
                name = source
            case _:
                raise TypeError(f"No ONNX operator for the layer {layer.name}: {type(layer)}")
        names[layer.output.name] = name
    graph.node("Softmax", [names[model.output["logits"].name]], "probabilities", axis=1)
    outputs = int(model.output["logits"].shape[1])
    float32 = onnx.TensorProto.FLOAT
    proto = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "street",
            [helper.make_tensor_value_info("image", float32, ["N", size, size, 3])],
            [
                helper.make_tensor_value_info("probabilities", float32, ["N", outputs]),
                helper.make_tensor_value_info("box", float32, ["N", 4]),
            ],
            graph.weights,
        ),
        opset_imports=[helper.make_opsetid("", _OPSET)],
        producer_name="masklens",
        ir_version=8,
    )
    onnx.checker.check_model(proto, full_check=True)
    with atomic_path(path) as temporary:
        temporary.write_bytes(proto.SerializeToString())


def restore_keras(bundle: Bundle) -> keras.Model:
    """The Keras network of a street bundle, from its ONNX file; outputs as in the bundle.

    Raises:
        BundleError: the bundle was not trained with this recipe.
    """
    network = bundle.card.training.get("network")
    if bundle.card.name != "street" or not isinstance(network, Mapping):
        raise BundleError(f"{bundle.folder} was not trained with the street recipe.")
    model = street_network(
        bundle.card.size,
        outputs=len(bundle.card.outputs),
        blocks=network["blocks"],
        head=network["head"],
        weights=None,
    )
    load_weights(model, bundle.path())
    return with_probabilities(model)


def with_probabilities(model: keras.Model) -> keras.Model:
    """The network with probabilities instead of logits, as the bundle's files have it."""
    probabilities = keras.layers.Softmax(name="probabilities")(model.output["logits"])
    outputs = {"probabilities": probabilities, "box": model.output["box"]}
    return keras.Model(model.input, outputs, name="street")


def save_keras(model: keras.Model, path: Path) -> None:
    """Write the network with its probabilities, whole or not at all."""
    with atomic_path(path) as temporary:
        with_probabilities(model).save(temporary)
