"""How often the 95 % interval of a share holds the true one, by simulation.

    python benchmarks/coverage.py [--times 1000]

Groups of faces (pictures, or near-duplicates) are drawn whose shares of right answers vary around
the true one (beta-binomial), so that faces of one group are alike; how much is the intra-group
correlation: 0 are independent faces, 1 groups of copies.
"""

from __future__ import annotations

import argparse

import numpy as np
from common import print_table

from masklens.intervals import proportion

#: The true share, number of groups, and the sizes that one is drawn from.
CASES = (
    (0.95, 194, (3,)),
    (0.98, 194, (3,)),
    (0.98, 194, (1, 2, 3, 10)),
    (0.95, 100, (1, 1, 1, 2, 20)),
    (0.8, 10, (5,)),
)
CORRELATIONS = (0.0, 0.1, 0.3, 0.5)


def coverage(
    share: float, groups: int, sizes: tuple[int, ...], correlation: float, times: int
) -> float:
    """The share of simulations in which the interval holds the true share."""
    rng = np.random.default_rng(0)
    spread = (1 - correlation) / max(correlation, 1e-9)
    held = 0
    for _ in range(times):
        group = np.repeat(np.arange(groups), rng.choice(sizes, groups))
        of_group = np.full(groups, share)
        if correlation > 0:
            of_group = rng.beta(share * spread, (1 - share) * spread, groups)
        estimate = proportion(rng.random(len(group)) < of_group[group], group)
        held += estimate.low <= share <= estimate.high
    return held / times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=1000, help="simulations of each case")
    times = parser.parse_args().times
    rows = [
        [f"{share}", f"{groups}", " ".join(map(str, sizes))]
        + [f"{coverage(share, groups, sizes, c, times):.3f}" for c in CORRELATIONS]
        for share, groups, sizes in CASES
    ]
    head = ["true share", "groups", "faces in each, by chance"]
    print_table([*head, *(f"alike by {c}" for c in CORRELATIONS)], rows)


if __name__ == "__main__":
    main()
