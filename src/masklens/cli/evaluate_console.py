"""What ``masklens evaluate`` shows in the terminal."""

from __future__ import annotations

import click

from masklens.cli.terminal import plain
from masklens.evaluation.journey import Outcome
from masklens.evaluation.text import comparison_lines, evaluation_lines


def show(outcome: Outcome) -> None:
    """The tables: scores of each model, and the comparison."""
    evaluations = [outcome.evaluation] + ([outcome.rival] if outcome.rival else [])
    for number, evaluation in enumerate(evaluations):
        if number:
            click.echo("\n" + "─" * 100)
        first, *others = map(plain, evaluation_lines(evaluation))
        click.secho(first, bold=True)
        click.echo("\n".join(others))
    if outcome.comparison is not None:
        click.echo("\n" + "─" * 100)
        click.echo("\n".join(map(plain, comparison_lines(outcome.comparison))))
