"""Inputs out of a linear map: which ones, and that the others make up for them."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from masklens.training.surgeon import mean_products, surgeon


def test_what_others_say_as_well_is_removed_and_made_up_for() -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(2, 1, (500, 6))
    rows[:, 1] = 0.5 * rows[:, 0] - 2 * rows[:, 3] + 1  # needs the bias as well
    rows[:, 4] = 0  # silent
    weights = rng.normal(size=(7, 3))
    kept, rest = surgeon(mean_products(rows), weights, 4)
    assert 4 not in kept
    assert sorted({0, 1, 3} & set(kept.tolist())) in ([0, 1], [0, 3], [1, 3])
    wanted = rows @ weights[:-1] + weights[-1]
    assert np.abs(rows[:, kept] @ rest[:-1] + rest[-1] - wanted).max() < 0.02


def test_one_removal_is_the_best_there_is() -> None:
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(400, 5)) @ rng.normal(size=(5, 5)) + rng.normal(size=5)
    weights = rng.normal(size=(6, 2))
    wanted = rows @ weights[:-1] + weights[-1]

    def error(kept: tuple[int, ...]) -> float:
        some = np.hstack([rows[:, kept], np.ones((len(rows), 1))])
        best = np.linalg.lstsq(some, wanted, rcond=None)[0]
        return float(((some @ best - wanted) ** 2).sum())

    kept, rest = surgeon(mean_products(rows), weights, 4)
    assert tuple(kept) == min(combinations(range(5), 4), key=error)
    got = rows[:, kept] @ rest[:-1] + rest[-1]
    assert ((got - wanted) ** 2).sum() == pytest.approx(error(tuple(kept)), rel=1e-2)
