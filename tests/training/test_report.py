"""The report's recipe: what comes out, what Ctrl-C keeps, how it goes on, what is refused."""

import csv
import dataclasses
import json
import shutil

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image as PillowImage

from masklens.bundle import Bundle
from masklens.classifier import MaskClassifier
from masklens.cli import main
from masklens.dataset.scan import load_dataset
from masklens.dataset.split import TEST, TRAIN, Parts, Row, named_parts, write_manifest
from masklens.errors import (
    BundleError,
    DatasetError,
    DownloadError,
    MissingExtraError,
    OutputError,
)
from masklens.evaluation.selection import select
from masklens.intervals import wilson
from masklens.training.portraits import split_by_name
from masklens.training.run import TrainOptions, results_in
from tests.training.toys import make_portraits, tiny_backbone

EPOCHS = 4


@pytest.fixture
def report(monkeypatch):
    """The recipe with a network that is small enough for plumbing."""
    from masklens.training import report

    monkeypatch.setattr(report, "backbone", tiny_backbone)
    return report


@pytest.fixture(scope="module")
def portraits(tmp_path_factory):
    return make_portraits(tmp_path_factory.mktemp("data") / "portraits")


@pytest.fixture(scope="module")
def options(portraits, tmp_path_factory):
    return TrainOptions(
        data=(portraits,),
        out=tmp_path_factory.mktemp("runs") / "whole",
        command="masklens train portraits",
        epochs=EPOCHS,
        batch_size=4,
        views=2,
    )


@pytest.fixture(scope="module")
def whole(options):
    """An uninterrupted run."""
    from masklens.training import report

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(report, "backbone", tiny_backbone)
        return report.train(options)


def history_of(folder):
    with (folder / "history.csv").open() as file:
        return list(csv.DictReader(file))


def test_the_run_folder_is_a_bundle(whole, options):
    assert not whole.interrupted
    assert whole.epochs == EPOCHS
    bundle = Bundle.load(options.out)
    assert set(bundle.card.files) == {"classifier.onnx", "classifier.keras", "classifier.h5"}
    assert bundle.card.labels == ("with_mask", "without_mask")
    assert bundle.card.training["command"] == "masklens train portraits"
    assert bundle.card.training["data_sha256"] == load_dataset(options.data[0]).sha256()
    split = named_parts(load_dataset(options.data[0]), "report")
    assert bundle.card.training["split_sha256"] == split.sha256()
    assert bundle.card.training["seed"] == 42
    assert bundle.card.scores["accuracy"]["total"] == 4
    expected = {
        *("run.json", "history.csv", "metrics.json", "curves.png", "confusion_matrix.png"),
        *("classification_report.txt", "classification_report.json", "predictions.csv"),
        *("card.json", "classifier.onnx", "classifier.keras", "classifier.h5", "checkpoint"),
    }
    assert {path.name for path in options.out.iterdir()} == expected
    assert results_in(options.out) == set(options.out.iterdir()) - {options.out / "run.json"}
    assert [int(row["epoch"]) for row in history_of(options.out)] == [1, 2, 3, 4]


@pytest.mark.parametrize("name", ["classifier.keras", "classifier.h5"])
def test_keras_and_onnx_agree(whole, options, name):
    import keras

    classifier = MaskClassifier(whole.bundle)
    crops = np.random.default_rng(1).integers(0, 256, (5, 224, 224, 3)).astype(np.uint8)
    model = keras.models.load_model(options.out / name, compile=False)
    ours = classifier.run(classifier.prepare(crops))[0]
    np.testing.assert_allclose(ours, model.predict(classifier.prepare(crops), verbose=0), atol=1e-4)
    assert whole.metrics["largest_difference_keras_onnx"] <= 1e-4
    # One picture alone gives the same: the batch is free.
    np.testing.assert_allclose(
        classifier.run(classifier.prepare(crops[:1]))[0], ours[:1], atol=1e-5
    )


def test_ctrl_c_keeps_the_last_epoch_and_resume_ends_the_same(
    report, whole, options, tmp_path, capfd
):
    def press_ctrl_c(row):
        if row["epoch"] == 2:
            raise KeyboardInterrupt

    cut = dataclasses.replace(options, out=tmp_path / "cut")
    result = report.train(cut, after_epoch=press_ctrl_c)
    assert result.interrupted
    assert result.epochs == 2
    assert "keeping epoch 2" in capfd.readouterr().err
    assert history_of(cut.out) == history_of(options.out)[:2]
    assert Bundle.load(cut.out).card.training["epochs"] == 2

    shutil.copytree(cut.out, tmp_path / "other")
    resumed = report.train(dataclasses.replace(cut, resume=True))
    assert not resumed.interrupted
    assert history_of(cut.out) == history_of(options.out)
    crops = np.random.default_rng(2).integers(0, 256, (3, 224, 224, 3)).astype(np.uint8)
    np.testing.assert_array_equal(
        MaskClassifier(resumed.bundle).predict(crops).probabilities,
        MaskClassifier(whole.bundle).predict(crops).probabilities,
    )

    other = dataclasses.replace(cut, out=tmp_path / "other", resume=True, seed=7)
    with pytest.raises(OutputError, match="seed 42"):
        report.train(other)


def test_ctrl_c_before_the_first_epoch_leaves_no_bundle(report, options, tmp_path, monkeypatch):
    def press_ctrl_c(*_args, **_kwargs):
        raise KeyboardInterrupt

    cut = dataclasses.replace(options, out=tmp_path / "cut")
    with monkeypatch.context() as patch:
        patch.setattr(report.FeatureExtractor, "views", press_ctrl_c)
        with pytest.raises(KeyboardInterrupt):
            report.train(cut)
    assert not (cut.out / "card.json").exists()
    assert report.train(dataclasses.replace(cut, resume=True, epochs=1)).epochs == 1


@pytest.mark.parametrize("kept", [b"", b"noise", None], ids=["empty", "no array", "cut short"])
def test_damaged_features_are_computed_anew(report, whole, options, tmp_path, kept):
    out = shutil.copytree(options.out, tmp_path / "run")
    damaged = out / "checkpoint" / "features-view-0.npy"
    whole_file = damaged.read_bytes()
    damaged.write_bytes(whole_file[:500] if kept is None else kept)
    report.train(dataclasses.replace(options, out=out, resume=True))
    assert damaged.read_bytes() == whole_file


def test_a_given_split_is_used(report, options, tmp_path):
    train_names = ["with_mask/0.png", "without_mask/0.png", "without_mask/1.png"]
    test_names = ["with_mask/5.png", "without_mask/5.png"]

    def train(out, test):
        rows = [Row(name, "", n, TRAIN) for n, name in enumerate(train_names)]
        rows += [Row(name, "", 10 + n, TEST) for n, name in enumerate(test)]
        write_manifest(tmp_path / "split.csv", rows)
        split = str(tmp_path / "split.csv")
        report.train(dataclasses.replace(options, out=out, epochs=1, views=1, split=split))

    train(tmp_path / "run", test_names)
    predictions = (tmp_path / "run" / "predictions.csv").read_text().splitlines()[1:]
    assert [line.split(",")[0] for line in predictions] == test_names
    with pytest.raises(DatasetError, match="that can be read, for the test"):
        train(tmp_path / "b", ["gone.png"])
    with pytest.raises(DatasetError, match=r"lacks 1 of the 6 pictures .* such as gone\.png"):
        train(tmp_path / "c", [*test_names, "gone.png"])
    assert not (tmp_path / "c").exists()


def test_the_groups_of_a_manifest_widen_the_interval(report, options, tmp_path):
    """Each label's five test pictures are copies of one."""
    rows = [
        Row(f"{label}/{n}.png", label, group if n < 5 else 10 * group + n, TEST if n < 5 else TRAIN)
        for group, label in enumerate(("with_mask", "without_mask"), start=1)
        for n in range(10)
    ]
    manifest = tmp_path / "split.csv"
    write_manifest(manifest, rows)
    given = dataclasses.replace(
        options, out=tmp_path / "run", epochs=1, views=1, split=str(manifest)
    )
    trained = report.train(given)
    assert trained.judged == "in the test"
    accuracy = trained.metrics["accuracy"]
    assert accuracy["total"] == 10
    low, high = accuracy["interval_95"]
    assert low <= wilson(2, 2)[0]
    assert high >= wilson(0, 2)[1]


def test_a_split_may_list_pictures_that_cannot_be_read():
    train, test = split_by_name(
        ["a", "b", "c"], Parts(["a", "x"], ["c", "y"], {}), skipped=["x", "y"]
    )
    assert (train.tolist(), test.tolist()) == ([0], [2])


def test_unreadable_pictures_are_skipped_and_named(report, portraits, options, tmp_path):
    data = shutil.copytree(portraits, tmp_path / "data")
    (data / "with_mask" / "broken.jpg").write_text("no picture")
    given = dataclasses.replace(options, data=(data,), out=tmp_path / "run", epochs=1, views=1)
    result = report.train(given)
    assert len(result.skipped) == 1
    assert "broken.jpg is not a picture" in result.skipped[0]
    assert result.metrics["skipped"] == list(result.skipped)
    assert result.metrics["train_pictures"] + result.metrics["test_pictures"] == 20


def test_the_test_part_is_the_one_that_evaluate_judges(report, portraits, options, tmp_path):
    """With three labels and a file that cannot be read, which both could change the draw."""
    data = shutil.copytree(portraits, tmp_path / "data")
    shutil.copytree(data / "with_mask", data / "mask_worn_incorrectly")
    (data / "with_mask" / "0.png").write_text("no picture")
    given = dataclasses.replace(options, data=(data,), out=tmp_path / "run", epochs=1, views=1)
    metrics = report.train(given).metrics
    with (given.out / "predictions.csv").open() as file:
        tested = {row["file"] for row in csv.DictReader(file)}
    judged = {picture.name for picture in select(data, "report").dataset.pictures}
    assert tested == judged - {"with_mask/0.png"}
    assert metrics["train_pictures"] + len(tested) == 29


def _empty(root):
    for path in list(root.iterdir()):
        shutil.rmtree(path)


def _one_label(root):
    shutil.rmtree(root / "with_mask")


def _all_broken(root):
    for path in root.rglob("*.png"):
        path.write_bytes(b"")


def _other_label(root):
    (root / "with_mask").rename(root / "cats")


def _too_few(root):
    for path in list((root / "with_mask").iterdir())[1:]:
        path.unlink()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_empty, "no labelled pictures"),
        (_one_label, "at least two labels.*only without_mask"),
        (_all_broken, "at least two labels.*none that can be read"),
        (_other_label, r"not known: \['cats'\]"),
        (_too_few, "at least 5 of each label"),
    ],
)
def test_data_that_cannot_be_trained_on(report, portraits, options, tmp_path, damage, message):
    data = shutil.copytree(portraits, tmp_path / "data")
    damage(data)
    with pytest.raises(DatasetError, match=message):
        report.train(dataclasses.replace(options, data=(data,), out=tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_boxed_faces_are_for_another_recipe(report, options, tmp_path):
    file = tmp_path / "scenes.json"
    (tmp_path / "a.jpg").touch()
    box = {"image_id": 1, "category_id": 1, "bbox": [0, 0, 5, 5]}
    file.write_text(
        json.dumps(
            {
                "images": [{"id": 1, "file_name": "a.jpg"}],
                "categories": [{"id": 1, "name": "with_mask"}],
                "annotations": [box],
            }
        )
    )
    with pytest.raises(DatasetError, match="--recipe street"):
        report.train(dataclasses.replace(options, data=(file,), out=tmp_path / "run"))
    with pytest.raises(DatasetError, match="takes one folder"):
        report.train(dataclasses.replace(options, data=(file, file), out=tmp_path / "run"))
    with pytest.raises(DatasetError, match="without --calibrate-on"):
        report.train(dataclasses.replace(options, calibrate_on=file, out=tmp_path / "run"))
    with pytest.raises(DatasetError, match="without --start"):
        report.train(dataclasses.replace(options, start=file, out=tmp_path / "run"))
    with pytest.raises(DatasetError, match="without --corrections"):
        report.train(dataclasses.replace(options, corrections=(file,), out=tmp_path / "run"))


def test_a_network_that_is_not_converted_well_is_not_written(tmp_path, capfd):
    from masklens.training.convert import check_parity, to_onnx

    model = tiny_backbone()
    path = tmp_path / "model.onnx"
    capfd.readouterr()
    to_onnx(model, path, ["features"])
    assert capfd.readouterr() == ("", ""), "TensorFlow's own messages"
    pictures = np.random.default_rng(0).uniform(-1, 1, (2, 224, 224, 3)).astype(np.float32)
    assert check_parity(model, path, pictures) <= 1e-4
    model.layers[2].set_weights([w + 0.01 for w in model.layers[2].get_weights()])
    with pytest.raises(BundleError, match="does not agree with the Keras network"):
        check_parity(model, path, pictures)
    with pytest.raises(BundleError, match="1 outputs"):
        to_onnx(model, path, ["features", "box"])


def test_the_network_is_the_reports():
    from masklens.training.network import backbone, head, join

    model = join(backbone(weights=None), head(2, seed=42))
    assert model.input_shape == (None, 224, 224, 3)
    kinds = [type(layer).__name__ for layer in model.layers[-5:]]
    assert kinds == ["AveragePooling2D", "Flatten", "Dense", "Dropout", "Dense"]
    assert model.get_layer("average_pooling").pool_size == (7, 7)
    assert model.get_layer("dense").units == 128
    assert model.get_layer("dropout").rate == 0.5
    trained = sum(int(np.prod(w.shape)) for w in model.trainable_weights)
    assert trained == 1280 * 128 + 128 + 128 * 2 + 2  # the backbone is frozen


def test_weights_that_cannot_be_downloaded(options, monkeypatch, tmp_path):
    import keras

    from masklens.training.report import train

    def offline(**_kwargs):
        raise Exception("URL fetch failure on https://…: None -- no route to host")

    monkeypatch.setattr(keras.applications, "MobileNetV2", offline)
    with pytest.raises(DownloadError, match=r"no route to host\. Connect .*KERAS_HOME"):
        train(dataclasses.replace(options, out=tmp_path / "run"))
    assert not (tmp_path / "run").exists(), "nothing that the next try would have to resume"


def test_without_the_extra(monkeypatch):
    from masklens import training

    monkeypatch.setattr(training, "find_spec", lambda _name: None)
    with pytest.raises(MissingExtraError, match=r'pip install "masklens\[train\]"'):
        training.load_recipe("report")


def test_the_command(report, portraits, tmp_path):
    out = tmp_path / "run"
    arguments = ["train", str(portraits), "--out", str(out), "--epochs", "1", "--views", "1"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    assert "of 4 right in the test, where copies of training pictures would" in result.output
    assert str(out) in result.output
    again = CliRunner().invoke(main, arguments)
    assert again.exit_code == 1
    assert "holds a run or a bundle already" in again.output
    missing = CliRunner().invoke(main, ["train", str(tmp_path / "gone"), "--out", str(out)])
    assert missing.exit_code == 1
    assert "does not exist" in missing.output


def test_real_portraits_are_learned(shared_data, tmp_path):
    """The real network on 40 real portraits of each label; the whole set is a benchmark."""
    from masklens.training import report

    data = tmp_path / "data"
    for label in ("with_mask", "without_mask"):
        (data / label).mkdir(parents=True)
        pictures = sorted((shared_data / "data" / "prajna" / label).glob("[0-9]*.jpg"))
        for path in pictures[:40]:
            with PillowImage.open(path) as picture:
                picture.thumbnail((300, 300))
                picture.save(data / label / path.name)
    options = TrainOptions(data=(data,), out=tmp_path / "run", epochs=12, views=1, batch_size=8)
    result = report.train(options)
    assert result.metrics["accuracy"]["value"] >= 0.9
    assert result.metrics["largest_difference_keras_onnx"] <= 1e-4
