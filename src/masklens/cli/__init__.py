"""The command line: one small module per command, loaded when it is called."""

from __future__ import annotations

import importlib
from typing import Any

import click

from masklens.errors import MasklensError

#: command -> module of this package that holds it as ``command``
COMMANDS = {
    "detect": "detect",
    "live": "live",
    "train": "train",
    "train-finder": "train_finder",
    "calibrate": "calibrate",
    "evaluate": "evaluate",
    "export": "export",
    "benchmark": "benchmark",
    "serve": "serve",
    "dataset": "dataset",
}


class Commands(click.Group):
    """Loads commands on demand, and shows a MasklensError as one line instead of a traceback."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands, in the order of a first use."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Import one command."""
        if name not in COMMANDS:
            return None
        module = importlib.import_module(f"masklens.cli.{COMMANDS[name]}")
        command: click.Command = module.command
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run; errors of ours end in one sentence."""
        try:
            return super().invoke(ctx)
        except MasklensError as error:
            raise click.ClickException(str(error)) from error


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="masklens", prog_name="masklens")
def main() -> None:
    """Find every face in pictures and say whether it wears a mask, wears it badly, or wears none.

    \b
    Examples:
      masklens detect photo.jpg
      masklens detect holiday/ --out labelled/ --json results.json
      masklens serve
      masklens dataset fetch prajna --to data/prajna
      masklens train data/prajna --recipe report --out runs/report
    """
