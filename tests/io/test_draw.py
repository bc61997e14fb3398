import numpy as np
import pytest

from masklens.detections import Detections
from masklens.io.draw import COLOURS, draw_detections
from masklens.labels import LABELS


def detections(boxes, label=0):
    n = len(boxes)
    probabilities = np.zeros((n, 3), np.float32)
    probabilities[:, label] = 1
    return Detections(
        boxes=np.asarray(boxes, np.float32).reshape(n, 4),
        scores=np.full(n, 0.97, np.float32),
        face_scores=np.ones(n, np.float32),
        probabilities=probabilities,
        labels=LABELS,
        landmarks=np.zeros((n, 5, 2), np.float32),
        track_ids=np.full(n, -1),
    )


@pytest.mark.parametrize("label", range(3))
def test_the_box_has_the_colour_of_its_label(label):
    image = np.full((200, 300, 3), 128, np.uint8)
    drawn = draw_detections(image, detections([[100, 80, 160, 150]], label))
    assert (drawn[120, 100] == COLOURS[LABELS[label]]).all()
    assert (image == 128).all(), "the picture itself is left alone"
    assert (drawn[110:140, 110:150] == 128).all(), "the face is not covered"


@pytest.mark.parametrize(
    "box",
    [
        (0, 0, 40, 40),
        (260, 0, 300, 40),
        (0, 160, 40, 200),
        (260, 160, 300, 200),
        (0, 0, 300, 200),
        (298, 198, 300, 200),
    ],
)
def test_labels_stay_inside_and_are_whole(box):
    """The label's filled background is as large at the border as in the middle."""
    image = np.full((200, 300, 3), 128, np.uint8)
    width = box[2] - box[0]
    middle = (130, 90, 130 + width, 90 + box[3] - box[1])

    def background(where):
        drawn = draw_detections(image, detections([where], 1))
        return (drawn == COLOURS["without_mask"]).all(axis=2).sum()

    if width < 100:
        assert background(box) > 0.8 * background(middle)
    assert background(box) > 100


@pytest.mark.parametrize("shape", [(1, 1), (5, 200), (200, 5), (12, 12), (4000, 3000)])
def test_any_picture_size(shape):
    image = np.zeros((*shape, 3), np.uint8)
    box = [0, 0, shape[1], shape[0]]
    assert draw_detections(image, detections([box])).shape == image.shape


def test_labels_of_neighbours_do_not_cover_each_other():
    image = np.full((300, 400, 3), 128, np.uint8)
    boxes = [[100, 100, 150, 160], [140, 100, 190, 160]]
    one = (draw_detections(image, detections(boxes[:1])) != 128).any(axis=2).sum()
    both = (draw_detections(image, detections(boxes)) != 128).any(axis=2).sum()
    assert both > 1.7 * one


def test_nothing_found_draws_nothing():
    image = np.full((20, 30, 3), 128, np.uint8)
    assert (draw_detections(image, Detections.empty()) == image).all()
