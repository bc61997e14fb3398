"""What the ``dataset`` commands show in the terminal."""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import click

from masklens.cli.terminal import plain, progress
from masklens.plural import many

if TYPE_CHECKING:  # each command imports no more than it needs
    from masklens.dataset.audit import Audit
    from masklens.dataset.split import Row
    from masklens.dataset.summary import Summary


@contextlib.contextmanager
def byte_bar(total: int) -> Iterator[Callable[[str, int], None]]:
    """A bar over bytes, fed from several threads."""
    lock = threading.Lock()
    with progress(total, unit="B") as bar:

        def advance(name: str, count: int) -> None:
            with lock:
                bar.update(count)

        yield advance


def show_audit(report: Audit) -> None:
    """What ``dataset audit`` found."""
    click.secho(f"{plain(report.name)}: {many(report.pictures, 'picture')}", bold=True)
    if not report.groups:
        click.echo("  No photograph occurs more than once.")
    else:
        click.echo(f"  {many(report.photographs, 'different photograph')}")
        click.echo(
            f"  {len(report.groups):,} of them more than once ({many(report.copies, 'picture')}), "
            f"the most frequent {len(report.groups[0].pictures)} times"
        )
        click.echo(f"  {report.across_labels:,} of them under more than one label")
        kinds = ", ".join(f"{count:,} {kind}" for kind, count in report.kinds.items())
        click.echo(f"  Pairs: {kinds}")
    if report.leak:
        leak = report.leak
        click.secho(
            f"Split {leak.split}: {leak.with_twin} of {leak.test} test pictures ({leak.share:.1%})"
            f" have a copy among the {many(leak.train, 'training picture')}; "
            f"{leak.with_same_label} ({leak.with_same_label / leak.test:.1%}) under the same label",
            fg="yellow" if leak.with_twin else "green",
        )
    _show_unreadable(report.unreadable)


def show_split(rows: Sequence[Row], unreadable: Sequence[tuple[str, str]]) -> None:
    """The parts of a split, with their labels."""
    counts = Counter((row.split, row.label) for row in rows)
    labels = sorted({row.label for row in rows})
    parts = sorted({row.split for row in rows})
    width = max(len(part) for part in parts)
    click.echo(" " * (width + 2) + plain("".join(f"{label:>{len(label) + 3}}" for label in labels))
               + "   pictures   photographs")  # fmt: skip
    for part in parts:
        cells = "".join(f"{counts[part, label]:>{len(label) + 3},}" for label in labels)
        groups = len({row.group for row in rows if row.split == part})
        total = sum(row.split == part for row in rows)
        click.echo(f"  {plain(part):<{width}}{cells}{total:>11,}{groups:>14,}")
    _show_unreadable(unreadable)


def _show_unreadable(unreadable: Sequence[tuple[str, str]]) -> None:
    for _, reason in unreadable:
        click.secho(f"Unreadable, left out: {plain(reason)}", fg="red", err=True)


def show_summary(summary: Summary) -> None:
    """The tables and warnings of ``dataset summary``."""
    click.secho(plain(summary.title()), bold=True)
    total = sum(summary.counts.values())
    width = max(len(label) for label in summary.counts)
    head = f"{summary.noun}s".rjust(9) + "share".rjust(9)
    if summary.faces:
        head += "   size in px: smallest – median – largest"
    click.echo(" " * (width + 2) + head)
    for label, count in summary.counts.items():
        line = f"  {label:<{width}}{count:>9,}{count / total:>9.1%}"
        if label in summary.faces:
            line += f"   {summary.faces[label]}"
        click.echo(plain(line))
    if summary.widths and summary.heights:
        click.echo(f"  Picture width in px (smallest – median – largest): {summary.widths}")
        click.echo(f"  Picture height in px: {summary.heights}")
    if summary.empty:
        click.echo(f"  Pictures without a face: {summary.empty:,}")
    if summary.crowds:
        click.echo(f"  Regions marked as crowds, in which nothing counts: {summary.crowds:,}")
    for warning in summary.warnings:
        click.secho(f"Warning: {plain(warning)}", fg="yellow")
    for _, reason in summary.unreadable:
        click.secho(f"Unreadable: {plain(reason)}", fg="red", err=True)
