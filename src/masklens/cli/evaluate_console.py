"""What ``masklens evaluate`` shows in the terminal."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import click
from tqdm import tqdm

from masklens.evaluation.journey import Outcome
from masklens.evaluation.text import comparison_lines, evaluation_lines


@contextlib.contextmanager
def bar(total: int, title: str) -> Iterator[Callable[[], object]]:
    """A bar over pictures."""
    with tqdm(
        total=total, desc=title, unit="picture", leave=False, disable=not sys.stderr.isatty()
    ) as shown:
        yield shown.update


def show(outcome: Outcome) -> None:
    """The tables: scores of each model, and the comparison."""
    evaluations = [outcome.evaluation] + ([outcome.rival] if outcome.rival else [])
    for number, evaluation in enumerate(evaluations):
        if number:
            click.echo("\n" + "─" * 100)
        first, *others = evaluation_lines(evaluation)
        click.secho(first, bold=True)
        click.echo("\n".join(others))
    if outcome.comparison is not None:
        click.echo("\n" + "─" * 100)
        click.echo("\n".join(comparison_lines(outcome.comparison)))


def show_written(paths: Iterable[Path]) -> None:
    """Where the results lie."""
    for path in paths:
        click.echo(f"Written: {path}")
