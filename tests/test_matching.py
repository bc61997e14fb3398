"""Matching by hand-drawn boxes."""

import numpy as np
import pytest

from masklens.boxes import iou
from masklens.matching import match
from tests.evaluation.makers import make_boxes


def matched(found, truth, min_iou=0.5, min_width=16):
    boxes = make_boxes(
        [(*box, 0, 1 - i / 10) for i, box in enumerate(found)], [(*box, 0) for box in truth]
    )
    overlaps = iou(boxes.found, boxes.truth)
    return match(boxes.found, overlaps, boxes.truth, min_iou, min_width)


def test_iou_by_hand():
    a = np.array([[0.0, 0, 10, 10]])
    b = np.array([[0.0, 0, 10, 10], [5, 0, 15, 10], [10, 0, 20, 10], [2, 2, 4, 4]])
    assert iou(a, b)[0] == pytest.approx([1, 50 / 150, 0, 4 / 100])
    assert iou(a, np.zeros((0, 4))).shape == (1, 0)


FACE, SMALL, FAR = (100, 100, 40, 40), (10, 10, 12, 12), (300, 300, 40, 40)


@pytest.mark.parametrize(
    ("found", "truth", "expected", "ignored"),
    [
        ([FACE], [FACE], [0], [False]),
        ([FAR], [FACE], [-1], [False]),  # on nothing
        ([FACE, (101, 100, 40, 40)], [FACE], [0, -1], [False, False]),  # a second box is wrong
        ([SMALL], [SMALL], [0], [True]),  # on a face too small to count
        ([(200, 10, 12, 12)], [FACE], [-1], [True]),  # narrow, and on nothing
        ([(200, 10, 15.9, 99)], [FACE], [-1], [True]),  # it is the width that counts
        ([(200, 10, 16, 99)], [FACE], [-1], [False]),  # wide enough, and on nothing
        ([(10, 10, 16, 40)], [(10, 10, 16, 40)], [0], [False]),  # a face just wide enough counts
        ([FAR], [SMALL], [-1], [False]),  # a face that does not count excuses no box elsewhere
        ([], [FACE], [], []),
        ([FACE], [], [-1], [False]),
    ],
)
def test_matching(found, truth, expected, ignored):
    result = matched(found, truth)
    assert result.truth.tolist() == expected
    assert result.ignored.tolist() == ignored


def test_a_face_that_counts_is_preferred_to_one_that_does_not():
    narrow, wide = (100, 100, 15, 30), (100, 100, 20, 30)
    result = matched([(100, 100, 16, 30)], [narrow, wide])
    assert result.truth.tolist() == [1]
    assert result.counted.tolist() == [False, True]


def test_what_lies_in_a_crowd_and_meets_no_face_counts_neither_way():
    inside, half_out, face = (210, 10, 250, 50), (280, 10, 330, 50), (100, 100, 140, 140)
    crowd = np.array([[200, 0, 300, 100], [90, 90, 150, 150]], float)
    boxes = np.array([inside, half_out, face, inside], float)
    truth = np.array([face], float)
    result = match(boxes, iou(boxes, truth), truth, 0.5, 16, crowd)
    assert result.truth.tolist() == [-1, -1, 0, -1]
    assert result.ignored.tolist() == [True, False, False, True]


def test_a_box_that_lies_in_a_crowd_by_as_much_as_the_limit_counts_neither_way():
    crowd, half = np.array([[200, 0, 300, 100]], float), np.array([[280, 10, 320, 50]], float)
    none = np.zeros((0, 4))
    assert match(half, np.zeros((1, 0)), none, 0.5, 16, crowd).ignored.tolist() == [True]


def test_a_crowd_and_a_face_that_does_not_count_of_equal_overlap():
    """The crowd takes the box, as in the COCO tools, and the face is left for the next one."""
    face, crowd = np.array([[0, 0, 15, 40]], float), np.array([[15, 0, 99, 40]], float)
    boxes = np.array([[0, 0, 30, 40], [0, 0, 16, 40]], float)
    result = match(boxes, iou(boxes, face), face, 0.5, 16, crowd)
    assert result.truth.tolist() == [-1, 0]
    assert result.ignored.tolist() == [True, True]


def test_the_surest_box_chooses_first():
    left, right = (100, 100, 40, 40), (120, 100, 40, 40)
    # The first box lies between both and takes the right one; the second must take the left one.
    result = matched([(112, 100, 40, 40), (110, 100, 40, 40)], [left, right], min_iou=0.4)
    assert result.truth.tolist() == [1, 0]


def test_of_equal_overlaps_the_last_wins():
    left, right = (100, 100, 40, 40), (120, 100, 40, 40)
    assert matched([(110, 100, 40, 40)], [left, right]).truth.tolist() == [1]


def test_overlap_exactly_at_the_limit_counts():
    assert matched([(100, 100, 40, 20)], [FACE]).truth.tolist() == [0]
