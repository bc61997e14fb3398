"""The card of a model: what a reader of it must know and nothing may assume.

It goes in and out as decoded JSON; its form and its ranges are checked when it is made.
``docs/bundle.md`` is its reference, :mod:`masklens.bundle` keeps it beside the files.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

from masklens.errors import BundleError
from masklens.labels import LABELS, NOT_A_FACE
from masklens.limits import LONG_SIDES

FORMAT = 1

#: Of any number in a card; beyond it the answers overflow.
_LARGEST = 1e9


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

    Raises:
        BundleError: ``low`` and ``high`` are not in order, or not in 0…1.
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
        file: name of the ONNX file in the bundle, with its ``.onnx``; the same name with
            ``.tflite`` may lie beside it.
        name: what reports call it; empty takes the file's.
        strides: of the cells, in the order of the file's tables.
        multiple: height and width of the input are multiples of it; up to 1024.
        long_side: working size in pixels when nothing else is asked for.
        max_scale: pictures are enlarged at most this much, 0.01 or more: enlarged further they
            blur.
        min_score: faces below it are not returned.
        sure_score: the same where no ``face_calibration`` weighs the score; never below min_score.
        nms_iou: overlap above which the weaker of two boxes is dropped.
        litert_shape: (1, H, W, 3) that the ``.tflite`` takes; empty without one.
        scores: measured figures with their intervals and the data they were measured on.
        training: command, data with hash, seed, versions.

    Raises:
        BundleError: a value is out of range, or the largest stride does not divide ``multiple``.
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
        if not is_file_name(self.file) or PurePath(self.file).suffix != ".onnx":
            raise BundleError(
                f"The card's finder.file must be a name that ends in .onnx. Received: {self.file!r}"
            )
        strides, multiple = self.strides, self.multiple
        if not strides or min(strides) < 1 or multiple % max(strides) or not 1 <= multiple <= 1024:
            raise BundleError(
                "The card's finder needs strides, and a multiple up to 1024 that the largest "
                f"divides. Received: strides {list(strides)}, multiple {multiple}"
            )
        low, high = LONG_SIDES
        sized = low <= self.long_side <= high and self.max_scale >= 0.01
        shares = (self.min_score, self.sure_score, self.nms_iou)
        if not sized or not all(0 <= v <= 1 for v in shares):
            raise BundleError(
                f"The card's finder needs long_side in {low}…{high}, max_scale >= 0.01, and "
                "min_score, sure_score, nms_iou in 0…1. "
                f"Received: {self.long_side}, {self.max_scale}, {shares}"
            )

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> FinderCard:
        """Read the section from decoded JSON.

        Raises:
            BundleError: a value is none that the section can have.
            TypeError: a key is not known.
        """
        fixed = dict(_checked(values, "finder"))
        for name in ("strides", "litert_shape"):
            if name in fixed:
                fixed[name] = tuple(fixed[name])
        return cls(**fixed)


@dataclass(frozen=True)
class ModelCard:
    """What a reader of the model must know and nothing may assume.

    Attributes:
        name, version: of the model.
        labels: what a face can be called, in order; of :data:`masklens.labels.LABELS`.
        outputs: columns of the network's probabilities, in order; the labels, and perhaps
            ``not_a_face``.
        size: side of the square input in pixels. The input is float32 (N, size, size, 3), RGB.
        value_range: what pixel values 0 and 255 become, e.g. (-1, 1).
        margin: of the crop, see :func:`masklens.crop.crop_square`.
        temperature: divides the log-probabilities before the final softmax (Guo et al. 2017);
            0.01 to 100.
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
        format: of the card itself; another one is not read.

    Raises:
        BundleError: a value is out of its range, or does not fit the others.
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
        if strangers := set(self.labels) - set(LABELS):
            raise BundleError(
                f"The card's labels must be of {list(LABELS)}. Received: {sorted(strangers)}"
            )
        unknown = set(self.outputs) - set(self.labels) - {NOT_A_FACE}
        if unknown or not set(self.labels) <= set(self.outputs) or not self.labels:
            raise BundleError(
                f"The card's outputs must be its labels, perhaps with {NOT_A_FACE}. "
                f"Received labels {list(self.labels)} and outputs {list(self.outputs)}"
            )
        if not (
            8 <= self.size <= 2048 and 0.01 <= self.temperature <= 100 and 0 <= self.margin <= 10
        ):
            raise BundleError(
                "The card needs size in 8…2048, temperature in 0.01…100 and margin in 0…10. "
                f"Received: {self.size}, {self.temperature}, {self.margin}"
            )
        if self.value_range[0] == self.value_range[1]:
            raise BundleError(
                f"The card's value_range needs two different ends. Received: {self.value_range}"
            )
        look = self.second_look
        if look and not 0 <= look.cut < self.size / 2:
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
        """Read a card from decoded JSON; unknown keys are an error, so that nothing is lost.

        Raises:
            BundleError: the format is another one, a key is missing or unknown, or a value is none
                that a card can have.
        """
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
        _checked(values, "card")
        try:
            fixed["labels"] = tuple(values["labels"])
            fixed["outputs"] = tuple(values["outputs"])
            low, high = values["value_range"]
            fixed["value_range"] = (float(low), float(high))
            for name, section in (
                ("second_look", SecondLook),
                ("face_calibration", FaceCalibration),
            ):
                if values.get(name) is not None:
                    fixed[name] = section(**_checked(values[name], name))
            if values.get("finder") is not None:
                fixed["finder"] = FinderCard.from_dict(values["finder"])
            json.dumps(values, allow_nan=False)  # scores and training are written again as they are
            return cls(**fixed)
        except (TypeError, ValueError) as error:
            raise BundleError(f"The card cannot be read: {error}") from error

    @property
    def training_data(self) -> tuple[str, ...]:
        """Hashes of the data sets that classifier and finder were trained on, as far as it says.

        Those of the bundle that the training started from are among them.
        """
        finder = self.finder.training if self.finder else {}
        start = self.training.get("start")
        sections = (self.training, start if isinstance(start, Mapping) else {}, finder)
        told = [section["data_sha256"] for section in sections if "data_sha256" in section]
        return tuple(x for one in told for x in (one if isinstance(one, list) else [one]))

    def to_dict(self) -> dict[str, Any]:
        """The card as JSON values, in the order of the fields; :meth:`from_dict` reads them."""
        values: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(self)))
        return values

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


def is_file_name(name: str) -> bool:
    """Whether a file directly in a folder can have this name."""
    return name not in ("", "..") and PurePath(name).name == name and name.isprintable()


def _is_number(value: object) -> bool:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    return abs(value) <= _LARGEST  # which NaN is not


def _is_whole(value: object) -> bool:
    return type(value) is int


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_object(value: object) -> bool:
    return isinstance(value, Mapping)


def _are_names(value: object) -> bool:
    return isinstance(value, list) and all(map(_is_text, value)) and len(set(value)) == len(value)


_Kind = tuple[Callable[[object], bool], str]

_NUMBER: _Kind = (_is_number, f"a number of at most ±{_LARGEST:g}")
_WHOLE: _Kind = (_is_whole, "a whole number")
_TEXT: _Kind = (_is_text, "a text")
_NAMES: _Kind = (_are_names, "a list of names, each once")
_OBJECT: _Kind = (_is_object, "an object")
_SECTION: _Kind = (lambda value: value is None or _is_object(value), "an object or null")
_NUMBERS: _Kind = (
    lambda value: isinstance(value, list) and all(map(_is_number, value)),
    f"a list of numbers of at most ±{_LARGEST:g}",
)
_WHOLES: _Kind = (
    lambda value: isinstance(value, list) and all(map(_is_whole, value)),
    "a list of whole numbers",
)

#: What the values of the card, and of its sections, must be, where nothing else finds out.
_KINDS: dict[str, dict[str, _Kind]] = {
    "card": {
        **dict.fromkeys(("name", "version"), _TEXT),
        **dict.fromkeys(("labels", "outputs"), _NAMES),
        "size": _WHOLE,
        "value_range": _NUMBERS,
        **dict.fromkeys(("margin", "temperature"), _NUMBER),
        "refines_box": (lambda value: isinstance(value, bool), "true or false"),
        **dict.fromkeys(("second_look", "face_calibration", "finder"), _SECTION),
        **dict.fromkeys(("thresholds", "threshold_notes", "training", "scores", "files"), _OBJECT),
    },
    "second_look": {**dict.fromkeys(("low", "high"), _NUMBER), "cut": _WHOLE},
    "face_calibration": dict.fromkeys(("bias", "finder", "classifier", "both"), _NUMBER),
    "finder": {
        **dict.fromkeys(("file", "name"), _TEXT),
        **dict.fromkeys(("strides", "litert_shape"), _WHOLES),
        **dict.fromkeys(("multiple", "long_side"), _WHOLE),
        **dict.fromkeys(("max_scale", "min_score", "sure_score", "nms_iou"), _NUMBER),
    },
}


def _checked(values: Mapping[str, Any], section: str) -> Mapping[str, Any]:
    """The values themselves, if each that is there is of its kind."""
    where = "" if section == "card" else f"{section}."
    for name, (fits, words) in _KINDS[section].items():
        if name in values and not fits(values[name]):
            raise BundleError(
                f"The card's {where}{name} must be {words}. Received: {values[name]!r:.80}"
            )
    return values
