import cv2
import numpy as np
import pytest
from onnx import TensorProto, helper, save

from masklens import faces
from masklens.detector import MaskDetector
from masklens.errors import BundleError
from masklens.faces import FaceFinder, Faces, YuNet, non_maximum_suppression
from masklens.finder import load_finder


@pytest.fixture(scope="module")
def finder():
    return YuNet(threads=1)


def test_the_portrait_has_one_face_where_it_is(finder, portrait):
    found = finder.find(portrait)
    assert len(found) == 1
    x1, y1, x2, y2 = found.boxes[0]
    # Read off the photograph by eye: brow to chin, ear to ear.
    assert 165 < x1 < 190
    assert 55 < y1 < 85
    assert 260 < x2 < 285
    assert 160 < y2 < 185
    right_eye, left_eye, nose, right_mouth, left_mouth = found.landmarks[0]
    assert right_eye[0] < nose[0] < left_eye[0]
    assert right_mouth[0] < left_mouth[0]
    assert right_eye[1] < nose[1] < right_mouth[1]


def test_the_same_as_opencv(finder, portrait, tmp_path):
    """Our decoding agrees with OpenCV's own of the same file, at the same size."""
    model = tmp_path / "yunet.onnx"
    model.write_bytes(faces._packaged_yunet())
    reference = cv2.FaceDetectorYN.create(str(model), "", (640, 640), score_threshold=0.3)
    picture = cv2.resize(portrait, (640, 640), interpolation=cv2.INTER_LINEAR)
    _, rows = reference.detect(picture[..., ::-1].copy())
    ours = YuNet(long_side=640).find(picture)
    assert len(rows) == len(ours)
    expected = np.hstack([rows[:, :2], rows[:, :2] + rows[:, 2:4]])
    np.testing.assert_allclose(ours.boxes, expected, atol=0.5)
    np.testing.assert_allclose(ours.landmarks.reshape(-1, 10), rows[:, 4:14], atol=0.5)
    np.testing.assert_allclose(ours.scores, rows[:, 14], atol=1e-3)


@pytest.mark.parametrize("shape", [(1, 1), (1, 400), (3000, 2), (37, 53)])
def test_odd_sizes_give_nothing_and_no_error(finder, shape):
    found = finder.find(np.full((*shape, 3), 128, np.uint8))
    assert found.boxes.shape == (len(found), 4)
    assert found.landmarks.shape == (len(found), 5, 2)


def test_boxes_stay_inside_the_picture(finder, portrait):
    cut = portrait[60:150, 180:260]  # through the face
    found = finder.find(np.ascontiguousarray(cut))
    assert len(found)
    assert (found.boxes >= 0).all()
    assert (found.boxes[:, 2] <= cut.shape[1]).all()
    assert (found.boxes[:, 3] <= cut.shape[0]).all()


def test_suppression_by_hand():
    boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [20, 0, 30, 10], [0, 0, 10, 5]], np.float32)
    scores = np.array([0.8, 0.9, 0.3, 0.1], np.float32)
    # IoU of the first two is 90/110; of the second and fourth 45/105; the third stands alone.
    assert non_maximum_suppression(boxes, scores, 0.5).tolist() == [1, 2, 3]
    assert non_maximum_suppression(boxes, scores, 0.4).tolist() == [1, 2]
    assert non_maximum_suppression(boxes, scores, 0.9).tolist() == [1, 0, 2, 3]
    assert non_maximum_suppression(boxes[:0], scores[:0], 0.5).tolist() == []


def test_finders_by_name_path_and_object(finder, tmp_path):
    assert isinstance(load_finder("yunet"), FaceFinder)
    assert load_finder(finder) is finder
    model = tmp_path / "mine.onnx"
    model.write_bytes(faces._packaged_yunet())
    assert load_finder(model).name == YuNet(str(model)).name == "mine"


@pytest.mark.parametrize(
    ("finder", "message"),
    [("haar", "No face finder"), ("absent.onnx", "Cannot read"), ("broken.onnx", "cannot open")],
)
def test_finders_that_are_none(finder, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken.onnx").write_bytes(b"not a model")
    with pytest.raises(BundleError, match=message):
        load_finder(finder)


def test_another_model_is_not_taken_for_a_finder(toy_bundle):
    with pytest.raises(BundleError, match="not a YuNet"):
        load_finder(toy_bundle.path())


def test_a_model_of_no_pictures_is_not_taken_for_a_finder(tmp_path):
    table = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n"]) for name in "xy"]
    graph = helper.make_graph([helper.make_node("Abs", "x", "y")], "abs", table[:1], table[1:])
    path = tmp_path / "abs.onnx"
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)
    with pytest.raises(BundleError, match="not a YuNet"):
        load_finder(path)


def test_there_is_no_yunet_for_litert():
    with pytest.raises(BundleError, match=r'LiteRT does not read\. Use the runtime "onnx" or'):
        YuNet(runtime="litert")


def test_a_changed_file_in_the_package_is_refused(monkeypatch):
    monkeypatch.setattr(faces, "YUNET_SHA256", "0" * 64)
    with pytest.raises(BundleError, match="has changed"):
        YuNet()


def test_the_faces_of_a_finder_of_ones_own_are_float32_whatever_it_gives(portrait):
    class Whole:
        name = "own"

        def find(self, image):
            return Faces(np.array([[177, 70, 269, 176]]), [0.9], np.zeros((1, 5, 2)))

    found = MaskDetector(finder=Whole(), threshold=0).detect(portrait)
    assert (found.boxes % 1).any()  # they were cut to whole pixels, as the finder's are
    assert {found.boxes.dtype, found.scores.dtype, found.landmarks.dtype} == {np.dtype("float32")}


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (([[1, 2, 3]], [0.9], [[[0, 0]] * 5]), r"Faces.boxes must have shape \(1, 4\)"),
        (([[1, 2, 3, 4]], [], [[[0, 0]] * 5]), r"Faces.scores .*\(1,\). Received: \(0,\)"),
        (([[1, 2, 3, 4]], [0.9], [[0] * 10]), r"Faces.landmarks .*\(1, 5, 2\)"),
        (([[np.nan, 2, 3, 4]], [0.9], [[[0, 0]] * 5]), r"Faces.boxes must be finite.*nan, 2.0"),
        (([[1, 2, np.inf, 4]], [0.9], [[[0, 0]] * 5]), "Faces.boxes must be finite"),
        (([[1, 2, 3, 4]], [np.nan], [[[0, 0]] * 5]), r"Faces.scores must be finite.*\[nan\]"),
        (([[1, 2, 3, 4]] * 2, [97, 4], [[[0, 0]] * 5] * 2), "in 0…1. Received: 4 to 97"),
        (([[1, 2, 3, 4]], [-0.5], [[[0, 0]] * 5]), "in 0…1. Received: -0.5 to -0.5"),
    ],
)
def test_faces_whose_columns_do_not_fit(columns, message):
    with pytest.raises(ValueError, match=message):
        Faces(*columns)
