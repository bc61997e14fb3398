"""The one writer of ONNX files: from Keras layers to operators, small weights, the file itself.

A Keras network of plain layers goes in and comes out as an ONNX network of as many operators.
:func:`keep_small` then keeps weights in 8 or 16 bits; they become float32 once, when a session
opens: a fraction of the size at the speed of float32. The exports put it on other files, too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import onnx
from keras import layers
from onnx import helper, numpy_helper

from masklens.crop import FloatArray
from masklens.io.atomic import atomic_path

_OPSET = 17


class Graph:
    """Nodes and weights under construction.

    Args:
        pixels: the file takes uint8 instead of float32: a quarter of the memory, and turning the
            axes of bytes takes less time than of floats.
    """

    def __init__(self, *, pixels: bool = False) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []
        self._pixels = pixels

    def node(self, operator: str, inputs: list[str], output: str, **attributes: Any) -> str:
        """One operator with one output, whose name comes back."""
        self.nodes.append(helper.make_node(operator, inputs, [output], output, **attributes))
        return output

    def constant(self, name: str, values: npt.NDArray[np.generic]) -> str:
        """A value kept as it is."""
        self.weights.append(numpy_helper.from_array(values, name))
        return name

    def add(self, network: keras.Model, block: int = 1) -> dict[str, str]:
        """One operator for each layer; the weights of a layer are called after it, _w and _b.

        Args:
            network: its input (N, H, W, 3) is the file's ``image``.
            block: convolutions get zeros as further outputs up to a multiple of it.

        Returns:
            Name of a tensor in Keras -> in the graph, where it is (N, C, H, W).
        """
        turned = "pixels" if self._pixels else "nchw"
        self.node("Transpose", ["image"], turned, perm=[0, 3, 1, 2])
        if self._pixels:
            self.node("Cast", [turned], "nchw", to=onnx.TensorProto.FLOAT)
        names = {network.inputs[0].name: "nchw"}
        pads: dict[str, list[int]] = {}
        if any(isinstance(layer, layers.ReLU) and layer.max_value for layer in network.layers):
            self.constant("zero", np.array(0, np.float32))
            self.constant("six", np.array(6, np.float32))
        for layer in network.layers[1:]:
            inputs = layer.input if isinstance(layer.input, list) else [layer.input]
            sources = [names[tensor.name] for tensor in inputs]
            source, name = sources[0], layer.name
            match layer:
                case layers.ZeroPadding2D():
                    (top, bottom), (left, right) = layer.padding
                    pads[source] = [top, left, bottom, right]
                    name = source
                case layers.DepthwiseConv2D() | layers.Conv2D():
                    self._convolution(layer, source, pads.pop(source, None), block)
                case layers.ReLU() if layer.max_value is None:
                    self.node("Relu", [source], name)
                case layers.ReLU() if layer.max_value == 6:
                    self.node("Clip", [source, "zero", "six"], name)
                case layers.MaxPooling2D():
                    self.node("MaxPool", [source], name, kernel_shape=[2, 2], strides=[2, 2])
                case layers.UpSampling2D():
                    self.node(
                        "Resize", [source, "", "twice"], name, mode="nearest",
                        coordinate_transformation_mode="asymmetric", nearest_mode="floor",
                    )  # fmt: skip
                case layers.Add():
                    self.node("Add", sources, name)
                case layers.Concatenate():
                    self.node("Concat", sources, name, axis=1)
                case layers.GlobalAveragePooling2D():
                    self.node("GlobalAveragePool", [source], f"{name}_4d")
                    self.node("Flatten", [f"{name}_4d"], name)
                case layers.Flatten():
                    self.node("Transpose", [source], f"{name}_nhwc", perm=[0, 2, 3, 1])
                    self.node("Flatten", [f"{name}_nhwc"], name)
                case layers.Dense():
                    self.node("Gemm", [source, *self._weights(layer, *layer.get_weights())], name)
                case layers.Dropout():
                    name = source
                case _:
                    raise TypeError(f"No ONNX operator for the layer {layer.name}: {type(layer)}")
            names[layer.output.name] = name
        return names

    def model(
        self, name: str, inputs: Mapping[str, list[Any]], outputs: Mapping[str, list[Any]]
    ) -> onnx.ModelProto:
        """The network; of each input and output the shape, a name for a free axis."""
        float32 = onnx.TensorProto.FLOAT
        given, made = (
            [helper.make_tensor_value_info(name, kind, shape) for name, shape in side.items()]
            for side, kind in (
                (inputs, onnx.TensorProto.UINT8 if self._pixels else float32),
                (outputs, float32),
            )
        )
        return helper.make_model(
            helper.make_graph(self.nodes, name, given, made, self.weights),
            opset_imports=[helper.make_opsetid("", _OPSET)],
            ir_version=8,
        )

    def _convolution(
        self, layer: keras.Layer, source: str, pads: list[int] | None, block: int
    ) -> None:
        kernel, bias = layer.get_weights()
        kernel = kernel.transpose(onnx_order(layer))
        if more := -len(kernel) % block:
            kernel = np.pad(kernel, [(0, more), (0, 0), (0, 0), (0, 0)])
            bias = np.pad(bias, (0, more))
        self.node(
            "Conv",
            [source, *self._weights(layer, kernel, bias)],
            layer.name,
            strides=list(layer.strides),
            group=kernel.shape[0] if isinstance(layer, layers.DepthwiseConv2D) else 1,
            pads=pads or [(kernel.shape[2] - 1) // 2] * 4,
        )

    def _weights(self, layer: keras.Layer, kernel: FloatArray, bias: FloatArray) -> list[str]:
        return [
            self.constant(f"{layer.name}_w", kernel),
            self.constant(f"{layer.name}_b", bias),
        ]


def onnx_order(layer: keras.Layer) -> tuple[int, ...]:
    """How the axes of a Keras kernel are ordered in ONNX."""
    match layer:
        case layers.DepthwiseConv2D():  # (rows, columns, channels, 1)
            return (2, 3, 0, 1)
        case layers.Conv2D():  # (rows, columns, in, out)
            return (3, 2, 0, 1)
        case _:
            return (0, 1)


def to_integers(values: FloatArray, axis: int) -> tuple[npt.NDArray[np.int8], FloatArray]:
    """Symmetric rounding to -127…127, and the scale for each index of ``axis``.

    The scale broadcasts against the values.
    """
    others = tuple(i for i in range(values.ndim) if i != axis)
    steps = np.abs(values).max(axis=others, keepdims=True) / 127
    scale = np.where(steps == 0, 1, steps).astype(np.float32)
    return np.rint(values / scale).astype(np.int8), scale


def keep_small(
    graph: onnx.GraphProto, half: Sequence[str], integers: Mapping[str, int] | None = None
) -> None:
    """Keep float32 weights in fewer bits; the file still calculates in float32.

    Args:
        graph: is changed.
        half: names of weights to keep as float16, as NAME_half.
        integers: name -> axis of weights to keep as NAME_int8 and NAME_scale, see
            :func:`to_integers`.
    """
    axes = dict(integers or {})
    small: dict[str, list[onnx.NodeProto]] = {}

    def shrunk(weight: onnx.TensorProto) -> Iterator[onnx.TensorProto]:
        name, float32 = weight.name, onnx.TensorProto.FLOAT
        if name in axes:
            stored, scale = to_integers(numpy_helper.to_array(weight), axes[name])
            yield numpy_helper.from_array(stored, f"{name}_int8")
            yield numpy_helper.from_array(scale, f"{name}_scale")
            whole, factor = f"{name}_whole", f"{name}_scale"
            small[name] = [
                helper.make_node("Cast", [f"{name}_int8"], [whole], whole, to=float32),
                helper.make_node("Mul", [whole, factor], [name], name),
            ]
        elif name in half:
            values = numpy_helper.to_array(weight).astype(np.float16)
            yield numpy_helper.from_array(values, f"{name}_half")
            small[name] = [helper.make_node("Cast", [f"{name}_half"], [name], name, to=float32)]
        else:
            yield weight

    weights = [part for weight in graph.initializer for part in shrunk(weight)]
    nodes = []
    for node in graph.node:
        for name in node.input:
            nodes += small.pop(name, [])
        nodes.append(node)
    del graph.initializer[:], graph.node[:]
    graph.initializer.extend(weights)
    graph.node.extend(nodes)


def save(model: onnx.ModelProto, path: Path) -> None:
    """Check a network and write it, whole or not at all."""
    model.producer_name = "masklens"
    onnx.checker.check_model(model, full_check=True)
    with atomic_path(path) as temporary:
        temporary.write_bytes(model.SerializeToString())
