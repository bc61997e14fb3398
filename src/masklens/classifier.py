"""The mask classifier: face crops in, probabilities out, through ONNX Runtime."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from masklens.bundle import CLASSIFIER_FILE, Bundle
from masklens.crop import FloatArray, Image
from masklens.errors import BundleError
from masklens.labels import NOT_A_FACE
from masklens.runtime import open_session


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


class MaskClassifier:
    """The classifier of a bundle.

    Args:
        bundle: what :meth:`Bundle.load` returned.
        threads: threads of the session; 0 lets ONNX Runtime choose.

    Raises:
        BundleError: the model does not fit its card.
    """

    def __init__(self, bundle: Bundle, threads: int = 0) -> None:
        self.card = bundle.card
        path = bundle.path(CLASSIFIER_FILE)
        self.session = open_session(path.read_bytes(), threads)
        self._input = self.session.get_inputs()[0].name
        available = {output.name: output.shape for output in self.session.get_outputs()}
        self._outputs = ["probabilities"] + (["box"] if self.card.refines_box else [])
        for name in self._outputs:
            if name not in available:
                raise BundleError(f"{path} has no output {name!r}, only {sorted(available)}.")
        if available["probabilities"][-1] != len(self.card.outputs):
            raise BundleError(
                f"{path} gives {available['probabilities'][-1]} probabilities, but its card names "
                f"{len(self.card.outputs)}: {list(self.card.outputs)}."
            )
        self._label_columns = [self.card.outputs.index(label) for label in self.card.labels]

    def predict(self, crops: Image) -> Classification:
        """Classify crops: uint8 (N, size, size, 3), RGB, from :func:`masklens.crop.crop_faces`."""
        if len(crops) == 0:
            empty = np.zeros((0, len(self.card.labels)), np.float32)
            boxes = np.zeros((0, 4), np.float32) if self.card.refines_box else None
            return Classification(empty, np.zeros(0, np.float32), boxes)
        raw = self.run(self.prepare(crops))
        probabilities = with_temperature(raw[0], self.card.temperature)
        labels = probabilities[:, self._label_columns]
        face = labels.sum(axis=1)
        return Classification(
            probabilities=labels / np.maximum(face, 1e-12)[:, None],
            face=face if NOT_A_FACE in self.card.outputs else np.ones_like(face),
            boxes=raw[1] if self.card.refines_box else None,
        )

    def prepare(self, crops: Image) -> FloatArray:
        """The network's input: float32 (N, size, size, 3) in the card's value range."""
        low, high = self.card.value_range
        return crops.astype(np.float32) * np.float32((high - low) / 255) + np.float32(low)

    def run(self, tensor: FloatArray) -> list[FloatArray]:
        """The bare network: the tensor of :meth:`prepare` -> probabilities (and boxes)."""
        outputs: list[FloatArray] = self.session.run(self._outputs, {self._input: tensor})
        return outputs


def with_temperature(probabilities: FloatArray, temperature: float) -> FloatArray:
    """Soften (T > 1) or sharpen (T < 1) probabilities (N, C): softmax(log p / T)."""
    logits = np.log(np.maximum(probabilities, 1e-12)) / temperature
    exponents = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(exponents / exponents.sum(axis=1, keepdims=True), dtype=np.float32)
