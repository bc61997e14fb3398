"""The history of a training as a CSV file that grows by a row per epoch."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def append_row(path: Path, row: Mapping[str, Any]) -> None:
    """Add a row, and before the first one the names of the columns."""
    fresh = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(row))
        if fresh:
            writer.writeheader()
        writer.writerow(row)
