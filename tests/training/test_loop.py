"""The loop of classifier and finder, on a network of two layers that learns in a moment."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("keras")

import keras
import tensorflow as tf

from masklens.errors import InputError, OutputError
from masklens.training import loop
from masklens.training.history import append_row, read_history
from masklens.training.loop import LoopSettings, RunningMean

SETTINGS = LoopSettings(epochs=3, batch=4, learning_rate=0.1, warmup=2, average=0.9)
STEPS = 5


def small_network() -> Any:
    keras.utils.set_random_seed(3)
    layers = [keras.Input((2,)), keras.layers.Dropout(0.3), keras.layers.Dense(1)]
    return keras.Sequential(layers)


def batches(epoch: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(epoch)
    for _ in range(STEPS):
        x = rng.normal(size=(SETTINGS.batch, 2)).astype(np.float32)
        yield x, x.sum(axis=1, keepdims=True)


def run(folder: Path, network: Any | None = None, **kwargs: Any) -> tuple[int, Any]:
    network = network or small_network()

    def losses(x: Any, wanted: Any) -> dict[str, Any]:
        error = tf.reduce_mean((network(x, training=True) - wanted) ** 2)
        return {"loss": error, "root": tf.sqrt(error)}

    done = loop.train(
        network,
        losses,
        batches,
        SETTINGS,
        RunningMean(network.trainable_variables, SETTINGS.average),
        steps=STEPS,
        clip=1.0,
        checkpoints=folder / "checkpoint",
        history=folder / "history.csv",
        **kwargs,
    )
    return done, network


def stop_after(epoch: int) -> loop.AfterEpoch:
    def after_epoch(row: dict[str, float]) -> None:
        if row["epoch"] == epoch:
            raise KeyboardInterrupt

    return after_epoch


def test_a_run_that_was_stopped_ends_like_one_that_was_not(tmp_path: Path) -> None:
    done, whole = run(tmp_path / "whole")
    assert done == 3
    done, _ = run(tmp_path / "cut", after_epoch=stop_after(2))
    assert done == 2
    done, resumed = run(tmp_path / "cut", resume=True)
    assert done == 3
    for ours, theirs in zip(resumed.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    rows = read_history(tmp_path / "cut" / "history.csv")
    assert rows == read_history(tmp_path / "whole" / "history.csv")
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    assert rows[-1]["loss"] < rows[0]["loss"]
    assert set(rows[0]) == {"epoch", "loss", "root"}


def test_ctrl_c_in_the_middle_of_an_epoch_keeps_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(epoch: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for number, batch in enumerate(whole(epoch)):
            if epoch == 1 and number == 2:
                raise KeyboardInterrupt
            yield batch

    whole = batches
    with monkeypatch.context() as patch:
        patch.setitem(globals(), "batches", broken)
        done, cut = run(tmp_path / "cut")
    assert done == 1
    _, first = run(tmp_path / "first", after_epoch=stop_after(1))
    for ours, theirs in zip(cut.get_weights(), first.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_ctrl_c_in_the_first_epoch_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(epoch: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        raise KeyboardInterrupt
        yield

    monkeypatch.setitem(globals(), "batches", broken)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path)
    assert not (tmp_path / "history.csv").exists()


def test_what_is_scored_after_an_epoch_is_what_would_ship(tmp_path: Path) -> None:
    network = small_network()
    seen: list[list[np.ndarray]] = []

    def after_epoch(row: dict[str, float]) -> None:
        seen.append(network.get_weights())
        row["score"] = len(seen)

    run(tmp_path, network, after_epoch=after_epoch)
    for ours, theirs in zip(seen[-1], network.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    rows = read_history(tmp_path / "history.csv")
    assert [row["score"] for row in rows] == [1, 2, 3]
    # Looking did not change what was trained.
    _, unseen = run(tmp_path / "unseen")
    for ours, theirs in zip(network.get_weights(), unseen.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(
    ("ramp", "expected"),
    [
        (False, [1.0, 0.9 * 1 + 0.1 * 2, 0.9 * 1.1 + 0.1 * 3]),
        (True, [9 / 11, 3 / 12 * 9 / 11 + 9 / 12 * 2, None]),
    ],
)
def test_the_mean_is_what_it_is_by_hand(ramp: bool, expected: list[float | None]) -> None:
    weight = keras.Variable(0.0)
    mean = RunningMean([weight], 0.9, ramp=ramp)
    for step, wanted in enumerate(expected, 1):
        weight.assign(float(step))
        mean.update(tf.constant(step))
        if wanted is not None:
            assert float(mean.means[0]) == pytest.approx(wanted)


@pytest.mark.parametrize("damage", ["cut short", "other content"])
def test_a_checkpoint_that_cannot_be_used_is_said_so(tmp_path: Path, damage: str) -> None:
    run(tmp_path, after_epoch=stop_after(1))
    (data,) = (tmp_path / "checkpoint").glob("*.data*")
    if damage == "cut short":
        data.write_bytes(data.read_bytes()[:20])
    else:  # what earlier versions wrote for the classifier had no mean of its own
        network = small_network()
        other = tf.train.Checkpoint(model=network, finished=tf.Variable(1))
        manager = tf.train.CheckpointManager(other, str(tmp_path / "checkpoint"), max_to_keep=1)
        manager.save()
    with pytest.raises(InputError, match=r"cannot be resumed\. Start anew with --overwrite"):
        run(tmp_path, resume=True)


def test_a_checkpoint_that_cannot_be_written_is_said_so(tmp_path: Path) -> None:
    def in_the_way(row: dict[str, float]) -> None:
        if row["epoch"] == 1:
            shutil.rmtree(tmp_path / "checkpoint")
            (tmp_path / "checkpoint").write_text("no folder")

    with pytest.raises(OutputError, match="Cannot write a checkpoint"):
        run(tmp_path, after_epoch=in_the_way)


def test_a_history_may_get_columns_and_lack_some(tmp_path: Path) -> None:
    file = tmp_path / "history.csv"
    rows = [{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": 0.25, "score": 0.125}, {"epoch": 3}]
    for row in rows:
        append_row(file, row)
    assert file.read_text() == "epoch,loss,score\n1,0.5,\n2,0.25,0.125\n3,,\n"
    assert read_history(file) == rows
