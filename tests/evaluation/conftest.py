"""Data sets of tinted portraits: the toy bundle goes by colour, the face finder is the real one."""

import json

import cv2
import numpy as np
import pytest
from PIL import Image as PillowImage

from masklens.finder import shipped_finder
from masklens.labels import LABELS


def tint(image, channel):
    """A portrait in which one colour prevails."""
    factor = np.full(3, 0.55)
    factor[channel] = 1
    return (image * factor).astype(np.uint8)


@pytest.fixture(scope="session")
def small_portrait(portrait):
    return cv2.resize(portrait, (200, 200), interpolation=cv2.INTER_AREA)


@pytest.fixture
def folders(tmp_path, small_portrait):
    """Two labels, four pictures each; one with_mask is tinted as without_mask."""
    root = tmp_path / "portraits"
    for label, channels in (("with_mask", (0, 0, 0, 1)), ("without_mask", (1, 1, 1, 1))):
        (root / label).mkdir(parents=True)
        for number, channel in enumerate(channels):
            picture = np.roll(tint(small_portrait, channel), 5 * number, axis=1)
            PillowImage.fromarray(picture).save(root / label / f"{number}.png")
    return root


@pytest.fixture
def coco(tmp_path, small_portrait):
    """Six scenes with one boxed face each, two of each label; the last has no face beside it."""
    root = tmp_path / "street"
    (root / "images").mkdir(parents=True)
    x1, y1, x2, y2 = (float(v) for v in shipped_finder().find(small_portrait).boxes[0])
    images, annotations = [], []
    for number in range(7):
        label = number % 3
        name = f"{number}.png"
        picture = tint(small_portrait, label)
        if number == 6:
            picture = np.full_like(picture, 128)
        else:
            annotations.append(
                {"id": number + 1, "image_id": number, "category_id": label + 1,
                 "bbox": [x1, y1, x2 - x1, y2 - y1]}
            )  # fmt: skip
        PillowImage.fromarray(picture).save(root / "images" / name)
        images.append({"id": number, "file_name": name, "width": 200, "height": 200})
    content = {
        "images": images,
        "annotations": annotations,
        "categories": [{"id": i + 1, "name": label} for i, label in enumerate(LABELS)],
    }
    file = root / "annotations.coco.json"
    file.write_text(json.dumps(content))
    return file


def change(file, edit):
    """Edit a JSON file in place."""
    content = json.loads(file.read_text())
    edit(content)
    file.write_text(json.dumps(content))
