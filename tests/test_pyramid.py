from dataclasses import replace

import cv2
import numpy as np
import pytest
from onnx import load, save

from masklens import MaskDetector
from masklens.boxes import iou
from masklens.bundle import Bundle
from masklens.errors import BundleError
from masklens.faces import Faces
from masklens.finder import CellFinder, load_finder
from masklens.pyramid import LARGE, PyramidFinder, closer_size
from masklens.runtime import LiteRTNetwork
from tests.test_finder import make_toy_finder


def picture_with_faces(portrait, longer):
    """A face that is a third of the picture wide, and four of 20 px beside it; their boxes."""
    canvas = np.full((longer, longer, 3), 128, np.uint8)
    face = np.array([177, 67, 273, 172], np.float32)  # read off the photograph by eye
    boxes = []
    for (x, y, side), size, left, top in (
        ((125, 0, 205), longer * 5 // 7, longer // 9, 100),
        *(((0, 0, 512), 107, longer - 166, top) for top in (100, 500, 900, 1300)),
    ):
        part = cv2.resize(portrait[y : y + side, x : x + side], (size, size))
        canvas[top : top + size, left : left + size] = part
        boxes.append((face - [x, y, x, y]) * size / side + [left, top, left, top])
    return canvas, np.array(boxes, np.float32)


@pytest.fixture(scope="module")
def large_picture(portrait):
    return picture_with_faces(portrait, 2816)


def met(found, boxes):
    """Which boxes are found, and how many of the found are none."""
    overlaps = iou(boxes, found.boxes[found.scores > 0.5]) > 0.35
    return overlaps.any(axis=1).tolist(), int((~overlaps.any(axis=0)).sum())


def test_two_sizes_find_small_faces_and_those_that_fill_the_picture(large_picture):
    picture, boxes = large_picture
    hits, wrong = met(load_finder(None, long_side=704).find(picture), boxes)
    assert hits == [True] + [False] * 4
    both = load_finder(None, long_side=(2112, 704))
    assert met(both.find(picture), boxes) == ([True] * 5, wrong), "no part of a face is a face"
    assert (both.name, both.long_side) == (load_finder(None).name, 2112)


@pytest.mark.parametrize(("longer", "searches"), [(1407, 1), (1408, 2), (4000, 2)])
def test_unless_told_otherwise_large_pictures_are_searched_at_twice_the_size(longer, searches):
    usual, larger = MaskDetector(threads=1).finder.finders
    assert (usual.long_side, larger.long_side) == (704, 1408)
    assert "network" not in vars(larger), "opened for the first large picture only"
    asked = []
    for finder in (usual, larger):
        finder.run = lambda tensor, run=finder.run: asked.append(max(tensor.shape)) or run(tensor)
    PyramidFinder([usual, larger], LARGE).find(np.zeros((longer, 300, 3), np.uint8))
    assert asked == [704, 1408][:searches]


@pytest.mark.parametrize(("own", "sizes"), [(4096, [4096, 8192]), (4097, [4097])])
def test_no_size_is_taken_that_may_not_be_asked_for(own, sizes):
    """Of a panorama it would take gigabytes for each core."""
    bundle = Bundle.load()
    card = replace(bundle.card, finder=replace(bundle.card.finder, long_side=own))
    finder = MaskDetector(replace(bundle, card=card), threads=1).finder
    assert [one.long_side for one in getattr(finder, "finders", [finder])] == sizes


def test_by_default_small_faces_of_a_large_picture_are_found(portrait):
    picture, boxes = picture_with_faces(portrait, 2200)
    hits, wrong = met(load_finder(None).find(picture), boxes)
    assert hits == [True] + [False] * 4
    assert met(load_finder(None, closer=True).find(picture), boxes) == ([True] * 5, wrong)


def test_a_finder_of_ones_own_is_run_as_it_is():
    own = CellFinder(Bundle.load().path("finder.onnx"))
    assert MaskDetector(finder=own).finder is own


def test_a_small_picture_is_searched_at_the_first_size_only(portrait):
    usual = load_finder(None, long_side=704)
    both = load_finder(None, long_side=(704, 2112))
    assert isinstance(both, PyramidFinder)
    np.testing.assert_array_equal(both.find(portrait).boxes, usual.find(portrait).boxes)


class Told:
    """A finder that finds one box, whatever it sees, and remembers that it was asked."""

    name, nms_iou = "told", 0.5

    def __init__(self, long_side, box):
        self.long_side, self.box, self.asked = long_side, np.array([box], np.float32), 0

    def find(self, image):
        self.asked += 1
        return Faces(self.box, np.ones(1, np.float32), np.zeros((1, 5, 2), np.float32))


@pytest.mark.parametrize(("longer", "asked"), [(600, 0), (799, 0), (800, 1)])
def test_a_larger_size_is_searched_where_it_gains_something(longer, asked):
    usual, larger = Told(600, [0, 0, 9, 9]), Told(1200, [50, 50, 59, 59])
    PyramidFinder([usual, larger]).find(np.zeros((longer, 300, 3), np.uint8))
    assert (usual.asked, larger.asked) == (1, asked)


@pytest.mark.parametrize("tall", [False, True])
@pytest.mark.parametrize(
    ("longer", "side", "count"),
    [
        (900, 190, 2),  # not enlarged, so that a pixel there is one of the picture
        (900, 194, 1),
        (2400, 382, 2),  # two of the picture's pixels
        (2400, 386, 1),
    ],
)
def test_large_faces_are_those_of_the_usual_size(longer, side, count, tall):
    box = [150, 50, 160, 50 + side] if tall else [50, 150, 50 + side, 160]
    usual, larger = Told(600, [0, 0, 9, 9]), Told(1200, box)
    found = PyramidFinder([usual, larger]).find(np.zeros((longer, 900, 3), np.uint8))
    assert len(found) == count


def test_no_more_faces_than_of_one_size():
    """The surest 500, as each finder gives by itself."""
    usual, larger = Told(600, [0, 0, 9, 9]), Told(1200, [0, 0, 9, 9])
    row, column = np.mgrid[:20, :20].reshape(2, -1, 1) * 10
    boxes = np.hstack([column, row, column + 9, row + 9]).astype(np.float32)
    for finder, x, sure in ((usual, 0, 0.3), (larger, 500, 0.6)):
        scores = np.linspace(sure, sure + 0.2, 400, dtype=np.float32)
        faces = Faces(boxes + np.float32([x, 0, x, 0]), scores, np.zeros((400, 5, 2), np.float32))
        finder.find = lambda image, faces=faces: faces
    found = PyramidFinder([usual, larger]).find(np.zeros((1200, 1200, 3), np.uint8))
    assert len(found) == 500
    assert (found.boxes[:, 0] >= 500).sum() == 400


def test_larger_sizes_do_not_enlarge():
    usual, larger = load_finder(None, long_side=(704, 2112)).finders
    assert usual.prepare(np.zeros((400, 400, 3), np.uint8))[1] > 1
    assert larger.prepare(np.zeros((1000, 1000, 3), np.uint8))[1] == 1


def test_one_size_in_a_list_is_that_size():
    assert load_finder(None, long_side=[640]).long_side == 640
    assert not isinstance(load_finder("yunet", long_side=(640, 640)), PyramidFinder)
    assert load_finder("yunet", long_side=(640, 1280)).long_side == 1280


@pytest.mark.parametrize("own", [True, False])
def test_a_size_that_is_asked_for_leaves_litert_and_its_one_size(own):
    pytest.importorskip("ai_edge_litert")
    bundle = Bundle.load() if own else None
    usual = load_finder(None, 1, "litert", bundle=bundle)
    assert (type(usual.network), usual.fixed) == (LiteRTNetwork, (640, 640))
    for size in (1600, [1600]):
        found = load_finder(None, 1, "litert", bundle=bundle, long_side=size)
        assert (found.fixed, found.long_side) == (None, 1600)
    both = load_finder(None, 1, "litert", bundle=bundle, long_side=(704, 2112))
    assert isinstance(both, PyramidFinder)


def test_a_phones_bundle_has_nothing_that_takes_a_size():
    pytest.importorskip("ai_edge_litert")
    whole = Bundle.load()
    files = {name: digest for name, digest in whole.card.files.items() if name.endswith(".tflite")}
    phone = replace(whole, card=replace(whole.card, files=files))
    assert load_finder(None, 1, "litert", bundle=phone).fixed == (640, 640)
    with pytest.raises(BundleError, match=r"no finder\.onnx, which a long_side needs"):
        load_finder(None, 1, "litert", bundle=phone, long_side=704)


def test_a_file_of_a_fixed_size_is_run_once(tmp_path):
    path = tmp_path / "finder.onnx"
    make_toy_finder(path)
    model = load(path)
    for dim in model.graph.input[0].type.tensor_type.shape.dim[1:3]:
        dim.dim_value = 64
    save(model, path)
    assert isinstance(load_finder(path, long_side=(704, 2112)), CellFinder)


@pytest.mark.parametrize(
    ("longer", "size"), [(704, None), (2816, None), (2817, 2112), (2880, 2112), (8000, 2816)]
)
def test_the_size_that_looks_closer(longer, size):
    assert closer_size(longer, 704) == size
