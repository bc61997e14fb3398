"""The re-implemented network gives YuNet's own numbers, and its files give the network's."""

import numpy as np
import onnxruntime
import pytest

pytest.importorskip("tensorflow")

from masklens.errors import BundleError
from masklens.faces import YuNet
from masklens.finder import CellFinder, load_finder
from masklens.training.finder.files import (
    LITERT_SHAPE,
    round_to_half,
    save_litert,
    save_onnx,
)
from masklens.training.finder.network import (
    COLUMNS,
    STRIDES,
    WIDTH,
    FinderPlan,
    decode,
    finder_network,
)
from masklens.training.finder.slim import slim
from masklens.training.finder.yunet import load_yunet, reset_labels
from tests.training.finder.weights import load_weights

PIXELS = np.random.default_rng(0).uniform(0, 255, (2, 96, 160, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def yunet_file(shared_data):
    return shared_data / "weights" / "face" / "yunet_n_dynamic.onnx"


@pytest.fixture(scope="module")
def network(yunet_file):
    model = finder_network()
    load_yunet(model, yunet_file)
    reset_labels(model, 0)
    return model


@pytest.fixture(scope="module")
def files(network, tmp_path_factory):
    folder = tmp_path_factory.mktemp("finder")
    rounded = finder_network()
    rounded.set_weights(network.get_weights())
    round_to_half(rounded)
    save_onnx(rounded, folder / "finder.onnx")
    save_litert(rounded, folder / "finder.tflite")
    return rounded, folder


def test_the_converter_says_nothing(files, tmp_path, capfd):
    save_litert(files[0], tmp_path / "finder.tflite")
    assert capfd.readouterr() == ("", "")


def test_the_same_numbers_as_the_published_file(network, yunet_file):
    session = onnxruntime.InferenceSession(yunet_file)
    bgr = np.ascontiguousarray(PIXELS[..., ::-1].transpose(0, 3, 1, 2))
    names = [output.name for output in session.get_outputs()]
    wanted = dict(zip(names, session.run(None, {"input": bgr}), strict=True))
    for stride, raw in zip(STRIDES, network(PIXELS), strict=True):
        cells = np.asarray(raw).reshape(2, -1, WIDTH)
        for column, name in (
            ("class", "cls"), ("object", "obj"), ("box", "bbox"), ("landmarks", "kps"),
        ):  # fmt: skip
            ours = cells[..., COLUMNS[column]]
            if column in ("class", "object"):
                ours = 1 / (1 + np.exp(-ours))
            np.testing.assert_allclose(ours, wanted[f"{name}_{stride}"], atol=1e-4)


def test_onnx_gives_what_keras_gives_at_any_size(files):
    model, folder = files
    session = onnxruntime.InferenceSession(folder / "finder.onnx")
    for shape in ((2, 96, 160, 3), (1, 32, 64, 3)):
        pixels = PIXELS[: shape[0], : shape[1], : shape[2]].astype(np.uint8)
        wanted = decode(model(pixels.astype(np.float32)))
        outputs = [output.name for output in session.get_outputs()]
        assert outputs == ["face", "box", "landmarks", "labels"]
        for name, value in zip(outputs, session.run(None, {"image": pixels}), strict=True):
            np.testing.assert_allclose(value, np.asarray(wanted[name]), atol=1e-4)


def test_litert_gives_what_keras_gives(files):
    interpreter = pytest.importorskip("ai_edge_litert.interpreter")
    model, folder = files
    runner = interpreter.Interpreter(str(folder / "finder.tflite")).get_signature_runner()
    pixels = np.random.default_rng(1).uniform(0, 255, LITERT_SHAPE).astype(np.float32)
    wanted = decode(model(pixels))
    for name, value in runner(image=pixels).items():
        np.testing.assert_allclose(value, np.asarray(wanted[name]), atol=1e-3, err_msg=name)


def test_weights_come_back_from_the_file(files):
    model, folder = files
    again = finder_network()
    load_weights(again, folder / "finder.onnx")
    for ours, theirs in zip(again.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_the_reader_finds_what_yunet_finds(files, yunet_file, portrait):
    _, folder = files
    ours = load_finder(folder / "finder.onnx")
    assert isinstance(ours, CellFinder)
    wanted, found = YuNet(yunet_file).find(portrait), ours.find(portrait)
    assert len(found) == len(wanted) == 1
    np.testing.assert_allclose(found.boxes, wanted.boxes, atol=0.5)
    np.testing.assert_allclose(found.landmarks, wanted.landmarks, atol=0.5)
    np.testing.assert_allclose(found.scores, wanted.scores, atol=1e-3)


def test_a_slimmer_network_stays_near(network, portrait):
    old, new = FinderPlan(), FinderPlan(stages=((16, 40), (40, 64), *[(64, 64)] * 3))
    image = portrait[None].astype(np.float32)
    slimmer = slim(network, old, new, image)
    assert slimmer.count_params() < network.count_params()
    whole = np.asarray(decode(network(image))["face"])
    less = np.asarray(decode(slimmer(image))["face"])
    assert np.argmax(whole) == np.argmax(less)


def test_a_file_that_is_no_yunet(toy_bundle, tmp_path):
    with pytest.raises(BundleError, match="not a YuNet"):
        load_yunet(finder_network(), toy_bundle.path())
    with pytest.raises(BundleError, match="Cannot read"):
        load_yunet(finder_network(), tmp_path / "absent.onnx")
    (tmp_path / "broken.onnx").write_bytes(b"nothing")
    with pytest.raises(BundleError, match="not an ONNX"):
        load_yunet(finder_network(), tmp_path / "broken.onnx")
