"""Two models on the same pictures: what differs, by how much, and whether that can be chance.

The same resamples are drawn for both models, so that what makes a picture hard for both cancels
out (paired bootstrap, Efron and Tibshirani 1993, chapter 16). Accuracy is tested with McNemar's
exact test on the faces that only one of the two got right.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from masklens.errors import DatasetError
from masklens.evaluation.evaluate import Evaluation, judge
from masklens.evaluation.measures import Measure
from masklens.evaluation.pairing import pair, two_class
from masklens.evaluation.scenes import IOU
from masklens.intervals import (
    Bools,
    Estimate,
    bootstrap,
    group_weights,
    mcnemar,
)

#: Enough for a difference, and every measure of both models is resampled again.
_MAX_RESAMPLES = 1000


@dataclass(frozen=True)
class Difference:
    """One measure of two models.

    Attributes:
        a, b: the measure of the first and of the second model.
        estimate: b minus a, with the interval of the paired bootstrap.
        verdict: in words.
    """

    a: Measure
    b: Measure
    estimate: Estimate
    verdict: str

    @property
    def decided(self) -> bool:
        """Whether the interval leaves zero out."""
        return self.estimate.low > 0 or self.estimate.high < 0

    @property
    def better(self) -> bool:
        """Whether the second model's value is the better one."""
        return (self.estimate.value > 0) == (self.a.better > 0)

    @property
    def word(self) -> str:
        """The verdict in two words; nothing where no difference is shown."""
        if not self.decided:
            return ""
        return "B better" if self.better else "B worse"

    @property
    def change_text(self) -> str:
        """The difference in points, with its sign; a dash where there is none."""
        return "–" if np.isnan(self.estimate.value) else signed(self.estimate.value)

    @property
    def interval_text(self) -> str:
        """The difference's interval in points."""
        if np.isnan(self.estimate.low):
            return "–"
        return f"{signed(self.estimate.low)} to {signed(self.estimate.high)}"


@dataclass(frozen=True)
class McNemar:
    """The exact test on items that only one model got right."""

    what: str
    both: int
    only_a: int
    only_b: int
    neither: int
    p_value: float

    @property
    def verdict(self) -> str:
        """The result in words."""
        total = self.only_a + self.only_b
        if total == 0:
            return "Both models were right and wrong on the same faces."
        if self.p_value >= 0.05:
            return (
                f"Only one of the two was right on {total} faces, {self.only_a} to {self.only_b}; "
                f"that can be chance ({p_text(self.p_value)})."
            )
        better = "B" if self.only_b > self.only_a else "A"
        return (
            f"{better} is right more often: of the {total} faces that only one of the two got "
            f"right, {max(self.only_a, self.only_b)} go to {better} ({p_text(self.p_value)})."
        )


@dataclass(frozen=True)
class Comparison:
    """Two models on the same pictures.

    Attributes:
        a, b: names.
        labels: that both were judged in.
        differences: one per measure that both have.
        mcnemar: None where the models did not answer to the same faces.
    """

    a: str
    b: str
    labels: tuple[str, ...]
    differences: tuple[Difference, ...]
    mcnemar: McNemar | None

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        out: dict[str, Any] = {
            "a": self.a,
            "b": self.b,
            "labels": list(self.labels),
            "differences": {
                d.a.key: {
                    "a": d.a.estimate.to_dict(),
                    "b": d.b.estimate.to_dict(),
                    "b_minus_a": d.estimate.to_dict(),
                    "verdict": d.verdict,
                }
                for d in self.differences
            },
        }
        if self.mcnemar is not None:
            m = self.mcnemar
            out["mcnemar"] = {
                "what": m.what,
                "both_right": m.both,
                "only_a_right": m.only_a,
                "only_b_right": m.only_b,
                "neither_right": m.neither,
                "p_value": m.p_value,
                "verdict": m.verdict,
            }
        return out


def compare(a: Evaluation, b: Evaluation) -> Comparison:
    """Compare two evaluations of the same selection.

    Models with different labels are compared in those that both have; badly worn masks count as
    none where one of them cannot tell.

    Raises:
        DatasetError: the two were not judged on the same pictures.
    """
    names = [[p.name for p in e.selection.dataset.pictures] for e in (a, b)]
    if names[0] != names[1]:
        raise DatasetError(
            f"{a.subject.name} and {b.subject.name} were not judged on the same pictures."
        )
    labels = tuple(label for label in a.labels if label in b.labels)
    if len(labels) < 2:
        raise DatasetError(
            f"{a.subject.name} ({list(a.labels)}) and {b.subject.name} ({list(b.labels)}) have "
            "fewer than two labels in common."
        )
    a, b = (e if e.labels == labels else judge(e, labels) for e in (a, b))
    weights = group_weights(a.selection.n_groups, min(a.options.resamples, _MAX_RESAMPLES))
    theirs = b.measures
    differences = []
    for key, mine in a.measures.items():
        if key not in theirs:
            continue
        value = theirs[key].estimate.value - mine.estimate.value

        def difference(w: Any, x: Measure = mine, y: Measure = theirs[key]) -> Any:
            return y.statistic(w) - x.statistic(w)

        estimate = bootstrap(value, difference, weights)
        differences.append(Difference(mine, theirs[key], estimate, verdict(mine, estimate)))
    return Comparison(a.subject.name, b.subject.name, labels, tuple(differences), _test(a, b))


def verdict(measure: Measure, difference: Estimate) -> str:
    """One difference in words: "B is better on …, +3.1 points, 95 % interval 1.2 to 5.0"."""
    if np.isnan(difference.value) or np.isnan(difference.low):
        return f"{measure.title}: cannot be compared on these pictures"
    change = (
        f"{signed(difference.value)} points, 95 % interval {signed(difference.low)} to "
        f"{signed(difference.high)}"
    )
    first = measure.title.split()[0]
    is_name = first in ("Matthews", "Brier") or not first[1:].islower()
    name = measure.title if is_name else measure.title[0].lower() + measure.title[1:]
    if difference.low > 0 or difference.high < 0:
        word = "better" if (difference.value > 0) == (measure.better > 0) else "worse"
        return f"B is {word} on {name}, {change}"
    return f"No difference is shown on {name} ({change})"


def signed(value: float) -> str:
    """A share as points with its sign, one decimal: 0.031 -> "+3.1"."""
    points = round(100 * value, 1)
    return "0.0" if points == 0 else f"{points:+.1f}".replace("-", "−")


def p_text(p: float) -> str:
    """A p-value for readers."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def _test(a: Evaluation, b: Evaluation) -> McNemar | None:
    if a.answers is not None and b.answers is not None:
        what = "faces" if a.selection.dataset.boxed else "pictures"
        return _mcnemar(f"label right, annotated {what}", a.answers.right, b.answers.right)
    if a.scenes is None or b.scenes is None:
        return None
    right = []
    for e in (a, b):
        assert e.scenes is not None
        faces, _ = pair(e.scenes, IOU, e.options.min_face, e.scenes.threshold)
        right.append(two_class(faces.said, e.labels) == two_class(faces.labels, e.labels))
    return _mcnemar(f"found (IoU {IOU}) and label of two right", *right)


def _mcnemar(what: str, a: Bools, b: Bools) -> McNemar:
    only_a, only_b, p = mcnemar(a, b)
    both = int(np.sum(a & b))
    return McNemar(what, both, only_a, only_b, len(a) - both - only_a - only_b, p)
