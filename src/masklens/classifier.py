"""The mask classifier: face crops in, probabilities out, in the runtime of one's choice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import numpy.typing as npt

from masklens.bundle import CLASSIFIER_FILE, Bundle
from masklens.card import SecondLook
from masklens.crop import FloatArray, Image, in_range
from masklens.errors import BundleError
from masklens.labels import NOT_A_FACE
from masklens.runtime import RUNTIMES, open_network
from masklens.second_look import second_views, second_weights

#: More crops than this go through the network in turns: a crowd must not take the memory.
MAX_BATCH = 32


@dataclass(frozen=True, slots=True)
class Classification:
    """What the classifier says of N crops.

    Attributes:
        probabilities: float32 (N, L), rows sum to 1: for each label, given that it is a face.
        face: float32 (N,), 0…1: that the crop is a face at all; 1 if the model cannot tell.
        boxes: float32 (N, 4), the face's tight box as xyxy in the crop, 0…1; or None.
    """

    probabilities: FloatArray
    face: FloatArray
    boxes: FloatArray | None

    def __getitem__(self, rows: slice) -> Classification:
        """What it says of some of the crops."""
        boxes = None if self.boxes is None else self.boxes[rows]
        return Classification(self.probabilities[rows], self.face[rows], boxes)

    @staticmethod
    def joined(parts: Sequence[Classification]) -> Classification:
        """Several of one classifier as one, in their order; at least one is needed."""
        boxes = [part.boxes for part in parts if part.boxes is not None]
        return Classification(
            np.concatenate([part.probabilities for part in parts]),
            np.concatenate([part.face for part in parts]),
            np.concatenate(boxes) if boxes else None,
        )


class MaskClassifier:
    """The classifier of a bundle.

    Args:
        bundle: what :meth:`Bundle.load` returned.
        threads: of the network; 0 is one per core.
        runtime: "onnx", "litert" or "openvino".
        file: name of the bundle's file to run; None takes the one of :func:`model_file`.

    Raises:
        BundleError: the bundle has no model for the runtime, or it does not fit its card.
        MissingExtraError: the runtime is not installed.
    """

    def __init__(
        self, bundle: Bundle, threads: int = 0, *, runtime: str = "onnx", file: str | None = None
    ) -> None:
        self.card = bundle.card
        path = model_file(bundle, runtime) if file is None else bundle.path(file)
        self.network = open_network(path, runtime, threads)
        available = self.network.outputs
        self._outputs = ["probabilities"] + (["box"] if self.card.refines_box else [])
        for name in self._outputs:
            if name not in available:
                raise BundleError(f"{path} has no output {name!r}, only {sorted(available)}.")
        if available["probabilities"] != len(self.card.outputs):
            raise BundleError(
                f"{path} gives {available['probabilities']} probabilities, but its card names "
                f"{len(self.card.outputs)}: {list(self.card.outputs)}."
            )
        size = self.network.fixed_size
        if size not in (None, (self.card.size, self.card.size)):
            raise BundleError(
                f"{path} takes crops of {size[1]}×{size[0]} pixels, but its card says "
                f"{self.card.size}."
            )
        self._label_columns = [self.card.outputs.index(label) for label in self.card.labels]
        # What the network cannot do is said here, and not at some picture with two faces.
        two = self.run(self.prepare(np.zeros((2, self.card.size, self.card.size, 3), np.uint8)))
        shapes = {name: answer.shape for name, answer in zip(self._outputs, two, strict=True)}
        expected = {"probabilities": (2, len(self.card.outputs)), "box": (2, 4)}
        if not shapes.items() <= expected.items():
            raise BundleError(f"{path} must answer two crops with {expected}. Received: {shapes}")

    def predict(self, crops: Image, *, twice: bool = True) -> Classification:
        """Classify crops.

        Args:
            crops: uint8 (N, size, size, 3), RGB, from :func:`masklens.crop.crop_faces`.
            twice: look at doubtful crops twice, where the card says so.
        """
        if len(crops) == 0:
            empty = np.zeros((0, len(self.card.labels)), np.float32)
            boxes = np.zeros((0, 4), np.float32) if self.card.refines_box else None
            return Classification(empty, np.zeros(0, np.float32), boxes)
        raw = self._look(crops, self.card.second_look if twice else None)
        probabilities = with_temperature(raw[0], self.card.temperature)
        labels = probabilities[:, self._label_columns]
        face = labels.sum(axis=1)
        return Classification(
            probabilities=labels / face.clip(1e-12)[:, None],
            face=face if NOT_A_FACE in self.card.outputs else np.ones_like(face),
            boxes=raw[1] if self.card.refines_box else None,
        )

    def _look(self, crops: Image, look: SecondLook | None) -> list[FloatArray]:
        """The network's outputs; the probabilities of doubtful crops are those of two looks."""
        raw = self.run(self.prepare(crops))
        if look is None:
            return raw
        weights = second_weights(raw[0][:, self._label_columns], look)
        rows = np.flatnonzero(weights)
        if len(rows):
            again = self.run(self.prepare(second_views(crops[rows], look.cut)))[0]
            raw[0][rows] += weights[rows, None] * (again - raw[0][rows])
        return raw

    def prepare(self, crops: Image) -> npt.NDArray[Any]:
        """The network's input: float32 (N, size, size, 3) in the card's value range.

        Networks whose input is uint8 get the crops as they are.
        """
        if self.network.takes_pixels:
            return crops
        return in_range(crops, self.card.value_range)

    def run(self, tensor: npt.NDArray[Any]) -> list[FloatArray]:
        """The bare network: the tensor of :meth:`prepare` -> probabilities (and boxes).

        Raises:
            BundleError: it cannot be run, or answers with what is no finite number.
        """
        chunks = [tensor[i : i + MAX_BATCH] for i in range(0, len(tensor), MAX_BATCH)]
        results = [self.network.run(chunk, self._outputs) for chunk in chunks]
        answers = [np.concatenate(parts) for parts in zip(*results, strict=True)]
        if not all(np.isfinite(answer).all() for answer in answers):
            raise BundleError(
                f"The classifier {self.card.name} answers with numbers that are not finite. Train "
                "or export it again."
            )
        return answers


def model_file(bundle: Bundle, runtime: str = "onnx") -> Path:
    """The file of a bundle that a runtime should run.

    ``classifier`` with the runtime's suffix, or else the first file that the card lists with it.

    Raises:
        BundleError: no such runtime, or the bundle has no model for it.
    """
    if runtime not in RUNTIMES:
        raise BundleError(f'No runtime is called "{runtime}", only {", ".join(RUNTIMES)}.')
    stem = PurePath(CLASSIFIER_FILE).stem
    files = bundle.classifier_files()
    for suffix in RUNTIMES[runtime]:
        names = [name for name in files if PurePath(name).suffix == suffix]
        if names:
            return bundle.path(f"{stem}{suffix}" if f"{stem}{suffix}" in names else names[0])
    raise BundleError(
        f"The bundle {bundle.folder} has no model for the runtime {runtime} "
        f"({' or '.join(RUNTIMES[runtime])}), only {sorted(bundle.card.files)}. Make one "
        f"from the bundle with the Keras model: masklens export BUNDLE --to {runtime} --out DIR"
    )


def with_temperature(probabilities: FloatArray, temperature: float) -> FloatArray:
    """Soften (T > 1) or sharpen (T < 1) probabilities (N, C): softmax(log p / T)."""
    logits = np.log(np.maximum(probabilities, 1e-12)) / temperature
    exponents = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(exponents / exponents.sum(axis=1, keepdims=True), dtype=np.float32)


def logit(probability: FloatArray) -> FloatArray:
    """log(p / (1 - p)), float32 of any shape; finite, because p is kept a millionth off 0 and 1."""
    p = np.clip(probability, 1e-6, 1 - 1e-6)
    return np.asarray(np.log(p / (1 - p)), dtype=np.float32)
