"""Weighted curves and calibration against scikit-learn and by hand."""

import itertools

import numpy as np
import pytest
from sklearn import metrics

from masklens import curves
from masklens.intervals import proportion, wilson


@pytest.fixture(params=[0, 1, 2])
def sample(request):
    """Scores with many ties, and resamples of them."""
    rng = np.random.default_rng(request.param)
    scores = np.round(rng.random(120), 1 + request.param)
    positive = rng.random(120) < 0.2 + 0.6 * scores
    weights = rng.multinomial(120, np.full(120, 1 / 120), size=6).astype(float)
    return scores, positive, np.vstack([np.ones(120), weights])


def test_roc_area_is_scikit_learns(sample):
    scores, positive, weights = sample
    expected = [metrics.roc_auc_score(positive, scores, sample_weight=w) for w in weights]
    assert curves.roc_area(scores, positive, weights) == pytest.approx(expected, abs=1e-12)


def test_average_precision_is_scikit_learns(sample):
    scores, positive, weights = sample
    expected = [metrics.average_precision_score(positive, scores, sample_weight=w) for w in weights]
    assert curves.average_precision(scores, positive, weights) == pytest.approx(expected, abs=1e-12)


def test_a_sweep_is_scikit_learns_curve(sample):
    scores, right, _ = sample
    sweep = curves.sweep(scores, right, int(right.sum()))
    precision, recall, thresholds = metrics.precision_recall_curve(right, scores)
    assert sweep.thresholds == pytest.approx(thresholds[::-1])  # scikit-learn goes the other way
    assert sweep.precision == pytest.approx(precision[-2::-1])
    assert sweep.recall == pytest.approx(recall[-2::-1])
    best, f1 = sweep.best
    assert f1 == pytest.approx(metrics.f1_score(right, scores >= best))
    assert f1 == pytest.approx(max(metrics.f1_score(right, scores >= t) for t in thresholds))


def test_faces_that_no_box_shows_count_against_recall():
    sweep = curves.sweep(np.array([0.9, 0.7, 0.7]), np.array([True, True, False]), 4)
    assert sweep.shown.tolist() == [1, 3]
    assert sweep.recall.tolist() == [0.25, 0.5]
    assert sweep.best == (0.7, pytest.approx(4 / 7))
    assert curves.sweep(np.zeros(0), np.zeros(0, bool), 4).best == (0.0, 0.0)


def test_a_resample_of_one_class_has_no_roc_area():
    area = curves.roc_area(np.array([0.1, 0.9]), np.array([False, True]), np.array([[0.0, 2.0]]))
    assert np.isnan(area[0])


def test_calibration_error_by_hand():
    # Bin 0.6–0.667: stated 0.65 twice, one right: gap 0.15. Bin 0.867–0.933: 0.9 twice, both
    # right: gap 0.1. Weighted with halves: 0.125.
    confidence = np.array([0.65, 0.65, 0.9, 0.9])
    right = np.array([True, False, True, True])
    assert curves.calibration_error(confidence, right, np.ones((1, 4)))[0] == pytest.approx(0.125)
    # Drawing the wrong answer twice and the right one of its bin never: 0.5 · 0.65 + 0.5 · 0.1.
    drawn = np.array([[0.0, 2.0, 1.0, 1.0]])
    assert curves.calibration_error(confidence, right, drawn)[0] == pytest.approx(0.375)


def test_calibration_error_against_a_plain_loop():
    rng = np.random.default_rng(4)
    confidence = rng.random(500)
    right = rng.random(500) < confidence**2
    edges = np.linspace(0, 1, curves.CALIBRATION_BINS + 1)
    expected = 0.0
    for low, high in itertools.pairwise(edges):
        member = (confidence >= low) & (confidence < high)
        if member.any():
            expected += member.mean() * abs(right[member].mean() - confidence[member].mean())
    measured = curves.calibration_error(confidence, right, np.ones((1, 500)))[0]
    assert measured == pytest.approx(expected)


def test_calibration_error_of_honest_scores_is_small():
    rng = np.random.default_rng(0)
    scores = rng.random(20000).astype(np.float32)
    assert curves.calibration_error(scores, rng.random(20000) < scores)[0] < 0.02


def test_the_calibration_table_counts_everything_once():
    confidence = np.array([0.0, 0.05, 0.5, 1.0, 1.0])
    right = np.array([False, True, True, True, False])
    table = curves.calibration_table(confidence, right, np.arange(5))
    assert sum(share.total for _, share in table) == 5
    said, share = table[-1]
    assert (said, share.hits, share.total) == (1.0, 1, 2)


def test_the_calibration_curve_counts_faces_of_one_photograph_as_alike():
    """Forty faces stated as 0.7, of four photographs: three all right, one all wrong."""
    confidence, right = np.full(40, 0.7), np.arange(40) < 30
    [(_, together)] = curves.calibration_table(confidence, right, np.arange(40) // 10)
    assert together == proportion(right, np.arange(40) // 10)
    assert together.high - together.low > 2 * np.diff(wilson(30, 40))[0]


def test_brier_of_two_labels_is_twice_scikit_learns():
    rng = np.random.default_rng(5)
    p = rng.random(50)
    truth = (rng.random(50) < p).astype(int)
    ours = curves.brier(np.stack([1 - p, p], axis=1), truth).mean()
    assert ours == pytest.approx(2 * metrics.brier_score_loss(truth, p))
