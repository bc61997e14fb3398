"""How well a model does on its test pictures: the figures that a run folder records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.metrics import classification_report, confusion_matrix, log_loss

from masklens.crop import FloatArray
from masklens.intervals import Estimate, Ints, proportion


def accuracy(share: Estimate) -> dict[str, Any]:
    """A share of right answers as cards and run folders have it."""
    return {
        "value": share.value,
        "interval_95": [share.low, share.high],
        "correct": share.hits,
        "total": share.total,
    }


@dataclass(frozen=True, eq=False)
class Predictions:
    """Predictions for N test pictures.

    Attributes:
        labels: the classes, in order.
        names: of the pictures, N.
        truth: int64 (N,), index into ``labels``.
        probabilities: float32 (N, len(labels)), rows sum to 1.
        groups: (N,), number of each picture's group of near-duplicates; None where each is its own.
    """

    labels: tuple[str, ...]
    names: Sequence[str]
    truth: npt.NDArray[np.int64]
    probabilities: FloatArray
    groups: Ints | None = None

    @property
    def predicted(self) -> npt.NDArray[np.int64]:
        """int64 (N,), index into ``labels``."""
        return np.asarray(self.probabilities.argmax(axis=1), dtype=np.int64)

    def confusion(self) -> npt.NDArray[np.int64]:
        """int64 (C, C): number of pictures by true label (row) and predicted label (column)."""
        indices = range(len(self.labels))
        return np.asarray(
            confusion_matrix(self.truth, self.predicted, labels=indices), dtype=np.int64
        )

    def accuracy(self) -> dict[str, Any]:
        """Share of pictures labelled right, with the 95 % interval that their groups leave it."""
        right = self.truth == self.predicted
        groups = np.arange(len(right)) if self.groups is None else self.groups
        _, numbers = np.unique(groups, return_inverse=True)
        return accuracy(proportion(right, numbers))

    def metrics(self) -> dict[str, Any]:
        """Accuracy, loss and confusion matrix as JSON values."""
        return {
            "accuracy": self.accuracy(),
            "loss": float(log_loss(self.truth, self.probabilities, labels=range(len(self.labels)))),
            "labels": list(self.labels),
            "confusion_matrix": self.confusion().tolist(),
        }

    def report(self) -> dict[str, Any]:
        """scikit-learn's classification report: precision, recall, F1 and support per label."""
        return dict(self._report(output_dict=True))

    def report_text(self) -> str:
        """The same as a table."""
        return str(self._report(digits=4))

    def _report(self, **options: Any) -> Any:
        return classification_report(
            self.truth,
            self.predicted,
            labels=range(len(self.labels)),
            target_names=list(self.labels),
            zero_division=0,
            **options,
        )

    def rows(self) -> list[dict[str, Any]]:
        """A row per picture: file, label, predicted, and a probability per label."""
        return [
            {"file": name, "label": self.labels[truth], "predicted": self.labels[predicted]}
            | {f"p_{label}": f"{p:.6f}" for label, p in zip(self.labels, row, strict=True)}
            for name, truth, predicted, row in zip(
                self.names, self.truth, self.predicted, self.probabilities, strict=True
            )
        ]
