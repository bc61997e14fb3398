"""What the trainings show in the terminal when they are done."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from masklens.cli.terminal import show_skipped, written

if TYPE_CHECKING:
    from masklens.training.finder.recipe import FinderResult
    from masklens.training.run import TrainResult


def show_result(result: TrainResult) -> None:
    """Skipped pictures, and the accuracy with its interval."""
    show_skipped(result.skipped)
    accuracy = result.metrics.get("accuracy")
    if accuracy is not None:
        low, high = accuracy["interval_95"]
        click.secho(
            f"Accuracy {accuracy['value']:.4f}: {accuracy['correct']} of {accuracy['total']} "
            f"right {result.judged} (95 % interval {low:.4f} to {high:.4f})",
            bold=True,
        )


def show_end(result: TrainResult | FinderResult, folder: Path) -> int:
    """Whether all epochs are done, and where the run lies; returns the exit status."""
    if result.interrupted:
        click.echo(f"{result.epochs} of {result.wanted} epochs are done; --resume goes on.")
    elif result.epochs > result.wanted:
        click.echo(
            f"{result.epochs} epochs were done already, {result.wanted} are asked for: nothing was "
            "trained. Fewer need a run of their own."
        )
    written([folder])
    return 130 if result.interrupted else 0
