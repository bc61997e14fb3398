"""Taking channels out: which ones, and that the others make up for them."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

pytest.importorskip("keras")

from masklens.training.mobilenet import full_widths, street_network
from masklens.training.prune import narrow, surgeon


def moments(rows: np.ndarray) -> np.ndarray:
    rows = np.hstack([rows, np.ones((len(rows), 1))])
    return rows.T @ rows / len(rows)


def test_what_others_say_as_well_is_removed_and_made_up_for() -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(2, 1, (500, 6))
    rows[:, 1] = 0.5 * rows[:, 0] - 2 * rows[:, 3] + 1  # needs the bias as well
    rows[:, 4] = 0  # silent
    weights = rng.normal(size=(7, 3))
    kept, rest = surgeon(moments(rows), weights, 4)
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

    kept, rest = surgeon(moments(rows), weights, 4)
    assert tuple(kept) == min(combinations(range(5), 4), key=error)
    got = rows[:, kept] @ rest[:-1] + rest[-1]
    assert ((got - wanted) ** 2).sum() == pytest.approx(error(tuple(kept)), rel=1e-2)


def test_a_network_without_its_silent_channels_says_the_same() -> None:
    """Silent: whatever the picture shows, nothing comes out of the channel's filter."""
    rng = np.random.default_rng(2)
    build = {"outputs": 4, "blocks": 3, "head": 8, "weights": None}
    full = street_network(64, **build)
    widths = full_widths(3)
    assert widths == (32, 96, 144)
    for layer in full.layers:
        if layer.name.endswith("_depthwise"):
            kernel, bias = layer.get_weights()
            silent = rng.choice(kernel.shape[2], kernel.shape[2] // 2, replace=False)
            kernel[:, :, silent], bias[silent] = 0, -1
            layer.set_weights([kernel, bias])
    narrower = street_network(64, **build, widths=[width // 2 for width in widths])
    pixels = rng.integers(0, 256, (8, 64, 64, 3)).astype(np.uint8)
    narrow(full, narrower, pixels)
    tensor = pixels.astype(np.float32) / 127.5 - 1
    theirs, ours = full(tensor), narrower(tensor)
    assert narrower.count_params() < full.count_params()
    for name in ("logits", "box"):
        wanted = np.asarray(theirs[name])
        spread = wanted.std(axis=0).max()
        assert spread > 0
        assert np.abs(wanted - np.asarray(ours[name])).max() < 0.02 * spread
