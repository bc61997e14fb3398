"""A bundle is scored as it will be served."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image as PillowImage

pytest.importorskip("sklearn")

from masklens.boxes import iou
from masklens.bundle import Bundle
from masklens.crop import Image
from masklens.dataset.scan import load_dataset
from masklens.training.scoring import detect_all
from tests.test_pyramid import picture_with_faces


def test_large_pictures_are_searched_at_two_sizes_as_detect_does(
    portrait: Image, tmp_path: Path
) -> None:
    picture, boxes = picture_with_faces(portrait, 2816)
    PillowImage.fromarray(picture).save(tmp_path / "a.png")
    sides = [[x1, y1, x2 - x1, y2 - y1] for x1, y1, x2, y2 in boxes.tolist()]
    content = {
        "images": [{"id": 1, "file_name": "a.png"}],
        "categories": [{"id": 1, "name": "without_mask"}],
        "annotations": [{"image_id": 1, "category_id": 1, "bbox": side} for side in sides],
    }
    (tmp_path / "c.json").write_text(json.dumps(content))
    (found,) = detect_all(Bundle.load(), load_dataset(tmp_path / "c.json"))
    assert (iou(boxes, found.boxes).max(axis=1) > 0.5).all()
