"""The card of a model: what a reader of it must know and nothing may assume.

It goes in and out as decoded JSON; its form and its ranges are checked when it is made.
``docs/bundle.md`` is its reference, :mod:`masklens.bundle` keeps it beside the files.
"""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from masklens.errors import BundleError
from masklens.labels import NOT_A_FACE

FORMAT = 1


@dataclass(frozen=True)
class FaceCalibration:
    """How P(a face is there) follows from the finder's score and the classifier's rejection.

    With f = logit(face_score), c = logit(1 - P(not_a_face)) and s(x) = log(1 + exp(x)),
    P = sigmoid(bias + finder * f + classifier * c + both * s(f) * s(c)): Platt (1999), and a term
    for what the two agree on, with the parameters that make P times the label's probability most
    likely on the photographs the model was calibrated on.
    """

    bias: float
    finder: float
    classifier: float
    both: float = 0.0


@dataclass(frozen=True)
class SecondLook:
    """Which crops the classifier looks at twice, see :mod:`masklens.second_look`.

    Doubt is the probability of all labels but the most probable one, 0…1.

    Attributes:
        low: crops with no more doubt than this are looked at once.
        high: from here on the second answer counts as much as the first; above ``low``.
        cut: pixels that are left out on each side of a crop for the second view.
    """

    low: float
    high: float
    cut: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.low < self.high <= 1:
            raise BundleError(
                "The card's second_look needs 0 <= low < high <= 1. "
                f"Received: {self.low}, {self.high}"
            )


@dataclass(frozen=True)
class FinderCard:
    """The bundle's own face finder: how its file is run, and what it scores.

    Attributes:
        file: name of the ONNX file in the bundle; the same name with ``.tflite`` may lie beside it.
        name: what reports call it; empty takes the file's.
        strides: of the cells, in the order of the file's tables.
        multiple: height and width of the input are multiples of it.
        long_side: working size in pixels when nothing else is asked for.
        max_scale: pictures are enlarged at most this much, above 0: enlarged further they blur.
        min_score: faces below it are not returned.
        sure_score: the same where no ``face_calibration`` weighs the score; never below min_score.
        nms_iou: overlap above which the weaker of two boxes is dropped.
        litert_shape: (1, H, W, 3) that the ``.tflite`` takes; empty without one.
        scores: measured figures with their intervals and the data they were measured on.
        training: command, data with hash, seed, versions.
    """

    file: str = "finder.onnx"
    name: str = ""
    strides: tuple[int, ...] = (8, 16, 32)
    multiple: int = 32
    long_side: int = 800
    max_scale: float = 2.0
    min_score: float = 0.3
    sure_score: float = 0.0
    nms_iou: float = 0.45
    litert_shape: tuple[int, ...] = ()
    scores: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.strides or min(self.strides) < 1 or self.multiple % max(self.strides):
            raise BundleError(
                "The card's finder needs strides, and a multiple that the largest divides. "
                f"Received: strides {list(self.strides)}, multiple {self.multiple}"
            )
        shares = (self.min_score, self.sure_score, self.nms_iou)
        if self.long_side < 1 or self.max_scale <= 0 or not all(0 <= v <= 1 for v in shares):
            raise BundleError(
                "The card's finder needs long_side >= 1, max_scale > 0, and min_score, sure_score, "
                f"nms_iou in 0…1. Received: {self.long_side}, {self.max_scale}, {shares}"
            )

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> FinderCard:
        """Read the section from decoded JSON."""
        fixed = dict(values)
        for name in ("strides", "litert_shape"):
            if name in fixed:
                fixed[name] = tuple(int(v) for v in fixed[name])
        return cls(**fixed)


@dataclass(frozen=True)
class ModelCard:
    """What a reader of the model must know and nothing may assume.

    Attributes:
        name, version: of the model.
        labels: what a face can be called, in order.
        outputs: columns of the network's probabilities, in order; the labels, and perhaps
            ``not_a_face``.
        size: side of the square input in pixels. The input is float32 (N, size, size, 3), RGB.
        value_range: what pixel values 0 and 255 become, e.g. (-1, 1).
        margin: of the crop, see :func:`masklens.crop.crop_square`.
        temperature: divides the log-probabilities before the final softmax (Guo et al. 2017).
        refines_box: the network has a second output ``box`` (N, 4): the face's tight box as xyxy
            in the crop's square, 0…1.
        second_look: see there; None looks at every crop once.
        face_calibration: see there; None takes the finder's score as it is.
        finder: the bundle's own face finder; None leaves it to the shipped one.
            ``face_calibration`` holds for this finder only.
        thresholds: of the score, by purpose: "default", "precise", "sensitive".
        threshold_notes: what each threshold was chosen for, and on which data.
        training: command, data with hash, seed, versions.
        scores: measured figures with their intervals and the data they were measured on.
        licence: of the weights, with what is known of the pictures behind them.
        files: sha256 and size in bytes of each file of the bundle.
    """

    name: str
    version: str
    labels: tuple[str, ...]
    outputs: tuple[str, ...]
    size: int
    value_range: tuple[float, float]
    margin: float
    thresholds: Mapping[str, float]
    temperature: float = 1.0
    refines_box: bool = False
    second_look: SecondLook | None = None
    face_calibration: FaceCalibration | None = None
    finder: FinderCard | None = None
    threshold_notes: Mapping[str, str] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    scores: Mapping[str, Any] = field(default_factory=dict)
    licence: str = "Apache-2.0"
    files: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    format: int = FORMAT

    def __post_init__(self) -> None:
        unknown = set(self.outputs) - set(self.labels) - {NOT_A_FACE}
        if unknown or not set(self.labels) <= set(self.outputs) or not self.labels:
            raise BundleError(
                f"The card's outputs must be its labels, perhaps with {NOT_A_FACE}. "
                f"Received labels {list(self.labels)} and outputs {list(self.outputs)}"
            )
        if not (8 <= self.size <= 2048 and self.temperature > 0 and 0 <= self.margin <= 10):
            raise BundleError(
                "The card needs size in 8…2048, temperature > 0 and margin in 0…10. "
                f"Received: {self.size}, {self.temperature}, {self.margin}"
            )
        look = self.second_look
        if look and not (type(look.cut) is int and 0 <= look.cut < self.size / 2):
            raise BundleError(
                f"The card's second_look needs a cut of whole pixels in 0…{(self.size - 1) // 2}. "
                f"Received: {look.cut!r}"
            )
        if "default" not in self.thresholds:
            raise BundleError('The card\'s thresholds lack "default".')
        for name, threshold in self.thresholds.items():
            if not isinstance(threshold, int | float) or not 0 <= threshold <= 1:
                raise BundleError(
                    f'The card\'s threshold "{name}" must be in 0…1. Received: {threshold!r}'
                )

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ModelCard:
        """Read a card from decoded JSON; unknown keys are an error, so that nothing is lost."""
        if values.get("format") != FORMAT:
            raise BundleError(
                f"The card has format {values.get('format')!r}; this version of masklens reads "
                f"format {FORMAT}."
            )
        known = {f.name for f in dataclasses.fields(cls)}
        required = {
            f.name
            for f in dataclasses.fields(cls)
            if f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
        }
        if missing := required - set(values):
            raise BundleError(f"The card lacks {sorted(missing)}.")
        if extra := set(values) - known:
            raise BundleError(f"The card has keys that are not known: {sorted(extra)}.")
        fixed = dict(values)
        _check_kinds(values)
        try:
            fixed["labels"] = tuple(values["labels"])
            fixed["outputs"] = tuple(values["outputs"])
            low, high = values["value_range"]
            fixed["value_range"] = (float(low), float(high))
            if values.get("second_look") is not None:
                fixed["second_look"] = SecondLook(**values["second_look"])
            if values.get("face_calibration") is not None:
                fixed["face_calibration"] = FaceCalibration(**values["face_calibration"])
            if values.get("finder") is not None:
                fixed["finder"] = FinderCard.from_dict(values["finder"])
            return cls(**fixed)
        except (TypeError, ValueError) as error:
            raise BundleError(f"The card cannot be read: {error}") from error

    def to_dict(self) -> dict[str, Any]:
        """The card as JSON values, in the order of the fields."""
        return dataclasses.asdict(self)

    def of_the_network(self) -> dict[str, Any]:
        """What holds for a network's file wherever it lies, as JSON values.

        Files, finder, temperature, thresholds and scores are the bundle's, and change when it is
        calibrated.
        """
        kept = ("name", "version", "labels", "outputs", "size", "value_range", "margin",
                "refines_box", "second_look", "training", "licence")  # fmt: skip
        return {name: value for name, value in self.to_dict().items() if name in kept}

    def threshold(self, preset: str = "default") -> float:
        """The score threshold of a preset, or a BundleError that lists the presets."""
        if preset not in self.thresholds:
            raise BundleError(
                f'The card has no threshold "{preset}", only {sorted(self.thresholds)}.'
            )
        return float(self.thresholds[preset])


#: What a value of the card must be, where nothing else finds out.
_KINDS: dict[str, tuple[type | types.UnionType, str]] = {
    **dict.fromkeys(("size",), (int, "a whole number")),
    **dict.fromkeys(("margin", "temperature"), (int | float, "a number")),
    **dict.fromkeys(("labels", "outputs", "value_range"), (list, "a list")),
    **dict.fromkeys(
        ("thresholds", "threshold_notes", "training", "scores", "files"), (dict, "an object")
    ),
    **dict.fromkeys(
        ("second_look", "face_calibration", "finder"), (dict | None, "an object or null")
    ),
}


def _check_kinds(values: Mapping[str, Any]) -> None:
    for name, (kind, words) in _KINDS.items():
        if name in values and not isinstance(values[name], kind):
            raise BundleError(f"The card's {name} must be {words}. Received: {values[name]!r}")
