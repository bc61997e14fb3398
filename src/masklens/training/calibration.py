"""Making scores mean what they say: temperature, P(face), and thresholds with a purpose.

What the untouched network says of pictures it was not trained on goes in; the numbers of the card
come out. Everything here has one to three parameters, so a few hundred faces are enough.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize, minimize_scalar
from scipy.special import expit

from masklens.card import FaceCalibration
from masklens.classifier import logit, with_temperature
from masklens.crop import FloatArray
from masklens.curves import Sweep, sweep

#: A precision of fewer boxes is luck.
FEW = 10

BoolArray = npt.NDArray[np.bool_]


def fit_temperature(probabilities: FloatArray, targets: npt.NDArray[np.integer]) -> float:
    """The temperature with the best likelihood of the labels, given that it is a face.

    Args:
        probabilities: (N, L) of the labels, without ``not_a_face``; rows need not sum to 1.
        targets: (N,), the right column.
    """

    def loss(log_temperature: float) -> float:
        p = with_temperature(probabilities, float(np.exp(log_temperature)))
        return -float(np.log(np.maximum(p[np.arange(len(p)), targets], 1e-12)).mean())

    return float(np.exp(minimize_scalar(loss, bounds=(-1.5, 1.5), method="bounded").x))


def fit_face_calibration(
    finder: FloatArray, classifier: FloatArray, label: FloatArray, right: BoolArray
) -> FaceCalibration:
    """The calibration of P(face) with which P(face) times P(label) has the best likelihood.

    What both models agree on takes the place of the classifier alone: with as many parameters the
    likelihood of photographs left out is better (``docs/model-card.md``).

    Args:
        finder: (N,), the finder's scores, 0…1.
        classifier: (N,), 1 - P(not_a_face).
        label: (N,), the probability of the label that is shown.
        right: (N,), whether the box lies on a face and the label is right.
    """
    on_finder, on_classifier = logit(finder), logit(classifier)

    both = np.logaddexp(0, on_finder) * np.logaddexp(0, on_classifier)

    def loss(parameters: npt.NDArray[np.float64]) -> float:
        bias, a, b = parameters
        face = expit(bias + a * on_finder + b * both)
        score = label * face
        score = np.clip(score, 1e-6, 1 - 1e-6)
        return -float(np.where(right, np.log(score), np.log(1 - score)).mean())

    best = minimize(loss, np.array([-3.0, 1.0, 0.3]), method="Nelder-Mead")
    bias, a, b = (round(float(value), 4) for value in best.x)
    return FaceCalibration(bias, finder=a, classifier=0.0, both=b)


def choose_thresholds(
    scores: FloatArray,
    right: BoolArray,
    faces: int,
    *,
    near_best: float,
    precise: float,
    sensitive: float,
) -> dict[str, float]:
    """Thresholds by purpose.

    Args:
        scores: (N,), of every detection.
        right: (N,), whether box and label are right.
        faces: how many faces there are to find.
        near_best: "default" is the middle of the thresholds with this share of the best F1: around
            the best one F1 is flat, so that its highest point is luck.
        precise: "precise" is the lowest threshold with at least this precision that shows a few
            boxes; if there is none, the one of those with the best precision.
        sensitive: "sensitive" is the highest threshold with this share of all the right
            detections that there are at any threshold.

    Returns:
        "default", "precise" and "sensitive", to three digits, rounded to the safe side.
    """
    curve = sweep(scores, right, faces)
    flat = curve.thresholds[curve.f1 >= near_best * curve.f1.max()]
    middle = (flat[0] + flat[-1]) / 2
    kept = curve.thresholds[curve.right >= sensitive * curve.right[-1]]
    default = _rounded(middle, np.floor)
    return {
        "default": default,
        "precise": max(_precise(curve, precise), default),
        "sensitive": _rounded(min(kept[0], middle), np.floor),
    }


def _precise(curve: Sweep, wanted: float) -> float:
    """The lowest threshold with a precision, else the one with the best; 0 if none shows enough."""
    enough = curve.shown >= FEW
    if not enough.any():
        return 0.0
    thresholds, precision = curve.thresholds[enough], curve.precision[enough]
    good = np.flatnonzero(precision >= wanted)
    row = good[-1] if len(good) else precision.argmax()
    return min(_rounded(thresholds[row], np.ceil), _rounded(thresholds[0], np.floor))


def _rounded(value: float, way: Callable[[float], float]) -> float:
    return round(float(way(float(value) * 1000)) / 1000, 3)
