"""Samples of the street recipe: what is refused, and which face is painted on."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from masklens.dataset.scan import load_dataset
from masklens.errors import DatasetError, InputError
from masklens.faces import Faces
from masklens.training import samples
from masklens.training.samples import cut_samples


class Blind:
    """A finder that finds nothing."""

    name = "blind"

    def find(self, image: np.ndarray) -> Faces:
        empty = np.zeros((0, 4), np.float32)
        return Faces(empty, np.zeros(0, np.float32), np.zeros((0, 5, 2), np.float32))


class Twice:
    """A finder that is equally sure of two faces."""

    name = "twice"

    def find(self, image: np.ndarray) -> Faces:
        boxes = np.array([[10, 10, 50, 60], [100, 10, 140, 60]], np.float32)
        return Faces(boxes, np.full(2, 0.9, np.float32), np.zeros((2, 5, 2), np.float32))


def write_scene(folder: Path, name: str, category: str, *boxes: list[float]) -> Path:
    """A COCO file with one picture."""
    content = {
        "images": [{"id": 1, "file_name": name}],
        "annotations": [{"image_id": 1, "category_id": 1, "bbox": box} for box in boxes],
        "categories": [{"id": 1, "name": category}],
    }
    file = folder / "c.json"
    file.write_text(json.dumps(content))
    return file


def test_of_two_faces_with_one_score_each_is_painted_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    painted: list[float] = []

    def paint(image: np.ndarray, landmarks: object, box: np.ndarray, *_: object) -> None:
        painted.append(float(box[0]))
        raise InputError("not drawn")

    monkeypatch.setattr(samples, "paint", paint)
    PillowImage.new("RGB", (160, 120)).save(tmp_path / "a.png")
    boxes = [10, 10, 40, 50], [100, 10, 40, 50]
    cut_samples(
        load_dataset(write_scene(tmp_path, "a.png", "without_mask", *boxes)), Twice(), paints=True
    )
    assert painted == [10, 100]


@pytest.mark.parametrize(
    ("name", "box", "message"),
    [
        ("a.png", [5, 5, 0, 20], "outside, or without area"),
        ("a.png", [90, 5, 20, 20], "outside, or without area"),
        ("a.png", [5, 5, 300_000, 20], "outside, or without area"),
        ("damaged.png", [5, 5, 20, 20], r"No picture of .* can be read"),
    ],
)
def test_what_would_be_learned_wrong(
    tmp_path: Path, name: str, box: list[int], message: str
) -> None:
    PillowImage.new("RGB", (80, 60)).save(tmp_path / "a.png")
    (tmp_path / "damaged.png").write_bytes(b"no picture")
    file = write_scene(tmp_path, name, "mask", box)
    with pytest.raises(DatasetError, match=message):
        cut_samples(load_dataset(file), Blind())
