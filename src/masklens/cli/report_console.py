"""What ``masklens report`` shows and writes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from masklens.cli.terminal import plain
from masklens.io.atomic import write_json, write_text
from masklens.io.logs import csv_row
from masklens.labels import LABELS, MASK_WORN_INCORRECTLY, WITH_MASK, WITHOUT_MASK
from masklens.stream.report import Moment, Report, Row

_HEAD = ("people", "mask", "badly", "none", "compliant", "at once", "observed", "away")
_WIDTHS = (6, 5, 5, 5, 13, 7, 8, 8)
_COLUMNS = (
    *("source", "start", "people", *LABELS, "share_compliant", "low", "high"),
    *("at_once", "observed", "away"),
)


def show(reports: Sequence[Report], by: str) -> None:
    """A table for each camera and film; by the hour or minute every day has a head."""
    for report in reports:
        click.secho(plain(report.name), bold=True)
        head = None
        for title, name, row in _named(report.rows, by):
            if title != head:
                click.secho(_line(title, _HEAD), fg="cyan")
                head = title
            click.echo(_line(name, _cells(row)))
        if len(report.rows) > 1:
            click.secho(_line("all", _cells(report.total)), bold=True)
        click.echo()
    if not reports:
        click.echo("Nobody was followed in these logs yet.")
    else:
        click.echo(
            "People are faces that were followed, counted when they were first seen: who\n"
            "leaves and comes back counts twice. compliant: the share labelled with_mask;\n"
            "its 95 % interval takes them for different people, and their labels for right."
        )


def write_rows(reports: Sequence[Report], csv_file: Path | None, json_file: Path | None) -> None:
    """A row per period, as CSV and as JSON; see ``docs/formats.md``."""
    rows = [_values(report, row) for report in reports for row in report.rows]
    if csv_file is not None:
        lines = [csv_row(_COLUMNS), *(csv_row(list(row.values())) for row in rows)]
        write_text(csv_file, "\n".join(lines) + "\n")
    if json_file is not None:
        write_json(json_file, rows)


def _named(rows: Sequence[Row], by: str) -> Iterator[tuple[str, str, Row]]:
    """Each row with the head that it stands below, and its own name."""
    twice = Counter(
        f"{row.start:%Y-%m-%d %H:%M}" for row in rows if isinstance(row.start, datetime)
    )
    for row in rows:
        if isinstance(row.start, float):
            yield "time", _duration(row.start), row
            continue
        day, minute = f"{row.start:%Y-%m-%d %H:%M}".split()
        if by == "day":
            yield "day", day, row
        else:  # the hour that the end of summer time brings again says which one it is
            again = twice[f"{day} {minute}"] > 1
            yield day, f"{minute}{row.start:%z}" if again else minute, row


def _cells(row: Row) -> list[str]:
    labels = [str(row.labels[n]) for n in (WITH_MASK, MASK_WORN_INCORRECTLY, WITHOUT_MASK)]
    share = "–"
    if row.compliant is not None:
        value, low, high = row.compliant
        share = f"{value:.0%} ({100 * low:.0f}–{100 * high:.0f})"
    at_once = "–" if row.at_once is None else str(row.at_once)
    return [str(row.people), *labels, share, at_once, _duration(row.observed), _duration(row.away)]


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "–"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"


def _line(name: str, cells: Sequence[str]) -> str:
    padded = (f"{cell:>{width}}" for cell, width in zip(cells, _WIDTHS, strict=True))
    return " ".join([f"{name:<11}", *padded])


def _values(report: Report, row: Row) -> dict[str, Any]:
    share = row.compliant or (None, None, None)
    start: Moment | str = row.start
    if isinstance(start, datetime):
        start = start.isoformat(timespec="minutes") if start.tzinfo else start.date().isoformat()
    values = (
        *(report.name, start, row.people, *(row.labels[label] for label in LABELS)),
        *(None if number is None else round(number, 4) for number in share),
        row.at_once,
        *(None if number is None else round(number, 3) for number in (row.observed, row.away)),
    )
    return dict(zip(_COLUMNS, values, strict=True))
