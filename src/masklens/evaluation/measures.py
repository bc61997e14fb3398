"""A measure: one named figure with its interval, and the function that gives it for resamples.

Tables, reports and comparisons all read the same list of measures.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from masklens import curves
from masklens.intervals import (
    CONFIDENCE,
    Array,
    Bools,
    Estimate,
    Ints,
    Statistic,
    Weights,
    bootstrap,
    proportion,
    sign_flip,
)


@dataclass(frozen=True, eq=False)
class Measure:
    """One figure.

    Attributes:
        key: name in JSON.
        title: what a reader sees.
        estimate: value and interval.
        statistic: the figure as a function of group weights.
        better: +1 when more is better, -1 when less is better.
        comparable: whether two models' values can be set against each other; not those that few
            items push up, such as calibration errors: the models' items differ in number.
        among: (N,), which of all faces it is of, where these are the ones that the model found:
            another model's value is of others; None where it is of all faces, or of boxes.
    """

    key: str
    title: str
    estimate: Estimate
    statistic: Statistic
    better: int = 1
    comparable: bool = True
    among: Bools | None = None


@dataclass(frozen=True)
class Section:
    """Measures that stand in one table, under a title."""

    title: str
    measures: tuple[Measure, ...]


def share(
    key: str, title: str, hits: Bools, groups: Ints, n_groups: int, better: int = 1
) -> Measure:
    """A proportion: of the items (N,), in groups (N,), those that count."""
    top = np.bincount(groups, weights=hits.astype(float), minlength=n_groups)
    bottom = np.bincount(groups, minlength=n_groups).astype(float)
    return Measure(
        key, title, proportion(hits, groups), ratio(np.asarray(top, float), bottom), better
    )


def figure(
    key: str,
    title: str,
    value: float,
    statistic: Statistic,
    weights: Weights,
    *,
    support: int | None = None,
    pushed_up: bool = False,
    better: int = 1,
) -> Measure:
    """Any other figure, with a bootstrap interval; see :func:`intervals.bootstrap`."""
    estimate = bootstrap(value, statistic, weights, support=support, pushed_up=pushed_up)
    return Measure(key, title, estimate, statistic, better, comparable=not pushed_up)


def calibration(
    key: str, title: str, confidence: Array, right: Bools, groups: Ints, weights: Weights
) -> Measure:
    """The expected calibration error of N answers, in groups (N,).

    Scores that mean what they say show an error, too, where answers are few. The interval leaves 0
    out only where a sign-flip test seldom finds as large a one.
    """
    counts = np.bincount(groups, minlength=weights.shape[1]).astype(float)
    gaps = np.zeros((len(counts), curves.CALIBRATION_BINS))
    np.add.at(gaps, groups, curves.calibration_gaps(confidence, right))

    def total(of_groups: Array) -> Array:
        return np.asarray(np.abs(of_groups @ gaps).sum(axis=1))

    def error(of_groups: Array) -> Array:
        with np.errstate(invalid="ignore"):
            return np.asarray(total(of_groups) / (of_groups @ counts))

    value = float(error(np.ones((1, len(counts))))[0])
    support = int(np.count_nonzero(counts))
    measure = figure(key, title, value, error, weights, support=support, pushed_up=True, better=-1)
    if measure.estimate.low <= 0 or sign_flip(total, len(counts)) < 1 - CONFIDENCE:
        return measure
    estimate = replace(measure.estimate, low=0.0, method="sign-flip bound")
    return replace(measure, estimate=estimate)


def ratio(top: Array, bottom: Array) -> Statistic:
    """The statistic sum(top) / sum(bottom) over groups: counts (G,) each."""

    def statistic(weights: Array) -> Array:
        with np.errstate(invalid="ignore"):
            return np.asarray((weights @ top) / (weights @ bottom))

    return statistic
