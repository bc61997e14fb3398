"""The proof: every exported file runs on the same real crops as Keras, and is held to a bar.

An untrained network gives the same answer for every picture and passes any comparison, so the
accuracy stands beside the agreement: whoever reads the table sees that the labels mean something.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from masklens.card import ModelCard
from masklens.crop import FloatArray
from masklens.export.samples import Crops
from masklens.export.timing import Candidate, Timing
from masklens.intervals import Estimate, proportion

#: float32: largest difference of any output to Keras; labels must be identical.
FP32_DIFFERENCE = 1e-4
#: Share of crops with the same label as Keras.
FP16_AGREEMENT = 0.999
INT8_AGREEMENT = 0.99
#: int8: points of accuracy that may be lost against float32.
INT8_ACCURACY_LOSS = 0.005
#: int8: size as a share of the float32 ONNX file.
INT8_SIZE = 0.3
#: int8: mean difference of the box's sides to Keras, as a share of the crop's side.
INT8_BOX = 0.01

#: Differences of shares are no closer than this: 0.065 less 0.005 is a little more than 0.06.
_EPSILON = 1e-9


@dataclass(frozen=True, eq=False)
class Reference:
    """What Keras says.

    Attributes:
        outputs: of every crop, by name: ``probabilities`` (N, C), perhaps ``box`` (N, 4).
        accuracy: share of crops whose label is the annotated one.
        bytes: of the Keras file.
    """

    outputs: dict[str, FloatArray]
    accuracy: Estimate
    bytes: int


@dataclass(frozen=True)
class Row:
    """One artefact's line in the table.

    Attributes:
        file, runtime, precision: what it is.
        bytes: size of the file.
        max_difference, mean_difference: of the probabilities to Keras.
        box_max, box_mean: of the box's sides to Keras, shares of the crop's side; None without.
        agreement: share of crops with Keras' label.
        accuracy: share of crops with the annotated label, with its interval.
        timings: milliseconds per face.
        speedup: one thread, one crop at a time, against float32 ONNX; None until it was timed.
        missed: the bars that it misses, a sentence each; a file that misses one is rejected.
    """

    file: str
    runtime: str
    precision: str
    bytes: int
    max_difference: float
    mean_difference: float
    box_max: float | None
    box_mean: float | None
    agreement: float
    accuracy: Estimate
    timings: tuple[Timing, ...] = ()
    speedup: float | None = None
    missed: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return vars(self) | {
            "accuracy": self.accuracy.to_dict(),
            "timings": [timing.to_dict() for timing in self.timings],
            "missed": list(self.missed),
        }


def reference(
    outputs: dict[str, FloatArray], crops: Crops, card: ModelCard, size: int
) -> Reference:
    """What the others are compared with.

    Args:
        outputs: of Keras.
        crops: what it saw.
        card: says which columns are labels.
        size: of the Keras file in bytes.
    """
    return Reference(outputs, _accuracy(outputs["probabilities"], crops, card), size)


def compare(candidate: Candidate, precision: str, crops: Crops, keras: Reference) -> Row:
    """Run one artefact in its own runtime and compare it with Keras; bars are not applied yet.

    Raises:
        BundleError: the runtime cannot open the file.
    """
    classifier = candidate.open(1)
    card = candidate.bundle.card
    outputs = classifier.run(classifier.prepare(crops.images))
    difference = np.abs(outputs[0] - keras.outputs["probabilities"])
    box = np.abs(outputs[1] - keras.outputs["box"]) if card.refines_box else None
    same = labels_of(outputs[0], card) == labels_of(keras.outputs["probabilities"], card)
    return Row(
        file=candidate.file,
        runtime=candidate.runtime,
        precision=precision,
        bytes=candidate.bytes,
        max_difference=float(difference.max()),
        mean_difference=float(difference.mean()),
        box_max=None if box is None else float(box.max()),
        box_mean=None if box is None else float(box.mean()),
        agreement=float(same.mean()),
        accuracy=_accuracy(outputs[0], crops, card),
    )


def missed_bars(row: Row, keras: Reference, float32_bytes: int) -> tuple[str, ...]:
    """The bars that an artefact misses, a sentence each; NaN misses every bar."""
    if row.precision == "fp32":
        largest = max(row.max_difference, row.box_max or 0)
        found = [
            _below("largest difference", largest, FP32_DIFFERENCE, "{:.1e}"),
            _above("label agreement", row.agreement, 1.0, "{:.2%}"),
        ]
    elif row.precision == "fp16":
        found = [_above("label agreement", row.agreement, FP16_AGREEMENT, "{:.2%}")]
    else:
        least = keras.accuracy.value - INT8_ACCURACY_LOSS - _EPSILON
        found = [
            _above("label agreement", row.agreement, INT8_AGREEMENT, "{:.2%}"),
            _above("accuracy", row.accuracy.value, least, "{:.2%}"),
        ]
        if row.runtime != "openvino":  # spells its graph out in XML; it reads the ONNX file too
            share = row.bytes / float32_bytes
            found.append(_below("share of float32's size", share, INT8_SIZE, "{:.3f}"))
        if row.box_mean is not None:
            found.append(_below("mean difference of the box", row.box_mean, INT8_BOX, "{:.4f}"))
    return tuple(sentence for sentence in found if sentence)


def labels_of(probabilities: FloatArray, card: ModelCard) -> npt.NDArray[np.intp]:
    """The label of each row (N, C) -> (N,), index into the card's labels."""
    columns = [card.outputs.index(label) for label in card.labels]
    best: npt.NDArray[np.intp] = probabilities[:, columns].argmax(axis=1)
    return best


def _accuracy(probabilities: FloatArray, crops: Crops, card: ModelCard) -> Estimate:
    return proportion(labels_of(probabilities, card) == crops.targets, crops.pictures)


def _below(name: str, value: float, bar: float, form: str) -> str:
    if value <= bar:
        return ""
    return f"{name} {form.format(value)}, at most {form.format(bar)} is allowed"


def _above(name: str, value: float, bar: float, form: str) -> str:
    if value >= bar:
        return ""
    return f"{name} {form.format(value)}, at least {form.format(bar)} is needed"
