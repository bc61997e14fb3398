"""The history of a training: a CSV file that grows by a row per epoch."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from masklens.io.atomic import write_text


def append_row(path: Path, row: Mapping[str, Any]) -> None:
    """Add a row; a cell is empty where a row lacks a column that others have."""
    write_text(path, csv_text([*(_rows(path) if path.exists() else []), row]))


def read_history(path: Path) -> list[dict[str, float]]:
    """The rows, each without the columns it lacks."""
    return [{name: float(value) for name, value in row.items() if value} for row in _rows(path)]


def csv_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows as CSV, with every column that one of them has, in the order of their appearance."""
    columns = dict.fromkeys(name for row in rows for name in row)
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
