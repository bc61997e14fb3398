"""Average precision: by hand, against both COCO tools, and our resamples against the tool."""

import contextlib
import io

import numpy as np
import pytest

from masklens.evaluation.average_precision import (
    IOUS,
    ResampledPrecision,
    coco_average_precision,
)
from masklens.intervals import group_weights
from tests.evaluation.makers import crowded, make_boxes, random_scenes


def test_by_hand():
    # Two faces; boxes in order of score: right, wrong, right. Precision 1 up to recall 0.5, then
    # 2/3: over 101 recall levels (51 · 1 + 50 · 2/3) / 101.
    picture = make_boxes(
        [(0, 0, 40, 40, 0, 0.9), (300, 300, 40, 40, 0, 0.8), (100, 0, 40, 40, 0, 0.7)],
        [(0, 0, 40, 40, 0), (100, 0, 40, 40, 0)],
    )
    expected = (51 + 50 * 2 / 3) / 101
    values = coco_average_precision([picture], 1, 16)
    assert values[0] == pytest.approx((expected, expected))
    ours = ResampledPrecision([picture], 0, 16, np.array([0]))
    assert ours.at_half(np.ones((1, 1)))[0] == pytest.approx(expected)


def test_a_curve_by_hand():
    """Right, wrong, neither for its width, and right; of four faces, and one that is narrow."""
    picture = make_boxes(
        [
            (0, 0, 40, 40, 0, 0.9),
            (300, 300, 40, 40, 0, 0.8),
            (500, 300, 12, 40, 0, 0.75),
            (100, 0, 22, 40, 0, 0.7),  # IoU 0.55: at 0.5 alone
        ],
        [(x, 0, 40, 40, 0) for x in (0, 100, 200, 300)] + [(400, 0, 12, 40, 0)],
    )
    recall, precision = ResampledPrecision([picture], 0, 16, np.array([0])).curve()
    assert recall == pytest.approx([1 / 4, 1 / 4, 2 / 4])
    assert precision == pytest.approx([1, 1 / 2, 2 / 3])


def test_nothing_found_and_nothing_there():
    lost = make_boxes([], [(0, 0, 40, 40, 0)])
    assert coco_average_precision([lost], 1, 16)[0] == (0, 0)
    assert ResampledPrecision([lost], 0, 16, np.array([0])).at_half(np.ones((1, 1)))[0] == 0
    empty = make_boxes([(0, 0, 40, 40, 0, 0.9)], [])
    assert np.isnan(coco_average_precision([empty], 1, 16)[0][0])
    assert np.isnan(ResampledPrecision([empty], 0, 16, np.array([0])).at_half(np.ones((1, 1)))[0])


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("min_width", [0, 16, 40])
@pytest.mark.parametrize("crowds", [False, True])
def test_our_resamples_agree_with_faster_coco_eval(seed, min_width, crowds):
    scenes = random_scenes(seed)
    scenes = crowded(scenes) if crowds else scenes
    values = coco_average_precision(scenes.pictures, 3, min_width)
    ones = np.ones((1, scenes.n_groups))
    for label in (-1, 0, 1, 2):
        ours = ResampledPrecision(scenes.pictures, label, min_width, scenes.groups)
        assert ours.at_half(ones)[0] == pytest.approx(values[label][0], abs=1e-9)
        assert ours.over_ious(ones)[0] == pytest.approx(values[label][1], abs=1e-9)


@pytest.mark.parametrize("count", [7, 50, 100, 350])
def test_recalls_that_are_no_binary_fractions(count):
    """Each recall takes as many hits as the tool says: precision falls with every hit."""
    places = [(50 * i, 0, 40, 40, 0) for i in range(count)]
    right = [(*place, 1 - i / 1000) for i, place in enumerate(places)]
    wrong = [(50 * i, 500, 40, 40, 0, 1 - (i + 0.5) / 1000) for i in range(count)]
    picture = make_boxes(right + wrong, places)
    ours = ResampledPrecision([picture], 0, 16, np.array([0])).at_half(np.ones((1, 1)))
    assert ours[0] == pytest.approx(coco_average_precision([picture], 1, 16)[0][0], abs=1e-12)


def test_resamples_do_not_know_of_each_other():
    scenes = random_scenes(5)
    ours = ResampledPrecision(scenes.pictures, 0, 16, scenes.groups)
    weights = np.vstack([group_weights(scenes.n_groups, 20), np.eye(scenes.n_groups)])
    for statistic in (ours.at_half, ours.over_ious):
        alone = [statistic(row[None])[0] for row in weights]
        assert np.isnan(alone).any(), "pictures without such a face"
        np.testing.assert_allclose(statistic(weights), alone, rtol=1e-12)


def test_a_resample_is_what_repeating_the_pictures_gives():
    scenes = random_scenes(7, pictures=12)
    times = np.array([0, 2, 1, 1, 0, 3, 1, 1, 2, 0, 0, 1])
    repeated = [p for p, n in zip(scenes.pictures, times, strict=True) for _ in range(n)]
    ours = ResampledPrecision(scenes.pictures, 0, 16, scenes.groups)
    expected = coco_average_precision(repeated, 3, 16)[0]
    assert ours.at_half(times[None].astype(float))[0] == pytest.approx(expected[0], abs=0.01)
    assert ours.over_ious(times[None].astype(float))[0] == pytest.approx(expected[1], abs=0.01)


@pytest.mark.parametrize("seed", range(2))
def test_faster_coco_eval_agrees_with_pycocotools(seed):
    pycocotools = pytest.importorskip("pycocotools.coco")
    from pycocotools.cocoeval import COCOeval

    scenes = crowded(random_scenes(seed), seed)
    images = [{"id": i, "width": 1, "height": 1} for i in range(len(scenes.pictures))]
    truth, crowds, found = [], [], []
    for image, picture in enumerate(scenes.pictures):
        for (x1, y1, x2, y2), label in zip(picture.truth, picture.truth_labels, strict=True):
            truth.append((image, label, [x1, y1, x2 - x1, y2 - y1]))
        for (x1, y1, x2, y2), label in zip(picture.crowds, picture.crowd_labels, strict=True):
            crowds.append((image, label, [x1, y1, x2 - x1, y2 - y1]))
        for (x1, y1, x2, y2), label, score in zip(
            picture.found, picture.found_labels, picture.scores, strict=True
        ):
            found.append((image, label, [x1, y1, x2 - x1, y2 - y1], score))

    def entries(rows):
        return [
            {"id": i + 1, "image_id": row[0], "category_id": int(row[1]), "bbox": row[2],
             "area": row[2][2], "iscrowd": int(row in crowds)}
            | ({"score": row[3]} if len(row) > 3 else {})
            for i, row in enumerate(rows)
        ]  # fmt: skip

    with contextlib.redirect_stdout(io.StringIO()):
        cocos = []
        for rows in (truth + crowds, found):
            coco = pycocotools.COCO()
            coco.dataset = {
                "images": images,
                "categories": [{"id": i, "name": str(i)} for i in range(3)],
                "annotations": entries(rows),
            }
            coco.createIndex()
            cocos.append(coco)
        evaluation = COCOeval(*cocos, "bbox")
        evaluation.params.areaRng = [[16, 1e10]]
        evaluation.params.areaRngLbl = ["all"]
        evaluation.params.maxDets = [1000]
        evaluation.evaluate()
        evaluation.accumulate()
    precision = evaluation.eval["precision"]
    assert precision.shape[0] == len(IOUS)
    values = coco_average_precision(scenes.pictures, 3, 16)
    for label in range(3):
        assert values[label][0] == pytest.approx(precision[0, :, label, 0, -1].mean(), abs=1e-9)
        assert values[label][1] == pytest.approx(precision[:, :, label, 0, -1].mean(), abs=1e-9)
