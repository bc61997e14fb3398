"""How sure a figure is: intervals for shares, a bootstrap for the rest, and a test of differences.

Faces of one photograph, or near-duplicates of one picture, resemble each other, so the unit that is
drawn is the group and never the single face. A statistic is a function of group weights, and all
resamples go through it as one matrix; the same matrix is used for two models when they are
compared, and their answers are exchanged by whole groups.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]
Bools = npt.NDArray[np.bool_]
#: How often each of G groups is drawn in each of R resamples: (R, G), bytes because G may be large.
Weights = npt.NDArray[np.uint8]

#: Group weights (R, G), how often each group was drawn -> the statistic of each resample (R,).
Statistic = Callable[[Array], Array]

CONFIDENCE = 0.95
RESAMPLES = 2000
FLIPS = 10_000
SEED = 0

#: Differing groups up to which every way of exchanging them is tried, 2 to this power less one.
_EXACT_GROUPS = 12
#: Resamples, or exchanges, that go through a statistic at a time, to spare memory; and how many
#: numbers these may be, so that of more than ten thousand groups fewer go at a time.
_CHUNK, _CHUNK_NUMBERS = 250, 2_500_000
#: Sums in another order differ by less.
_TOLERANCE = 1e-9

_Z = NormalDist().inv_cdf(0.5 + CONFIDENCE / 2)
_TAILS = (50 * (1 - CONFIDENCE), 50 * (1 + CONFIDENCE))


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure and its 95 % interval.

    Attributes:
        value: the figure; NaN when there was nothing to count.
        low, high: ends of the interval.
        method: "wilson", or "bootstrap"; "wilson bound" where too few errors were seen for it, and
            "sign-flip bound" where an end goes to zero because that test shows nothing else.
        hits, total: of a proportion; None for other figures.
        design_effect: by how much groups divide the sample size of a proportion, at least 1.
    """

    value: float
    low: float
    high: float
    method: str
    hits: int | None = None
    total: int | None = None
    design_effect: float = 1.0

    @property
    def value_text(self) -> str:
        """The value for readers, or a dash when there was nothing to count."""
        return "–" if np.isnan(self.value) else f"{self.value:.3f}"

    @property
    def interval_text(self) -> str:
        """The interval as "low – high"; a dash where there is none."""
        known = not (np.isnan(self.value) or np.isnan(self.low))
        return f"{self.low:.3f} – {self.high:.3f}" if known else "–"

    @property
    def count_text(self) -> str:
        """Hits and total of a proportion, else nothing."""
        return "" if self.total is None else f"{self.hits:,} / {self.total:,}"

    def to_dict(self) -> dict[str, Any]:
        """As JSON values; NaN becomes null."""
        out: dict[str, Any] = {
            name: None if np.isnan(number) else round(number, 6)
            for name, number in (("value", self.value), ("low", self.low), ("high", self.high))
        }
        out["method"] = self.method
        if self.total is not None:
            out |= {"hits": self.hits, "total": self.total}
            out["design_effect"] = round(self.design_effect, 3)
        return out


def wilson(hits: float, total: float) -> tuple[float, float]:
    """The Wilson score interval of a proportion (Wilson 1927, J. Am. Stat. Assoc. 22, 209–212).

    Fractions are allowed, for effective sample sizes. Of nothing at all it is (0, 1).
    """
    if total <= 0:
        return 0.0, 1.0
    share, z2 = hits / total, _Z * _Z
    centre = (share + z2 / (2 * total)) / (1 + z2 / total)
    half = _Z / (1 + z2 / total) * np.sqrt(share * (1 - share) / total + z2 / (4 * total * total))
    return max(0.0, float(centre - half)), min(1.0, float(centre + half))


@lru_cache
def student(freedom: float) -> float:
    """How many standard errors Student's interval reaches to each side; :data:`_Z` of very many.

    With t = sqrt(f) · tan(angle), his density becomes cos(angle) to the power of f - 1, which is
    summed up here because serving must not need SciPy.

    Args:
        freedom: degrees of freedom, also fractions; fewer than 1 count as 1.
    """
    freedom = max(freedom, 1.0)
    # Of many degrees of freedom nearly all lies at small angles: twelve standard deviations do.
    edges = np.linspace(0, min(np.pi / 2, 12 / np.sqrt(freedom)), 10_001)
    middles = (edges[1:] + edges[:-1]) / 2
    area = np.concatenate([[0.0], np.cumsum(np.cos(middles) ** (freedom - 1))])
    angle = np.interp(CONFIDENCE * area[-1], area, edges)
    return float(np.sqrt(freedom) * np.tan(angle))


def design_effect(hits: Array, totals: Array) -> float:
    """By how much the grouping divides the sample size of the proportion sum(hits) / sum(totals).

    How much more the proportion varies than one of single items is estimated in two ways, and the
    larger one counts, but at least 1: by the variance of the ratio over groups (Rao and Scott 1992,
    Biometrics 48, 577–585), which sees nothing where large groups happen to be all right; and as
    1 + (m - 1) · rho (Kish 1965, "Survey Sampling"), where m is the mean size of the group that an
    item is in, and rho how alike the members of a group are, from how often they disagree (Fleiss
    and Cuzick 1979, Appl. Psychol. Meas. 3, 537–542). A model of the likeness is what mends
    intervals of shares near 1 best (Franco et al. 2019, J. Surv. Stat. Methodol. 7, 334–364).

    Both are rough where few groups carry the weight. So the effect is multiplied by (t / z)², as
    Korn and Graubard (1998, Surv. Methodol. 24, 193–201) and Dean and Pagano (2015, J. Surv. Stat.
    Methodol. 3, 484–503) do, with degrees of freedom for as many equal groups as would weigh the
    same, sum(totals)² / sum(totals²). Of one group alone nothing shows how groups differ: its items
    are taken for copies. It is 1 where no two items share a group, and where all items are hits, or
    none is, as nothing can be estimated then.

    Args:
        hits, totals: (G,), counts per group.
    """
    used = totals > 0
    hits, totals = hits[used], totals[used]
    groups, total, count = len(totals), float(totals.sum()), float(hits.sum())
    if groups == total or count in (0.0, total):
        return 1.0
    share = count / total
    spread = share * (1 - share)
    size = effect = float(totals @ totals) / total
    if groups > 1:
        residuals = hits - share * totals
        between = groups / (groups - 1) * float(residuals @ residuals) / (total * spread)
        disagreement = float((hits * (totals - hits) / totals).sum())
        likeness = 1 - disagreement / ((total - groups) * spread)
        effect = max(1.0, between, 1 + (size - 1) * likeness)
    return effect * (student(total / size - 1) / _Z) ** 2


def proportion(hits: Bools, groups: Ints) -> Estimate:
    """A share with its Wilson interval, at the sample size that :func:`design_effect` leaves of it.

    Without errors the data do not show how alike the members of a group are, and with few hardly:
    the interval is then too narrow (Franco et al. 2019). Its ends are therefore never nearer to 1
    and 0 than those of a faultless share of as many single items as there are groups. However alike
    its members, a group is all right no more often than each of them is, with chance p, so that G
    groups are with p to the power of G at the most.

    Args:
        hits: (N,), whether each item counts.
        groups: (N,), number of each item's group, from 0.
    """
    total, count = len(hits), int(np.sum(hits))
    if total == 0:
        return Estimate(float("nan"), 0.0, 1.0, "wilson", 0, 0)
    per_group = np.bincount(groups).astype(float)
    hits_per_group = np.asarray(np.bincount(groups, weights=hits.astype(float)), float)
    effect = design_effect(hits_per_group, per_group)
    low, high = wilson(count / effect, total / effect)
    least, most = faultless(int(np.count_nonzero(per_group)))
    method = "wilson bound" if low > least or high < most else "wilson"
    low, high = min(low, least), max(high, most)
    return Estimate(count / total, low, high, method, count, total, effect)


def faultless(groups: int) -> tuple[float, float]:
    """Wilson's lower end of a share without errors in so many groups, and upper end of a share 0.

    No interval comes nearer to 1 and 0 than these.
    """
    return wilson(groups, groups)[0], wilson(0, groups)[1]


def group_weights(groups: int, resamples: int = RESAMPLES, seed: int = SEED) -> Weights:
    """How often each of G groups is drawn in each resample; rows sum to G."""
    generator, alike = np.random.default_rng(seed), np.full(groups, 1 / groups)
    weights = np.empty((resamples, groups), np.uint8)
    for row in weights:  # a byte holds them: of so many groups none is drawn 256 times
        row[:] = generator.multinomial(groups, alike)
    return weights


def resample(statistic: Statistic, weights: npt.NDArray[Any]) -> Array:
    """The statistic of every resample (R,), or of every row of signs."""
    step = max(1, min(_CHUNK, _CHUNK_NUMBERS // max(weights.shape[1], 1)))
    parts = [statistic(weights[i : i + step].astype(float)) for i in range(0, len(weights), step)]
    return np.concatenate(parts)


def bootstrap(
    value: float,
    statistic: Statistic,
    weights: Weights,
    *,
    support: int | None = None,
    pushed_up: bool = False,
) -> Estimate:
    """A figure with its percentile bootstrap interval (Efron and Tibshirani 1993, chapter 13).

    Args:
        value: of the data as they are.
        statistic: the same figure as a function of group weights; NaN where a resample lacks what
            it needs (such resamples are left out).
        weights: from :func:`group_weights`.
        support: independent groups behind a figure that is a share or an error between 0 and 1.
            Where nearly everything is right, or wrong, the percentiles know hardly any spread; the
            ends are therefore never nearer to 1 and 0 than those of :func:`faultless`. A figure
            that every resample gives alike has the interval of a share of its size; a mean of
            shares, each of so many groups, varies no more.
        pushed_up: the figure is a mean gap, such as the expected calibration error: chance alone
            pushes it up, and resampling once more, by about as much. The upper end makes up for the
            resampling, the lower one for both.
    """
    if np.isnan(value):
        return Estimate(value, float("nan"), float("nan"), "bootstrap")
    draws = resample(statistic, weights)
    draws = draws[~np.isnan(draws)]
    if not len(draws):
        return Estimate(value, float("nan"), float("nan"), "bootstrap")
    low, high = np.percentile(draws, _TAILS)
    if pushed_up:
        bias = draws.mean() - value
        low, high = max(0.0, low - 2 * bias), high - bias
    least, most = faultless(support) if support else (np.inf, -np.inf)
    steady = np.ptp(draws) < _TOLERANCE and abs(value) <= 1  # Brier's score reaches 2
    # An error that may be none is no share: the bound below has its lower end at 0.
    if support and steady and not (pushed_up and value < most):
        low, high = wilson(support * abs(value), support)
        if value < 0:  # a correlation
            low, high = -high, -low
        return Estimate(value, low, high, "wilson bound")
    method = "wilson bound" if low > least or 0 <= high < most else "bootstrap"
    if 0 <= high < most:  # below 0 there are only correlations, which are no shares
        # Errors that were not seen may move a calibration error down as well as up.
        low, high = 0.0 if pushed_up else low, most
    low = min(low, least)
    return Estimate(value, float(low), float(high), method)


def sign_flip(difference: Statistic, groups: int, flips: int = FLIPS) -> float:
    """The two-sided p-value of a difference between two models on the same items, or of a gap.

    If the models were equal, either could have given each group's answers (Fisher 1935, "The Design
    of Experiments", section 21). Asked is how often the difference would be as large as it is, over
    all ways of exchanging the models where few groups differ, else over ways that are drawn. On
    items that are right or wrong, each a group of its own, this is McNemar's exact test. Of scores
    that mean what they say, what is right goes beyond them as much as it falls short, so that the
    sign of a group's gaps can be turned in the same way (wild bootstrap: Liu 1988, Ann. Stat. 16,
    1696–1708).

    Args:
        difference: signs (R, G), -1 where the models are exchanged -> the difference (R,).
        groups: G.
        flips: ways that are drawn.
    """
    unchanged = float(difference(np.ones((1, groups)))[0])
    differing = _differing(difference, unchanged, groups)
    if len(differing) > _EXACT_GROUPS:
        drawn = np.random.default_rng(SEED).integers(0, 2, (flips, groups), dtype=np.int8)
        drawn *= 2
        drawn -= 1
        return float((1 + np.sum(_as_large(difference, drawn, unchanged))) / (1 + flips))
    # Exchanging all groups only turns the sign, so one of them can stay as it is.
    ways = 2 ** max(len(differing) - 1, 0)
    signs = np.ones((ways, groups))
    for place, group in enumerate(differing[1:]):
        signs[:, group] -= 2 * (np.arange(ways) >> place & 1)
    return float(_as_large(difference, signs, unchanged).mean())


def _as_large(difference: Statistic, signs: npt.NDArray[Any], unchanged: float) -> Bools:
    """Where the difference is at least as large as without an exchange, or unknown: (R,)."""
    return ~(np.abs(resample(difference, signs)) < abs(unchanged) - _TOLERANCE)


def _differing(difference: Statistic, unchanged: float, groups: int) -> list[int]:
    """The groups whose exchange alone changes the difference; too many are not all looked for."""
    found: list[int] = []
    for start in range(0, groups, _CHUNK):
        rows = np.arange(start, min(start + _CHUNK, groups))
        signs = np.ones((len(rows), groups))
        signs[rows - start, rows] = -1
        changes = ~(np.abs(difference(signs) - unchanged) <= _TOLERANCE)
        found += rows[changes].tolist()
        if len(found) > _EXACT_GROUPS:
            break
    return found
