"""Plumbing of the street recipe: a toy network on a handful of drawn pictures."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as PillowImage
from scipy.special import expit

pytest.importorskip("keras")

from masklens.bundle import Bundle, write_bundle
from masklens.classifier import MaskClassifier, logit
from masklens.dataset.scan import load_dataset
from masklens.errors import BundleError, DatasetError, OutputError
from masklens.faces import Faces
from masklens.labels import LABELS
from masklens.training import calibration, fit, street, street_files
from masklens.training.fit import FitSettings
from masklens.training.run import TrainOptions, TrainResult, results_in
from masklens.training.samples import OUTPUTS, cut_samples
from masklens.training.street import StreetRecipe, train
from tests.conftest import make_toy_model

TOY = StreetRecipe(
    size=32,
    blocks=2,
    head=8,
    fit=FitSettings(epochs=2, batch=8, warmup=2, learning_rate=1e-3),
    polish=FitSettings(epochs=1, batch=8, warmup=1, learning_rate=5e-4, mixup=0.5, taught=0.5),
    widths=(16, 40),
)


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve pictures with one coloured square each: the colour is the label."""
    folder = tmp_path_factory.mktemp("scenes")
    rng = np.random.default_rng(0)
    images, annotations = [], []
    for number in range(12):
        pixels = rng.integers(0, 60, (120, 160, 3)).astype(np.uint8)
        x, y = (int(v) for v in rng.integers(5, 60, 2))
        pixels[y : y + 48, x : x + 40, number % 3] = 250
        PillowImage.fromarray(pixels).save(folder / f"{number}.png")
        images.append({"id": number, "file_name": f"{number}.png", "width": 160, "height": 120})
        annotations.append(
            {"id": number, "image_id": number, "category_id": number % 3, "bbox": [x, y, 40, 48]}
        )
    (folder / "broken.png").write_text("no picture")
    images.append({"id": 12, "file_name": "broken.png", "width": 160, "height": 120})
    annotations.append({"id": 12, "image_id": 12, "category_id": 0, "bbox": [1, 1, 40, 48]})
    categories = [{"id": i, "name": name} for i, name in enumerate(LABELS)]
    file = folder / "annotations.json"
    file.write_text(
        json.dumps({"images": images, "annotations": annotations, "categories": categories})
    )
    return file


def run(data: Path, out: Path, **kwargs: object) -> TrainResult:
    options = TrainOptions(data=(data,), out=out, resume=bool(kwargs.pop("resume", False)))
    return train(options, **({"recipe": TOY, "weights": None} | kwargs))


class OneFace:
    """Finds the same two boxes in every picture."""

    name = "one-face"

    def find(self, image: np.ndarray) -> Faces:
        boxes = np.array([[10, 10, 60, 60], [100, 60, 140, 110]], np.float32)
        return Faces(boxes, np.array([0.9, 0.2], np.float32), np.zeros((2, 5, 2), np.float32))


@pytest.fixture(scope="module")
def finished(scenes: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainResult:
    return run(scenes, tmp_path_factory.mktemp("runs") / "run")


def test_a_run_writes_a_bundle_that_opens(finished: TrainResult) -> None:
    bundle = Bundle.load(finished.bundle.folder)
    assert bundle.card == finished.bundle.card
    assert bundle.card.outputs == OUTPUTS
    assert bundle.card.training["epochs"] == 3
    assert not finished.interrupted
    assert finished.skipped == tuple(bundle.card.training["skipped"])
    assert [sentence.rpartition("/")[2] for sentence in finished.skipped] == [
        "broken.png is not a picture that can be read."
    ]
    assert bundle.card.training["faces"]["annotations.json"] == dict.fromkeys(LABELS, 4)
    answer = MaskClassifier(bundle).predict(np.zeros((3, 32, 32, 3), np.uint8))
    assert answer.probabilities.shape == (3, 3)
    assert answer.boxes is not None
    assert len((bundle.folder / "history.csv").read_text().splitlines()) == 3
    assert len((bundle.folder / "history_polish.csv").read_text().splitlines()) == 2
    everything = set(bundle.folder.iterdir())
    assert results_in(bundle.folder) == everything - {bundle.folder / "run.json"}


@pytest.mark.parametrize(
    ("asked", "rounds"), [(None, (18, 10)), (28, (18, 10)), (3, (2, 1)), (1, (1, None))]
)
def test_both_rounds_share_the_epochs_that_are_asked_for(asked, rounds, tmp_path) -> None:
    options = TrainOptions(data=(), out=tmp_path, epochs=asked)
    recipe = street._with_options(StreetRecipe(), options)
    assert (recipe.fit.epochs, recipe.polish and recipe.polish.epochs) == rounds
    assert recipe.epochs() == (asked or 28)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"views": 7}, "without --views"),
        ({"split": "grouped"}, "without --split"),
        ({"calibrate_on": "scenes"}, "0.png, to calibrate on, is trained on"),
    ],
)
def test_options_that_would_be_ignored_or_flatter_are_refused(
    scenes, tmp_path, option, message
) -> None:
    option = {name: scenes if value == "scenes" else value for name, value in option.items()}
    with pytest.raises(DatasetError, match=message):
        train(TrainOptions(data=(scenes,), out=tmp_path / "run", **option), recipe=TOY)


@pytest.mark.parametrize("box", [[182, 76, 85, 98], [1182, 76, 85, 98]])
def test_photographs_to_calibrate_on_are_read_before_the_training(
    scenes: Path, portrait_file: Path, tmp_path: Path, box: list[int]
) -> None:
    """What cannot be read is left out, and a box outside is refused while nothing is lost."""
    (tmp_path / "damaged.jpg").write_text("no picture")
    content = {
        "images": [
            {"id": 0, "file_name": str(portrait_file)},
            {"id": 1, "file_name": "damaged.jpg"},
        ],
        "annotations": [{"image_id": i, "category_id": 0, "bbox": box} for i in range(2)],
        "categories": [{"id": 0, "name": LABELS[1]}],
    }
    file = tmp_path / "others.json"
    file.write_text(json.dumps(content))
    options = TrainOptions(data=(scenes,), out=tmp_path / "run", calibrate_on=file)
    if box[0] > 512:
        with pytest.raises(DatasetError, match="outside, or without area"):
            train(options, recipe=TOY, weights=None)
        assert not (tmp_path / "run").exists()
        return
    result = train(options, recipe=TOY, weights=None)
    assert result.metrics["accuracy"]["total"] == 1
    assert [sentence.rpartition("/")[2].split()[0] for sentence in result.skipped] == [
        "damaged.jpg",
        "broken.png",
    ]


def test_data_sets_of_one_name_are_all_counted(scenes: Path, tmp_path: Path) -> None:
    """Most COCO files are called annotations.json."""
    other = tmp_path / scenes.name
    other.write_text(scenes.read_text())
    (tmp_path / "0.png").touch()  # one of its pictures
    (tmp_path / "crops" / LABELS[0]).mkdir(parents=True)
    (tmp_path / "crops" / LABELS[0] / "a.png").touch()
    counts = street._faces([load_dataset(path) for path in (scenes, other, tmp_path / "crops")])
    of_files = {LABELS[0]: 10, LABELS[1]: 8, LABELS[2]: 8}
    assert counts == {scenes.name: of_files, "crops": {LABELS[0]: 1}}


def test_pictures_that_are_not_there_are_left_out(
    scenes: Path, portrait_file: Path, tmp_path: Path
) -> None:
    """COCO files of others often list more pictures than came with them."""
    content = json.loads(scenes.read_text())
    content["images"][0]["file_name"], content["images"][1]["file_name"] = "a\0b.png", "gone.png"
    file = scenes.with_name("more.json")
    file.write_text(json.dumps(content))
    content["images"] = [{"id": 0, "file_name": str(portrait_file)}]
    content["annotations"] = [{"image_id": 0, "category_id": 1, "bbox": [182, 76, 85, 98]}]
    others = tmp_path / "others.json"
    others.write_text(json.dumps(content))
    options = TrainOptions(data=(file,), out=tmp_path / "run", calibrate_on=others)
    assert len(train(options, recipe=TOY, weights=None).skipped) == 3  # with broken.png


@pytest.mark.parametrize("way", ["keras file", "back from onnx"])
def test_onnx_and_keras_agree(finished: TrainResult, way: str) -> None:
    import keras

    bundle = finished.bundle
    tensor = np.random.default_rng(0).uniform(-1, 1, (4, 32, 32, 3)).astype(np.float32)
    if way == "keras file":
        network = keras.models.load_model(bundle.folder / street.KERAS_FILE)
    else:
        network = street_files.restore_keras(bundle)
    theirs = network(tensor)
    ours = MaskClassifier(bundle).run(tensor)
    assert np.abs(ours[0] - theirs["probabilities"]).max() < 1e-5
    assert np.abs(ours[1] - theirs["box"]).max() < 1e-5


def test_an_export_of_the_bundle_does_not_lead_back(finished: TrainResult, tmp_path: Path) -> None:
    """The card says street, but the file was written by something else."""
    make_toy_model(tmp_path / "int8.onnx")
    files = {"classifier.onnx": tmp_path / "int8.onnx"}
    bundle = write_bundle(tmp_path / "exported", finished.bundle.card, files)
    with pytest.raises(BundleError, match="does not lead back to Keras"):
        street_files.restore_keras(bundle)


def test_a_run_goes_on_where_it_stopped(scenes: Path, tmp_path: Path) -> None:
    def stop(row: dict[str, float]) -> None:
        raise KeyboardInterrupt

    first = run(scenes, tmp_path, after_epoch=stop)
    assert first.interrupted
    assert Bundle.load(tmp_path).card.training["epochs"] == 1
    second = run(scenes, tmp_path, resume=True)
    assert second.epochs == 3
    lines = (tmp_path / "history.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in lines] == ["epoch", "1", "2"]


def test_ctrl_c_in_the_second_round_keeps_the_first(
    scenes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop_when_taught(*arguments: Any) -> Iterator[fit.Batch]:
        if arguments[3].taught:
            raise KeyboardInterrupt
        return batches(*arguments)

    batches = fit.batches
    averaged = run(scenes, tmp_path / "one", recipe=replace(TOY, polish=None))
    monkeypatch.setattr(fit, "batches", stop_when_taught)
    cut = run(scenes, tmp_path / "two")
    assert cut.interrupted
    assert (cut.epochs, cut.wanted) == (2, 3)
    assert cut.bundle.card.training["epochs"] == 2
    crops = np.random.default_rng(3).integers(0, 256, (4, 32, 32, 3)).astype(np.uint8)
    np.testing.assert_allclose(
        MaskClassifier(cut.bundle).predict(crops).probabilities,
        MaskClassifier(averaged.bundle).predict(crops).probabilities,
        atol=1e-5,
    )


def test_the_seed_is_the_painters_too(
    scenes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seeds = []

    def seen(*_: Any, seed: int = 42, **options: Any) -> None:
        seeds.append(seed)
        raise DatasetError("enough")

    monkeypatch.setattr(street, "cut_samples", seen)
    with pytest.raises(DatasetError, match="enough"):
        train(TrainOptions(data=(scenes,), out=tmp_path / "run", seed=7), recipe=TOY, weights=None)
    assert seeds == [7]


def test_samples_know_where_faces_are_and_what_is_none(scenes: Path) -> None:
    samples = cut_samples(load_dataset(scenes), OneFace())
    faces = samples.targets < 3
    assert faces.sum() == 12
    assert np.isfinite(samples.annotated[faces]).all()
    assert np.isnan(samples.annotated[~faces]).all()
    # Every picture is cut centred on its face: the tight box lies in the middle.
    centres = (samples.annotated[faces, :2] + samples.annotated[faces, 2:]) / 2
    assert np.abs(centres - 0.5).max() < 0.02


def test_a_crowd_is_neither_faces_nor_background(scenes: Path, tmp_path: Path) -> None:
    content = json.loads(scenes.read_text())
    content["images"], content["annotations"] = content["images"][:1], content["annotations"][:1]
    content["images"][0]["file_name"] = str(scenes.parent / "0.png")
    crowd = {"image_id": 0, "category_id": 2, "bbox": [90, 0, 70, 120], "iscrowd": 1}
    file = tmp_path / "crowd.json"

    def cut() -> list[str]:
        file.write_text(json.dumps(content))
        samples = cut_samples(load_dataset(file), OneFace())
        return [OUTPUTS[target] for target in samples.targets[samples.scores > 0]]

    assert cut().count("not_a_face") == 1  # the second box of OneFace
    content["annotations"].append(crowd)
    assert "not_a_face" not in cut()
    assert LABELS[2] not in cut()


def test_corrected_faces_are_trained_on_and_the_data_keep_their_identity(
    finished: TrainResult, scenes: Path, tmp_path: Path
) -> None:
    face = json.loads(scenes.read_text())["annotations"][0]["bbox"]
    entries = [{"bbox": face, "label": LABELS[1]}, {"bbox": [110, 70, 30, 40], "label": LABELS[1]}]
    file = tmp_path / "corrections.json"
    file.write_text(json.dumps({"pictures": {"0.png": entries}}))
    options = TrainOptions(data=(scenes,), out=tmp_path / "run", corrections=(file,), epochs=1)
    corrected = train(options, recipe=TOY, weights=None).bundle.card.training
    plain = finished.bundle.card.training
    counts = [told["faces"][scenes.name] for told in (plain, corrected)]
    assert counts == [dict.fromkeys(LABELS, 4), {LABELS[0]: 3, LABELS[1]: 6, LABELS[2]: 4}]
    assert corrected["data_sha256"] == plain["data_sha256"]
    assert "corrections_sha256" not in plain
    file.write_text(file.read_text().replace(LABELS[1], LABELS[2]))
    for other in ((file,), ()):
        with pytest.raises(OutputError, match="corrections sha256"):
            train(replace(options, resume=True, corrections=other), recipe=TOY, weights=None)


def test_a_bundle_is_trained_on(finished: TrainResult, scenes: Path, tmp_path: Path) -> None:
    start = finished.bundle.folder
    options = TrainOptions(data=(scenes,), out=tmp_path / "run", start=start, epochs=1)
    result = train(options)  # the network is the bundle's, whatever the recipe's own
    assert (result.epochs, result.wanted) == (1, 1)
    old, new = finished.bundle.card, result.bundle.card
    assert (new.size, new.training["network"]["widths"]) == (TOY.size, [*TOY.widths])
    assert new.training["start"]["classifier_sha256"] == old.files["classifier.onnx"]
    assert set(old.training_data) <= set(new.training_data)
    before, after = (street_files.restore_street(b) for b in (finished.bundle, result.bundle))
    moved = [
        np.abs(a - b).max() for a, b in zip(before.get_weights(), after.get_weights(), strict=True)
    ]
    assert 0 < max(moved) < 0.1  # it has learnt, from where the bundle was


def test_what_would_flatter_or_write_over_the_start_is_refused(
    finished: TrainResult, scenes: Path, tmp_path: Path
) -> None:
    start = finished.bundle.folder
    options = TrainOptions(data=(scenes,), out=tmp_path / "run", start=start, calibrate_on=scenes)
    with pytest.raises(DatasetError, match=r"to calibrate on, is what .* was trained on"):
        train(options)
    with pytest.raises(OutputError, match="is what is trained on"):
        train(replace(options, out=start, overwrite=True, calibrate_on=None))
    assert Bundle.load(start).card == finished.bundle.card


def test_what_leads_to_no_network_is_refused_before_the_faces_are_cut(
    scenes: Path, toy_bundle: Bundle, tmp_path: Path
) -> None:
    options = TrainOptions(data=(scenes,), out=tmp_path / "run", start=toy_bundle.folder)
    with pytest.raises(BundleError, match="not trained with the street recipe"):
        train(options)
    assert not (tmp_path / "run").exists()


def test_folders_alone_are_not_enough(tmp_path: Path) -> None:
    for label in LABELS[:2]:
        for number in range(5):
            path = tmp_path / "data" / label / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            PillowImage.new("RGB", (8, 8)).save(path)
    with pytest.raises(DatasetError, match="at least one COCO file"):
        run(tmp_path / "data", tmp_path / "run")


def test_labels_that_are_not_known_leave_no_run(scenes: Path, tmp_path: Path) -> None:
    content = json.loads(scenes.read_text())
    content["categories"][0]["name"] = "helmet"
    file = scenes.with_name("helmets.json")
    file.write_text(json.dumps(content))
    with pytest.raises(DatasetError, match=r"not known: \['helmet'\]"):
        run(file, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_temperature_softens_a_boaster() -> None:
    """Probabilities of 0.99 that are right in 80 % of cases are softened."""
    targets = np.array([0] * 80 + [1] * 20)
    boast = np.tile(np.array([[0.99, 0.01]], np.float32), (100, 1))
    assert calibration.fit_temperature(boast, targets) > 2


def test_thresholds_have_their_order() -> None:
    rng = np.random.default_rng(0)
    scores = rng.random(500).astype(np.float32)
    right = rng.random(500) < scores
    chosen = calibration.choose_thresholds(
        scores, right, 300, near_best=0.99, precise=0.95, sensitive=0.99
    )
    assert chosen["sensitive"] <= chosen["default"] <= chosen["precise"]


def test_boxes_with_one_score_are_shown_together() -> None:
    """Half of those at 0.625 are wrong: no threshold shows only the right ones, listed first."""
    scores = np.repeat([0.875, 0.625], 20).astype(np.float32)
    right = np.repeat([True, False], [30, 10])
    chosen = calibration.choose_thresholds(
        scores, right, 40, near_best=0.99, precise=0.95, sensitive=0.99
    )
    assert right[scores >= chosen["precise"]].mean() >= 0.95


def test_where_no_threshold_is_precise_the_best_one_still_shows_boxes() -> None:
    rng = np.random.default_rng(0)
    scores = np.sort(rng.random(400).astype(np.float32))
    right = rng.random(400) < 0.3 + 0.5 * scores  # four of five at the most
    right[-3:] = True, True, False
    chosen = calibration.choose_thresholds(
        scores, right, 300, near_best=0.99, precise=0.95, sensitive=0.99
    )
    shown = scores >= chosen["precise"]
    assert shown.sum() >= calibration.FEW
    precisions = [right[i:].mean() for i in range(400 - calibration.FEW)]
    assert right[shown].mean() >= max(precisions) - 0.05


def test_the_probability_of_a_face_is_fitted() -> None:
    rng = np.random.default_rng(0)
    finder, classifier, label = rng.uniform(0.2, 0.98, (3, 20000))
    f, c = logit(finder), logit(classifier)
    true = expit(-2 + 0.8 * f + 0.5 * np.logaddexp(0, f) * np.logaddexp(0, c))
    right = rng.random(20000) < true * label
    fitted = calibration.fit_face_calibration(finder, classifier, label, right)
    assert fitted.classifier == 0
    assert fitted.bias == pytest.approx(-2, abs=0.2)
    assert fitted.finder == pytest.approx(0.8, abs=0.15)
    assert fitted.both == pytest.approx(0.5, abs=0.1)


def test_samples_of_crops_have_labels_but_no_tight_box(tmp_path: Path) -> None:
    for label in LABELS[:2]:
        (tmp_path / label).mkdir()
        PillowImage.new("RGB", (70, 80), "white").save(tmp_path / label / "a.png")
    samples = cut_samples(load_dataset(tmp_path), OneFace())
    assert samples.targets.tolist() == [0, 1]
    assert np.isnan(samples.annotated).all()
    assert np.isfinite(samples.found).all()
