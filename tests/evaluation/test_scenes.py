"""Scores of scenes, counted by hand and against plain loops."""

import numpy as np
import pytest

from masklens.boxes import iou
from masklens.evaluation.pairing import pair, two_class
from masklens.evaluation.scenes import score_scenes
from masklens.intervals import group_weights, wilson
from masklens.labels import LABELS
from tests.evaluation.makers import make_scenes, random_scenes

MASK, NONE, BAD = 0, 1, 2


def values(scores):
    return {m.key: m.estimate for s in scores.sections for m in s.measures}


@pytest.fixture(scope="module")
def by_hand():
    scenes = make_scenes(
        (
            [
                (0, 0, 40, 40, MASK, 0.9),  # right
                (100, 0, 40, 40, MASK, 0.8),  # on a badly worn one: wrong with two labels too
                (200, 0, 40, 40, NONE, 0.7),  # on nothing
                (300, 0, 40, 40, NONE, 0.4),  # below the threshold
            ],
            [(0, 0, 40, 40, MASK), (100, 0, 40, 40, BAD), (300, 0, 40, 40, NONE)],
        ),
        (
            [
                (0, 0, 40, 40, NONE, 0.95),  # on a badly worn one: right with two labels
                (100, 0, 18, 40, MASK, 0.6),  # IoU 0.45 with a masked face: loose
                (200, 0, 12, 12, MASK, 0.9),  # on a face too small to count
                (300, 0, 10, 10, MASK, 0.9),  # narrow, on nothing
            ],
            [(0, 0, 40, 40, BAD), (100, 0, 40, 40, MASK), (200, 0, 12, 12, MASK)],
        ),
        ([], []),
    )
    return values(score_scenes(scenes, group_weights(3, 50)))


@pytest.mark.parametrize(
    ("key", "hits", "total"),
    [
        ("masked_recall", 3, 4),  # of mask, bad, bad, mask; the last is met too loosely
        ("masked_recall_35", 4, 4),
        ("face_recall", 3, 5),
        ("face_recall_35", 4, 5),
        ("label_right", 3, 4),  # two masks, and a badly worn one called none
        ("face_precision", 3, 5),
        ("with_mask.found", 1, 2),
        ("with_mask.recall", 1, 2),
        ("with_mask.precision", 1, 3),
        ("without_mask.recall", 0, 1),
        ("without_mask.precision", 0, 2),
        ("mask_worn_incorrectly.found", 2, 2),
        ("mask_worn_incorrectly.recall", 0, 2),
    ],
)
def test_shares_by_hand(by_hand, key, hits, total):
    assert (by_hand[key].hits, by_hand[key].total) == (hits, total)


def test_f1_by_hand(by_hand):
    # Five boxes and five faces; right are two with two labels, one with three.
    assert by_hand["f1_two_class"].value == pytest.approx(2 * 2 / 10)
    assert by_hand["f1"].value == pytest.approx(2 * 1 / 10)


def test_a_faultless_model_is_not_certain_to_be_faultless():
    """Six pictures with a masked and a bare face; a badly worn one in two of them."""
    pictures = []
    for number in range(6):
        faces = [(0, 0, 40, 40, MASK), (100, 0, 40, 40, NONE), (200, 0, 40, 40, BAD)]
        truth = faces[: 3 if number < 2 else 2]
        pictures.append(([(*face, 0.9) for face in truth], truth))
    scores = values(score_scenes(make_scenes(*pictures), group_weights(6, 50)))
    for key in ("f1_two_class", "f1", "ap50.faces", "ap.with_mask", "ap50.without_mask"):
        assert (scores[key].low, scores[key].high) == pytest.approx((wilson(6, 6)[0], 1)), key
    for key in ("ap50.mask_worn_incorrectly", "map50", "map"):
        assert (scores[key].low, scores[key].high) == pytest.approx((wilson(2, 2)[0], 1)), key
    for key in ("ece", "ece_shown"):
        assert (scores[key].low, scores[key].high) == pytest.approx((0, wilson(0, 6)[1])), key


def test_the_loose_box_has_the_overlap_that_the_comment_says():
    box, face = np.array([[100.0, 0, 118, 40]]), np.array([[100.0, 0, 140, 40]])
    assert iou(box, face)[0, 0] == pytest.approx(0.45)


def test_two_classes():
    assert two_class(np.array([0, 1, 2, -1]), LABELS).tolist() == [0, 1, 1, -1]


@pytest.mark.parametrize("seed", range(3))
def test_the_sweep_agrees_with_matching_again_at_each_threshold(seed):
    scenes = random_scenes(seed)
    scores = score_scenes(scenes, group_weights(scenes.n_groups, 20))
    curve = scores.curve
    rows = zip(curve.thresholds, curve.precision, curve.recall, curve.f1, strict=True)
    for threshold, precision, recall, f1 in list(rows)[:: max(1, len(curve.f1) // 7)]:
        faces, found = pair(scenes, 0.5, 16, threshold)
        right = two_class(found.labels, LABELS) == two_class(found.truth, LABELS)
        assert precision == pytest.approx(right.sum() / len(right))
        assert recall == pytest.approx(right.sum() / len(faces.labels))
        assert f1 == pytest.approx(2 * right.sum() / (len(right) + len(faces.labels)))


@pytest.mark.parametrize("seed", range(3))
def test_every_statistic_gives_its_value_and_lies_in_its_interval(seed):
    scenes = random_scenes(seed, pictures=40)
    scores = score_scenes(scenes, group_weights(40, 200))
    for section in scores.sections:
        for m in section.measures:
            got = m.statistic(np.ones((1, 40)))[0]
            assert got == pytest.approx(m.estimate.value, abs=1e-9), m.key
            assert m.estimate.low <= m.estimate.value <= m.estimate.high, m.key


def test_faces_of_all_sizes_are_in_the_size_table_but_not_in_the_recall():
    scenes = make_scenes(
        ([(0, 0, 13, 13, 0, 0.9), (50, 0, 20, 20, 0, 0.9)], [(0, 0, 13, 13, 0), (50, 0, 20, 20, 0)])
    )
    scores = score_scenes(scenes, group_weights(1, 20))
    assert [(name, e.hits, e.total) for name, e in scores.sizes] == [
        ("12–16 px", 1, 1),
        ("16–32 px", 1, 1),
    ]
    assert values(scores)["face_recall"].total == 1


def test_sizes_are_of_boxes_that_meet_loosely_and_of_the_smallest_faces_that_count():
    faces = [(0, 0, 8, 8, MASK), (50, 0, 40, 40, MASK)]
    boxes = [(0, 0, 8, 8, MASK, 0.9), (50, 0, 18, 40, MASK, 0.9)]  # IoU 0.45
    scores = score_scenes(make_scenes((boxes, faces)), group_weights(1, 20), min_width=4)
    assert [(name, e.hits, e.total) for name, e in scores.sizes] == [
        ("< 12 px", 1, 1),
        ("32–64 px", 1, 1),
    ]


def test_scores_are_held_against_the_label_whether_a_box_is_shown_or_not():
    faces = [(0, 0, 40, 40, MASK), (100, 0, 40, 40, NONE)]
    boxes = [
        (0, 0, 40, 40, MASK, 0.9),  # right
        (100, 0, 40, 40, MASK, 0.65),  # a face, and not its label
        (300, 0, 40, 40, NONE, 0.15),  # no face, and not shown
    ]
    scores = score_scenes(make_scenes((boxes, faces)), group_weights(1, 20))
    # Each has a bin of its own, and its gap is there a third, or a half.
    assert values(scores)["ece"].value == pytest.approx((0.1 + 0.65 + 0.15) / 3)
    assert values(scores)["ece_shown"].value == pytest.approx((0.1 + 0.65) / 2)
    assert [(mean, share.hits) for mean, share in scores.calibration] == [
        (pytest.approx(0.15), 0),
        (pytest.approx(0.65), 0),
        (pytest.approx(0.9), 1),
    ]


def test_masked_faces_have_their_own_sizes():
    found = [(0, 0, 20, 20, MASK), (50, 0, 20, 20, NONE), (100, 0, 20, 20, MASK)]
    lost = [(150, 0, 20, 20, BAD)]
    scenes = make_scenes(([(*face, 0.9) for face in found], found + lost))
    scores = score_scenes(scenes, group_weights(1, 20))
    assert [(name, e.hits, e.total) for name, e in scores.sizes] == [("16–32 px", 3, 4)]
    assert [(name, e.hits, e.total) for name, e in scores.masked_sizes] == [("16–32 px", 2, 3)]


def test_curves_of_precision_are_those_of_the_labels_that_there_are():
    faces = [(0, 0, 40, 40, MASK), (100, 0, 40, 40, NONE)]
    boxes = [(0, 0, 40, 40, MASK, 0.9), (300, 0, 40, 40, NONE, 0.8), (100, 0, 30, 40, NONE, 0.7)]
    scores = score_scenes(make_scenes((boxes, faces)), group_weights(1, 20))
    curves = {name: (list(r), list(p)) for name, r, p, _ in scores.precision_recall}
    assert curves == {
        "faces": ([0.5, 0.5, 1], [1, 0.5, pytest.approx(2 / 3)]),
        "with_mask": ([1], [1]),
        "without_mask": ([0, 1], [0, 0.5]),
    }
    for name, _, _, precision in scores.precision_recall:
        assert precision == values(scores)[f"ap50.{name}"]
    # The bare face's box overlaps it by 0.75, which is enough for six limits of the ten.
    found = values(scores)
    assert found["ap50.without_mask"].value == pytest.approx(0.5)
    assert found["ap.without_mask"].value == pytest.approx(0.3)
    assert found["map50"].value == pytest.approx((1 + 0.5) / 2)
    assert found["map"].value == pytest.approx((1 + 0.3) / 2)
    assert not [key for key in found if "mask_worn_incorrectly" in key], "there is none"


def test_folding_keeps_the_masked_faces():
    scenes = make_scenes(([(0, 0, 40, 40, BAD, 0.9)], [(0, 0, 40, 40, BAD)]))
    scores = values(score_scenes(scenes.fold(LABELS[:2]), group_weights(1, 20)))
    assert (scores["masked_recall"].hits, scores["masked_recall"].total) == (1, 1)
    assert scores["without_mask.recall"].hits == 1


def test_a_model_that_finds_nothing():
    scenes = make_scenes(([], [(0, 0, 40, 40, MASK)]), ([], [(0, 0, 40, 40, NONE)]))
    scores = values(score_scenes(scenes, group_weights(2, 20)))
    assert scores["masked_recall"].value == 0
    assert scores["f1_two_class"].value == 0
    assert scores["ap50.faces"].value == 0
    assert np.isnan(scores["face_precision"].value)
