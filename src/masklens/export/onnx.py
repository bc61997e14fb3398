"""ONNX files in three precisions, made from Keras' own export.

float32 is what Keras writes. float16 keeps the weights in half precision and casts them once, when
a session opens: half the size, the same speed and almost the same numbers everywhere. int8 is in
:mod:`masklens.export.onnx_int8`.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper

from masklens.card import ModelCard
from masklens.crop import FloatArray
from masklens.export import onnx_int8
from masklens.export.source import KerasSource
from masklens.runtime import INT8_IS_EXACT
from masklens.training.convert import to_onnx
from masklens.training.onnx_graph import keep_small, save

#: Weights with fewer values than this stay float32: casting them would save nothing.
_SMALL = 16


def export_fp32(source: KerasSource, path: Path) -> None:
    """Write the network as Keras exports it."""
    to_onnx(source.model, path, source.outputs)
    _save(onnx.load(path), path, source.card)


def export_fp16(float32: Path, path: Path, card: ModelCard) -> None:
    """Keep the weights of a float32 file in half precision; it still calculates in float32."""
    model = onnx.load(float32)
    weights = [
        weight.name
        for weight in model.graph.initializer
        if weight.data_type == TensorProto.FLOAT and np.prod(weight.dims) >= _SMALL
    ]
    keep_small(model.graph, half=weights)
    _save(model, path, card)


def export_int8(
    float32: Path,
    path: Path,
    card: ModelCard,
    calibration: FloatArray,
    *,
    grouped: bool = True,
) -> None:
    """Quantise a float32 file; see :func:`masklens.export.onnx_int8.quantise`."""
    model = onnx_int8.quantise(float32, path, card.value_range, calibration, grouped=grouped)
    _save(model, path, card, {INT8_IS_EXACT: "no sum of two products overflows 16 bits"})


def metadata(card: ModelCard) -> dict[str, str]:
    """What an ONNX file says of itself: a few plain entries, and what of the card is about it."""
    return {
        "labels": ",".join(card.labels),
        "outputs": ",".join(card.outputs),
        "colour_order": "RGB",
        "value_range": ",".join(str(v) for v in card.value_range),
        "card": json.dumps(card.of_the_network(), ensure_ascii=False),
    }


def _save(
    model: onnx.ModelProto, path: Path, card: ModelCard, more: Mapping[str, str] | None = None
) -> None:
    if model.graph.input[0].type.tensor_type.elem_type == TensorProto.UINT8:
        card = dataclasses.replace(card, value_range=(0, 255))  # of what this file takes
    del model.metadata_props[:]
    helper.set_model_props(model, {**metadata(card), **(more or {})})
    model.doc_string = f"{card.name} {card.version}"
    save(model, path)
