"""What each threshold shows; areas under curves and calibration errors for many resamples at once.

Areas and errors take one row of item weights per resample, (R, N), and give the figure of each
resample, (R,). With all weights 1 they agree with scikit-learn; the tests hold them to it. What
calibrates a model and what judges one read the same figures.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from masklens.intervals import Array, Bools, Estimate, Ints, proportion

#: Equal bins of the calibration curve and the expected calibration error (Guo et al. 2017, ICML).
CALIBRATION_BINS = 15

#: A bin of the calibration curve: mean stated confidence, and the share that was right.
CalibrationRow = tuple[float, Estimate]


def _cumulative(scores: Array, positive: Bools, weights: Array) -> tuple[Array, Array, Array]:
    """Weights of positives and negatives at or above each distinct score, and these, falling."""
    order = np.argsort(-scores, kind="stable")
    falling = scores[order]
    ends = np.flatnonzero(np.diff(falling, append=-np.inf))
    ordered = weights[:, order]
    is_positive = positive[order].astype(float)
    hits = np.cumsum(ordered * is_positive, axis=1)[:, ends]
    misses = np.cumsum(ordered * (1 - is_positive), axis=1)[:, ends]
    return hits, misses, falling[ends]


@dataclass(frozen=True, eq=False)
class Sweep:
    """What would be shown from each score on that a box has.

    Attributes:
        thresholds: (T,), the distinct scores, falling.
        shown: (T,), boxes with at least that score.
        right: (T,), how many of these are right.
        faces: how many there are to find.
    """

    thresholds: Array
    shown: Array
    right: Array
    faces: int

    @property
    def precision(self) -> Array:
        """(T,), share of the shown boxes that are right."""
        return self.right / self.shown

    @property
    def recall(self) -> Array:
        """(T,), share of the faces that a right box shows."""
        return self.right / max(self.faces, 1)

    @property
    def f1(self) -> Array:
        """(T,), harmonic mean of precision and recall."""
        return 2 * self.right / (self.shown + self.faces)

    @property
    def best(self) -> tuple[float, float]:
        """The threshold with the best F1, the highest of equals, and that F1; zeros without boxes.

        Which boxes it was chosen on makes it look better than it is on others.
        """
        if not len(self.thresholds):
            return 0.0, 0.0
        row = int(self.f1.argmax())
        return float(self.thresholds[row]), float(self.f1[row])


def sweep(scores: npt.NDArray[Any], right: Bools, faces: int) -> Sweep:
    """Let the threshold fall from the surest box to the least sure; equal scores come together.

    Boxes are matched with the best score first, so those above a threshold keep their faces.

    Args:
        scores: (N,), of every box that counts.
        right: (N,), whether each is right.
        faces: how many there are to find.
    """
    hits, misses, thresholds = _cumulative(scores, right, np.ones((1, len(scores))))
    return Sweep(thresholds, (hits + misses)[0], hits[0], faces)


def roc_area(scores: Array, positive: Bools, weights: Array) -> Array:
    """Area under the ROC curve by the trapezium rule; NaN where a class has no weight."""
    hits, misses, _ = _cumulative(scores, positive, weights)
    zero = np.zeros((len(weights), 1))
    hits, misses = np.hstack([zero, hits]), np.hstack([zero, misses])
    area = np.sum(np.diff(misses, axis=1) * (hits[:, 1:] + hits[:, :-1]) / 2, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(area / (hits[:, -1] * misses[:, -1]))


def average_precision(scores: Array, positive: Bools, weights: Array) -> Array:
    """Area under the precision-recall curve as scikit-learn defines it: steps, no interpolation."""
    hits, misses, _ = _cumulative(scores, positive, weights)
    with np.errstate(invalid="ignore", divide="ignore"):
        precision = np.nan_to_num(hits / (hits + misses))
        gained = np.diff(np.hstack([np.zeros((len(weights), 1)), hits]), axis=1)
        return np.asarray(np.sum(gained * precision, axis=1) / hits[:, -1])


def bin_of(confidence: Array) -> Ints:
    """The equal-width bin of each value in 0…1; the value 1 belongs to the last."""
    return np.minimum((confidence * CALIBRATION_BINS).astype(np.intp), CALIBRATION_BINS - 1)


def calibration_error(
    confidence: npt.NDArray[Any], right: Bools, weights: Array | None = None
) -> Array:
    """Expected calibration error: mean gap between stated and true share of right answers.

    Guo, Pleiss, Sun, Weinberger 2017, "On Calibration of Modern Neural Networks", equation 3:
    the bins' gaps, weighted with the share of items in them. Without weights, (1,): all items once.
    """
    weights = np.ones((1, len(confidence))) if weights is None else weights
    gaps = np.abs(weights @ calibration_gaps(confidence, right)).sum(axis=1)
    with np.errstate(invalid="ignore"):
        return np.asarray(gaps / weights.sum(axis=1))


def calibration_gaps(confidence: npt.NDArray[Any], right: Bools) -> Array:
    """How much better than stated each answer is, in the column of its bin: (N, bins), -1…1."""
    gaps = np.zeros((len(confidence), CALIBRATION_BINS))
    gaps[np.arange(len(confidence)), bin_of(confidence)] = right.astype(float) - confidence
    return gaps


def calibration_table(confidence: Array, right: Bools, groups: Ints) -> list[CalibrationRow]:
    """For each bin that is not empty: mean stated confidence, and the share that was right."""
    number = bin_of(confidence)
    members = [number == b for b in range(CALIBRATION_BINS)]
    return [
        (float(confidence[member].mean()), proportion(right[member], groups[member]))
        for member in members
        if member.any()
    ]


def brier(probabilities: Array, truth: Ints) -> npt.NDArray[np.float64]:
    """Squared error of the probabilities of each item (N,), summed over labels: 0 best, 2 worst.

    Brier 1950, "Verification of forecasts expressed in terms of probability".
    """
    target = np.zeros_like(probabilities)
    target[np.arange(len(truth)), truth] = 1
    return np.asarray(((probabilities - target) ** 2).sum(axis=1))
