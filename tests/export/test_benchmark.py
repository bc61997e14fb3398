"""The benchmark command: no Keras, no pictures."""

import json
import sys
import time

import pytest
from click.testing import CliRunner

import masklens.export.benchmark
from masklens.bundle import write_bundle
from masklens.cli import main
from masklens.export.timing import _CLOCKS, Candidate, _in_turns, clock_of, time_candidates
from tests.conftest import make_toy_model, toy_card


def run(*arguments):
    return CliRunner().invoke(main, ["benchmark", *map(str, arguments), "--rounds", "2"])


def test_every_file_in_every_runtime_that_reads_it(toy_bundle, tmp_path):
    result = run(toy_bundle.folder, "--json", tmp_path / "b.json")
    assert result.exit_code == 0, result.output
    rows = json.loads((tmp_path / "b.json").read_text())["rows"]
    assert [(row["file"], row["runtime"]) for row in rows] == [
        ("classifier.onnx", "onnx"),
        ("classifier.onnx", "openvino"),
    ]
    assert all(timing["milliseconds"] > 0 for row in rows for timing in row["timings"])
    assert "classifier.onnx" in result.output
    assert "ms, 2 threads, batch 8" in result.output
    clocks = {timing["threads"]: timing["clock"] for row in rows for timing in row["timings"]}
    assert clocks == {1: "processor", 2: "wall"}
    assert "With 1 thread: processor time" in result.output
    assert "With 2 threads: the time that passes" in result.output


def test_the_bundle_that_ships_without_its_finder(tmp_path):
    for bundle in ([], ["default"]):
        result = run(*bundle, "--json", tmp_path / "b.json")
        assert result.exit_code == 0, result.output
        rows = json.loads((tmp_path / "b.json").read_text())["rows"]
        assert {row["file"] for row in rows} == {"classifier.onnx", "classifier.tflite"}


def test_accuracy_is_shown_again_from_the_proof(toy_bundle):
    row = {
        "file": "classifier.onnx",
        "accuracy": {"value": 0.914, "low": 0.9, "high": 0.93},
        "agreement": 0.9972,
    }
    (toy_bundle.folder / "parity.json").write_text(json.dumps({"rows": [row]}))
    text = run(toy_bundle.folder).output
    assert "91.4%" in text
    assert "99.72%" in text


def test_a_proof_that_lacks_something_costs_no_times(toy_bundle):
    rows = [{"file": "classifier.onnx", "accuracy": {"value": 0.914, "low": 0.9}}]
    (toy_bundle.folder / "parity.json").write_text(json.dumps({"rows": rows}))
    result = run(toy_bundle.folder)
    assert result.exit_code == 0, result.exception
    assert "classifier.onnx" in result.output


def test_several_bundles_are_told_apart(toy_bundle, tmp_path):
    other = write_bundle(
        tmp_path / "other", toy_card(), {"classifier.onnx": toy_bundle.path("classifier.onnx")}
    )
    text = run(toy_bundle.folder, other.folder).output
    assert "toy-bundle/classifier.onnx" in text
    assert "other/classifier.onnx" in text


def test_a_runtime_that_is_not_installed_is_named(toy_bundle, monkeypatch):
    monkeypatch.setattr(
        masklens.export.benchmark, "find_spec", lambda name: None if name == "openvino" else name
    )
    result = run(toy_bundle.folder)
    assert 'Not timed: openvino. To add it: pip install "masklens[openvino]"' in result.output


@pytest.mark.parametrize("damage", ["absent", "empty"])
def test_bad_bundles_are_one_sentence(tmp_path, damage):
    folder = tmp_path / damage
    if damage == "empty":
        write_bundle(folder, toy_card(), {})
    result = run(folder)
    assert result.exit_code == 1
    (line,) = result.output.splitlines()
    assert {"absent": "is not a bundle", "empty": "no model that can be run"}[damage] in line


@pytest.mark.parametrize(("clock", "counts"), [("processor", False), ("wall", True)])
def test_waiting_counts_for_the_wall_clock_only(clock, counts):
    (seconds,) = _in_turns([lambda: time.sleep(0.02)], 5, _CLOCKS[clock])
    assert (seconds > 0.01) == counts


def test_one_thread_is_timed_by_the_wall_where_processor_time_is_coarse(monkeypatch):
    monkeypatch.setattr(sys, "platform", "win32")
    assert clock_of(1) == clock_of(2) == "wall"


def test_a_bigger_network_takes_longer(tmp_path):
    bundles = []
    for size in (32, 512):
        model = tmp_path / f"{size}.onnx"
        make_toy_model(model, size)
        card = toy_card(size=size)
        bundles.append(write_bundle(tmp_path / f"b{size}", card, {"classifier.onnx": model}))
    small, large = time_candidates(
        [Candidate(bundle, "classifier.onnx", "onnx") for bundle in bundles], [(1, 1)], 10
    )
    assert large[0].milliseconds > 3 * small[0].milliseconds
