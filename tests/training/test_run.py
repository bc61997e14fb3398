"""The run folder: what is written, and what is refused."""

import csv
import json
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import keras
import numpy as np
import pytest
from PIL import Image as PillowImage

from masklens.bundle import Bundle, write_bundle
from masklens.cli.train_console import show_end
from masklens.errors import InputError, OutputError
from masklens.training.checkpoint import Checkpoint
from masklens.training.results import Predictions
from masklens.training.run import RunFolder, TrainOptions, TrainResult
from tests.conftest import toy_card

SETTINGS = {"recipe": "report", "data_sha256": "abc", "seed": 42}
HISTORY = [
    {"epoch": 1, "loss": 0.6, "accuracy": 0.7, "val_loss": 0.5, "val_accuracy": 0.8},
    {"epoch": 2, "loss": 0.3, "accuracy": 0.9, "val_loss": 0.2, "val_accuracy": 0.95},
]


def options(out: Path, **changes) -> TrainOptions:
    return TrainOptions(data=(Path("data"),), out=out, command="masklens train data", **changes)


def of_four() -> Predictions:
    """Worked by hand: 3 of 4 right; one of two bare faces is called masked."""
    return Predictions(
        labels=("with_mask", "without_mask"),
        names=["a.jpg", "b.jpg", "c.jpg", "d.jpg"],
        truth=np.array([0, 0, 1, 1]),
        probabilities=np.array([[0.9, 0.1], [0.8, 0.2], [0.6, 0.4], [0.3, 0.7]], np.float32),
    )


def test_everything_is_written(tmp_path):
    run = RunFolder.open(options(tmp_path / "run"), SETTINGS)
    metrics = run.write_results(HISTORY, of_four(), {"epochs": 2})
    assert metrics == json.loads((run.path / "metrics.json").read_text())
    assert metrics["accuracy"]["value"] == 0.75
    assert metrics["accuracy"]["interval_95"] == pytest.approx([0.3006, 0.9544], abs=1e-4)
    assert metrics["confusion_matrix"] == [[2, 0], [1, 1]]
    assert metrics["loss"] == pytest.approx(-np.log([0.9, 0.8, 0.4, 0.7]).mean(), rel=1e-5)
    record = json.loads((run.path / "run.json").read_text())
    assert record["command"] == "masklens train data"
    assert record["settings"] == SETTINGS
    assert {"python", "keras", "tensorflow", "masklens"} <= set(record["versions"])
    with (run.path / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row["val_loss"]) for row in rows] == [0.5, 0.2]
    report = json.loads((run.path / "classification_report.json").read_text())
    assert report["without_mask"]["recall"] == 0.5
    assert report["with_mask"]["precision"] == pytest.approx(2 / 3)
    assert "without_mask" in (run.path / "classification_report.txt").read_text()
    predictions = (run.path / "predictions.csv").read_text().splitlines()
    assert predictions[3] == "c.jpg,without_mask,with_mask,0.600000,0.400000"
    for figure in ("curves.png", "confusion_matrix.png"):
        assert PillowImage.open(run.path / figure).width > 400
    leftovers = [path.name for path in run.path.iterdir() if path.name.startswith(".")]
    assert leftovers == []


def test_near_copies_count_as_one_picture_in_the_interval():
    alone = replace(of_four(), groups=np.array([7, 3, 5, 4])).accuracy()
    assert alone == of_four().accuracy()
    together = replace(of_four(), groups=np.array([7, 7, 5, 5])).accuracy()
    assert together["value"] == 0.75
    assert together["interval_95"][0] < alone["interval_95"][0]


def test_a_run_is_not_overwritten_by_accident(tmp_path):
    run = RunFolder.open(options(tmp_path), SETTINGS)
    run.checkpoint.mkdir()
    (run.checkpoint / "head.npz").write_bytes(b"old")
    with pytest.raises(OutputError, match=r"--resume .* --overwrite"):
        RunFolder.open(options(tmp_path), SETTINGS)
    RunFolder.open(options(tmp_path, overwrite=True), SETTINGS)
    assert not run.checkpoint.exists()


def test_a_run_that_ends_while_another_is_thrown_away_vouches_for_nothing(tmp_path, monkeypatch):
    """A record beside the other run's checkpoint: --resume would go on from that."""
    run = RunFolder.open(options(tmp_path), SETTINGS)
    run.checkpoint.mkdir()
    with monkeypatch.context() as patch:
        patch.setattr("shutil.rmtree", Mock(side_effect=KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            RunFolder.open(options(tmp_path, overwrite=True), SETTINGS | {"seed": 7})
    assert run.checkpoint.exists()
    with pytest.raises(OutputError, match="seed"):
        RunFolder.open(options(tmp_path, resume=True), SETTINGS | {"seed": 7})


def test_a_run_that_is_thrown_away_leaves_no_history(tmp_path):
    """The street recipe writes one for each round; with a single epoch it has one round."""
    RunFolder.open(options(tmp_path), SETTINGS)
    mine = "history of the hall.csv"
    for name in ("history.csv", "history_polish.csv", mine):
        (tmp_path / name).write_text("epoch,loss\n1,0.5\n")
    RunFolder.open(options(tmp_path, resume=True), SETTINGS)
    assert len(list(tmp_path.glob("history*.csv"))) == 3
    RunFolder.open(options(tmp_path, overwrite=True), SETTINGS)
    assert [path.name for path in tmp_path.glob("history*.csv")] == [mine]


def test_a_run_that_is_thrown_away_leaves_nothing_but_what_is_not_its_own(tmp_path):
    """A folder with two recipes' results would hold two models."""
    out = tmp_path / "run"
    RunFolder.open(options(out), SETTINGS)
    (out / "examples").mkdir()
    exported = ("classifier-int8.tflite", "parity.md")
    names = ("classifier.h5", "predictions.csv", "curves.png", *exported)
    mine = ("notes.txt", "finder.json", "examples/epoch_001.jpg")  # of no run with this recipe
    for name in (*names, *mine):
        (out / name).write_text(name)
    write_bundle(out, toy_card(), {name: out / name for name in exported})

    RunFolder.open(options(out, overwrite=True), SETTINGS | {"recipe": "street"})
    assert files_in(out) == {"run.json", *mine}
    with pytest.raises(OutputError, match=r"epoch_001\.jpg is of no run or bundle in .* Move it"):
        RunFolder.open(options(out, overwrite=True), SETTINGS | {"recipe": "finder"})
    assert files_in(out) == {"run.json", *mine}

    other = tmp_path / "other"
    RunFolder.open(options(other), SETTINGS | {"recipe": "finder"})
    (other / "examples").mkdir()
    (other / "examples" / "epoch_001.jpg").write_text("")
    (other / "finder.onnx").write_text("")
    RunFolder.open(options(other, overwrite=True), SETTINGS)
    assert [path.name for path in other.iterdir()] == ["run.json"]


@pytest.mark.parametrize("name", ["metrics.json", "checkpoint/theirs.npz", "history.csv"])
def test_a_new_run_replaces_no_file_of_somebody_elses(tmp_path, name):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("precious")
    with pytest.raises(OutputError, match="is of no run or bundle"):
        RunFolder.open(options(tmp_path), SETTINGS)
    assert files_in(tmp_path) == {name}
    write_bundle(tmp_path, toy_card(), {})
    with pytest.raises(OutputError, match="is of no run or bundle"):
        RunFolder.open(options(tmp_path, overwrite=True), SETTINGS)
    assert (tmp_path / name).read_text() == "precious"


def test_a_damaged_run_can_be_thrown_away(tmp_path):
    RunFolder.open(options(tmp_path), SETTINGS)
    for name in ("run.json", "card.json", "classifier.h5", "finder.onnx"):
        (tmp_path / name).write_text("{")
    RunFolder.open(options(tmp_path, overwrite=True), SETTINGS)
    assert files_in(tmp_path) == {"run.json"}


def files_in(folder: Path) -> set[str]:
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix() for path in paths}


def test_a_run_is_resumed_with_the_same_settings_only(tmp_path):
    first = RunFolder.open(options(tmp_path), SETTINGS)
    again = TrainOptions(data=(), out=tmp_path, command="masklens train --resume", resume=True)
    second = RunFolder.open(again, SETTINGS)
    assert second.record["command"] == first.record["command"]
    assert second.record["resumed"] == ["masklens train --resume"]
    with pytest.raises(OutputError, match="run with seed 42, so it cannot be resumed with 7"):
        RunFolder.open(again, SETTINGS | {"seed": 7})
    with pytest.raises(OutputError, match=r"run with recipe 'report'.* with 'street'"):
        RunFolder.open(again, SETTINGS | {"recipe": "street"})
    with pytest.raises(OutputError, match="data sha256 'abc'"):
        RunFolder.open(again, SETTINGS | {"data_sha256": "def"})


def test_of_a_recipe_only_what_differs_is_named(tmp_path):
    fit = {"epochs": 18, "seed": 42, "augmentation": {"hue": 12.0}}
    settings = {"recipe": "street", "network": {"size": 112, "fit": fit, "polish": None}}
    RunFolder.open(options(tmp_path), settings)
    again = options(tmp_path, resume=True)
    RunFolder.open(again, settings)

    def message(**changes):
        with pytest.raises(OutputError) as error:
            RunFolder.open(again, settings | {"network": settings["network"] | changes})
        return str(error.value).partition(" is a run with ")[2].partition(". Use")[0]

    assert message(fit=fit | {"epochs": 3}) == (
        "network fit epochs 18, so it cannot be resumed with 3"
    )
    assert message(polish={"epochs": 1}) == (
        "network polish epochs None, so it cannot be resumed with 1"
    )
    assert message(fit=None) == "network fit epochs 18, so it cannot be resumed with None"


def test_the_card_names_the_commands_that_went_on(tmp_path):
    first = RunFolder.open(options(tmp_path), SETTINGS)
    assert "resumed" not in first.training_facts([])
    again = replace(
        options(tmp_path, resume=True), command="masklens train data --epochs 9 --resume"
    )
    facts = RunFolder.open(again, SETTINGS).training_facts([])
    assert facts["command"] == "masklens train data"
    assert facts["resumed"] == [again.command]


def test_nothing_was_trained(tmp_path, capsys):
    """More epochs are done than a resumed run asks for."""
    result = TrainResult(Bundle.load(), {}, epochs=11, wanted=3)
    assert show_end(result, tmp_path) == 0
    assert "11 epochs were done already, 3 are asked for" in capsys.readouterr().out


def test_nothing_to_resume(tmp_path):
    with pytest.raises(OutputError, match="no run to resume"):
        RunFolder.open(options(tmp_path, resume=True), SETTINGS)
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(OutputError, match="damaged"):
        RunFolder.open(options(tmp_path, resume=True), SETTINGS)


def test_resuming_and_starting_anew_exclude_each_other(tmp_path):
    RunFolder.open(options(tmp_path), SETTINGS)
    with pytest.raises(OutputError, match="use one of them"):
        RunFolder.open(options(tmp_path, resume=True, overwrite=True), SETTINGS)


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="Cannot write"):
        RunFolder.open(options(tmp_path / "file"), SETTINGS)


def network(outputs=2):
    model = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(outputs)])
    model.compile(keras.optimizers.Adam())
    return model


def test_a_checkpoint_survives_the_disk(tmp_path):
    state = Checkpoint.take(network(), [{"epoch": 1, "loss": 0.5}])
    state.save(tmp_path / "head.npz")
    model = network()
    loaded = Checkpoint.load(tmp_path / "head.npz", model)
    assert loaded.history == state.history
    restored = Checkpoint.take(model, [])
    for read in (loaded, restored):
        for mine, theirs in zip(
            read.weights + read.optimizer, state.weights + state.optimizer, strict=True
        ):
            np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize("content", [b"", b"junk", b"PK\x03\x04junk"])
def test_a_damaged_checkpoint(tmp_path, content):
    (tmp_path / "head.npz").write_bytes(content)
    with pytest.raises(InputError, match="--overwrite"):
        Checkpoint.load(tmp_path / "head.npz", network())


@pytest.mark.parametrize(
    "changes",
    [
        {"weight_0": np.zeros((2, 2))},
        {"optimizer_0": np.array("x")},
        {"optimizer_2": np.zeros(3)},
        {"optimizer_9": np.zeros(3)},
        {"history": np.array("[null]")},
        {"history": np.array("5")},
    ],
)
def test_a_checkpoint_that_does_not_fit(tmp_path, changes):
    path = tmp_path / "head.npz"
    Checkpoint.take(network(), [{"epoch": 1}]).save(path)
    with np.load(path) as arrays:
        kept = dict(arrays)
    np.savez(path, **(kept | changes))
    with pytest.raises(InputError, match=r"another version .* --overwrite"):
        Checkpoint.load(path, network())


def test_a_checkpoint_of_another_network(tmp_path):
    Checkpoint.take(network(), []).save(tmp_path / "head.npz")
    with pytest.raises(InputError, match=r"another version .* --overwrite"):
        Checkpoint.load(tmp_path / "head.npz", network(outputs=4))
