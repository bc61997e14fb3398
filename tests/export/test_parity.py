"""What the bars let pass and what they do not."""

from pathlib import Path

import numpy as np
import pytest

from masklens.export.parity import Reference, Row, labels_of, missed_bars
from masklens.export.table import Proof, markdown_table
from masklens.intervals import Estimate
from masklens.labels import LABELS
from tests.conftest import toy_card


def accuracy(value: float) -> Estimate:
    return Estimate(value, value - 0.02, value + 0.02, "wilson")


def row(precision: str, **changes) -> Row:
    values = {
        "file": "x.onnx",
        "runtime": "onnx",
        "precision": precision,
        "bytes": 290,
        "max_difference": 1e-6,
        "mean_difference": 1e-7,
        "box_max": 1e-6,
        "box_mean": 1e-7,
        "agreement": 1.0,
        "accuracy": accuracy(0.95),
    }
    return Row(**(values | changes))


@pytest.mark.parametrize(
    ("made", "missed"),
    [
        (row("fp32"), None),
        (row("fp32", max_difference=1.1e-4), "largest difference 1.1e-04"),
        (row("fp32", box_max=2e-4), "largest difference 2.0e-04"),
        (row("fp32", agreement=713 / 714), "label agreement 99.86%"),
        (row("fp32", max_difference=float("nan")), "largest difference nan"),
        (row("fp16", max_difference=0.1), None),
        (row("fp16", agreement=0.9989), "label agreement"),
        (row("int8", agreement=0.99, accuracy=accuracy(0.945)), None),
        (row("int8", agreement=0.9899), "label agreement 98.99%"),
        (row("int8", accuracy=accuracy(0.9449)), "accuracy 94.49%, at least 94.50% is needed"),
        (row("int8", accuracy=accuracy(float("nan"))), "accuracy nan"),
        (row("int8", bytes=300), None),
        (row("int8", bytes=301), "size 0.301"),
        (row("int8", bytes=500, runtime="openvino"), None),  # its graph is written out
        (row("int8", box_mean=0.011), "box 0.0110"),
        (row("int8", box_mean=None, box_max=None), None),
        (row("int8", speedup=0.5), None),  # the machine's fault, not the file's
    ],
)
def test_bars(made, missed):
    keras = Reference({}, accuracy(0.95), 4000)  # its file is of another size
    sentences = missed_bars(made, keras, float32_bytes=1000)
    if missed is None:
        assert sentences == ()
    else:
        assert len(sentences) == 1
        assert missed in sentences[0]


def test_points_that_may_be_lost_are_no_matter_of_the_last_bit():
    keras = Reference({}, accuracy(13 / 200), 4000)  # 0.005 less is a little more than 12 / 200
    assert missed_bars(row("int8", accuracy=accuracy(12 / 200)), keras, 1000) == ()
    assert len(missed_bars(row("int8", accuracy=accuracy(11 / 200)), keras, 1000)) == 1


def test_labels_leave_out_what_is_no_face():
    card = toy_card(outputs=("not_a_face", *LABELS))
    probabilities = np.array([[0.9, 0.02, 0.05, 0.03], [0.1, 0.6, 0.2, 0.1]], np.float32)
    assert labels_of(probabilities, card).tolist() == [1, 0]


def test_a_table_is_aligned():
    lines = markdown_table(("a", "long"), [("xyz", "1")]).splitlines()
    assert lines == ["| a   | long |", "|-----|------|", "| xyz | 1    |"]


def test_the_proof_says_how_fast_int8_should_be():
    keras = {"accuracy": {"value": 1.0, "low": 0.9, "high": 1.0}, "bytes": 1}
    data = {"name": "faces", "sha256": "0" * 64, "faces": 1}
    proof = Proof("street 1", data, {"processor": "any"}, keras, [])
    assert "int8 should have 2×, but that depends on the machine" in proof.markdown()


def test_the_proof_says_that_the_faces_were_trained_on():
    keras = {"accuracy": {"value": 1.0, "low": 0.9, "high": 1.0}, "bytes": 1}
    data = {"name": "faces", "sha256": "0" * 64, "faces": 1}
    proof = Proof("street 1", data | {"trained_on": True}, {"processor": "any"}, keras, [])
    assert proof.caveat.startswith("street 1 was trained on pictures of faces")
    assert proof.caveat in proof.markdown()
    others = Proof("street 1", data | {"trained_on": False}, {"processor": "any"}, keras, [])
    assert others.caveat == ""
    assert "was trained on" not in others.markdown()


def test_the_bars_are_documented():
    from masklens.export import parity, table

    text = (Path(__file__).parents[2] / "docs" / "export.md").read_text()
    for bar in (
        f"{parity.FP32_DIFFERENCE:.0e}".replace("e-0", "e-"),
        f"{parity.FP16_AGREEMENT:.1%}".replace("%", " %"),
        f"{parity.INT8_AGREEMENT:.0%}".replace("%", " %"),
        f"{parity.INT8_SIZE:.1f}",
        f"{table.INT8_SPEED:.0f} times",
    ):
        assert bar in text, bar
