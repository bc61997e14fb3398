"""ONNX files in three precisions, made from Keras' own export.

float32 is what Keras writes. float16 keeps the weights in half precision and casts them once, when
a session opens: half the size, the same speed and almost the same numbers everywhere. int8 is
static quantisation in the QDQ form (Jacob et al. 2018, "Quantization and Training of Neural
Networks for Efficient Integer-Arithmetic-Only Inference"): weights per channel, activations uint8,
which is the pair that ONNX Runtime runs on VNNI units.
"""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from masklens.bundle import ModelCard
from masklens.crop import FloatArray
from masklens.export.source import Source
from masklens.training.convert import to_onnx

#: Weights with fewer values than this stay float32: casting them would save nothing.
_SMALL = 16

#: Crops that go through the network at a time while ranges are measured.
_BATCH = 10


def export_fp32(source: Source, path: Path) -> None:
    """Write the network as Keras exports it."""
    to_onnx(source.model, path, source.outputs)
    model = onnx.load(path)
    _save(model, path, source.card)


def export_fp16(float32: Path, path: Path, card: ModelCard) -> None:
    """Keep the weights of a float32 file in half precision; it still calculates in float32."""
    model = onnx.load(float32)
    casts = []
    for weight in model.graph.initializer:
        if weight.data_type != TensorProto.FLOAT or np.prod(weight.dims) < _SMALL:
            continue
        half = numpy_helper.to_array(weight).astype(np.float16)
        casts.append(
            helper.make_node("Cast", [f"{weight.name}_half"], [weight.name], to=TensorProto.FLOAT)
        )
        weight.CopyFrom(numpy_helper.from_array(half, f"{weight.name}_half"))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    _save(model, path, card)


def export_int8(float32: Path, path: Path, card: ModelCard, calibration: FloatArray) -> None:
    """Quantise a float32 file.

    The last layer before each output, and softmax, stay float32: they are a hundredth of the work,
    and eight bits there cost the box twice its error. Biases stay float32 in the file, which saves
    a scale per channel; ONNX Runtime and OpenVINO quantise them when they load it.

    Args:
        float32: what :func:`export_fp32` wrote.
        path: of the new file.
        card: see there.
        calibration: float32 (N, size, size, 3), real crops in the card's value range.
    """
    simple = path.with_name(f"{path.stem}-simple.onnx")
    simplify(float32, simple)
    model = onnx.load(simple)
    with warnings.catch_warnings(), _QuietRoot():
        warnings.simplefilter("ignore")
        quantize_static(
            simple,
            path,
            _Reader(model.graph.input[0].name, calibration),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            weight_type=QuantType.QInt8,
            activation_type=QuantType.QUInt8,
            nodes_to_exclude=_last_layers(model.graph),
            extra_options={"QuantizeBias": False},
        )
    simple.unlink()
    quantised = onnx.load(path)
    shrink(quantised)
    _save(quantised, path, card)


def simplify(source: Path, target: Path) -> None:
    """Fold constants, padding and batch normalisation into the layers, with ONNX Runtime."""
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(target)
    options.log_severity_level = 3
    ort.InferenceSession(str(source), options, providers=["CPUExecutionProvider"])
    model = onnx.load(target)
    _flatten(model.graph)
    onnx.save(model, target)


def shrink(model: onnx.ModelProto) -> None:
    """Make a file smaller without changing what it calculates.

    Equal constants are kept once, and inner names become short.
    """
    graph = model.graph
    del graph.value_info[:]
    kept: dict[tuple[int, tuple[int, ...], bytes], str] = {}
    alias: dict[str, str] = {}
    weights = []
    for weight in graph.initializer:
        values = numpy_helper.to_array(weight)
        key = (weight.data_type, tuple(weight.dims), values.tobytes())
        # Some of ONNX Runtime's rewritings name new constants after float and int8 ones, and fail
        # when two come from the same.
        shared = values.dtype not in (np.float32, np.int8)
        alias[weight.name] = kept.setdefault(key, weight.name) if shared else weight.name
        if alias[weight.name] == weight.name:
            weights.append(weight)
    del graph.initializer[:]
    graph.initializer.extend(weights)
    outer = {value.name for value in (*graph.input, *graph.output)} | {""}
    short: dict[str, str] = {}

    def rename(name: str) -> str:
        name = alias.get(name, name)
        return name if name in outer else short.setdefault(name, f"t{len(short)}")

    for number, node in enumerate(graph.node):
        node.input[:] = [rename(name) for name in node.input]
        node.output[:] = [rename(name) for name in node.output]
        node.name = f"n{number}"
    for weight in graph.initializer:
        weight.name = rename(weight.name)


def metadata(card: ModelCard) -> dict[str, str]:
    """What an ONNX file says of itself: a few plain entries, and the card without its files."""
    values = card.to_dict()
    del values["files"]
    return {
        "labels": ",".join(card.labels),
        "outputs": ",".join(card.outputs),
        "colour_order": "RGB",
        "value_range": ",".join(str(v) for v in card.value_range),
        "card": json.dumps(values, ensure_ascii=False),
    }


def _save(model: onnx.ModelProto, path: Path, card: ModelCard) -> None:
    del model.metadata_props[:]
    helper.set_model_props(model, metadata(card))
    model.producer_name = "masklens"
    model.doc_string = f"{card.name} {card.version}"
    onnx.checker.check_model(model)
    onnx.save(model, path)


def _flatten(graph: onnx.GraphProto) -> None:
    """Make Keras' Flatten one node again; its export calculates the shape from the batch's size."""
    products = {node.input[0] for node in graph.node if node.op_type in ("Gemm", "MatMul")}
    constants = {weight.name for weight in graph.initializer}
    for node in graph.node:
        free = node.op_type == "Reshape" and node.input[1] not in constants
        if free and node.output[0] in products:  # a product's left side has two axes
            flat = helper.make_node("Flatten", node.input[:1], node.output, node.name, axis=1)
            node.CopyFrom(flat)
    outputs = {value.name for value in graph.output}
    while True:
        used = outputs.union(*(node.input for node in graph.node))
        dead = [node for node in graph.node if not used.intersection(node.output)]
        if not dead:
            break
        for node in dead:
            graph.node.remove(node)
    weights = [weight for weight in graph.initializer if weight.name in used]
    del graph.initializer[:]
    graph.initializer.extend(weights)


def _last_layers(graph: onnx.GraphProto) -> list[str]:
    """Names of the nodes from each output back to the matrix product before it."""
    makers = {name: node for node in graph.node for name in node.output}
    names = []
    for value in graph.output:
        node = makers.get(value.name)
        while node is not None:
            names.append(node.name)
            if node.op_type in ("Gemm", "MatMul", "Conv"):
                break
            node = makers.get(node.input[0])
    return names


class _Reader(CalibrationDataReader):  # type: ignore[misc]
    """Hands the calibration crops to the quantiser."""

    def __init__(self, name: str, tensor: FloatArray) -> None:
        self._batches: Iterator[dict[str, Any]] = (
            {name: tensor[start : start + _BATCH]} for start in range(0, len(tensor), _BATCH)
        )

    def get_next(self) -> dict[str, Any] | None:
        """One batch, or None at the end."""
        return next(self._batches, None)


class _QuietRoot:
    """The quantiser advises on the root logger; what it advises is done."""

    def __enter__(self) -> None:
        self._level = logging.root.level
        logging.root.setLevel(logging.ERROR)

    def __exit__(self, *_: object) -> None:
        logging.root.setLevel(self._level)
