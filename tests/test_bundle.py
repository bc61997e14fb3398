import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from masklens.bundle import Bundle, write_bundle
from masklens.card import FaceCalibration
from masklens.classifier import MaskClassifier
from masklens.errors import BundleError, OutputError
from tests.conftest import make_toy_model, toy_card


def change_files(folder, files):
    card = json.loads((folder / "card.json").read_text())
    (folder / "card.json").write_text(json.dumps(card | {"files": files}))


def test_a_card_survives_the_disk(toy_bundle, tmp_path):
    card = dataclasses.replace(
        toy_bundle.card, face_calibration=FaceCalibration(0.1, 1.0, 0.5), temperature=1.3
    )
    write_bundle(tmp_path / "b", card, {"classifier.onnx": toy_bundle.path()})
    loaded = Bundle.load(tmp_path / "b").card
    assert dataclasses.replace(loaded, files={}) == dataclasses.replace(card, files={})


def test_a_bundle_that_cannot_be_written_leaves_the_older_one(toy_bundle, tmp_path):
    other = tmp_path / "other.onnx"
    make_toy_model(other, size=64)
    files = {"classifier.onnx": other, "classifier.tflite": tmp_path / "cannot be copied"}
    with pytest.raises(OutputError, match=r"Cannot write .*classifier\.tflite"):
        write_bundle(toy_bundle.folder, toy_card(size=64), files)
    assert Bundle.load(toy_bundle.folder) == toy_bundle
    assert {path.name for path in toy_bundle.folder.iterdir()} == {"card.json", "classifier.onnx"}


def test_the_shipped_bundle_is_whole():
    bundle = Bundle.load()
    assert bundle.card.labels == ("with_mask", "without_mask", "mask_worn_incorrectly")
    assert MaskClassifier(bundle).card is bundle.card
    assert bundle.card.training["command"].startswith("masklens train ")
    assert bundle.card.scores


def test_a_folder_called_default_is_not_taken_for_the_bundle_that_ships(
    toy_bundle, monkeypatch, tmp_path
):
    monkeypatch.chdir(tmp_path)
    toy_bundle.folder.rename("default")
    for folder in ("./default", Path("default"), tmp_path / "default"):
        assert Bundle.load(folder).card == toy_bundle.card
    assert Bundle.load("default").card == Bundle.load().card


def in_a_circle(path):
    """A file that is there and cannot be read, even by root: a link to itself."""
    path.unlink()
    path.symlink_to(path)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda d: shutil.rmtree(d), "not a bundle"),
        (lambda d: (d / "card.json").unlink(), "not a bundle"),
        (lambda d: (d / "card.json").write_text("{"), "not JSON"),
        (lambda d: (d / "card.json").write_text("[" * 100_000), "nested too deeply"),
        (lambda d: (d / "card.json").write_bytes(b"\xff\xfe\x00"), "not a text file"),
        (lambda d: change_files(d, {"classifier.onnx": "x"}), "not the file of its card"),
        *(
            (lambda d, name=name: change_files(d, {name: {}}), "names a file outside of it")
            for name in ("../../etc/passwd", "..", "", "a\0b", "\ud800")
        ),
        (lambda d: (d / "card.json").write_text("[]"), "JSON object"),
        (lambda d: (d / "classifier.onnx").unlink(), "classifier.onnx is missing"),
        (lambda d: in_a_circle(d / "classifier.onnx"), "classifier.onnx of the bundle: Too many"),
        (lambda d: (d / "classifier.onnx").write_bytes(b"x"), "not the file of its card"),
    ],
)
def test_a_damaged_bundle_says_what_is_wrong(toy_bundle, damage, message):
    damage(toy_bundle.folder)
    with pytest.raises(BundleError, match=message):
        Bundle.load(toy_bundle.folder)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_a_card_from_an_editor_of_windows(toy_bundle, encoding):
    path = toy_bundle.folder / "card.json"
    path.write_text(path.read_text(encoding="utf-8"), encoding=encoding)
    assert Bundle.load(toy_bundle.folder).card == toy_bundle.card


def test_a_file_that_the_card_does_not_list(toy_bundle):
    with pytest.raises(BundleError, match=r"has no model\.keras"):
        toy_bundle.path("model.keras")


def test_a_model_that_is_no_onnx(tmp_path):
    junk = tmp_path / "junk.onnx"
    junk.write_bytes(b"junk")
    bundle = write_bundle(tmp_path / "b", toy_card(), {"classifier.onnx": junk})
    with pytest.raises(BundleError, match=r"cannot open .*classifier\.onnx"):
        MaskClassifier(bundle)


def test_a_model_that_does_not_fit_its_card(tmp_path):
    model = tmp_path / "four.onnx"
    make_toy_model(model, outputs=4)
    bundle = write_bundle(tmp_path / "b", toy_card(), {"classifier.onnx": model})
    with pytest.raises(BundleError, match="gives 4 probabilities"):
        MaskClassifier(bundle)
    with pytest.raises(BundleError, match="no output 'box'"):
        MaskClassifier(
            write_bundle(tmp_path / "c", toy_card(refines_box=True), {"classifier.onnx": model})
        )


def fixed_batch(graph):
    graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1


def channels_first(graph):
    shape = [("dim_param", "n"), ("dim_value", 3), ("dim_param", "h"), ("dim_param", "w")]
    for dim, (kind, value) in zip(graph.input[0].type.tensor_type.shape.dim, shape, strict=True):
        setattr(dim, kind, value)


def half(graph):
    graph.input[0].type.tensor_type.elem_type = TensorProto.FLOAT16
    graph.node[0].input[0] = "cast"
    graph.node.insert(0, helper.make_node("Cast", ["input"], ["cast"], to=TensorProto.FLOAT))


def two_inputs(graph):
    graph.input.append(helper.make_tensor_value_info("second", TensorProto.FLOAT, [1]))


def one_answer_for_all(graph):
    graph.node[0].attribute[0].ints[:] = [0, 1, 2]  # the mean of the whole batch, as a row
    graph.node[0].attribute[1].i = 0
    graph.node[0].output[0] = "row"
    axis = helper.make_node("Unsqueeze", ["row", "zero"], ["mean"])
    graph.node.insert(1, axis)
    graph.initializer.append(numpy_helper.from_array(np.array([0]), "zero"))


def no_numbers(graph):
    bias = numpy_helper.from_array(np.full(3, np.nan, np.float32), "b")
    graph.initializer[1].CopyFrom(bias)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (fixed_batch, r"cannot run .*classifier\.onnx: .*Got: 2 Expected: 1"),
        (channels_first, r"cannot run .*classifier\.onnx"),
        (half, r"cannot run .*float16"),
        (two_inputs, r"classifier\.onnx must have one input\. Received: \['input', 'second'\]"),
        (one_answer_for_all, r"must answer two crops with .*\(2, 3\).* Received: .*\(1, 3\)"),
        (no_numbers, "not finite"),
    ],
)
def test_a_model_that_cannot_be_run_as_the_card_says(tmp_path, change, message):
    model = tmp_path / "odd.onnx"
    make_toy_model(model)
    content = onnx.load(model)
    change(content.graph)
    onnx.save(content, model)
    bundle = write_bundle(tmp_path / "b", toy_card(), {"classifier.onnx": model})
    with pytest.raises(BundleError, match=message) as told:
        MaskClassifier(bundle)
    assert "\n" not in str(told.value)


def test_a_model_with_wrong_output_name(tmp_path):
    model = tmp_path / "renamed.onnx"
    make_toy_model(model)
    graph = onnx.load(model)
    graph.graph.node[-1].output[0] = graph.graph.output[0].name = "p"
    onnx.save(graph, model)
    bundle = write_bundle(tmp_path / "b", toy_card(), {"classifier.onnx": model})
    with pytest.raises(BundleError, match="no output 'probabilities'"):
        MaskClassifier(bundle)


def test_a_card_with_another_size_than_its_model_is_refused(toy_bundle):
    assert toy_bundle.card.size == 32
    other = dataclasses.replace(toy_bundle, card=dataclasses.replace(toy_bundle.card, size=64))
    with pytest.raises(BundleError, match=r"takes crops of 32×32 pixels, but its card says 64"):
        MaskClassifier(other)


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (["classifier.onnx"], None),
        (["a.h5", "classifier.onnx"], "a.h5"),  # as the report leaves it
        (["a.h5", "b.keras"], "b.keras"),
    ],
)
def test_the_keras_model_of_a_bundle(tmp_path, files, expected):
    card = toy_card(files={name: {} for name in files})
    assert Bundle(tmp_path, card).keras_file() == expected
