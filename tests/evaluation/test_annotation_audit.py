"""What benchmarks/annotation_audit.json lists are the faces of scenes/val, and boxes in them."""

from __future__ import annotations

import json
from pathlib import Path

from PIL import Image

from masklens.dataset.scan import load_dataset
from tests.conftest import ROOT

LEAST_WIDTH = 12.0


def test_every_face_that_is_wide_enough_was_audited_twice(shared_data: Path) -> None:
    listed = json.loads((ROOT / "benchmarks" / "annotation_audit.json").read_text())["labels"]
    data = load_dataset(shared_data / "data" / "scenes" / "val" / "annotations.coco.json")
    assert set(listed) == {picture.path.name for picture in data.pictures}
    for picture in data.pictures:
        wide = [
            a.box is not None and a.box[2] - a.box[0] >= LEAST_WIDTH for a in picture.annotations
        ]
        for letters in listed[picture.path.name]:
            assert set(letters) <= set("mni?.")
            assert [letter != "." for letter in letters] == wide, picture.name


def test_the_audited_boxes_lie_in_their_photographs(shared_data: Path) -> None:
    listed = json.loads((ROOT / "benchmarks" / "annotation_audit.json").read_text())["boxes"]
    data = load_dataset(shared_data / "data" / "scenes" / "val" / "annotations.coco.json")
    sizes = {picture.path.name: Image.open(picture.path).size for picture in data.pictures}
    assert len(listed) == 120
    for name, (x1, y1, x2, y2), letters in listed:
        assert 0 <= x1 < x2 <= sizes[name][0]
        assert 0 <= y1 < y2 <= sizes[name][1]
        assert len(letters) == 2
        assert set(letters) <= set("mni?x")
