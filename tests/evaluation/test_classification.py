"""Scores of labels against scikit-learn and small tables worked by hand."""

import numpy as np
import pytest
from sklearn import metrics

from masklens.evaluation import classification
from masklens.evaluation.classification import score
from masklens.intervals import group_weights, wilson
from masklens.labels import LABELS
from tests.evaluation.makers import make_answers, random_answers


def measures(result):
    return {m.key: m for s in result.sections for m in s.measures}


@pytest.fixture(scope="module", params=[0.0, 0.15], ids=["all found", "some not found"])
def scored(request):
    answers = random_answers(1, missing=request.param)
    return answers, score(answers, group_weights(answers.n_groups, 200))


def test_figures_are_scikit_learns(scored):
    answers, result = scored
    truth, said = answers.truth, answers.predicted
    found = answers.found
    values = {key: m.estimate.value for key, m in measures(result).items()}
    assert values["accuracy"] == pytest.approx(metrics.accuracy_score(truth, said))
    assert values["mcc"] == pytest.approx(metrics.matthews_corrcoef(truth, said))
    recalls = metrics.recall_score(truth, said, labels=[0, 1, 2], average=None)
    precisions = metrics.precision_score(truth, said, labels=[0, 1, 2], average=None)
    f1s = metrics.f1_score(truth, said, labels=[0, 1, 2], average=None)
    assert values["balanced_accuracy"] == pytest.approx(recalls.mean())
    for index, label in enumerate(LABELS):
        assert values[f"{label}.recall"] == pytest.approx(recalls[index])
        assert values[f"{label}.precision"] == pytest.approx(precisions[index])
        assert values[f"{label}.f1"] == pytest.approx(f1s[index])
        p = answers.probabilities[found, index]
        is_label = truth[found] == index
        assert values[f"{label}.roc_auc"] == pytest.approx(metrics.roc_auc_score(is_label, p))
        assert values[f"{label}.pr_auc"] == pytest.approx(
            metrics.average_precision_score(is_label, p)
        )
    assert values["bare_called_masked"] == pytest.approx((said[truth == 1] == 0).mean())
    one_hot = np.eye(3)[truth[found]]
    expected = ((answers.probabilities[found] - one_hot) ** 2).sum(axis=1).mean()
    assert values["brier"] == pytest.approx(expected)


def test_every_statistic_gives_its_value_when_each_group_is_drawn_once(scored):
    answers, result = scored
    ones = np.ones((1, answers.n_groups))
    for key, measure in measures(result).items():
        assert measure.statistic(ones)[0] == pytest.approx(measure.estimate.value), key


def test_every_statistic_gives_what_repeating_the_groups_would_give(scored):
    answers, result = scored
    weights = group_weights(answers.n_groups, 1, seed=5)
    rows = np.repeat(np.arange(len(answers)), weights[0, answers.groups].astype(int))
    repeated = {
        key: m.estimate.value
        for key, m in measures(
            score(answers.select(rows), group_weights(answers.n_groups, 10))
        ).items()
    }
    for key, measure in measures(result).items():
        assert measure.statistic(weights)[0] == pytest.approx(repeated[key]), key


def test_every_figure_lies_in_its_interval(scored):
    _, result = scored
    for key, measure in measures(result).items():
        assert measure.estimate.low <= measure.estimate.value <= measure.estimate.high, key


def test_a_small_table_by_hand():
    # truth:     mask mask mask none none bad      said: mask none -  none mask bad
    answers = make_answers([0, 0, 0, 1, 1, 2], [0, 1, -1, 1, 0, 2])
    result = score(answers, group_weights(6, 100), searched=True)
    assert result.confusion.tolist() == [[1, 1, 0, 1], [1, 1, 0, 0], [0, 0, 1, 0]]
    values = {key: m.estimate for key, m in measures(result).items()}
    assert values["accuracy"].value == pytest.approx(3 / 6)
    assert values["found"].value == pytest.approx(5 / 6)
    assert values["balanced_accuracy"].value == pytest.approx((1 / 3 + 1 / 2 + 1) / 3)
    assert values["with_mask.recall"].value == pytest.approx(1 / 3)
    assert values["with_mask.precision"].value == pytest.approx(1 / 2)
    assert values["with_mask.f1"].value == pytest.approx(2 / 5)
    assert values["bare_called_masked"].value == pytest.approx(1 / 2)
    assert (values["accuracy"].low, values["accuracy"].high) == wilson(3, 6)


def test_faultless_answers_have_an_honest_lower_end():
    answers = make_answers([0] * 40 + [1] * 20, [0] * 40 + [1] * 20, LABELS[:2], confidence=0.99)
    values = {k: m.estimate for k, m in measures(score(answers, group_weights(60, 100))).items()}
    for key in ("balanced_accuracy", "mcc", "without_mask.f1"):
        assert values[key].value == 1
        assert values[key].low == pytest.approx(wilson(20, 20)[0]), key
    assert values["ece"].high == pytest.approx(wilson(0, 60)[1])
    assert values["brier"].value == pytest.approx(2e-4)
    assert values["brier"].high == pytest.approx(wilson(60 * 2e-4, 60)[1])
    assert values["brier"].high > wilson(0, 60)[1]


def test_a_model_that_gives_one_label_correlates_with_nothing():
    answers = make_answers([0] * 20 + [1] * 20, [0] * 40, LABELS[:2])
    values = {k: m.estimate for k, m in measures(score(answers, group_weights(40, 100))).items()}
    assert values["mcc"].value == 0
    assert np.isnan(values["mcc"].low)
    assert values["balanced_accuracy"].low < 0.4 < 0.6 < values["balanced_accuracy"].high


def test_a_label_that_never_occurs_is_left_out():
    result = score(make_answers([0, 0, 1, 1], [0, 2, 1, 1]), group_weights(4, 50))
    keys = set(measures(result))
    assert not any(key.startswith("mask_worn_incorrectly") for key in keys)
    assert measures(result)["balanced_accuracy"].estimate.value == pytest.approx(0.75)


def test_sizes():
    answers = make_answers([0] * 6, [0, 1, 0, 0, 1, 0], widths=[12, 15.9, 16, 40, 64, 200])
    rows = classification.by_size(answers.widths, answers.right, answers.groups, (12, 16, 32, 64))
    assert [(name, e.hits, e.total) for name, e in rows] == [
        ("12–16 px", 1, 2),
        ("16–32 px", 1, 1),
        ("32–64 px", 1, 1),
        ("≥ 64 px", 1, 2),
    ]
    assert classification.band_name((12, 16), 0) == "< 12 px"


def test_folding_keeps_what_a_user_would_be_told():
    answers = make_answers([2, 1, 0], [0, 2, -1], confidence=0.4)
    folded = answers.fold(LABELS[:2])
    assert folded.truth.tolist() == [1, 1, 0]
    # Most probable of three labels is with_mask, though none and badly worn together weigh more.
    assert folded.predicted.tolist() == [0, 1, -1]
    assert folded.probabilities[0] == pytest.approx([0.4, 0.6])
    assert np.isnan(folded.probabilities[2]).all()
    assert folded.bare.tolist() == answers.bare.tolist()
