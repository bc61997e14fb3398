"""What every command shows in the terminal: bars over long work, and where its results lie."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import click
from tqdm import tqdm

from masklens.io.atomic import stream_of

#: Of ASCII and Latin-1: what moves the cursor, renames the window, or ends the line.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")

#: Characters of a message that are shown: names in a file of somebody else's have any length.
_LONGEST = 1000


def plain(text: object) -> str:
    """A name, or a message with names in it, as a line that a terminal shows and does not obey."""
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), str(text))


def sentence(error: object) -> str:
    """A message as a line of :func:`plain`; of a very long one the middle is left out."""
    text = plain(error)
    if len(text) <= _LONGEST:
        return text
    return f"{text[: _LONGEST // 2]} … {text[-_LONGEST // 2 :]}"  # its end says what to do


def progress(
    total: int | None,
    title: str | None = None,
    unit: str = "picture",
    *,
    form: str | None = None,
    hidden: bool = False,
) -> tqdm[Any]:
    """A bar that is gone when the work is done, and is there in a terminal only.

    What is written meanwhile comes out whole, in ``tqdm.external_write_mode()``.

    Args:
        total: of what is counted; None when it is not known.
        title: what stands before the bar.
        unit: of what is counted.
        form: of tqdm, how the line looks; None is tqdm's own.
        hidden: there is none at all.
    """
    title = title and plain(title)
    return tqdm(
        total=total,
        desc=title,
        unit=unit,
        unit_scale=unit == "B",
        bar_format=form,
        leave=False,
        disable=hidden or None,  # None: outside a terminal
    )


@contextlib.contextmanager
def step_bar(
    total: int | None, title: str | None = None, unit: str = "picture"
) -> Iterator[Callable[..., None]]:
    """A bar over things that are done one by one: call what it gives after each, with anything."""
    with progress(total, title, unit) as bar:

        def advance(*_: object) -> None:
            bar.update()

        yield advance


def written(paths: Iterable[Path | None]) -> None:
    """Where the results lie; what there was no reason to write is left out."""
    for path in paths:
        if path is not None and stream_of(path) is None and path.exists():
            click.echo(f"Written: {plain(path)}")


def show_skipped(reasons: Iterable[str]) -> None:
    """Why pictures were left out."""
    for sentence in reasons:
        click.secho(f"Skipped: {plain(sentence)}", fg="yellow", err=True)
