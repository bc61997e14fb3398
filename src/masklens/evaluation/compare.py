"""Two models on the same pictures: what differs, by how much, and whether that can be chance.

The same resamples are drawn for both models, so that what makes a picture hard for both cancels
out (paired bootstrap, Efron and Tibshirani 1993, chapter 16). Where few groups differ, resamples
know too little spread: an interval leaves zero out only where a sign-flip test agrees.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from masklens.errors import DatasetError
from masklens.evaluation.evaluate import Evaluation, judge
from masklens.evaluation.exchange import exchanges
from masklens.evaluation.measures import Measure
from masklens.evaluation.pairing import pair, two_class
from masklens.evaluation.scenes import IOU
from masklens.intervals import (
    CONFIDENCE,
    Bools,
    Estimate,
    Ints,
    Statistic,
    Weights,
    bootstrap,
    group_weights,
    sign_flip,
)
from masklens.plural import many

#: Enough for a difference, and every measure of both models is resampled again.
_MAX_RESAMPLES = 1000
_FLIPS = 1000

#: Differences that lie no further apart than this are all the same, or none.
_NO_SPREAD = 1e-9

_NOT_COMPARED = Estimate(float("nan"), float("nan"), float("nan"), "not compared")


@dataclass(frozen=True)
class Difference:
    """One measure of two models.

    Attributes:
        a, b: the measure of the first and of the second model.
        estimate: b minus a, with the interval of the paired bootstrap; "newcombe" where every
            resample gives the same difference, "sign-flip bound" where it goes to zero because the
            sign-flip test shows no difference. There is no interval where
            the models do not differ, and no difference of measures that are not compared.
    """

    a: Measure
    b: Measure
    estimate: Estimate

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

    @property
    def verdict(self) -> str:
        """In words: "B is better on …, +3.1 points, 95 % interval +1.2 to +5.0"."""
        title = self.a.title
        if reason := _not_compared(self.a, self.b):
            return f"{title}: not compared, as {reason}"
        first = title.split()[0]
        is_name = first in ("Matthews", "Brier") or not first[1:].islower()
        name = title if is_name else title[0].lower() + title[1:]
        if np.isnan(self.estimate.low):
            if self.estimate.value == 0:
                return f"Both are alike on {name}"
            return f"{title}: cannot be compared on these pictures"
        change = f"{self.change_text} points, 95 % interval {self.interval_text}"
        if self.decided:
            return f"B is {'better' if self.better else 'worse'} on {name}, {change}"
        return f"No difference is shown on {name} ({change})"


@dataclass(frozen=True)
class LabelTest:
    """The sign-flip test on which items each model got right.

    Attributes:
        what: "right" means.
        both, only_a, only_b, neither: number of items that these models got right.
        p_value: of so uneven a split, if the models were equal.
    """

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
        faces = many(total, "face")
        if total == 0:
            return "Both models were right and wrong on the same faces."
        if self.p_value >= 0.05:
            return (
                f"Only one of the two was right on {faces}, {self.only_a} to {self.only_b}; "
                f"that can be chance ({p_text(self.p_value)})."
            )
        better = "B" if self.only_b > self.only_a else "A"
        return (
            f"{better} is right more often: of the {faces} that only one of the two got "
            f"right, {max(self.only_a, self.only_b)} go to {better} ({p_text(self.p_value)})."
        )


@dataclass(frozen=True)
class Comparison:
    """Two models on the same pictures.

    Attributes:
        a, b: names.
        b_trained_on: the second model was trained on the judged pictures, or some of them.
        labels: that both were judged in.
        differences: one per measure that both have.
        label_test: None where the models did not answer to the same faces.
    """

    a: str
    b: str
    b_trained_on: bool
    labels: tuple[str, ...]
    differences: tuple[Difference, ...]
    label_test: LabelTest | None

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        out: dict[str, Any] = {
            "a": self.a,
            "b": self.b,
            "b_trained_on": self.b_trained_on,
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
        if self.label_test is not None:
            t = self.label_test
            out["label_test"] = {
                "what": t.what,
                "both_right": t.both,
                "only_a_right": t.only_a,
                "only_b_right": t.only_b,
                "neither_right": t.neither,
                "p_value": t.p_value,
                "verdict": t.verdict,
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
    theirs, exchanged = b.measures, exchanges(a, b)
    differences = []
    for key, mine in a.measures.items():
        if key in theirs:
            estimate = _NOT_COMPARED
            if not _not_compared(mine, theirs[key]):
                estimate = _difference(mine, theirs[key], weights, exchanged[key])
            differences.append(Difference(mine, theirs[key], estimate))
    return Comparison(
        a.subject.name, b.subject.name, b.trained_on, labels, tuple(differences), _test(a, b)
    )


def _not_compared(a: Measure, b: Measure) -> str:
    """Why two models' values are not set against each other; nothing where they are."""
    if not a.comparable:
        return "fewer answers alone push it up"
    if not (a.among is None or b.among is None or np.array_equal(a.among, b.among)):
        return "the two found different faces, and those that only one finds may be harder"
    return ""


def _difference(a: Measure, b: Measure, weights: Weights, exchanged: Statistic) -> Estimate:
    value = b.estimate.value - a.estimate.value
    estimate = bootstrap(value, lambda w: b.statistic(w) - a.statistic(w), weights)
    if estimate.low == estimate.high == 0:
        return replace(estimate, low=float("nan"), high=float("nan"))
    if estimate.high - estimate.low < _NO_SPREAD:
        estimate = _from_both(value, a.estimate, b.estimate)
    if estimate.low <= 0 <= estimate.high or np.isnan(estimate.low):
        return estimate
    if sign_flip(exchanged, weights.shape[1], _FLIPS) < 1 - CONFIDENCE:
        return estimate
    low, high = min(estimate.low, 0.0), max(estimate.high, 0.0)
    return replace(estimate, low=low, high=high, method="sign-flip bound")


def _from_both(value: float, a: Estimate, b: Estimate) -> Estimate:
    """A difference's interval from those of its terms (Newcombe 1998, Stat. Med. 17, 873–890)."""
    low = value - float(np.hypot(b.value - b.low, a.high - a.value))
    high = value + float(np.hypot(b.high - b.value, a.value - a.low))
    return Estimate(value, low, high, "newcombe")


def signed(value: float) -> str:
    """A share as points with its sign, one decimal: 0.031 -> "+3.1".

    Only nothing at all has no sign: "+0.0 to +0.1" leaves zero out.
    """
    return "0.0" if abs(value) < _NO_SPREAD else f"{100 * value:+.1f}".replace("-", "−")


def p_text(p: float) -> str:
    """A p-value for readers."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def _test(a: Evaluation, b: Evaluation) -> LabelTest | None:
    if a.answers is not None and b.answers is not None:
        what = "faces" if a.selection.dataset.boxed else "pictures"
        return _label_test(
            f"label right, annotated {what}", a.answers.right, b.answers.right, a.answers.groups
        )
    if a.scenes is None or b.scenes is None:
        return None
    first, second = (pair(s, IOU, a.options.min_face, s.threshold)[0] for s in (a.scenes, b.scenes))
    first_right, second_right = (
        two_class(faces.said, a.labels) == two_class(faces.labels, a.labels)
        for faces in (first, second)
    )
    what = f"found (IoU {IOU}) and label of two right"
    return _label_test(what, first_right, second_right, first.groups)


def _label_test(what: str, a: Bools, b: Bools, groups: Ints) -> LabelTest:
    gained = np.bincount(groups, weights=b.astype(float) - a)
    p = sign_flip(lambda signs: signs @ gained, len(gained))
    both, only_a, only_b = (int(np.sum(items)) for items in (a & b, a & ~b, b & ~a))
    return LabelTest(what, both, only_a, only_b, len(a) - both - only_a - only_b, p)
