"""What several benchmarks share: the data's place, matching boxes, printing tables.

The arithmetic is that of ``masklens.evaluation``, so the benchmarks need the extra ``evaluate``.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from masklens.boxes import iou
from masklens.evaluation.measures import ratio
from masklens.intervals import Estimate, bootstrap, group_weights, wilson

__all__ = [
    "data_root",
    "haar_cascade",
    "iou",
    "machine",
    "print_table",
    "resampled_ratio",
    "wilson",
]

ROOT = Path(__file__).resolve().parent.parent


def data_root() -> Path:
    """The folder with the shared data: MASKLENS_DATA, or shared/ beside the checkout."""
    root = Path(os.environ.get("MASKLENS_DATA", ROOT.parent / "shared"))
    if not (root / "data").is_dir():
        raise SystemExit(f"No data at {root}. Set MASKLENS_DATA to the folder that has data/.")
    return root


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
