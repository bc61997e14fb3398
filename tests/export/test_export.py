"""The export command from end to end, on a trained network and in the real runtimes."""

import json
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest
from click.testing import CliRunner

import masklens.export
from masklens.bundle import Bundle, write_bundle
from masklens.classifier import MaskClassifier
from masklens.cli import main
from masklens.detector import MaskDetector
from masklens.export.samples import cut_crops


def run(*arguments):
    """The command, by way of their group: it makes a sentence and an exit code of our errors."""
    result = CliRunner().invoke(main, ["export", "--rounds", "2", *map(str, arguments)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


@pytest.fixture(scope="module")
def exported(trained_bundle_folder, photographs, others, tmp_path_factory):
    """Everything, once."""
    out = tmp_path_factory.mktemp("exported")
    code, text = run(
        trained_bundle_folder, "--out", out, "--data", photographs, "--calibration", others
    )
    return out, code, text


def test_every_format_in_every_precision_holds_its_bar(exported):
    out, code, text = exported
    assert code == 0, text
    names = set(Bundle.load(out).card.files)
    for precision in ("fp32", "fp16", "int8"):
        for suffix in ("tflite", "onnx", "xml", "bin"):
            assert f"classifier-{precision}.{suffix}" in names
    assert not list(out.glob("*.rejected"))
    assert "classifier-int8.tflite" in text


def test_faces_that_were_trained_on_flatter_the_accuracy_and_it_is_said(
    exported, trained_bundle_folder, others, tmp_path
):
    arguments = ["--to", "onnx", "--precision", "fp32", "--data", others, "--out", tmp_path / "x"]
    code, text = run(trained_bundle_folder, *arguments)
    assert code == 0, text
    assert "was trained on pictures of" in text
    assert "was trained on pictures of" not in exported[2]


def test_the_proof_is_kept(exported):
    out, _, text = exported
    proof = json.loads((out / "parity.json").read_text())
    assert proof["data"]["faces"] == 150
    assert proof["keras"]["accuracy"]["value"] > 0.9, "an untrained network proves nothing"
    rows = {row["file"]: row for row in proof["rows"]}
    assert len(rows) == 9
    for row in rows.values():
        assert row["agreement"] >= 0.99
        assert [(t["threads"], t["batch"]) for t in row["timings"]] == [
            (1, 1),
            (1, 8),
            (2, 1),
            (2, 8),
        ]
    assert 0 < rows["classifier-int8.onnx"]["max_difference"] < 0.5
    table = (out / "parity.md").read_text()
    assert all(line in table for line in text.splitlines() if line.startswith("|"))


@pytest.mark.parametrize("runtime", ["onnx", "litert", "openvino"])
def test_an_export_is_a_bundle_for_its_runtimes(exported, trained, photographs, runtime):
    bundle = Bundle.load(exported[0])
    crops = cut_crops(photographs, bundle.card)
    expected = trained.predict(crops.images / np.float32(127.5) - 1, verbose=0)
    result = MaskClassifier(bundle, 1, runtime=runtime).predict(crops.images)
    same = result.probabilities.argmax(1) == expected["probabilities"][:, :3].argmax(1)
    assert same.mean() >= 0.99
    assert np.abs(result.boxes - expected["box"]).mean() < 0.01


@pytest.mark.parametrize("runtime", ["onnx", "litert", "openvino"])
def test_an_export_finds_faces_as_its_bundle_does(exported, runtime):
    picture = Path(__file__).parents[2] / "examples" / "pictures" / "astronaut-badly-worn.jpg"
    detector = MaskDetector(exported[0], runtime=runtime, threshold=0.0)
    assert len(detector.detect(picture)) > 0


def test_a_badly_calibrated_file_is_rejected(trained_bundle_folder, photographs, dark, tmp_path):
    arguments = ["--to", "onnx,litert", "--precision", "fp32,int8", "--data", photographs]
    code, text = run(trained_bundle_folder, "--out", tmp_path, *arguments, "--calibration", dark)
    assert code == 1
    assert "Rejected: classifier-int8.onnx: " in text
    assert (tmp_path / "classifier-int8.onnx.rejected").exists()
    assert (tmp_path / "classifier-int8.tflite.rejected").exists()
    assert not (tmp_path / "classifier-int8.onnx").exists()
    assert set(Bundle.load(tmp_path).classifier_files()) == {
        "classifier-fp32.onnx",
        "classifier-fp32.tflite",
    }
    assert "is rejected" in (tmp_path / "parity.md").read_text()


def test_into_the_bundle(trained_bundle_folder, photographs, others, tmp_path):
    folder = tmp_path / "bundle"
    shutil.copytree(trained_bundle_folder, folder)
    arguments = ["--to", "onnx,litert", "--data", photographs, "--calibration", others]
    code, text = run(folder, "--into-bundle", *arguments)
    assert code == 0, text
    bundle = Bundle.load(folder)
    assert set(bundle.classifier_files()) == {
        "classifier.keras",
        "classifier.onnx",
        "classifier.tflite",
        "parity.json",
        "parity.md",
    }
    rows = json.loads((folder / "parity.json").read_text())["rows"]
    assert {(row["file"], row["precision"]) for row in rows} == {
        ("classifier.onnx", "int8"),
        ("classifier.tflite", "int8"),
    }
    assert {path.name for path in folder.iterdir()} == {*bundle.card.files, "card.json"}


def test_into_the_bundle_again(trained_bundle_folder, photographs, dark, tmp_path):
    """What is proved of files that stay, stays; a file that misses its bar changes nothing."""
    folder = tmp_path / "bundle"
    shutil.copytree(trained_bundle_folder, folder)
    for form in ("litert", "onnx"):
        arguments = ["--to", form, "--precision", "fp32", "--data", photographs]
        code, text = run(folder, "--into-bundle", *arguments)
        assert code == 0, text
    rows = json.loads((folder / "parity.json").read_text())["rows"]
    assert [row["file"] for row in rows] == ["classifier.onnx", "classifier.tflite"]
    assert "classifier.tflite was measured earlier, on 150 " in (folder / "parity.md").read_text()
    before = {path: path.read_bytes() for path in folder.iterdir()}
    arguments = ["--to", "onnx", "--precision", "int8", "--data", photographs]
    code, text = run(folder, "--into-bundle", *arguments, "--calibration", dark)
    assert code == 1
    assert "Rejected: classifier-int8.onnx: " in text
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.parametrize("own", [True, False])
def test_a_folder_with_a_bundle_is_not_written_into(
    trained_bundle_folder, toy_bundle, photographs, tmp_path, own
):
    out = toy_bundle.folder
    if own:
        out = tmp_path / "bundle"
        shutil.copytree(trained_bundle_folder, out)
    before = {path: path.read_bytes() for path in out.iterdir()}
    arguments = ["--to", "onnx", "--precision", "fp32", "--data", photographs, "--out", out]
    code, text = run(out if own else trained_bundle_folder, *arguments)
    assert code == 1
    assert f"{out} holds a bundle already" in text
    assert {path: path.read_bytes() for path in out.iterdir()} == before


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (["--to", "openvino", "--precision", "fp32"], "classifier-fp32.bin"),
        (["--to", "onnx,litert", "--precision", "fp32", "--best"], "classifier.tflite"),
        (["--to", "onnx", "--precision", "fp32"], "parity.md"),
        (["--to", "onnx", "--precision", "fp32", "--best"], "parity.json"),
    ],
)
def test_what_lies_in_a_folder_without_a_card_is_not_replaced(
    trained_bundle_folder, photographs, tmp_path, arguments, name
):
    """A .tflite of one's own, in the folder of the .h5 that it was made from."""
    (tmp_path / name).write_text("precious")
    more = ["--data", photographs, "--out", tmp_path]
    code, text = run(trained_bundle_folder, *arguments, *more)
    assert code == 1
    assert f"{tmp_path} holds another {name} already" in text
    assert (tmp_path / name).read_text() == "precious"


@pytest.mark.parametrize("shipped", [True, False])
def test_no_export_takes_the_place_of_the_only_weights(photographs, tmp_path, shipped):
    """Nor is the installed package changed."""
    folder = tmp_path / "street"
    shutil.copytree(Bundle.load().folder, folder)
    code, text = run(
        *("default" if shipped else folder, "--into-bundle", "--to", "onnx"),
        *("--precision", "fp32", "--data", tmp_path / "is not looked at"),
    )
    assert code == 1
    assert "Give --best and --out DIR instead." in text
    Bundle.load(folder)


def test_a_bundle_to_ship_has_no_keras_model(trained_bundle_folder, photographs, tmp_path):
    arguments = ["--to", "onnx,openvino", "--precision", "fp32,fp16", "--data", photographs]
    code, text = run(trained_bundle_folder, "--best", "--out", tmp_path, *arguments)
    assert code == 0, text
    names = {"classifier.onnx", "classifier.xml", "classifier.bin", "parity.json", "parity.md"}
    assert set(Bundle.load(tmp_path).classifier_files()) == names
    rows = json.loads((tmp_path / "parity.json").read_text())["rows"]
    assert {row["precision"] for row in rows} == {"fp16"}


def test_the_reports_chain_from_h5_to_tflite(tmp_path, photographs):
    """A bare .h5 with two classes and pictures in folders, as the original report has them."""
    layers = keras.layers
    keras.utils.set_random_seed(0)
    image = keras.Input((32, 32, 3))
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(8, 3, activation="relu")(image))
    model = keras.Model(image, layers.Dense(2, activation="softmax")(x))
    model.save(tmp_path / "mask_detector.h5")
    for label in ("with_mask", "without_mask"):
        (tmp_path / "data" / label).mkdir(parents=True)
        for i in range(5):
            shutil.copy(photographs.parent / f"{i}.png", tmp_path / "data" / label)
    code, text = run(
        *(tmp_path / "mask_detector.h5", "--to", "litert", "--precision", "fp32"),
        *("--out", tmp_path / "out", "--data", tmp_path / "data"),
    )
    assert code == 0, text
    assert Bundle.load(tmp_path / "out").card.labels == ("with_mask", "without_mask")
    assert (tmp_path / "out" / "classifier-fp32.tflite").exists()


def test_a_layer_that_a_format_lacks_is_one_sentence(tmp_path, photographs):
    """The exact form of gelu becomes an operation that the converter to ONNX does not know."""
    image = keras.Input((32, 32, 3))
    x = keras.layers.Conv2D(8, 3, activation="gelu")(image)
    x = keras.layers.GlobalAveragePooling2D()(x)
    model = keras.Model(image, keras.layers.Dense(2, activation="softmax")(x))
    model.save(tmp_path / "gelu.keras")
    arguments = ["--out", tmp_path / "out", "--data", photographs, "--precision", "fp32"]
    code, text = run(tmp_path / "gelu.keras", *arguments)
    assert code == 1
    assert "gelu.keras cannot be converted to onnx" in text.splitlines()[-1]  # after its progress
    assert not (tmp_path / "out").exists()


def test_no_bundle_is_written_without_its_proof(trained_bundle_folder, photographs, tmp_path):
    """Or the next export would be refused, because the folder holds a bundle already."""
    (tmp_path / "parity.md").mkdir()
    arguments = ["--out", tmp_path, "--data", photographs, "--to", "onnx", "--precision", "fp32"]
    code, text = run(trained_bundle_folder, *arguments)
    assert code == 1
    assert "parity.md" in text
    assert not (tmp_path / "card.json").exists()
    (tmp_path / "parity.md").rmdir()
    assert run(trained_bundle_folder, *arguments)[0] == 0


BAD_INPUT = {
    "no Keras model": (["{toy}"], "has no Keras model"),
    "damaged": (["{damaged}"], "is not the file of its card"),
    "no bundle": (["{tmp}/absent"], "is not a bundle"),
    "no file": (["{tmp}/absent.h5"], "does not exist"),
    "junk": (["{tmp}/junk.h5"], "is not a Keras model"),
    "no card": (["{tmp}/bare.keras"], "Nothing says what the outputs"),
    "precision": (["{good}", "--precision", "fp8"], 'no precision "fp8"'),
    "format": (["{good}", "--to", "coreml"], 'no format "coreml"'),
    "no format": (["{good}", "--to", ","], "No format was given"),
    "no data": (["{good}", "--data", "{tmp}/absent"], "does not exist"),
    "an export": (["{exported}"], "has no Keras model"),
    "no folder, and no data": (
        ["{good}", "--data", "{tmp}/absent", "--out", "{tmp}/junk.h5/out"],
        "is a file, not a folder",
    ),
}


@pytest.mark.parametrize("case", BAD_INPUT)
def test_bad_input_is_one_sentence(case, trained_bundle_folder, toy_bundle, photographs, tmp_path):
    damaged = tmp_path / "damaged"
    shutil.copytree(trained_bundle_folder, damaged)
    (damaged / "classifier.keras").write_bytes(b"damaged")
    (tmp_path / "junk.h5").write_bytes(b"no model")
    shutil.copy(trained_bundle_folder / "classifier.keras", tmp_path / "bare.keras")
    exported = write_bundle(
        tmp_path / "exported", Bundle.load().card, {"classifier-fp32.onnx": toy_bundle.path()}
    )
    places = {"toy": toy_bundle.folder, "damaged": damaged, "good": trained_bundle_folder}
    places["exported"] = exported.folder
    arguments, message = BAD_INPUT[case]
    arguments = [a.format(tmp=tmp_path, **places) for a in arguments]
    before = ["--data", photographs, "--precision", "fp32", "--out", tmp_path / "out"]
    code, text = run(*before, *arguments)
    assert code == 1
    *before_it, sentence = text.splitlines()
    assert sentence.startswith("Error: ")
    assert message in sentence
    assert all(line.endswith("…") for line in before_it), "what is being done"
    assert not (tmp_path / "out").exists()


def test_without_data(trained_bundle_folder, photographs, tmp_path, monkeypatch):
    monkeypatch.delenv("MASKLENS_DATA", raising=False)
    code, text = run(trained_bundle_folder, "--out", tmp_path)
    assert code == 1
    assert "give --data a COCO detection file" in text
    code, text = run(trained_bundle_folder, "--out", tmp_path, "--data", photographs)
    assert code == 1
    assert "int8 needs labelled pictures of real faces: give --calibration" in text


def test_without_the_extra(trained_bundle_folder, tmp_path, monkeypatch):
    monkeypatch.setattr(masklens.export, "find_spec", lambda name: None)
    code, text = run(trained_bundle_folder, "--out", tmp_path)
    assert code == 1
    assert 'pip install "masklens[export]"' in text


@pytest.mark.parametrize("both", [True, False])
def test_one_place_for_the_files(trained_bundle_folder, tmp_path, both):
    arguments = ["--out", tmp_path, "--into-bundle"] if both else []
    code, text = run(trained_bundle_folder, *arguments)
    assert code == 2
    assert "either --out DIR or --into-bundle" in text
