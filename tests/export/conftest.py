"""A small network that was trained, a bundle with it, and made photographs it can label."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from masklens.bundle import Bundle, write_bundle
from masklens.card import ModelCard
from masklens.crop import crop_face
from masklens.dataset.scan import load_dataset
from masklens.labels import LABELS, NOT_A_FACE

keras = pytest.importorskip("keras", reason="needs the extra export")

SIZE = 32
MARGIN = 0.2
COLOURS = {"with_mask": (60, 120, 200), "without_mask": (210, 120, 70)}
COLOURS["mask_worn_incorrectly"] = (90, 190, 90)


def make_photographs(folder: Path, number: int, seed: int, brightness: float = 1.0) -> Path:
    """Noisy pictures with a coloured rectangle per face, and their COCO file."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    images, annotations = [], []
    for i in range(number):
        picture = rng.normal(128, 40, (96, 96, 3))
        label = int(rng.integers(3))
        w, h = rng.integers(24, 40, 2)
        x, y = rng.integers(4, 50, 2)
        colour = np.array(COLOURS[LABELS[label]]) + rng.normal(0, 25, 3)
        picture[y : y + h, x : x + w] = colour + rng.normal(0, 20, (h, w, 3))
        pixels = (np.clip(picture, 0, 255) * brightness).astype(np.uint8)
        PillowImage.fromarray(pixels).save(folder / f"{i}.png")
        images.append({"id": i, "file_name": f"{i}.png", "width": 96, "height": 96})
        box = [int(x), int(y), int(w), int(h)]
        annotations.append({"id": i, "image_id": i, "category_id": label, "bbox": box})
    file = folder / "annotations.coco.json"
    categories = [{"id": i, "name": name} for i, name in enumerate(LABELS)]
    file.write_text(
        json.dumps({"images": images, "annotations": annotations, "categories": categories})
    )
    return file


@pytest.fixture(scope="session")
def photographs(tmp_path_factory) -> Path:
    return make_photographs(tmp_path_factory.mktemp("photographs") / "val", 150, seed=1)


@pytest.fixture(scope="session")
def others(tmp_path_factory) -> Path:
    """For training and calibration."""
    return make_photographs(tmp_path_factory.mktemp("photographs") / "train", 300, seed=2)


@pytest.fixture(scope="session")
def dark(tmp_path_factory) -> Path:
    """Photographs that calibrate nothing: all black."""
    folder = tmp_path_factory.mktemp("photographs") / "dark"
    return make_photographs(folder, 20, seed=3, brightness=0.0)


@pytest.fixture(scope="session")
def trained(others):
    """Two outputs, as the street recipe has them; trained for some seconds."""
    layers = keras.layers
    keras.utils.set_random_seed(0)
    image = keras.Input((SIZE, SIZE, 3), name="image")
    x = image
    for filters in (32, 128, 256):
        x = layers.ZeroPadding2D(((0, 1), (0, 1)))(x)
        x = layers.Conv2D(filters, 3, 2, activation=keras.ops.relu6)(x)
    pooled = layers.GlobalAveragePooling2D()(x)
    probabilities = layers.Dense(4, activation="softmax", name="probabilities")(pooled)
    box = layers.Dense(4, name="box")(layers.Flatten()(layers.Conv2D(8, 1)(x)))
    model = keras.Model(image, {"probabilities": probabilities, "box": box})

    coco = json.loads(others.read_text())
    rng = np.random.default_rng(0)
    crops, targets, boxes = [], [], []
    for _ in range(2):
        for entry, annotation in zip(coco["images"], coco["annotations"], strict=True):
            picture = np.asarray(PillowImage.open(others.parent / entry["file_name"]))
            x0, y0, w, h = annotation["bbox"]
            shift = rng.integers(-3, 4, 2)
            cut = np.array([x0, y0, x0 + w, y0 + h]) + np.tile(shift, 2)
            side = max(w, h) * (1 + 2 * MARGIN)
            corner = (cut[:2] + cut[2:] - side) / 2
            crops.append(crop_face(picture, cut, SIZE, MARGIN))
            targets.append(annotation["category_id"])
            boxes.append((np.array([x0, y0, x0 + w, y0 + h]) - np.tile(corner, 2)) / side)
    model.compile(
        keras.optimizers.Adam(2e-3),
        loss={"probabilities": "sparse_categorical_crossentropy", "box": "mae"},
    )
    model.fit(
        np.stack(crops) / 127.5 - 1,
        {"probabilities": np.array(targets), "box": np.stack(boxes)},
        epochs=6,
        batch_size=32,
        verbose=0,
    )
    return model


@pytest.fixture(scope="session")
def trained_bundle_folder(trained, others, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    model = folder / "model.keras"
    trained.save(model)
    shipped = Bundle.load()
    card = ModelCard(
        name="rectangles",
        version="1",
        labels=LABELS,
        outputs=(*LABELS, NOT_A_FACE),
        size=SIZE,
        value_range=(-1.0, 1.0),
        margin=MARGIN,
        thresholds={"default": 0.5},
        refines_box=True,
        finder=shipped.card.finder,
        training={"data_sha256": [load_dataset(others).sha256()]},
    )
    files = {"classifier.keras": model} | shipped.finder_files()
    write_bundle(folder / "bundle", card, files)
    return folder / "bundle"


@pytest.fixture(scope="session")
def trained_bundle(trained_bundle_folder) -> Bundle:
    return Bundle.load(trained_bundle_folder)
