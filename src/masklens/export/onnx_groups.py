"""Lets the first convolution of an ONNX network take four pixels at a time.

ONNX Runtime's 8-bit convolutions copy together what each output sees, pixel by pixel: three bytes
at a time where a picture goes in, which takes longer than the sums where the processor multiplies
bytes fast. Four neighbouring pixels are also one with twelve channels, and two neighbouring outputs
one with twice the channels: the same bytes in the same order, so that only shapes change. The
kernel becomes a wider one with zeros in it.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper, numpy_helper

from masklens.crop import FloatArray

#: Pixels that are taken at a time, and the outputs that they give.
_PIXELS, _OUTPUTS = 4, 2


def group_pixels(graph: onnx.GraphProto, convolution: onnx.NodeProto) -> bool:
    """Rewrite the first convolution and the shapes around it; what is calculated stays the same.

    Args:
        graph: its input is (N, H, W, C); it is changed.
        convolution: the one that the input goes to by way of a transposition, and nothing else,
            with a bias.

    Returns:
        Whether it was done. That needs a 3×3 kernel, stride 2, zeros only on the right and below, a
        width that four divides, and a ``Clip`` or ``Relu`` behind.
    """
    constants = {weight.name: weight for weight in graph.initializer}
    kernel, bias = (constants[name] for name in convolution.input[1:])
    values = numpy_helper.to_array(kernel)
    _, height, width, _ = (d.dim_value for d in graph.input[0].type.tensor_type.shape.dim)
    users = [node for node in graph.node if convolution.output[0] in node.input]
    form = {a.name: tuple(a.ints) for a in convolution.attribute}
    fits = (
        values.shape[2:] == (3, 3)
        and form.get("strides") == (2, 2)
        and form.get("pads") == (0, 0, 1, 1)
        and set(form.get("dilations", ())) <= {1}
        and height % 2 == width % _PIXELS == 0 < width
        and [node.op_type for node in users] in (["Clip"], ["Relu"])
    )
    if not fits:
        return False
    kernel.CopyFrom(numpy_helper.from_array(_wide(values), kernel.name))
    twice = np.tile(numpy_helper.to_array(bias), _OUTPUTS)
    bias.CopyFrom(numpy_helper.from_array(twice, bias.name))
    del convolution.attribute[:]
    convolution.attribute.extend(
        helper.make_attribute(name, value)
        for name, value in (("kernel_shape", [3, 2]), ("strides", [2, 1]), ("pads", [0, 0, 1, 1]))
    )
    filters, channels = values.shape[:2]
    _regroup_input(graph, convolution, (0, height, width // _PIXELS, _PIXELS * channels))
    _ungroup_output(graph, users[0], (0, height // 2, width // 2, filters))
    del graph.value_info[:]
    return True


def _wide(kernel: FloatArray) -> FloatArray:
    """(F, C, 3, 3) for single pixels -> (2F, 4C, 3, 2) for four, which gives two outputs."""
    filters, channels = kernel.shape[:2]
    wide = np.zeros((_OUTPUTS, filters, 2, _PIXELS, channels, 3), np.float32)
    for output in range(_OUTPUTS):
        for column in range(3):
            group, pixel = divmod(2 * output + column, _PIXELS)
            wide[output, :, group, pixel] = kernel[..., column]
    return wide.transpose(0, 1, 3, 4, 5, 2).reshape(-1, _PIXELS * channels, 3, 2)


def _regroup_input(
    graph: onnx.GraphProto, convolution: onnx.NodeProto, shape: tuple[int, ...]
) -> None:
    """Give the picture another shape before it is transposed."""
    (turn,) = (node for node in graph.node if convolution.input[0] in node.output)
    before = _reshape(graph, turn.input[0], "groups", shape)
    turn.input[0] = "groups"
    graph.node.insert(list(graph.node).index(turn), before)


def _ungroup_output(
    graph: onnx.GraphProto, activation: onnx.NodeProto, shape: tuple[int, ...]
) -> None:
    """Give what comes out its usual shape again: channels last, apart, channels first."""
    out = activation.output[0]
    for node in graph.node:
        node.input[:] = ["outputs_first" if name == out else name for name in node.input]
    steps = (
        helper.make_node("Transpose", [out], ["outputs_last"], "outputs_last", perm=[0, 2, 3, 1]),
        _reshape(graph, "outputs_last", "outputs", shape),
        helper.make_node(
            "Transpose", ["outputs"], ["outputs_first"], "outputs_first", perm=[0, 3, 1, 2]
        ),
    )
    place = list(graph.node).index(activation) + 1
    for step in reversed(steps):
        graph.node.insert(place, step)


def _reshape(
    graph: onnx.GraphProto, source: str, result: str, shape: tuple[int, ...]
) -> onnx.NodeProto:
    """A node that gives the same values another shape; 0 keeps what there is, here the batch."""
    graph.initializer.append(numpy_helper.from_array(np.array(shape, np.int64), f"{result}_shape"))
    return helper.make_node("Reshape", [source, f"{result}_shape"], [result], name=result)
