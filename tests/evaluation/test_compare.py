"""Two models on the same scenes: differences, and when they are called one."""

import json

import numpy as np
import pytest

from masklens.evaluation.compare import compare
from masklens.evaluation.evaluate import Options, evaluate
from masklens.evaluation.exchange import exchanges
from masklens.evaluation.selection import select
from masklens.evaluation.subjects import load_subject
from masklens.intervals import wilson
from masklens.labels import LABELS, MASK_WORN_INCORRECTLY, WITH_MASK


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


def test_calibration_errors_are_not_compared(judged):
    comparison = compare(judged("a", lambda said: {"score": 0.6}), judged("b", lambda said: {}))
    errors = [d for d in comparison.differences if "ece" in d.a.key]
    assert [d.a.key for d in errors] == ["ece", "ece_shown"]
    for d in errors:
        assert (d.a.value_text, d.b.value_text) == ("0.400", "0.100")
        assert (d.change_text, d.interval_text, d.word) == ("–", "–", "")
        assert "not compared" in d.verdict


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
