"""``masklens calibrate``: a bundle gets a finder and fitted scores."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

pytest.importorskip("tensorflow")

from masklens.bundle import Bundle, write_bundle
from masklens.card import FinderCard
from masklens.cli import main


@pytest.fixture(scope="module")
def some(shared_data, tmp_path_factory) -> Path:
    """A COCO file of 24 photographs of scenes/val."""
    root = shared_data / "data" / "scenes" / "val"
    whole = json.loads((root / "annotations.coco.json").read_text())
    images = whole["images"][::8]
    for image in images:
        image["file_name"] = str(root / "images" / image["file_name"])
    kept = {image["id"] for image in images}
    faces = [a for a in whole["annotations"] if a["image_id"] in kept]
    file = tmp_path_factory.mktemp("some") / "some.json"
    file.write_text(json.dumps(whole | {"images": images, "annotations": faces}))
    return file


@pytest.fixture
def finder_run(tmp_path: Path) -> Path:
    """What train-finder leaves behind, with the finder that ships."""
    shipped = Bundle.load()
    run = tmp_path / "finder"
    run.mkdir()
    (run / "finder.onnx").write_bytes(shipped.path("finder.onnx").read_bytes())
    section = {"file": "finder.onnx", "name": "mine", "long_side": 640, "litert_shape": []}
    (run / "finder.json").write_text(json.dumps(section))
    return run


def run(*arguments: object):
    return CliRunner().invoke(main, ["calibrate", *map(str, arguments)])


def test_a_bundle_gets_a_finder_and_fitted_scores(some: Path, finder_run: Path, tmp_path: Path):
    result = run("default", some, "--finder", finder_run, "--out", tmp_path / "new")
    assert result.exit_code == 0, result.output
    assert "Threshold precise" in result.output
    new, old = Bundle.load(tmp_path / "new"), Bundle.load()
    assert new.card.finder == FinderCard(name="mine", long_side=640)
    assert "finder.tflite" not in new.card.files  # the old finder's file does not stay
    assert new.card.thresholds != old.card.thresholds
    assert new.card.scores["data"] == some.parent.name
    assert new.path().read_bytes() == old.path().read_bytes()
    assert "photographs they were fitted to" in result.output
    for bundle, said in ((tmp_path / "new", True), ("default", False)):
        judged = CliRunner().invoke(main, ["evaluate", str(bundle), str(some)])
        assert judged.exit_code == 0, judged.output
        assert ("were fitted to these pictures" in judged.output) is said


def test_what_cannot_be_done_is_said(some: Path, finder_run: Path, tmp_path: Path):
    result = run("default", some, "--finder", tmp_path, "--out", tmp_path / "new")
    assert result.exit_code == 1
    assert "holds no face finder" in result.output
    result = run("default", some, "--finder", finder_run, "--out", finder_run)
    assert f"{finder_run} holds another finder.onnx already" in result.output
    (finder_run / "finder.onnx").unlink()
    result = run("default", some, "--finder", finder_run, "--out", tmp_path / "new")
    assert "has no finder.onnx" in result.output
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "card.json").write_text("{}")
    assert "holds a bundle already" in run("default", some, "--out", tmp_path / "new").output
    (tmp_path / "plain" / "with_mask").mkdir(parents=True)
    (tmp_path / "plain" / "with_mask" / "a.png").write_bytes(b"")
    assert run("default", tmp_path / "plain", "--out", tmp_path / "other").exit_code == 2


def test_models_that_cannot_be_run_are_named_as_they_were_given(some, finder_run, tmp_path):
    """They are run from a temporary folder, which is gone when the error is read."""
    phone = write_bundle(tmp_path / "phone", Bundle.load().card, {"classifier.tflite": some})
    result = run(phone.folder, some, "--out", tmp_path / "new")
    assert result.exit_code == 1
    assert f"The bundle {phone.folder} has no" in result.output
    (finder_run / "finder.onnx").write_bytes(Bundle.load().path().read_bytes())  # a classifier
    result = run("default", some, "--finder", finder_run, "--out", tmp_path / "new")
    assert result.exit_code == 1
    assert f"{finder_run / 'finder.onnx'} is not a face finder" in result.output
    assert not (tmp_path / "new").exists()


def test_a_trained_bundle_becomes_one_that_ships(some: Path, tmp_path: Path) -> None:
    """Without the Keras model that its ONNX file leads back to, with another bundle's finder."""
    shipped = Bundle.load()
    trained = write_bundle(
        tmp_path / "run",
        dataclasses.replace(shipped.card, finder=None),
        {"classifier.onnx": shipped.path(), "classifier.keras": keras_file(tmp_path)},
    )
    result = run(
        *(trained.folder, some, "--finder", shipped.folder, "--to-ship"),
        *("--out", tmp_path / "new"),
    )
    assert result.exit_code == 0, result.output
    new = Bundle.load(tmp_path / "new")
    assert new.card.finder == shipped.card.finder
    assert set(new.card.files) == {"classifier.onnx", "finder.onnx", "finder.tflite"}
    result = run(trained.folder, some, "--out", tmp_path / "kept")
    assert "classifier.keras" in Bundle.load(tmp_path / "kept").card.files


def keras_file(folder: Path) -> Path:
    """Stands for the Keras model, which is only copied here."""
    path = folder / "any.keras"
    path.write_bytes(b"a Keras model")
    return path
