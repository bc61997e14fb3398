"""The standard metadata of LiteRT files: what goes in, what comes out, and the labels.

Written field by field after the published schema (``metadata_schema.fbs``, TensorFlow Lite
Metadata, version 1.0.0), because the package that used to write it is no longer maintained.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import flatbuffers

from masklens.bundle import CARD_FILE
from masklens.card import ModelCard

LABELS_FILE = "labels.txt"

_IDENTIFIER = b"M001"
_IMAGE_PROPERTIES = 2  # of the union ContentProperties
_RGB = 1  # ColorSpaceType
_NORMALIZATION = 1  # of the union ProcessUnitOptions
_TENSOR_AXIS_LABELS = 2  # AssociatedFileType

_DESCRIPTIONS = {
    "probabilities": "Softmax over: {outputs}.",
    "box": "The face's tight box: x1 y1 x2 y2 as shares of the crop's side.",
}

#: Puts one field into the table that is being built.
Field = Callable[[], None]


def model_metadata(card: ModelCard, outputs: Sequence[str]) -> bytes:
    """The buffer ``TFLITE_METADATA``.

    Args:
        card: of the model.
        outputs: names of the file's outputs, in the file's order.
    """
    b = flatbuffers.Builder(1024)
    low, high = card.value_range
    scale = 255 / (high - low)

    def text(slot: int, value: str) -> Field:
        offset = b.CreateString(value)
        return reference(slot, offset)

    def reference(slot: int, offset: int) -> Field:
        return lambda: b.PrependUOffsetTRelativeSlot(slot, offset, 0)

    def byte(slot: int, value: int) -> Field:
        return lambda: b.PrependInt8Slot(slot, value, 0)

    def table(slots: int, *fields: Field) -> int:
        b.StartObject(slots)
        for put in fields:
            put()
        return int(b.EndObject())

    def vector(offsets: Sequence[int]) -> int:
        b.StartVector(4, len(offsets), 4)
        for offset in reversed(offsets):
            b.PrependUOffsetTRelative(offset)
        return int(b.EndVector())

    def floats(values: Sequence[float]) -> int:
        b.StartVector(4, len(values), 4)
        for value in reversed(values):
            b.PrependFloat32(value)
        return int(b.EndVector())

    def content(kind: int = 0, properties: int = 0) -> int:
        return table(3, byte(0, kind), reference(1, properties)) if kind else table(3)

    mean, deviation = floats([-low * scale]), floats([scale])
    normalization = table(2, reference(0, mean), reference(1, deviation))
    unit = table(2, byte(0, _NORMALIZATION), reference(1, normalization))
    image = table(
        7,
        text(0, "image"),
        text(1, f"A face, cut with a margin of {card.margin:g} of its longer side on each side."),
        reference(3, content(_IMAGE_PROPERTIES, table(2, byte(0, _RGB)))),
        reference(4, vector([unit])),
    )
    named = []
    for name in outputs:
        about = _DESCRIPTIONS.get(name, name).format(outputs=", ".join(card.outputs))
        fields = [text(0, name), text(1, about)]
        if name == "probabilities":
            labels = table(5, text(0, LABELS_FILE), byte(2, _TENSOR_AXIS_LABELS))
            fields.append(reference(6, vector([labels])))
        named.append(table(7, *fields))
    subgraph = table(10, reference(2, vector([image])), reference(3, vector(named)))
    b.Finish(
        table(
            8,
            text(0, f"masklens {card.name}"),
            text(1, f"Face crops: {', '.join(card.outputs)}. {CARD_FILE} says more."),
            text(2, card.version),
            reference(3, vector([subgraph])),
            text(5, card.licence),
            text(7, "1.0.0"),
        ),
        file_identifier=_IDENTIFIER,
    )
    return bytes(b.Output())


def append_files(path: Path, card: ModelCard) -> None:
    """Append ``labels.txt`` and ``card.json`` as a ZIP archive, where the metadata expects them.

    The card has only what is about this file, whatever bundle it lies in.
    """
    contents = {
        LABELS_FILE: "\n".join(card.outputs) + "\n",
        CARD_FILE: json.dumps(card.of_the_network(), ensure_ascii=False),
    }
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        for name, text in contents.items():
            # A fixed date, so that the same model gives the same file.
            info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            archive.writestr(info, text, zipfile.ZIP_DEFLATED)
