"""Data that cannot be cut into samples is refused, before the network is trained."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from masklens.dataset.scan import load_dataset
from masklens.errors import DatasetError
from masklens.faces import Faces
from masklens.training.samples import cut_samples


class Blind:
    """A finder that finds nothing."""

    name = "blind"

    def find(self, image: np.ndarray) -> Faces:
        empty = np.zeros((0, 4), np.float32)
        return Faces(empty, np.zeros(0, np.float32), np.zeros((0, 5, 2), np.float32))


@pytest.mark.parametrize(
    ("name", "box", "message"),
    [
        ("a.png", [5, 5, 0, 20], "outside, or without area"),
        ("a.png", [90, 5, 20, 20], "outside, or without area"),
        ("gone.png", [5, 5, 20, 20], r"No picture of .* can be read"),
    ],
)
def test_what_would_be_learned_wrong(
    tmp_path: Path, name: str, box: list[int], message: str
) -> None:
    PillowImage.new("RGB", (80, 60)).save(tmp_path / "a.png")
    content = {
        "images": [{"id": 1, "file_name": name}],
        "annotations": [{"image_id": 1, "category_id": 1, "bbox": box}],
        "categories": [{"id": 1, "name": "mask"}],
    }
    (tmp_path / "c.json").write_text(json.dumps(content))
    with pytest.raises(DatasetError, match=message):
        cut_samples(load_dataset(tmp_path / "c.json"), Blind())
