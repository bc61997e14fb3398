import numpy as np
import pytest

from masklens.boxes import iou


def test_iou_of_known_boxes() -> None:
    a = np.array([[0, 0, 10, 10]], np.float32)
    b = np.array([[0, 0, 10, 10], [5, 0, 15, 10], [20, 20, 30, 30]], np.float32)
    assert iou(a, b) == pytest.approx(np.array([[1, 1 / 3, 0]]))
