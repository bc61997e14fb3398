"""The audited labels in benchmarks/annotation_audit.json are of the faces of scenes/val."""

from __future__ import annotations

import json
from pathlib import Path

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
