import cv2
import numpy as np
import pytest

from masklens.boxes import intersection
from masklens.detections import Detections
from masklens.io import draw
from masklens.io.draw import COLOURS, draw_detections, draw_lost, draw_status
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


@pytest.mark.parametrize("label", range(3))
@pytest.mark.parametrize("side", range(20, 60, 4))
def test_the_words_in_a_small_picture_are_not_cut(side, label):
    """Cut, "97%" reads as another number."""
    image = np.full((side, side, 3), 90, np.uint8)
    drawn = draw_detections(image, detections([[1, side // 2, side - 1, side - 1]], label))
    above = drawn[: side // 2 - 2]
    written = np.flatnonzero((above != 90).any(axis=(0, 2)))
    first, last = above[:, written[0]], above[:, written[-1]]
    for edge in (first, last):  # of the label: its background, and no ink
        inked = (edge != 90).any(axis=1) & (edge != COLOURS[LABELS[label]]).any(axis=1)
        assert not inked.any()


@pytest.mark.parametrize("shape", [(1, 1), (5, 200), (200, 5), (12, 12), (4000, 3000)])
def test_any_picture_size(shape):
    image = np.zeros((*shape, 3), np.uint8)
    box = [0, 0, shape[1], shape[0]]
    assert draw_detections(image, detections([box])).shape == image.shape


def test_small_faces_of_a_large_picture_can_be_seen():
    image = np.full((4000, 6000, 3), 128, np.uint8)
    drawn = draw_detections(image, detections([[3000, 2000, 3030, 2036], [500, 500, 1500, 1700]]))
    assert (drawn[2002:2034, 3002:3028] == 128).all()
    assert (drawn[1000, 494:506] == COLOURS[LABELS[0]]).all(), "large faces keep their bold line"


def test_labels_stand_at_the_thin_boxes_of_a_panorama():
    """The line of a box follows its face; a label that kept off a bolder one hung in the air."""
    image = np.full((300, 6000, 3), 128, np.uint8)
    drawn = draw_detections(image, detections([[3000, 150, 3040, 200]]))
    above = (drawn[:151, 3010] != 128).any(axis=1)
    assert above[np.flatnonzero(above)[0] :].all()


def test_labels_of_neighbours_do_not_cover_each_other():
    image = np.full((300, 400, 3), 128, np.uint8)
    boxes = [[100, 100, 150, 160], [140, 100, 190, 160]]
    one = (draw_detections(image, detections(boxes[:1])) != 128).any(axis=2).sum()
    both = (draw_detections(image, detections(boxes)) != 128).any(axis=2).sum()
    assert both > 1.7 * one


@pytest.fixture
def places(monkeypatch):
    """Where labels were drawn, (N, 4), xyxy, in the order of the faces."""
    drawn = []

    def seen(*arguments):
        drawn.append(draw_label(*arguments))
        return drawn[-1]

    draw_label = draw._draw_label
    monkeypatch.setattr(draw, "_draw_label", seen)
    return drawn


def test_labels_keep_off_each_other(places):
    """Five small faces in a row, with labels twice as wide."""
    boxes = [[x, 100, x + 30, 130] for x in range(100, 300, 40)]
    draw_detections(np.full((300, 400, 3), 128, np.uint8), detections(boxes))
    common = intersection(np.array(places), np.array(places))
    assert common.sum() == common.trace()


@pytest.mark.parametrize("label", range(3))
@pytest.mark.parametrize("first_track", [-1, 100])
def test_labels_of_a_long_row_cover_neither_faces_nor_each_other(places, label, first_track):
    """Where whole labels no longer fit, some are shorter: a cut number is another one."""
    boxes = np.array([[x, 120, x + 30, 160] for x in range(10, 1960, 40)])
    row = detections(boxes, label)
    row.track_ids[:] = np.arange(len(row)) + first_track if first_track > 0 else -1
    draw_detections(np.full((300, 2000, 3), 128, np.uint8), row)
    assert not intersection(np.array(places), boxes).any()
    words = np.array(places) + np.array([2, 2, -2, -2])  # labels have so wide a margin
    common = intersection(words, np.array(places))
    assert common.sum() == common.trace()


@pytest.mark.parametrize("label", range(3))
def test_small_faces_are_not_hidden_by_their_own_labels(places, label):
    """In a column with no room above or below there is room beside them."""
    boxes = np.array(
        [[x, y, x + 14, y + 16] for x in range(20, 380, 45) for y in range(20, 280, 20)]
    )
    draw_detections(np.full((300, 400, 3), 128, np.uint8), detections(boxes, label))
    assert not intersection(np.array(places), boxes).any()


def test_a_label_keeps_its_size_while_its_face_moves(places):
    """By parts of a pixel, as tracks do: 59.8 pixels wide, the face is rounded to 59 or to 60."""
    for x in np.arange(100, 102, 0.1):
        draw_detections(np.full((300, 400, 3), 128, np.uint8), detections([[x, 99, x + 59.8, 180]]))
    sizes = np.array(places)[:, 2:] - np.array(places)[:, :2]
    assert (sizes == sizes[0]).all()


def test_the_label_of_a_close_up_is_whole(places):
    """It lies on the face, which can spare the strip."""
    draw_detections(np.full((300, 300, 3), 128, np.uint8), detections([[0, 0, 300, 300]]))
    draw_detections(np.full((300, 300, 3), 128, np.uint8), detections([[60, 90, 240, 290]]))
    (on_face, above) = places
    assert (on_face[2:] - on_face[:2] == above[2:] - above[:2]).all()


def test_the_box_of_the_surest_face_lies_on_top():
    both = detections([[50, 50, 100, 100], [80, 80, 130, 130]])
    both.probabilities[1] = 0, 1, 0
    drawn = draw_detections(np.full((200, 200, 3), 128, np.uint8), both)
    assert (drawn[100, 80] == COLOURS["with_mask"]).all(), "where the lines cross"


#: What eyes without red cones, and without green ones, see of linear RGB (Machado, Oliveira and
#: Fernandes 2009, "A Physiologically-based Model for Simulation of Color Vision Deficiency").
CONES = {
    "all": np.eye(3),
    "no red": [[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]],
    "no green": [[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]],
}


@pytest.mark.parametrize("cones", CONES)
def test_colours_stay_apart(cones):
    """By more than 30 in CIELAB; 2.3 can just be told, and a box's line is a pixel wide."""
    rgb = np.array([[COLOURS[label] for label in LABELS]], np.float32) / 255
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    seen = (linear @ np.transpose(CONES[cones])).clip(0, 1)
    (lab,) = cv2.cvtColor(seen.astype(np.float32), cv2.COLOR_LRGB2Lab)
    apart = np.linalg.norm(lab[:, None] - lab, axis=2)
    assert apart[~np.eye(3, dtype=bool)].min() > 30


@pytest.mark.parametrize(("label", "ink"), [(0, 0), (1, 255), (2, 0)])
def test_a_label_can_be_read(label, ink):
    """White on red, black on green and orange."""
    drawn = draw_detections(
        np.full((200, 300, 3), 128, np.uint8), detections([[100, 80, 160, 150]], label)
    )
    assert (drawn == ink).all(axis=2).any()


def test_a_label_keeps_off_other_faces():
    """Above the lower face lies the upper one, and there is room below."""
    image = np.full((300, 300, 3), 128, np.uint8)
    upper, lower = [100, 100, 150, 150], [100, 152, 150, 202]
    drawn = draw_detections(image, detections([lower, upper]))
    assert (drawn[104:146, 104:146] == 128).all()
    assert (drawn[156:198, 104:146] == 128).all()
    assert (drawn[204:220, 100:150] != 128).any()


@pytest.mark.parametrize("label", range(3))
def test_in_a_crowd_labels_are_short_and_faces_can_be_seen(label):
    image = np.full((240, 360, 3), 128, np.uint8)
    boxes = [[x, y, x + 14, y + 16] for x in range(10, 340, 30) for y in range(20, 210, 34)]
    drawn = draw_detections(image, detections(boxes, label))
    free = [(drawn[y + 2 : y + 14, x + 2 : x + 12] == 128).all() for x, y, *_ in boxes]
    assert all(free)
    signs = (drawn != 128).any(axis=2).sum() / len(boxes)
    assert 100 < signs < 350, "a box, and a sign of some pixels"


def test_the_words_of_few_faces_are_whole():
    image = np.full((240, 360, 3), 128, np.uint8)
    one = (draw_detections(image, detections([[100, 100, 112, 114]], 1)) != 128).any(axis=2).sum()
    assert one > 600


def test_nothing_found_draws_nothing():
    image = np.full((20, 30, 3), 128, np.uint8)
    assert (draw_detections(image, Detections.empty()) == image).all()


def status(width, fps=25.0):
    """The columns of the line along the lower edge of a picture so many pixels wide."""
    drawn = draw_status(np.full((40, width, 3), 90, np.uint8), detections([[1, 1, 9, 9]] * 12), fps)
    return drawn[:, (drawn != 90).any(axis=(0, 2))]


@pytest.mark.parametrize("width", range(20, 400, 17))
def test_the_counts_of_a_small_film_are_not_cut(width):
    """Cut, "12 mask" reads as one."""
    line = status(width)
    edge = line[:, -1:].reshape(-1, 3)
    inked = (edge != 90).any(axis=1) & (edge != 32).any(axis=1)
    assert not inked.any(), "the line ends with its background"
    assert width < 60 or line.size


def test_a_slow_computer_does_more_than_no_frames_a_second():
    assert (status(640, 0.3) != status(640, 0.4)).any()
    assert status(640, 0.0).shape[1] < status(640, 9.0).shape[1], (
        "not known before the second frame"
    )


@pytest.mark.parametrize("shape", [(1, 1), (5, 200), (200, 5), (40, 60), (1080, 1920)])
def test_any_size_of_film(shape):
    image = np.full((*shape, 3), 90, np.uint8)
    assert draw_lost(image).shape == image.shape
    assert draw_status(image, detections([[0, 0, 1, 1]]), 25.0).shape == image.shape
