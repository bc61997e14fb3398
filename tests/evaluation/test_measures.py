"""The interval of the calibration error: how often it holds the true one."""

import numpy as np
import pytest

from masklens import curves
from masklens.evaluation.measures import calibration
from masklens.intervals import group_weights

#: Answers of each model, and groups they come in, of two or three faces that are half alike.
ANSWERS, GROUPS = 300, 120


def draw(rng, truth):
    """Scores, groups, and what is right: with the chance that ``truth`` gives each score."""
    groups = np.arange(ANSWERS) % GROUPS
    scores = rng.beta(4, 1.5, ANSWERS)
    alike = rng.random(GROUPS)[groups]
    luck = np.where(rng.random(GROUPS)[groups] < 0.5, alike, rng.random(ANSWERS))
    return scores, luck < truth(scores), groups


@pytest.mark.parametrize("truth", [lambda s: s, lambda s: s**1.15, lambda s: s**1.5, np.sqrt])
def test_the_interval_holds_the_true_error(truth):
    """It held 0, the true error of scores that mean what they say, next to never."""
    rng, weights = np.random.default_rng(0), group_weights(GROUPS, 200)
    scores = rng.beta(4, 1.5, 200_000)
    places = curves.bin_of(scores)
    true = np.abs(np.bincount(places, truth(scores) - scores)).sum() / len(scores)
    inside = 0
    for _ in range(60):
        estimate = calibration("ece", "", *draw(rng, truth), weights).estimate
        inside += estimate.low <= true <= estimate.high
    assert inside / 60 >= 0.87


def test_scores_far_from_the_truth_have_an_error_for_certain():
    rng, weights = np.random.default_rng(1), group_weights(GROUPS, 200)
    estimate = calibration("ece", "", *draw(rng, lambda s: s**3), weights).estimate
    assert estimate.low > 0.1
    assert estimate.method == "bootstrap"
