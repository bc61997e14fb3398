"""Which finder is taken, and what happens with files that are none."""

import dataclasses
import json

import numpy as np
import pytest
from onnx import TensorProto, helper, load, numpy_helper, save

from masklens import MaskDetector
from masklens.bundle import FINDER_CARD_FILE, Bundle, write_bundle
from masklens.card import FaceCalibration, FinderCard
from masklens.errors import BundleError
from masklens.faces import YuNet
from masklens.finder import CellFinder, bundle_finder, grid, load_finder, shipped_finder
from masklens.runtime import OnnxNetwork
from tests.conftest import make_toy_model, toy_card


def make_toy_finder(path, strides=(8, 16, 32), side=64, box=(-1, -0.5, 2, 3)):
    """A finder for 64×64 that answers, whatever it sees, with one face at cell (2, 1), stride 8."""
    cells = sum((side // stride) ** 2 for stride in strides)
    tables = {
        "face": np.zeros((1, cells), np.float32),
        "box": np.zeros((1, cells, 4), np.float32),
        "landmarks": np.zeros((1, cells, 10), np.float32),
        "labels": np.full((1, cells, 3), 1 / 3, np.float32),
    }
    place = 1 * (side // strides[0]) + 2
    tables["face"][0, place] = 0.75
    tables["box"][0, place] = box
    tables["landmarks"][0, place] = 0.5
    graph = helper.make_graph(
        [helper.make_node("ReduceMin", ["image"], ["low"], keepdims=0),
         helper.make_node("Mul", ["low", "zero"], ["nothing"]),
         *(helper.make_node("Add", [f"{n}_w", "nothing"], [n]) for n in tables)],
        "toy",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", "h", "w", 3])],
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, v.shape) for n, v in tables.items()],
        [numpy_helper.from_array(np.array(0, np.float32), "zero"),
         *(numpy_helper.from_array(v, f"{n}_w") for n, v in tables.items())],
    )  # fmt: skip
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)


@pytest.fixture
def finder_bundle(tmp_path):
    make_toy_model(tmp_path / "toy.onnx")
    make_toy_finder(tmp_path / "finder.onnx")
    card = dataclasses.replace(toy_card(), finder=FinderCard(long_side=64))
    files = {"classifier.onnx": tmp_path / "toy.onnx", "finder.onnx": tmp_path / "finder.onnx"}
    write_bundle(tmp_path / "bundle", card, files)
    return Bundle.load(tmp_path / "bundle")


def test_one_rule_turns_cells_into_pixels(finder_bundle):
    finder = load_finder(None, bundle=finder_bundle)
    assert isinstance(finder, CellFinder)
    found = finder.find(np.zeros((32, 32, 3), np.uint8))  # scaled by 2 to 64×64
    # (2 - 1, 1 - 0.5, 2 + 2, 1 + 3) cells · 8 px / scale 2
    np.testing.assert_allclose(found.boxes, [[4, 2, 16, 16]])
    np.testing.assert_allclose(found.landmarks[0], np.tile([10.0, 6.0], (5, 1)))
    np.testing.assert_allclose(found.scores, [0.75])


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ((-9, -9, 9, 2), [[0, 0, 40, 24]]),
        ((-9, -9, -4, 2), []),  # left of the picture
        ((-1, 7.5, 1, 8.5), []),  # below it
    ],
)
def test_boxes_end_with_the_picture(tmp_path, box, expected):
    make_toy_finder(tmp_path / "finder.onnx", box=box)
    finder = CellFinder(tmp_path / "finder.onnx", FinderCard(long_side=64))
    assert finder.find(np.zeros((64, 40, 3), np.uint8)).boxes.tolist() == expected


def test_of_more_faces_than_asked_for_the_surest_are_kept(portrait):
    two = np.hstack([portrait, portrait])
    every = load_finder(None).find(two)
    one = load_finder(None, max_faces=1).find(two)
    assert (len(every), len(one)) == (2, 1)
    assert one.scores[0] == every.scores.max()


def test_the_detector_takes_the_bundles_own_finder_else_the_shipped_one(finder_bundle, toy_bundle):
    own, shipped, yunet = (
        MaskDetector(bundle, finder=finder).finder.finders[0]
        for bundle, finder in ((finder_bundle, None), (toy_bundle, None), (finder_bundle, "yunet"))
    )
    assert isinstance(own, CellFinder)
    assert isinstance(shipped, CellFinder)
    assert own.long_side == 64 != shipped.long_side
    assert isinstance(yunet, YuNet)


def test_the_grid_by_hand():
    corners, strides = grid(32, 64, (16, 32))
    assert strides.tolist() == [16] * 8 + [32] * 2
    assert corners[:5].tolist() == [[0, 0], [1, 0], [2, 0], [3, 0], [0, 1]]
    with pytest.raises(ValueError, match="read-only"):  # every finder shares them
        corners[0] = 1


def test_small_pictures_are_enlarged_at_most_by_the_cards_measure(finder_bundle):
    finder = load_finder(None, bundle=finder_bundle)
    tensor, scale = finder.prepare(np.full((10, 8, 3), 7, np.uint8))  # long_side is 64
    assert scale == 2
    assert np.count_nonzero(tensor) == 20 * 16 * 3


def test_shrinking_loses_no_pixel(finder_bundle):
    stripes = np.zeros((256, 256, 3), np.uint8)
    stripes[:, ::4] = 200  # one column in four
    tensor, scale = load_finder(None, bundle=finder_bundle).prepare(stripes)
    assert scale == 1 / 4
    assert np.unique(tensor).tolist() == [50]


def test_a_fixed_size_is_filled_as_far_as_the_picture_goes(finder_bundle):
    finder = load_finder(None, bundle=finder_bundle)
    finder.fixed = (64, 128)
    for shape, filled, expected in (
        ((100, 100), (64, 64), 0.64),
        ((50, 200), (32, 128), 0.64),
        ((200, 50), (64, 16), 0.32),
    ):
        tensor, scale = finder.prepare(np.full((*shape, 3), 7, np.uint8))
        assert (tensor.shape, scale) == ((1, 64, 128, 3), expected)
        assert np.argwhere(tensor[0, :, :, 0]).max(axis=0).tolist() == [side - 1 for side in filled]


def test_without_calibration_only_sure_faces_are_returned(finder_bundle):
    card = finder_bundle.card
    assert card.face_calibration is None
    wary = dataclasses.replace(card, finder=dataclasses.replace(card.finder, sure_score=0.8))
    image = np.zeros((32, 32, 3), np.uint8)  # its face has 0.75
    assert len(bundle_finder(dataclasses.replace(finder_bundle, card=wary)).find(image)) == 0
    wary_bundle = dataclasses.replace(finder_bundle, card=wary)
    for asked, count in ((0.75, 1), (0.76, 0)):
        assert len(bundle_finder(wary_bundle, min_score=asked).find(image)) == count
    weighed = dataclasses.replace(wary, face_calibration=FaceCalibration(0, 1, 1))
    assert len(bundle_finder(dataclasses.replace(finder_bundle, card=weighed)).find(image)) == 1


def test_the_shipped_finder_alone_returns_sure_faces_only():
    card = Bundle.load().card.finder
    assert shipped_finder().min_score == card.sure_score > card.min_score


def run_folder(folder, card):
    """A folder as train-finder leaves it, without the record of the training."""
    folder.mkdir()
    make_toy_finder(folder / card.file)
    (folder / FINDER_CARD_FILE).write_text(json.dumps(dataclasses.asdict(card)))
    return folder / card.file


def test_a_file_beside_its_card_is_run_as_the_card_says(tmp_path, finder_bundle):
    card = FinderCard(long_side=64, min_score=0.2, sure_score=0.8, nms_iou=0.1, name="own")
    file = run_folder(tmp_path / "run", card)
    finder = load_finder(file)
    assert (finder.long_side, finder.nms_iou) == (64, 0.1)
    assert finder.min_score == 0.8  # no bundle's scores were fitted to it
    assert finder.name == "finder"
    assert load_finder(finder_bundle.folder / "finder.onnx").long_side == 64
    assert load_finder(file, long_side=96).long_side == 96
    asked = load_finder(file, min_score=0.3, nms_iou=0.4)
    assert (asked.min_score, asked.nms_iou) == (0.3, 0.4)
    assert isinstance(load_finder(file, runtime="litert").network, OnnxNetwork)
    with pytest.raises(ValueError, match=r"make it with that size\. Received: 96"):
        load_finder(asked, long_side=96)


def test_the_benchmark_runs_a_file_as_the_card_beside_it_says(tmp_path, monkeypatch):
    """The bundle's own settings and calibration were fitted to another finder."""
    pytest.importorskip("sklearn")
    monkeypatch.syspath_prepend("benchmarks")
    from benchmarks.finder import MIN_SCORE, ours

    make_toy_finder(tmp_path / "finder.onnx")
    (tmp_path / "finder.json").write_text('{"name": "masklens finder", "long_side": 96}')
    shipped = Bundle.load()
    finder = ours(shipped, tmp_path / "finder.onnx")
    assert (finder.long_side, finder.min_score) == (96, MIN_SCORE)
    assert MaskDetector(shipped, finder=finder)._calibration is None
    assert MaskDetector(shipped, finder=ours(shipped, None))._calibration is not None


def test_a_file_that_the_card_beside_it_does_not_name_takes_no_card(tmp_path):
    file = run_folder(tmp_path / "run", FinderCard(long_side=64))
    other = file.rename(file.with_name("other.onnx"))
    assert load_finder(other).long_side == FinderCard().long_side


def test_a_damaged_card_beside_a_finder(tmp_path):
    file = run_folder(tmp_path / "run", FinderCard(long_side=64))
    (tmp_path / "run" / FINDER_CARD_FILE).write_text("{")
    with pytest.raises(BundleError, match=r"finder\.json is damaged: it is not JSON"):
        load_finder(file)


@pytest.mark.parametrize("shape", [(1, 1), (1, 64), (64, 2), (1, 200), (200, 1)])
def test_odd_sizes_are_padded(finder_bundle, shape):
    tensor, _ = load_finder(None, bundle=finder_bundle).prepare(np.zeros((*shape, 3), np.uint8))
    assert tensor.shape[1] % 32 == tensor.shape[2] % 32 == 0


def test_other_strides_than_the_card_says(finder_bundle, tmp_path):
    make_toy_finder(tmp_path / "other.onnx", strides=(8, 16))
    with pytest.raises(BundleError, match="strides are not"):
        CellFinder(tmp_path / "other.onnx", FinderCard(long_side=64)).find(
            np.zeros((64, 64, 3), np.uint8)
        )


def test_a_changed_finder_is_refused(finder_bundle):
    make_toy_finder(finder_bundle.folder / "finder.onnx", strides=(8, 16))
    with pytest.raises(BundleError, match="not the file of its card"):
        Bundle.load(finder_bundle.folder)


def test_a_finder_needs_no_other_file_of_its_bundle(finder_bundle):
    file = finder_bundle.folder / "finder.onnx"
    (finder_bundle.folder / "classifier.onnx").unlink()
    assert load_finder(file).long_side == 64  # as the card says
    make_toy_finder(file, strides=(8, 16))
    with pytest.raises(BundleError, match="not the file of its card"):
        load_finder(file)


def test_files_that_are_no_finder(toy_bundle, tmp_path):
    with pytest.raises(BundleError, match="not a face finder"):
        CellFinder(toy_bundle.path())
    with pytest.raises(BundleError, match="Cannot read"):
        CellFinder(tmp_path / "absent.onnx")
    (tmp_path / "broken.onnx").write_bytes(b"nothing")
    with pytest.raises(BundleError, match="cannot open"):
        CellFinder(tmp_path / "broken.onnx")


def test_a_table_of_another_width(tmp_path):
    path = tmp_path / "finder.onnx"
    make_toy_finder(path)
    model = load(path)
    (boxes,) = (w for w in model.graph.initializer if w.name == "box_w")
    wider = np.pad(numpy_helper.to_array(boxes), ((0, 0), (0, 0), (0, 1)))
    boxes.CopyFrom(numpy_helper.from_array(wider, boxes.name))
    (output,) = (value for value in model.graph.output if value.name == "box")
    output.type.tensor_type.shape.dim[2].dim_value = 5
    save(model, path)
    with pytest.raises(BundleError, match=r"its outputs \['box'\] are missing or of another shape"):
        CellFinder(path)


@pytest.mark.parametrize(
    ("table", "value", "message"),
    [
        ("face", 7.5, r"The face finder finder gives scores of 0 to 7\.5, but .* 0…1\. Export it"),
        ("face", -3, "gives scores of -3 to 0, but"),  # else nobody would be found, without a word
        ("face", np.nan, "gives scores of nan to nan, but"),
        ("box", np.inf, "The face finder finder gives boxes that are not finite"),
    ],
)
def test_a_finder_whose_answers_are_none(tmp_path, table, value, message):
    path = tmp_path / "finder.onnx"
    make_toy_finder(path)
    model = load(path)
    (weights,) = (w for w in model.graph.initializer if w.name == f"{table}_w")
    numbers = numpy_helper.to_array(weights).copy()
    numbers[0, 10] = value  # where the face is
    weights.CopyFrom(numpy_helper.from_array(numbers, weights.name))
    save(model, path)
    with pytest.raises(BundleError, match=message):
        load_finder(path, long_side=64).find(np.zeros((64, 64, 3), np.uint8))


def test_a_finder_that_takes_something_else(tmp_path):
    path = tmp_path / "finder.onnx"
    make_toy_finder(path)
    model = load(path)
    model.graph.input[0].type.tensor_type.shape.dim[3].dim_value = 4
    save(model, path)
    with pytest.raises(BundleError, match=r"cannot run .*finder\.onnx: .*Got: 3 Expected: 4"):
        CellFinder(path)


@pytest.mark.parametrize(
    "section",
    [{"strides": [8, 64]}, {"strides": []}, {"long_side": 0}, {"min_score": 2}, {"colour": "red"}],
)
def test_a_section_that_cannot_be(finder_bundle, section):
    path = finder_bundle.folder / "card.json"
    card = json.loads(path.read_text())
    card["finder"] |= section
    path.write_text(json.dumps(card))
    with pytest.raises(BundleError, match=r"card"):
        Bundle.load(finder_bundle.folder)


def test_a_tensor_is_filled_again_without_the_last_picture_in_it():
    """Pictures of the same room after each other give what a finder that saw none gives."""
    rng = np.random.default_rng(0)
    pictures = [
        rng.integers(0, 255, (h, w, 3), np.uint8) for h, w in ((64, 60), (40, 64), (64, 33))
    ]
    finder = load_finder(None, long_side=64)
    tensors = []
    run = finder.run
    finder.run = lambda tensor: tensors.append((tensor, tensor.copy())) or run(tensor)
    for picture in pictures:
        finder.find(picture)
    assert tensors[0][0] is tensors[2][0]
    for picture, (_, seen) in zip(pictures, tensors, strict=True):
        np.testing.assert_array_equal(seen, finder.prepare(picture)[0])
