"""The finder as files: ``finder.onnx`` for every size of picture, ``finder.tflite`` beside it.

Both take float32 (N, H, W, 3), RGB, 0…255, and give ``face``, ``box``, ``landmarks``, ``labels``;
``docs/bundle.md`` is the contract. Weights are kept as float16: half the size, the same speed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnx
from keras import layers
from onnx import helper, numpy_helper

from masklens.io.atomic import atomic_path, write_bytes
from masklens.labels import LABELS
from masklens.training.finder.network import STRIDES, WIDTH, decode
from masklens.training.onnx_graph import Graph

_OPSET = 17

#: ONNX Runtime's fast convolutions work on blocks of eight channels.
_BLOCK = 8

#: The picture that ``finder.tflite`` takes: its size is fixed.
LITERT_SHAPE = (1, 640, 640, 3)


def save_onnx(network: keras.Model, path: Path) -> None:
    """Write the network with its decoding to an ONNX file."""
    graph = Graph()
    names = {network.inputs[0].name: graph.node("Transpose", ["image"], "nchw", perm=[0, 3, 1, 2])}
    pads: dict[str, list[int]] = {}
    graph.constant("twice", np.array([1, 1, 2, 2], np.float32))
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
                _convolution(graph, layer, source, pads.pop(source, None))
            case layers.ReLU():
                graph.node("Relu", [source], name)
            case layers.MaxPooling2D():
                graph.node("MaxPool", [source], name, kernel_shape=[2, 2], strides=[2, 2])
            case layers.UpSampling2D():
                graph.node(
                    "Resize", [source, "", "twice"], name, mode="nearest",
                    coordinate_transformation_mode="asymmetric", nearest_mode="floor",
                )  # fmt: skip
            case layers.Add():
                graph.node("Add", sources, name)
            case _:
                raise TypeError(f"No ONNX operator for the layer {layer.name}: {type(layer)}")
        names[layer.output.name] = name
    _decode(graph, [names[tensor.name] for tensor in network.outputs])
    float32 = onnx.TensorProto.FLOAT
    shapes: dict[str, list[Any]] = {
        "face": ["N", "A"],
        "box": ["N", "A", 4],
        "landmarks": ["N", "A", 10],
        "labels": ["N", "A", 3],
    }
    proto = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "finder",
            [helper.make_tensor_value_info("image", float32, ["N", "H", "W", 3])],
            [helper.make_tensor_value_info(name, float32, s) for name, s in shapes.items()],
            graph.weights,
        ),
        opset_imports=[helper.make_opsetid("", _OPSET)],
        producer_name="masklens",
        ir_version=8,
    )
    onnx.checker.check_model(proto, full_check=True)
    with atomic_path(path) as temporary:
        temporary.write_bytes(proto.SerializeToString())


def _convolution(graph: Graph, layer: Any, source: str, pads: list[int] | None) -> None:
    kernel, bias = layer.get_weights()
    deep = isinstance(layer, layers.DepthwiseConv2D)
    kernel = kernel.transpose((2, 3, 0, 1) if deep else (3, 2, 0, 1))
    if len(kernel) == WIDTH:  # the joint heads; what is added is cut off again in the decoding
        more = -len(kernel) % _BLOCK
        kernel = np.pad(kernel, [(0, more), (0, 0), (0, 0), (0, 0)])
        bias = np.pad(bias, (0, more))
    name = layer.name
    graph.node(
        "Conv",
        [source, graph.half(f"{name}_w", kernel), graph.half(f"{name}_b", bias)],
        name,
        strides=list(layer.strides),
        group=kernel.shape[0] if deep else 1,
        pads=pads or [(kernel.shape[2] - 1) // 2] * 4,
    )


def _decode(graph: Graph, maps: list[str]) -> None:
    """What :class:`masklens.training.finder.network.Decode` does."""
    width = WIDTH + -WIDTH % _BLOCK
    graph.constant("flat_shape", np.array([0, width, -1], np.int64))
    flat = [
        graph.node("Reshape", [source, "flat_shape"], f"flat{stride}")
        for source, stride in zip(maps, STRIDES, strict=True)
    ]
    graph.node("Concat", flat, "cells", axis=2)
    cuts = {"class": 1, "object": 1, "centre": 2, "size": 2, "landmark": 10, "logit": len(LABELS)}
    graph.constant("cuts", np.array([*cuts.values(), width - WIDTH], np.int64))
    graph.nodes.append(helper.make_node("Split", ["cells", "cuts"], [*cuts, "nothing"], axis=1))
    graph.constant("half", np.array(0.5, np.float32))
    graph.constant("first", np.array([1], np.int64))
    graph.node("Sigmoid", ["class"], "class_p")
    graph.node("Sigmoid", ["object"], "object_p")
    graph.node("Mul", ["class_p", "object_p"], "both_p")
    graph.node("Sqrt", ["both_p"], "face_p")
    graph.node("Squeeze", ["face_p", "first"], "face")
    graph.node("Exp", ["size"], "sides")
    graph.node("Mul", ["sides", "half"], "halves")
    graph.node("Sub", ["centre", "halves"], "corner1")
    graph.node("Add", ["centre", "halves"], "corner2")
    graph.node("Concat", ["corner1", "corner2"], "corners", axis=1)
    # ONNX Runtime's Softmax over three columns takes as long as a convolution.
    graph.node("ReduceMax", ["logit"], "highest", axes=[1])
    graph.node("Sub", ["logit", "highest"], "below")
    graph.node("Exp", ["below"], "parts")
    graph.node("ReduceSum", ["parts", "first"], "whole")
    graph.node("Div", ["parts", "whole"], "label_p")
    for source, name in (("corners", "box"), ("landmark", "landmarks"), ("label_p", "labels")):
        graph.node("Transpose", [source], name, perm=[0, 2, 1])


def load_weights(network: keras.Model, path: Path) -> None:
    """Fill a network from the ONNX file that :func:`save_onnx` wrote."""
    values = {w.name: numpy_helper.to_array(w) for w in onnx.load(path).graph.initializer}
    for layer in network.layers:
        if not layer.weights:
            continue
        deep = isinstance(layer, layers.DepthwiseConv2D)
        shapes = [tuple(w.shape) for w in layer.weights]
        kernel = values[f"{layer.name}_w_half"].astype(np.float32)
        bias = values[f"{layer.name}_b_half"].astype(np.float32)[: shapes[0][2 if deep else 3]]
        kernel = kernel[: len(bias)].transpose((2, 3, 0, 1) if deep else (2, 3, 1, 0))
        layer.set_weights([kernel, bias])


def round_to_half(network: keras.Model) -> None:
    """Give Keras the numbers that the files keep, so that every export agrees to rounding."""
    network.set_weights([w.astype(np.float16).astype(np.float32) for w in network.get_weights()])


def save_litert(network: keras.Model, path: Path) -> None:
    """Write the network with its decoding to a LiteRT file, for one picture of LITERT_SHAPE."""
    import tensorflow as tf

    # As constants: the converter loses Keras' variables.
    weights = {layer.name: layer.get_weights() for layer in network.layers}

    def decoded(image: Any) -> dict[str, Any]:
        outputs: dict[str, Any] = decode(_run(network, weights, image))
        return outputs

    serve = tf.function(
        decoded, input_signature=[tf.TensorSpec(LITERT_SHAPE, tf.float32, name="image")]
    )
    module = tf.Module()
    module.serve = serve
    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [serve.get_concrete_function()], module
    )
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.target_spec.supported_types = [tf.float16]
    write_bytes(path, converter.convert())


def _run(network: keras.Model, weights: dict[str, Any], image: Any) -> list[Any]:
    """The network, layer by layer, with given weights."""
    import tensorflow as tf

    values = {network.inputs[0].name: image}
    for layer in network.layers[1:]:
        inputs = layer.input if isinstance(layer.input, list) else [layer.input]
        sources = [values[tensor.name] for tensor in inputs]
        if isinstance(layer, layers.DepthwiseConv2D):
            kernel, bias = map(tf.constant, weights[layer.name])
            result = tf.nn.depthwise_conv2d(sources[0], kernel, [1, 1, 1, 1], "SAME") + bias
        elif isinstance(layer, layers.Conv2D):
            kernel, bias = map(tf.constant, weights[layer.name])
            result = tf.nn.conv2d(sources[0], kernel, layer.strides, "VALID") + bias
        else:
            result = layer(sources if len(sources) > 1 else sources[0])
        values[layer.output.name] = result
    return [values[tensor.name] for tensor in network.outputs]
