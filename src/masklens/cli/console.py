"""What ``masklens detect`` shows in the terminal: tables, a progress bar, a summary line."""

from __future__ import annotations

import codecs
import os
import sys
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Self

import click
from tqdm import tqdm

from masklens.batch import Summary
from masklens.cli.terminal import plain, progress, sentence
from masklens.detections import Detections
from masklens.errors import MasklensError
from masklens.faces import FaceFinder
from masklens.io.draw import SHORT_NAMES
from masklens.io.frames import Frame
from masklens.io.pictures import PictureError
from masklens.io.sources import is_picture
from masklens.labels import LABELS, MASK_WORN_INCORRECTLY, WITH_MASK, WITHOUT_MASK
from masklens.plural import many
from masklens.pyramid import PyramidFinder, closer_size

_STYLES = {WITH_MASK: "green", WITHOUT_MASK: "red", MASK_WORN_INCORRECTLY: "yellow"}


def expand_dash(sources: Sequence[str]) -> Iterator[str]:
    """The sources, with ``-`` replaced by the lines of standard input.

    What ``find -print0`` writes is understood as well: names of files may hold line breaks. So are
    lists of Windows' programs: PowerShell's are UTF-16, and both begin with a byte order mark.
    """
    for source in sources:
        if source == "-":
            content = sys.stdin.buffer.read()
            if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
                listed = content.decode("utf-16", "replace")
            else:
                listed = os.fsdecode(content.removeprefix(codecs.BOM_UTF8))
            names = listed.split("\0" if "\0" in listed else "\n")
            yield from (name.rstrip("\r") for name in names if name.strip())
        else:
            yield source


class Results:
    """Shows pictures as they are done: every face of a single one, a row each for many.

    Attributes:
        sides: the longer side of each picture so far, in pixels.
    """

    def __init__(self, total: int) -> None:
        self.sides: list[int] = []
        self._single = total == 1
        self._bar = progress(total, hidden=self._single)
        if not self._single:
            click.echo(f"{'mask':>5} {'badly':>5} {'none':>5}  picture")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def show(self, frame: Frame, detections: Detections) -> None:
        """One picture is done."""
        self.sides.append(max(frame.image.shape[:2]))
        self._bar.update()
        if self._single:
            self._faces(frame, detections)
            return
        counts = detections.counts()
        order = (WITH_MASK, MASK_WORN_INCORRECTLY, WITHOUT_MASK)
        cells = "".join(f"{counts.get(label, 0) or '·':>5} " for label in order)
        with tqdm.external_write_mode():
            click.echo(f"{cells} {plain(frame.name)}")

    def fail(self, path: Path, error: MasklensError) -> None:
        """One picture could not be read."""
        self._bar.update()
        with tqdm.external_write_mode():
            complain(error)
            unknown = isinstance(error, PictureError) and error.reason == "unknown"
            if unknown and not is_picture(path):
                click.echo(
                    "If it is a film, give its file a name that says so, such as one with .mp4, or "
                    "use masklens live, which goes by what is in it.",
                    err=True,
                )

    def _faces(self, frame: Frame, detections: Detections) -> None:
        height, width = frame.image.shape[:2]
        click.echo(f"{plain(frame.name)}  {width}×{height}")
        for face in detections:
            x1, y1, x2, y2 = face.box
            label = click.style(f"{plain(face.label):<22}", fg=_STYLES.get(face.label))
            click.echo(
                f"  {label} {face.score:>4.0%}   x {x1:.0f}  y {y1:.0f}  "
                f"w {x2 - x1:.0f}  h {y2 - y1:.0f}"
            )


def complain(error: MasklensError) -> None:
    """One input failed, and the others go on."""
    click.secho(f"Error: {sentence(error)}", fg="red", err=True)


def tell_of_copies(copies: Collection[Path]) -> None:
    """Say how many annotated copies of earlier runs are not labelled again."""
    if copies:
        click.echo(
            f"{many(len(copies), 'file')} left out: annotated copies that masklens made.", err=True
        )


def summarise(summary: Summary) -> None:
    """What was counted in the pictures."""
    line = f"{many(summary.pictures, 'picture')}, {many(summary.faces.total(), 'face')}"
    click.secho(line + labels_of(summary.faces), bold=True)
    if summary.failed:
        click.secho(f"{many(summary.failed, 'picture')} could not be read", fg="red", err=True)


def tell_of_large(sides: Sequence[int], finder: FaceFinder) -> None:
    """Say that pictures are so large that small faces were lost, and what finds them.

    Args:
        sides: the longer side of each picture in pixels.
        finder: what searched them, at the sizes that it takes unless told otherwise.
    """
    if not isinstance(finder, PyramidFinder):
        return  # its file has one size
    usual, *_ = sizes = [one.long_side for one in finder.finders]
    large = [side for side in sides if closer_size(side, usual)]
    if large:
        click.echo(
            f"Searched at {' and '.join(map(str, sizes))} px: {many(len(large), 'picture')} of up "
            f"to {max(large)} px. Small faces get lost there; --long-side "
            f"{usual},{closer_size(max(large), usual)} finds more, and takes longer.",
            err=True,
        )


def labels_of(counts: Counter[str]) -> str:
    """What follows a number of faces: how many of which label, and the share that complies."""
    if not counts.total():
        return ""
    share_compliant = counts[WITH_MASK] / counts.total()
    words = ", ".join(f"{counts[label]} {SHORT_NAMES[label]}" for label in LABELS if counts[label])
    return f": {words} ({share_compliant:.0%} wear a mask as they should)"
