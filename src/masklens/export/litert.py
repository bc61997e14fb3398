"""LiteRT files (``.tflite``) in three precisions, through Keras' own export.

float16 keeps the weights in half precision. int8 is full integer inside, with weights per channel;
its input is uint8, so that a crop's pixels go in as they are, and its outputs are float32 numbers
again. All take one picture at a time: phones and browsers have one, and fixed shapes run faster.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from masklens.card import ModelCard
from masklens.crop import FloatArray
from masklens.errors import MasklensError
from masklens.export.litert_metadata import append_files, model_metadata
from masklens.export.source import KerasSource

_IDENTIFIER = b"TFL3"
_ALIGNMENT = 16  # of a buffer's data, bytes


def export_litert(source: KerasSource, path: Path, precision: str, calibration: FloatArray) -> None:
    """Convert the network.

    Args:
        source: the network and its card.
        path: of the ``.tflite``.
        precision: "fp32", "fp16" or "int8".
        calibration: for int8: float32 (N, size, size, 3), real crops in the card's value range.
    """
    import keras
    import tensorflow as tf

    size = source.card.size
    settings: dict[str, Any] = {}
    if precision != "fp32":
        settings["optimizations"] = [tf.lite.Optimize.DEFAULT]
    if precision == "fp16":
        settings["target_spec"] = {"supported_types": [tf.float16]}
    if precision == "int8":
        settings["representative_dataset"] = lambda: ([crop[None]] for crop in calibration)
        settings["target_spec"] = {"supported_ops": [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]}
        settings["inference_input_type"] = tf.uint8
    source.model.export(
        str(path),
        format="litert",
        verbose=False,
        input_signature=[keras.InputSpec(shape=(1, size, size, 3), dtype="float32")],
        **settings,
    )
    finish(path, source.card)


def finish(path: Path, card: ModelCard) -> None:
    """Shrink a file, and write into it what its tensors mean.

    The metadata has the standard form that Android Studio and MediaPipe show; ``labels.txt`` and
    ``card.json`` are appended as a ZIP archive, so that ``unzip`` reads them too.
    """
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(path.read_bytes(), 0))
    graph = model.subgraphs[0]
    outer = {int(index) for index in (*graph.inputs, *graph.outputs)}
    for index, tensor in enumerate(graph.tensors):
        if index not in outer:
            tensor.name = b"t"  # names inside the graph serve nobody, and there are hundreds
    model.description = f"masklens {card.name} {card.version}".encode()
    names = [_output_name(model, int(index)) for index in graph.outputs]
    model.metadata = [
        entry for entry in model.metadata or [] if entry.name != b"CONVERSION_METADATA"
    ]
    entry, content = schema.MetadataT(), schema.BufferT()
    content.data = np.frombuffer(model_metadata(card, names), np.uint8)
    entry.name, entry.buffer = b"TFLITE_METADATA", len(model.buffers)
    model.buffers.append(content)
    model.metadata.append(entry)
    builder = _SharingBuilder(1024)
    builder.Finish(model.Pack(builder), file_identifier=_IDENTIFIER)
    path.write_bytes(bytes(builder.Output()))
    append_files(path, card)


def _output_name(model: Any, index: int) -> str:
    """The name that the signature gives to an output tensor."""
    for output in model.signatureDefs[0].outputs:
        if int(output.tensorIndex) == index:
            return str(output.name.decode())
    raise MasklensError(f"The LiteRT file names no output {index}; please report this.")


class _SharingBuilder(flatbuffers.Builder):  # type: ignore[misc]
    """Writes equal short vectors and strings once: the zero points of hundreds of channels.

    Vectors are only read, so that several tables may point at the same one.
    """

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self._known: dict[tuple[str, bytes], int] = {}

    def CreateNumpyVector(self, x: Any) -> int:  # noqa: N802
        if x.dtype == np.uint8:
            return self._weights(x.tobytes())
        key = (str(x.dtype), x.tobytes())
        if key not in self._known:
            self._known[key] = super().CreateNumpyVector(x)
        return self._known[key]

    def CreateString(self, s: Any, *arguments: Any, **options: Any) -> int:  # noqa: N802
        key = ("string", s if isinstance(s, bytes) else s.encode())
        if key not in self._known:
            self._known[key] = super().CreateString(s, *arguments, **options)
        return self._known[key]

    def _weights(self, content: bytes) -> int:
        """The data of a buffer, aligned as the schema asks and this builder would not do."""
        self.StartVector(1, len(content), _ALIGNMENT)
        start = int(self.Head()) - len(content)
        self.head = start
        self.Bytes[start : start + len(content)] = content
        self.vectorNumElems = len(content)
        return int(self.EndVector())
