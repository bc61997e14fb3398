"""What several benchmarks share: the data's place, the notebook's way, printing tables.

The arithmetic is that of ``masklens.evaluation``, so the benchmarks need the extra ``evaluate``.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from masklens.evaluation.measures import ratio
from masklens.intervals import Estimate, bootstrap, group_weights

ROOT = Path(__file__).resolve().parent.parent


def data_root() -> Path:
    """The folder with the shared data: MASKLENS_DATA, or shared/ beside the checkout."""
    root = Path(os.environ.get("MASKLENS_DATA", ROOT.parent / "shared"))
    if not (root / "data").is_dir():
        raise SystemExit(f"No data at {root}. Set MASKLENS_DATA to the folder that has data/.")
    return root


def scenes(part: str) -> Path:
    """The photographs of a part, "train" or "val", with their boxed faces: a COCO file."""
    return data_root() / "data" / "scenes" / part / "annotations.coco.json"


def machine() -> str:
    """One line about where the figures were taken."""
    return f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"


def haar_cascade() -> cv2.CascadeClassifier:
    """The face detector of the notebook."""
    if not hasattr(cv2, "CascadeClassifier"):
        raise SystemExit(
            f"OpenCV {cv2.__version__} has no Haar cascade. Take OpenCV 4, as the "
            "extra yunet does, or --no-notebook."
        )
    file = Path(cv2.data.haarcascades) / "haarcascade_frontalface_default.xml"
    return cv2.CascadeClassifier(str(file))


def notebook_model() -> Any:
    """The network of the notebook, untrained, which takes the same time; it has run once."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import keras

    layers = keras.layers
    model = keras.Sequential(
        [
            keras.applications.MobileNetV2(
                weights=None, include_top=False, input_shape=(224, 224, 3)
            ),
            layers.AveragePooling2D(7),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            layers.Dense(2, activation="softmax"),
        ]
    )
    model.predict(np.zeros((1, 224, 224, 3), np.float32), verbose=0)
    return model


def notebook_faces(
    cascade: cv2.CascadeClassifier, image: np.ndarray, width: int
) -> tuple[np.ndarray, np.ndarray]:
    """What the notebook finds in a picture (BGR) that it scales to a width.

    Returns:
        Boxes (N, 4), xyxy, pixels of the picture; and float32 (N, 224, 224, 3) for its network.
    """
    scale = width / image.shape[1]
    frame = cv2.resize(image, None, fx=scale, fy=scale)
    grey = cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)
    boxes = cascade.detectMultiScale(grey, scaleFactor=1.1, minNeighbors=5, minSize=(60, 60))
    faces = [
        cv2.resize(cv2.cvtColor(frame[y : y + h, x : x + w], cv2.COLOR_BGR2RGB), (224, 224))
        for x, y, w, h in boxes
    ]
    xywh = np.asarray(boxes, np.float32).reshape(-1, 4) / scale
    xyxy = np.hstack([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]])
    return xyxy, np.asarray(faces, np.float32) / 127.5 - 1


def resampled_ratio(counts: np.ndarray) -> Estimate:
    """A ratio of sums and its 95 % interval: (N, 2), top and bottom of each thing that is drawn."""
    top, bottom = counts.astype(float).T
    value = float(top.sum() / bottom.sum())
    return bootstrap(value, ratio(top, bottom), group_weights(len(counts)))


def print_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A Markdown table with aligned columns."""
    widths = [max(len(str(row[i])) for row in [head, *rows]) for i in range(len(head))]
    for number, row in enumerate([head, *rows]):
        cells = (str(cell).ljust(width) for cell, width in zip(row, widths, strict=True))
        print("| " + " | ".join(cells) + " |")
        if number == 0:
            print("|" + "|".join("-" * (width + 2) for width in widths) + "|")
