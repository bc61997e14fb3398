"""A measure: one named figure with its interval, and the function that gives it for resamples.

Tables, reports and comparisons all read the same list of measures.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from masklens.intervals import (
    Array,
    Bools,
    Estimate,
    Ints,
    Statistic,
    bootstrap,
    proportion,
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
        digits: decimals shown.
    """

    key: str
    title: str
    estimate: Estimate
    statistic: Statistic
    better: int = 1
    digits: int = 3
    comparable: bool = True

    @property
    def value_text(self) -> str:
        """The value, or a dash when there was nothing to count."""
        return number_text(self.estimate.value, self.digits)

    @property
    def interval_text(self) -> str:
        """The interval as "low – high"."""
        if np.isnan(self.estimate.value) or np.isnan(self.estimate.low):
            return "–"
        low, high = (number_text(v, self.digits) for v in (self.estimate.low, self.estimate.high))
        return f"{low} – {high}"

    @property
    def count_text(self) -> str:
        """Hits and total of a proportion, else nothing."""
        e = self.estimate
        return "" if e.total is None else f"{e.hits:,} / {e.total:,}"


@dataclass(frozen=True)
class Section:
    """Measures that stand in one table, under a title and after a sentence."""

    key: str
    title: str
    note: str
    measures: tuple[Measure, ...]


def number_text(value: float, digits: int = 3) -> str:
    """A number with a fixed number of decimals; a dash for NaN."""
    return "–" if np.isnan(value) else f"{value:.{digits}f}"


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
    weights: Array,
    *,
    support: int | None = None,
    centred: bool = False,
    better: int = 1,
) -> Measure:
    """Any other figure, with a bootstrap interval; see :func:`intervals.bootstrap`."""
    estimate = bootstrap(value, statistic, weights, support=support, centred=centred)
    return Measure(key, title, estimate, statistic, better, comparable=not centred)


def ratio(top: Array, bottom: Array) -> Statistic:
    """The statistic sum(top) / sum(bottom) over groups: counts (G,) each."""

    def statistic(weights: Array) -> Array:
        with np.errstate(invalid="ignore"):
            return np.asarray((weights @ top) / (weights @ bottom))

    return statistic
