"""Two models on the same scenes: differences, and when they are called one."""

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from masklens.errors import DatasetError
from masklens.evaluation.compare import (
    Difference,
    LabelTest,
    _from_both,
    _label_test,
    compare,
)
from masklens.evaluation.evaluate import evaluate
from masklens.evaluation.exchange import exchanges
from masklens.evaluation.measures import Measure
from masklens.evaluation.run import Options
from masklens.evaluation.selection import select
from masklens.evaluation.subjects import load_subject
from masklens.intervals import Estimate, wilson
from masklens.labels import LABELS, MASK_WORN_INCORRECTLY, WITH_MASK, WITHOUT_MASK


@pytest.fixture
def judged(coco, tmp_path):
    """Evaluate predictions: a function of each face's entry gives what the model says of it."""

    def call(name, answer):
        content = json.loads(coco.read_text())
        pictures = {
            i["id"]: {"file": i["file_name"], "width": 200, "height": 200, "faces": []}
            for i in content["images"]
        }
        for a in content["annotations"]:
            said = {"box": a["bbox"], "label": LABELS[a["category_id"] - 1], "score": 0.9}
            pictures[a["image_id"]]["faces"].append(said | answer(said))
        file = tmp_path / f"{name}.json"
        file.write_text(json.dumps(list(pictures.values())))
        return evaluate(load_subject(file), select(coco), Options(resamples=100))

    return call


def test_two_faces_decide_nothing(judged):
    """All of each label, but two of each."""

    def confused(said):
        others = {MASK_WORN_INCORRECTLY: WITH_MASK, WITH_MASK: MASK_WORN_INCORRECTLY}
        return {"label": others.get(said["label"], said["label"])}

    comparison = compare(judged("a", confused), judged("b", lambda said: {}))
    found = {d.a.key: d for d in comparison.differences}
    recall = found[f"{MASK_WORN_INCORRECTLY}.recall"]
    assert (recall.estimate.value, recall.estimate.method) == (1, "sign-flip bound")
    assert recall.interval_text == "0.0 to +100.0"
    assert "No difference is shown" in recall.verdict
    assert not any(d.decided for d in comparison.differences)
    assert (found["face_recall"].change_text, found["face_recall"].interval_text) == ("0.0", "–")


def test_six_faces_do(judged):
    others = dict(zip(LABELS, (*LABELS[1:], LABELS[0]), strict=True))
    comparison = compare(
        judged("a", lambda said: {"label": others[said["label"]]}), judged("b", lambda said: {})
    )
    found = {d.a.key: d for d in comparison.differences}
    assert (found["f1"].word, found["f1"].estimate.method) == ("B better", "newcombe")
    assert found["with_mask.recall"].word == ""  # two faces
    low, high = wilson(6, 6)[0], wilson(0, 6)[1]  # all right against all wrong, in every resample
    f1 = found["f1"].estimate
    assert (f1.low, f1.high) == pytest.approx((1 - np.hypot(1 - low, high), 1))
    labels = comparison.label_test  # of two: a bare face is right as a badly worn mask, too
    assert (labels.both, labels.only_a, labels.only_b, labels.neither) == (2, 0, 4, 0)
    assert labels.p_value == 2 / 2**4


def test_what_cannot_be_compared(judged):
    a = judged("a", lambda said: {})
    fewer = replace(a, selection=a.selection.without({6}))
    with pytest.raises(DatasetError, match="were not judged on the same pictures"):
        compare(a, fewer)
    with pytest.raises(DatasetError, match="fewer than two labels in common"):
        compare(a, replace(a, labels=(WITH_MASK, "hat")))


def test_calibration_errors_are_not_compared(judged):
    comparison = compare(judged("a", lambda said: {"score": 0.6}), judged("b", lambda said: {}))
    errors = [d for d in comparison.differences if "ece" in d.a.key]
    assert [d.a.key for d in errors] == ["ece", "ece_shown"]
    for d in errors:
        assert (d.a.estimate.value_text, d.b.estimate.value_text) == ("0.400", "0.100")
        assert (d.change_text, d.interval_text, d.word) == ("–", "–", "")
        assert "not compared" in d.verdict


def test_labels_of_found_faces_are_compared_where_both_found_the_same(judged):
    """Who loses the one face that both would call wrong labels all others right, and no better."""

    def wrong(said, **also):
        return {"label": WITH_MASK} | also if said["label"] == WITHOUT_MASK else {}

    a, same = judged("a", wrong), judged("same", lambda said: {})
    loses = judged("loses", lambda said: wrong(said, box=[0, 0, 20, 20]))
    found = {d.a.key: d for d in compare(a, same).differences}
    assert found["label_right"].estimate.value == pytest.approx(2 / 6)
    label_right = {d.a.key: d for d in compare(a, loses).differences}["label_right"]
    assert (label_right.a.estimate.value, label_right.b.estimate.value) == (pytest.approx(4 / 6), 1)
    assert (label_right.change_text, label_right.word) == ("–", "")
    assert "not compared, as the two found different faces" in label_right.verdict


def test_the_interval_of_two_shares_is_newcombes():
    """His example (a), method 10: 56 of 70 against 48 of 80."""
    a, b = (
        Estimate(hits / total, *wilson(hits, total), "wilson")
        for hits, total in ((48, 80), (56, 70))
    )
    found = _from_both(0.2, a, b)
    assert (found.low, found.high) == pytest.approx((0.0524, 0.3339), abs=5e-5)


def test_verdicts_on_measures_of_which_less_or_more_is_better():
    def difference(title, better, *ends):
        estimate = Estimate(*ends, "bootstrap")
        measure = Measure("key", title, Estimate(0.5, 0.4, 0.6, "bootstrap"), len, better)
        found = Difference(measure, measure, estimate)
        return found.word, found.verdict

    recall, brier = "All faces found", "Brier score"
    assert difference(recall, 1, 0.02, 0.01, 0.03) == (
        "B better",
        "B is better on all faces found, +2.0 points, 95 % interval +1.0 to +3.0",
    )
    assert difference(recall, 1, -0.02, -0.03, -0.01)[0] == "B worse"
    assert difference(brier, -1, -0.02, -0.03, -0.01) == (
        "B better",
        "B is better on Brier score, −2.0 points, 95 % interval −3.0 to −1.0",
    )
    assert difference(brier, -1, 0.02, 0.01, 0.03) == (
        "B worse",
        "B is worse on Brier score, +2.0 points, 95 % interval +1.0 to +3.0",
    )
    for low, high in ((0.0, 0.03), (-0.03, 0.0), (-0.01, 0.01)):
        word, text = difference("F1, macro", 1, 0.01, low, high)
        assert (word, text.partition(" (")[0]) == ("", "No difference is shown on F1, macro")
    nan = float("nan")
    assert difference(recall, 1, 0.0, nan, nan) == ("", "Both are alike on all faces found")
    assert difference(recall, 1, nan, nan, nan)[1].endswith("cannot be compared on these pictures")


@pytest.mark.parametrize(
    ("only_a", "only_b", "p_value", "text"),
    [
        (0, 0, 1, "Both models were right and wrong on the same faces."),
        (1, 0, 1, "right on 1 face, 1 to 0; that can be chance (p = 1.000)."),
        (3, 9, 0.146, "right on 12 faces, 3 to 9; that can be chance (p = 0.146)."),
        (3, 9, 0.05, "right on 12 faces, 3 to 9; that can be chance (p = 0.050)."),
        (1, 12, 0.0034, "B is right more often: of the 13 faces that only one of the two got "
         "right, 12 go to B (p = 0.003)."),
        (30, 2, 1e-6, "A is right more often: of the 32 faces that only one of the two got right, "
         "30 go to A (p < 0.001)."),
    ],
)  # fmt: skip
def test_verdicts_on_labels(only_a, only_b, p_value, text):
    assert LabelTest("label right", 5, only_a, only_b, 7, p_value).verdict.endswith(text)


def test_who_was_right_is_counted_by_face_and_exchanged_by_group():
    a = np.array([1, 1, 1, 0, 0, 0, 0, 0, 0, 0], bool)
    b = np.array([1, 1, 0, 1, 1, 1, 1, 1, 1, 0], bool)
    test = _label_test("right", a, b, np.arange(10))
    assert (test.both, test.only_a, test.only_b, test.neither) == (2, 1, 6, 1)
    assert test.p_value == pytest.approx(stats.binomtest(1, 7).pvalue)
    pairs = _label_test("right", a, b, np.arange(10) // 2)  # these gain 0, 0, 2, 2 and 1
    assert (pairs.only_a, pairs.only_b, pairs.p_value) == (1, 6, 2 / 2**3)


def test_exchanging_nothing_and_everything(judged):
    rng = np.random.default_rng(2)

    def guess(scale):
        def answer(said):
            x, y, w, h = said["box"]
            box = [x + rng.normal(0, 0.15) * w, y, w, h]
            return {"box": box, "label": LABELS[rng.integers(3)], "score": scale * rng.random()}

        return answer

    a, b = judged("a", guess(1)), judged("b", guess(0.1))
    together, alone = exchanges(a, b), exchanges(a, a)
    theirs = b.measures
    signs = rng.choice([-1.0, 1.0], (5, 7))
    for key, measure in a.measures.items():
        if key not in theirs or "ece" in key:  # scores that go by rank alone have no calibration
            continue
        one = np.ones((1, 7))
        difference = theirs[key].estimate.value - measure.estimate.value
        got = together[key](np.vstack([one, -one]))
        assert got == pytest.approx([difference, -difference], nan_ok=True), key
        assert np.nan_to_num(alone[key](signs)) == pytest.approx(np.zeros(5)), key
