"""The finder as files: ``finder.onnx`` for every size of picture, ``finder.tflite`` beside it.

Both take (N, H, W, 3), RGB, 0…255, the one as uint8, the other as float32, and give ``face``,
``box``, ``landmarks``, ``labels``; ``docs/bundle.md`` is the contract. Weights are kept as float16:
half the size, the same speed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers
from onnx import helper

from masklens.io.atomic import write_bytes
from masklens.io.quiet import quiet
from masklens.labels import LABELS
from masklens.training.finder.network import STRIDES, WIDTH, decode
from masklens.training.onnx_graph import Graph, keep_small, save

#: ONNX Runtime's fast convolutions work on blocks of eight channels.
_BLOCK = 8

#: The picture that ``finder.tflite`` takes: its size is fixed.
LITERT_SHAPE = (1, 640, 640, 3)


def save_onnx(network: keras.Model, path: Path) -> None:
    """Write the network with its decoding to an ONNX file."""
    graph = Graph(pixels=True)
    graph.constant("twice", np.array([1, 1, 2, 2], np.float32))
    # The joint heads get more channels; the decoding cuts them off again.
    names = graph.add(network, _BLOCK)
    half = [weight.name for weight in graph.weights if weight.name.endswith(("_w", "_b"))]
    _decode(graph, [names[tensor.name] for tensor in network.outputs])
    model = graph.model(
        "finder",
        {"image": ["N", "H", "W", 3]},
        {
            "face": ["N", "A"],
            "box": ["N", "A", 4],
            "landmarks": ["N", "A", 10],
            "labels": ["N", "A", 3],
        },
    )
    keep_small(model.graph, half)
    save(model, path)


def _decode(graph: Graph, maps: list[str]) -> None:
    """What :func:`masklens.training.finder.network.decode` does."""
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
    with quiet(unless_it_fails=True):
        content = converter.convert()
    write_bytes(path, content)


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
