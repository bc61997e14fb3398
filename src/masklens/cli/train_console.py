"""What ``masklens train`` shows in the terminal when it is done."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from masklens.training.run import TrainResult


def show_result(result: TrainResult) -> None:
    """Skipped pictures, the accuracy with its interval, and where the run lies."""
    for sentence in result.skipped:
        click.secho(f"Skipped: {sentence}", fg="yellow", err=True)
    accuracy = result.metrics.get("accuracy")
    if accuracy is not None:
        low, high = accuracy["interval_95"]
        click.secho(
            f"Accuracy {accuracy['value']:.4f}: {accuracy['correct']} of {accuracy['total']} "
            f"right in the test (95 % interval {low:.4f} to {high:.4f})",
            bold=True,
        )
    if result.interrupted:
        click.echo(f"{result.epochs} of {result.wanted} epochs are done; --resume goes on.")
    click.echo(f"Written: {result.bundle.folder}")
