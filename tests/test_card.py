import dataclasses
import json

import pytest

from masklens.bundle import Bundle
from masklens.card import ModelCard
from masklens.errors import BundleError
from tests.conftest import ROOT


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 99}, "format 99"),
        ({"labels": ["with_mask"]}, "outputs must be its labels"),
        ({"labels": 3}, "labels must be a list"),
        (
            {"labels": ["masked", "bare", "chin"], "outputs": ["masked", "bare", "chin"]},
            r"labels must be of \['with_mask', .*Received: \['bare', 'chin', 'masked'\]",
        ),
        *(
            ({"finder": {"file": name}}, "finder.file must be a name that ends in .onnx")
            for name in (
                "",
                ".",
                "/",
                "finder",
                ".onnx",
                "../finder.onnx",
                "a\0.onnx",
                "\ud800.onnx",
            )
        ),
        *(
            ({"finder": {"multiple": multiple}}, "multiple up to 1024")
            for multiple in (0, 32_000, 32 * 10**30)
        ),
        ({"finder": {"long_side": 10**400}}, "long_side in 32…8192"),
        ({"finder": {"max_scale": 5e-324}}, "max_scale >= 0.01"),
        ({"temperature": 5e-324}, "temperature in 0.01…100"),
        ({"temperature": 10**400}, r"temperature must be a number of at most ±1e\+09"),
        ({"value_range": [0, 1e308]}, "value_range must be a list of numbers of at most"),
        ({"size": 0}, "size in 8"),
        ({"size": 10**9}, "size in 8"),
        ({"size": "big"}, "size must be a whole number"),
        ({"size": 112.5}, "size must be a whole number"),
        ({"margin": None}, "margin must be a number"),
        ({"margin": 1e9}, "margin in 0"),
        ({"temperature": "hot"}, "temperature must be a number"),
        ({"thresholds": [1]}, "thresholds must be an object"),
        ({"thresholds": {"default": "x"}}, "must be in 0…1"),
        ({"thresholds": {"default": 2}}, "must be in 0…1"),
        ({"files": [1]}, "files must be an object"),
        ({"finder": 3}, "finder must be an object or null"),
        ({"second_look": 3}, "second_look must be an object or null"),
        ({"second_look": {"low": 0.1}}, "cannot be read"),
        ({"second_look": {"low": 0.3, "high": 0.2}}, "low < high"),
        ({"second_look": {"low": "x", "high": 0.8}}, "second_look.low must be a number"),
        ({"second_look": {"low": 0.1, "high": 0.2, "cut": True}}, "cut must be a whole number"),
        ({"second_look": {"low": 0.1, "high": 0.2, "cut": 16}}, "cut of whole pixels"),
        ({"thresholds": {}}, "default"),
        ({"surprise": 1}, "surprise"),
        ({"value_range": [1]}, "cannot be read"),
        ({"value_range": [1, 1]}, "two different ends"),
        ({"value_range": [float("nan"), 1]}, "a list of numbers"),
        ({"temperature": float("inf")}, "temperature must be a number"),
        ({"labels": ["a", "a"], "outputs": ["a"]}, "labels must be a list of names, each once"),
        ({"labels": [1], "outputs": [1]}, "labels must be a list of names"),
        ({"refines_box": "no"}, "refines_box must be true or false"),
        ({"name": None}, "name must be a text"),
        (
            {"face_calibration": {"bias": "0", "finder": 1, "classifier": 1}},
            "bias must be a number",
        ),
        ({"face_calibration": {"bias": float("nan")}}, "bias must be a number"),
        ({"finder": {"file": None}}, "finder.file must be a text"),
        ({"finder": {"long_side": 704.5}}, "finder.long_side must be a whole number"),
        ({"finder": {"strides": "8"}}, "finder.strides must be a list of whole numbers"),
        ({"face_calibration": {"x": 1}}, "cannot be read"),
        ({"scores": {"accuracy": float("nan")}}, "cannot be read: .* not JSON compliant"),
    ],
)
def test_a_malformed_card_says_what_is_wrong(toy_bundle, change, message):
    path = toy_bundle.folder / "card.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(BundleError, match=message):
        Bundle.load(toy_bundle.folder)


def test_missing_keys_are_named(toy_bundle):
    path = toy_bundle.folder / "card.json"
    values = json.loads(path.read_text())
    del values["margin"]
    path.write_text(json.dumps(values))
    with pytest.raises(BundleError, match="margin"):
        Bundle.load(toy_bundle.folder)


def test_an_unknown_preset_lists_the_others(toy_bundle):
    assert toy_bundle.card.threshold("precise") == 0.6
    with pytest.raises(BundleError, match="sensitive"):
        toy_bundle.card.threshold("brave")


def test_a_card_survives_without_the_disk():
    card = Bundle.load().card
    assert ModelCard.from_dict(card.to_dict()) == card


def test_the_card_is_documented():
    text = (ROOT / "docs" / "bundle.md").read_text()
    for field in dataclasses.fields(ModelCard):
        assert f"`{field.name}`" in text, f"docs/bundle.md does not describe {field.name}"
