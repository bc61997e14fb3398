"""How often 95 % intervals hold the true figure, and how wide they are, by simulation.

    python benchmarks/coverage.py [--times 1000] [--each]
    python benchmarks/coverage.py bootstrap [--times 200]

Faces of one group (a photograph, copies of one picture, the frames of one head in a film) are drawn
alike, in three ways that differ in how the shares of groups are spread. How much is the correlation
of two faces of a group: 0 are independent faces, 1 groups of copies. Every method sees the same
draws. What ships is the last column; the first takes every face for a group of its own.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from itertools import product

import numpy as np
from common import print_table
from scipy import stats

from masklens.curves import average_precision
from masklens.intervals import bootstrap, group_weights, proportion, wilson

#: How many groups there are of each size. The first two are those of ``scenes/val``: faces of at
#: least 16 px, and all annotated ones, among them two crowds; the others are made up.
VAL = {1: 91, 2: 25, 3: 23, 4: 24, 5: 5, 6: 8, 7: 7, 8: 2, 9: 2, 10: 2, 12: 1, 14: 1}
GROUPS = {
    "200 faces, each alone": {1: 200},
    "scenes/val: 191 photographs, 508 faces": VAL,
    "… and two crowds of 61 and 83": VAL | {61: 1, 83: 1},
    "150 pictures, and 60 with 2 to 12 copies": {1: 150, 2: 40, 3: 10, 4: 5, 5: 3, 8: 2, 12: 1},
    "194 of 3": {3: 194},
    "60 of 1, 20 of 2, 20 of 20": {1: 60, 2: 20, 20: 20},
    "22 heads in 10 to 400 frames": dict.fromkeys((10, 30, 50, 80, 100, 150, 200, 250, 300, 350), 2)
    | {20: 1, 400: 1},
    "100 alone, 3 of 30": {1: 100, 30: 3},
    "40 alone, crowds of 30 and 60": {1: 40, 30: 1, 60: 1},
    "10 of 5": {5: 10},
    "5 of 20": {20: 5},
    "one group of 20": {20: 1},
}
SHARES = (0.5, 0.8, 0.95, 0.98)
CORRELATIONS = (0.0, 0.1, 0.3, 0.6, 0.9)

#: Coverage below this is counted: 0.95 less what discrete counts cost Wilson's own interval.
ENOUGH = 0.93

#: Right answers (R, G) of R draws and sizes (G,) of groups -> both ends, (R,) each.
Method = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]

# --- drawing -------------------------------------------------------------------------------------


def smooth(
    rng: np.random.Generator, share: float, alike: float, shape: tuple[int, int], sizes: np.ndarray
) -> np.ndarray:
    """Shares of groups have a beta distribution."""
    if alike == 0:
        return rng.binomial(sizes, share, shape)
    spread = (1 - alike) / alike
    return rng.binomial(sizes, rng.beta(share * spread, (1 - share) * spread, shape))


def good_or_bad(
    rng: np.random.Generator, share: float, alike: float, shape: tuple[int, int], sizes: np.ndarray
) -> np.ndarray:
    """Each face takes over what the group is, good or bad, with some chance."""
    same = rng.binomial(sizes, np.sqrt(alike), shape)
    return (rng.random(shape) < share) * same + rng.binomial(sizes - same, share)


def some_copies(
    rng: np.random.Generator, share: float, alike: float, shape: tuple[int, int], sizes: np.ndarray
) -> np.ndarray:
    """Some groups are copies, the others independent faces."""
    copies = (rng.random(shape) < share) * sizes
    return np.where(rng.random(shape) < alike, copies, rng.binomial(sizes, share, shape))


WAYS = (smooth, good_or_bad, some_copies)

# --- methods -------------------------------------------------------------------------------------


def scored(share: np.ndarray, size: np.ndarray, groups: float = np.inf) -> tuple:
    """Wilson's interval at many sample sizes, no nearer to 0 and 1 than a faultless one's."""
    z2 = stats.norm.ppf(0.975) ** 2
    centre = (share + z2 / (2 * size)) / (1 + z2 / size)
    half = np.sqrt(z2 * (share * (1 - share) / size + z2 / (4 * size**2))) / (1 + z2 / size)
    least = wilson(groups, groups)[0] if np.isfinite(groups) else 1.0
    return np.minimum(centre - half, least), np.maximum(centre + half, 1 - least)


def between(right: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """The design effect of Rao and Scott (1992), at least 1: (R,)."""
    count, total = len(sizes), sizes.sum()
    share = right.sum(axis=1) / total
    with np.errstate(invalid="ignore", divide="ignore"):
        squares = ((right - share[:, None] * sizes) ** 2).sum(axis=1)
        effect = count / max(count - 1, 1) * squares / (total * share * (1 - share))
    return np.where(effect > 1, effect, 1.0)  # NaN, too, is 1


def modelled(right: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Kish's 1 + (m - 1) · rho (1965), with the rho of Fleiss and Cuzick (1979): (R,)."""
    count, total = len(sizes), sizes.sum()
    share = right.sum(axis=1) / total
    apart = (right * (sizes - right) / sizes).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        rho = 1 - apart / ((total - count) * share * (1 - share))
    return 1 + ((sizes**2).sum() / total - 1) * np.where(rho > 0, rho, 0.0)


def as_many(sizes: np.ndarray) -> float:
    """How many equal groups would weigh the same."""
    return sizes.sum() ** 2 / (sizes**2).sum()


def rough(groups: float) -> float:
    """(t / z)² for so many groups (Korn and Graubard 1998; Dean and Pagano 2015)."""
    return (stats.t.ppf(0.975, max(groups - 1, 1)) / stats.norm.ppf(0.975)) ** 2


def at(effect: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> Method:
    """The interval at the sample size that an effect leaves."""

    def interval(right: np.ndarray, sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        total = sizes.sum()
        return scored(right.sum(axis=1) / total, total / effect(right, sizes), len(sizes))

    return interval


def shipped(right: np.ndarray, sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What the package gives."""
    groups, places = np.repeat(np.arange(len(sizes)), sizes), np.arange(sizes.sum())
    within = places - np.repeat(np.cumsum(sizes) - sizes, sizes)
    each = [proportion(within < row[groups], groups) for row in right]
    return np.array([e.low for e in each]), np.array([e.high for e in each])


METHODS: dict[str, Method] = {
    "all alone": lambda right, sizes: scored(
        right.sum(axis=1) / sizes.sum(), np.full(len(right), sizes.sum())
    ),
    "between groups": at(between),
    "…, t of groups": at(lambda right, sizes: between(right, sizes) * rough(len(sizes))),
    "…, t of weight": at(lambda right, sizes: between(right, sizes) * rough(as_many(sizes))),
    "or modelled": at(lambda *both: np.maximum(between(*both), modelled(*both))),
    "ships": shipped,
}

# --- tables --------------------------------------------------------------------------------------


def share_tables(times: int, each: bool) -> None:
    """Coverage and mean width of every method: by groups, or (each) of every case."""
    names = list(METHODS)
    rows, cells = [], []
    low = dict.fromkeys(names, 0)
    for name, counts in GROUPS.items():
        sizes = np.repeat(list(counts), list(counts.values()))
        held, width = {n: [] for n in names}, {n: [] for n in names}
        for share, alike, way in product(SHARES, CORRELATIONS, WAYS):
            if alike == 0 and way is not smooth:
                continue
            right = way(np.random.default_rng(0), share, alike, (times, len(sizes)), sizes)
            for n, method in METHODS.items():
                lower, upper = method(right, sizes)
                held[n].append(float(np.mean((lower <= share) & (share <= upper))))
                width[n].append(float(np.mean(upper - lower)))
            last = [f"{held[n][-1]:.3f} {width[n][-1]:.3f}" for n in names]
            cells.append([name, f"{share}", f"{alike}", way.__name__.replace("_", " "), *last])
        for n in names:
            low[n] += sum(h < ENOUGH for h in held[n])
        rows.append([name, *(f"{min(held[n]):.2f} {np.mean(width[n]):.3f}" for n in names)])
    if each:
        print_table(["groups", "share", "alike", "way", *names], cells)
        return
    rows.append([f"of {len(cells)} cases below {ENOUGH}", *(str(low[n]) for n in names)])
    print_table(["least coverage, mean width", *names], rows)


def macro_f1(tables: np.ndarray) -> np.ndarray:
    """The mean F1 of three labels, of confusion tables (R, 9)."""
    tables = tables.reshape(-1, 3, 3)
    right = np.diagonal(tables, axis1=1, axis2=2)
    both = tables.sum(axis=1) + tables.sum(axis=2)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(both > 0, 2 * right / both, 0).mean(axis=1))


def answers(rng: np.random.Generator, sizes: np.ndarray, alike: float) -> tuple:
    """Group, cell of the confusion table, whether a face is masked, and its score, of each face."""
    groups = np.repeat(np.arange(len(sizes)), sizes)

    def normal() -> np.ndarray:
        own, shared = rng.normal(size=len(groups)), rng.normal(size=len(sizes))[groups]
        return np.sqrt(alike) * shared + np.sqrt(1 - alike) * own

    truth = rng.choice(3, len(groups), p=[0.5, 0.35, 0.15])
    wrong = stats.norm.cdf(normal()) < np.array([0.04, 0.08, 0.25])[truth]
    said = np.where(wrong, (truth + 1 + (rng.random(len(groups)) < 0.3)) % 3, truth)
    masked = truth == 0
    return groups, 3 * truth + said, masked, 0.9 * normal() + np.where(masked, 1.0, -1.0)


def bootstrap_table(times: int) -> None:
    """Coverage and mean width of the bootstrap of a macro F1 and an average precision."""
    single = np.ones(100_000, int)
    _, cells, masked, scores = answers(np.random.default_rng(1), single, 0)
    true_f1 = macro_f1(np.bincount(cells, minlength=9)[None].astype(float))[0]
    true_ap = average_precision(scores, masked, single[None].astype(float))[0]
    rows = []
    for name in (
        "200 faces, each alone", "scenes/val: 191 photographs, 508 faces",
        "60 of 1, 20 of 2, 20 of 20", "10 of 5", "5 of 20",
    ):  # fmt: skip
        counts = GROUPS[name]
        sizes = np.repeat(list(counts), list(counts.values()))
        weights = group_weights(len(sizes), 500)
        row = [name]
        for alike in (0.0, 0.3, 0.6):
            rng, found = np.random.default_rng(0), []
            for _ in range(times):
                groups, cells, masked, scores = answers(rng, sizes, alike)
                tables = np.zeros((len(sizes), 9))
                np.add.at(tables, (groups, cells), 1)
                few = min(len(np.unique(groups[cells // 3 == label])) for label in range(3))
                f1 = bootstrap(
                    macro_f1(tables.sum(axis=0)[None])[0], lambda w, t=tables: macro_f1(w @ t),
                    weights, support=few,
                )  # fmt: skip
                statistic = lambda w, g=groups, m=masked, s=scores: average_precision(s, m, w[:, g])  # noqa: E731
                ap = bootstrap(
                    statistic(np.ones((1, len(sizes))))[0], statistic, weights,
                    support=len(np.unique(groups[masked])),
                )  # fmt: skip
                found.append(
                    (f1.low <= true_f1 <= f1.high, f1.high - f1.low,
                     ap.low <= true_ap <= ap.high, ap.high - ap.low)
                )  # fmt: skip
            means = np.mean(found, axis=0)
            row += [f"{means[0]:.2f} {means[1]:.3f}", f"{means[2]:.2f} {means[3]:.3f}"]
        rows.append(row)
    head = [f"{what}, alike by {a}" for a in (0, 0.3, 0.6) for what in ("F1", "AP")]
    print_table(["coverage, mean width", *head], rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", nargs="?", choices=("shares", "bootstrap"), default="shares")
    parser.add_argument("--times", type=int, help="draws of each case: 1,000, or 200 of bootstrap")
    parser.add_argument("--each", action="store_true", help="every case of shares in a row")
    options = parser.parse_args()
    if options.what == "shares":
        share_tables(options.times or 1000, options.each)
    else:
        bootstrap_table(options.times or 200)


if __name__ == "__main__":
    main()
