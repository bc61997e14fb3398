"""The snippet of docs/android.md, run as it stands there and compared with masklens itself."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as PillowImage

from masklens import MaskDetector
from masklens.bundle import Bundle
from masklens.faces import Faces
from masklens.finder import bundle_finder
from tests.android.conftest import bundle_folder
from tests.conftest import ROOT

PICTURES = {
    "astronaut-masked.jpg": "with_mask",
    "astronaut-badly-worn.jpg": "mask_worn_incorrectly",
    "astronaut.jpg": "without_mask",
}


@pytest.fixture
def bundle() -> Path:
    """The shipped bundle; the first one, which has no LiteRT file, is skipped."""
    pytest.importorskip("ai_edge_litert")
    folder = bundle_folder()
    card = json.loads((folder / "card.json").read_text())
    if not any(name.endswith(".tflite") for name in card["files"]):
        assert card.get("finder") is None, "a bundle with its own finder ships LiteRT files too"
        pytest.skip("the shipped bundle has no LiteRT file yet")
    return folder


@pytest.fixture
def snippet(bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The names that the snippet defines, beside a folder ``bundle``."""
    text = (ROOT / "docs" / "android.md").read_text()
    code = "\n".join(re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL))
    (tmp_path / "bundle").symlink_to(bundle)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(compile(code, "docs/android.md", "exec"), names)
    return names


def picture(name: str) -> np.ndarray:
    return np.asarray(PillowImage.open(ROOT / "examples" / "pictures" / name).convert("RGB"))


def test_finder_is_the_one_that_is_described(snippet: dict[str, Any], bundle: Path) -> None:
    finder = Bundle.load(bundle).card.finder
    assert finder is not None
    assert tuple(snippet["room"]["shape"]) == finder.litert_shape
    assert snippet["room"]["dtype"] == np.float32
    shapes = {name: list(o["shape"]) for name, o in snippet["look"].get_output_details().items()}
    height, width = finder.litert_shape[1:3]
    cells = sum((height // stride) * (width // stride) for stride in finder.strides)
    expected = {"face": [], "box": [4], "landmarks": [10], "labels": [3]}
    assert shapes == {name: [1, cells, *columns] for name, columns in expected.items()}


def test_tensors_are_those_of_the_table(snippet: dict[str, Any], bundle: Path) -> None:
    card = Bundle.load(bundle).card
    assert list(snippet["wanted"]["shape"]) == [1, card.size, card.size, 3]
    assert snippet["wanted"]["dtype"] in (np.uint8, np.float32)
    inputs = snippet["run"].get_input_details()
    assert list(inputs) == ["args_0"], "docs/android.md names it"
    outputs = snippet["run"].get_output_details()
    assert set(outputs) == {"probabilities"} | ({"box"} if card.refines_box else set())
    assert list(outputs["probabilities"]["shape"]) == [1, len(card.outputs)]
    assert all(output["dtype"] == np.float32 for output in outputs.values())


@pytest.mark.parametrize(("name", "label"), PICTURES.items())
def test_answers_are_those_of_masklens(
    snippet: dict[str, Any], bundle: Path, name: str, label: str
) -> None:
    image = picture(name)
    finder = bundle_finder(Bundle.load(bundle), runtime="litert")
    assert finder is not None
    found = finder.find(image)
    boxes, scores = snippet["find"](image)
    assert np.allclose(boxes, found.boxes, atol=0.1)
    assert np.allclose(scores, found.scores, atol=1e-4)

    detector = MaskDetector(bundle, threshold=0, runtime="litert")
    expected = detector.detect(image)
    answers = [snippet["judge"](image, *face) for face in zip(boxes, scores, strict=True)]
    best = max(answers, key=lambda answer: answer[1])
    assert best[0] == label
    assert best[1] == pytest.approx(float(expected.scores[0]), abs=1e-4)
    assert np.allclose(np.clip(best[2], 0, 512), expected.boxes[0], atol=0.1)


def test_small_pictures_are_enlarged_as_little(snippet: dict[str, Any], bundle: Path) -> None:
    small = np.asarray(PillowImage.fromarray(picture("astronaut.jpg")).resize((160, 160)))
    finder = bundle_finder(Bundle.load(bundle), runtime="litert")
    assert finder is not None
    found, (boxes, scores) = finder.find(small), snippet["find"](small)
    assert np.allclose(boxes, found.boxes, atol=0.1)
    assert np.allclose(scores, found.scores, atol=1e-4)


def test_doubtful_faces_are_looked_at_twice(snippet: dict[str, Any], bundle: Path) -> None:
    image = picture("astronaut-badly-worn.jpg")
    finder = bundle_finder(Bundle.load(bundle), runtime="litert")
    assert finder is not None
    face = finder.find(image).boxes[0]
    shifts = [(x, y) for x in (-40, 0, 40) for y in (-60, -40, -20, 0, 20, 40)]
    boxes = np.array([face + np.array([x, y, x, y]) for x, y in shifts], np.float32)
    scores = np.full(len(boxes), 0.9, np.float32)
    faces = Faces(boxes, scores, np.zeros((len(boxes), 5, 2), np.float32))
    detector = MaskDetector(bundle, runtime="litert")
    once, twice = (detector.label(image, faces, twice=again) for again in (False, True))
    assert np.abs(once.scores - twice.scores).max() > 0.01, "there is doubt"
    answers = [snippet["judge"](image, *face) for face in zip(boxes, scores, strict=True)]
    assert [label for label, _, _ in answers] == twice.label_names
    assert np.allclose([score for _, score, _ in answers], twice.scores, atol=1e-4)


def test_faces_at_the_border_are_cut_alike(snippet: dict[str, Any], bundle: Path) -> None:
    from masklens.crop import crop_face

    card = Bundle.load(bundle).card
    image = picture("astronaut.jpg")
    for box in ([-40, -30, 90, 120], [400.4, 380.2, 560.9, 500.1], [10, 10, 22, 25]):
        square, _ = snippet["cut"](image, box)
        assert np.array_equal(square, crop_face(image, box, card.size, card.margin))
