"""A float32 ONNX file becomes one that calculates in 8-bit integers, and takes pixels as they are.

Static quantisation in the QDQ form (Jacob et al. 2018, "Quantization and Training of Neural
Networks for Efficient Integer-Arithmetic-Only Inference"): weights int8 per channel, activations
uint8, the pair that ONNX Runtime's fast kernels take. Weights are scaled so that those kernels are
exact on every processor.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnx.shape_inference
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from masklens.crop import FloatArray
from masklens.export.onnx_groups import group_pixels

#: Crops that go through the network at a time while ranges are measured.
_BATCH = 10

_Overrides = dict[str, list[dict[str, Any]]]


def quantise(
    float32: Path,
    path: Path,
    value_range: tuple[float, float],
    calibration: FloatArray,
    *,
    grouped: bool = True,
) -> onnx.ModelProto:
    """Quantise a float32 file.

    The last layer before each output, and softmax, stay float32: they are a hundredth of the work,
    and eight bits there cost the box twice its error. Biases stay float32 in the file, which saves
    a scale per channel; ONNX Runtime and OpenVINO quantise them when they load it.

    Args:
        float32: what :func:`masklens.export.onnx.export_fp32` wrote.
        path: of the new file; it is used for drafts, too.
        value_range: what black and white are to the float32 file.
        calibration: float32 (N, size, size, 3), real crops in the value range.
        grouped: let the first convolution take four pixels at a time
            (:mod:`masklens.export.onnx_groups`), which ONNX Runtime is faster with.

    Returns:
        The network. Its input is uint8, the crops' pixels, if the float32 one starts with a
        convolution; otherwise float32 as before.
    """
    draft = path.with_name(f"{path.stem}-draft.onnx")
    model = simplify(float32, draft)
    graph = model.graph
    exclude = _last_layers(graph)
    first = _first_convolution(graph)
    pixels: _Overrides = {}
    if first is not None:
        low, high = value_range
        step = (high - low) / 255
        zero = int(np.clip(np.rint(-low / step), 0, 255))
        _fold_range(graph, first, step, low + step * zero)
        if grouped:
            group_pixels(graph, first)
        calibration = np.rint((calibration - low) / step).astype(np.float32) - np.float32(zero)
        scale, zero_point = np.array(1, np.float32), np.array(zero, np.uint8)
        pixels[first.input[0]] = [
            {"quant_type": QuantType.QUInt8, "scale": scale, "zero_point": zero_point}
        ]
        exclude += [node.name for node in graph.node[: list(graph.node).index(first)]]
    overrides = pixels | _without_overflow(graph, exclude)
    onnx.save(model, draft)
    quantize_static(
        draft,
        path,
        _Reader(graph.input[0].name, calibration),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        weight_type=QuantType.QInt8,
        activation_type=QuantType.QUInt8,
        nodes_to_exclude=exclude,
        extra_options={"QuantizeBias": False, "TensorQuantOverrides": overrides},
    )
    draft.unlink()
    quantised = onnx.load(path)
    if first is not None:
        _take_pixels(quantised.graph, first.input[0])
    shrink(quantised)
    return quantised


def simplify(source: Path, draft: Path) -> onnx.ModelProto:
    """Fold constants, padding and batch normalisation into the layers, with ONNX Runtime."""
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(draft)
    options.log_severity_level = 3
    ort.InferenceSession(str(source), options, providers=["CPUExecutionProvider"])
    model = onnx.load(draft)
    _flatten(model)
    return model


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


def _without_overflow(graph: onnx.GraphProto, exclude: list[str]) -> _Overrides:
    """Ranges of the weights, per output channel, with which no sum of two products overflows.

    x86 processors without VNNI multiply activations 0…255 with weights -127…127 and add two
    neighbouring products in 16 bits (VPMADDUBSW), which saturates above 32767. The sum stays below
    if two neighbours of one sign add up to 128 at most. A scale that lets the largest pair, instead
    of the largest weight, be 127 sees to that, rounding included: one more step is enough, as
    255 * 128 = 32640. Depthwise convolutions are calculated in 32 bits.
    """
    weights = {weight.name: weight for weight in graph.initializer}
    ranges: _Overrides = {}
    for node in graph.node:
        if node.op_type not in ("Conv", "Gemm", "MatMul") or node.name in exclude:
            continue
        if node.input[1] not in weights:
            continue
        values = numpy_helper.to_array(weights[node.input[1]])
        if node.op_type == "Conv":
            if values.shape[1] == 1:
                continue
            axis, rows = 0, values.transpose(0, 2, 3, 1).reshape(len(values), -1)
        else:
            axis = 0 if _attribute(node, "transB", 0) else 1
            rows = values if axis == 0 else values.T
        ranges[node.input[1]] = [
            {"axis": axis, "rmin": -largest, "rmax": largest} for largest in _largest_pairs(rows)
        ]
    return ranges


def _largest_pairs(rows: FloatArray) -> list[float]:
    """Of each row the largest sum of one sign of two neighbours (2k, 2k + 1)."""
    even = np.pad(rows.astype(np.float64), ((0, 0), (0, rows.shape[1] % 2)))
    pairs = even.reshape(len(rows), -1, 2)
    signs = [np.maximum(sign * pairs, 0).sum(axis=2).max(axis=1) for sign in (1, -1)]
    largest: list[float] = np.maximum(np.maximum(*signs), 1e-9).tolist()
    return largest


def _first_convolution(graph: onnx.GraphProto) -> onnx.NodeProto | None:
    """The convolution that the input goes to by way of a transposition, and nothing else does."""
    constants = {weight.name for weight in graph.initializer}
    name = graph.input[0].name
    for kind in ("Transpose", "Conv"):
        users = [node for node in graph.node if name in node.input]
        if len(users) != 1 or users[0].op_type != kind:
            return None
        name = users[0].output[0]
    return (
        users[0] if constants.issuperset(users[0].input[1:]) and len(users[0].input) == 3 else None
    )


def _fold_range(graph: onnx.GraphProto, node: onnx.NodeProto, step: float, offset: float) -> None:
    """Let a convolution of x take (x - offset) / step instead.

    With black and white at -1 and 1, half a step of pixels lies between zero and the nearest pixel;
    beyond the picture's border, where zeros are added, that remains as an error.
    """
    weights = {weight.name: weight for weight in graph.initializer}
    kernel, bias = (weights[name] for name in node.input[1:])
    values = numpy_helper.to_array(kernel).astype(np.float64)
    moved = numpy_helper.to_array(bias) + offset * values.sum(axis=(1, 2, 3))
    bias.CopyFrom(numpy_helper.from_array(moved.astype(np.float32), bias.name))
    kernel.CopyFrom(numpy_helper.from_array((values * step).astype(np.float32), kernel.name))


def _take_pixels(graph: onnx.GraphProto, name: str) -> None:
    """Make the input uint8: what is quantised first is whole numbers already."""
    (node,) = (n for n in graph.node if n.op_type == "QuantizeLinear" and n.input[0] == name)
    for other in graph.node:
        other.input[:] = [name if i == node.output[0] else i for i in other.input]
    graph.node.remove(node)
    graph.input[0].type.tensor_type.elem_type = TensorProto.UINT8


def _flatten(model: onnx.ModelProto) -> None:
    """Make Keras' Flatten one node again; its export calculates the shape from the batch's size."""
    graph = model.graph
    known = onnx.shape_inference.infer_shapes(model).graph
    axes = {
        value.name: len(value.type.tensor_type.shape.dim)
        for value in (*known.value_info, *known.output)
    }
    constants = {weight.name for weight in graph.initializer}
    for node in graph.node:
        free = node.op_type == "Reshape" and node.input[1] not in constants
        if free and axes.get(node.output[0]) == 2:
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


def _attribute(node: onnx.NodeProto, name: str, default: int) -> int:
    values = [a.i for a in node.attribute if a.name == name]
    return int(values[0]) if values else default


class _Reader(CalibrationDataReader):  # type: ignore[misc]
    """Hands the calibration crops to the quantiser."""

    def __init__(self, name: str, tensor: FloatArray) -> None:
        self._batches: Iterator[dict[str, npt.NDArray[Any]]] = (
            {name: tensor[start : start + _BATCH]} for start in range(0, len(tensor), _BATCH)
        )

    def get_next(self) -> dict[str, npt.NDArray[Any]] | None:
        """One batch, or None at the end."""
        return next(self._batches, None)
