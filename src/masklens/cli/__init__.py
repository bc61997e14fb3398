"""The command line: one small module per command, loaded when it is called."""

from __future__ import annotations

import contextlib
import errno
import importlib
import io
import os
import signal
import sys
import warnings
from typing import Any

import click

from masklens.cli.stopping import Stopped, stopped_by_signals, true_to_the_stop
from masklens.cli.terminal import sentence
from masklens.errors import MasklensError

#: In the order of a first use; each is ``command`` in the module of its name.
COMMANDS = (
    "detect",
    "live",
    "report",
    "train",
    "train-finder",
    "calibrate",
    "evaluate",
    "export",
    "benchmark",
    "serve",
    "dataset",
)


class Commands(click.Group):
    """Loads commands on demand, and shows a MasklensError as one line instead of a traceback."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run as a program."""
        prepare_streams()
        # Of harmless flaws in EXIF data and TIFF tags.
        warnings.filterwarnings("ignore", module=r"PIL\.")
        if os.environ.get("NO_COLOR"):  # no-color.org; click leaves it to its programs
            kwargs.setdefault("color", False)
        with stopped_by_signals():
            return super().main(*args, **kwargs)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All of them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Import one command."""
        if name not in COMMANDS:
            return None
        module = importlib.import_module(f"masklens.cli.{name.replace('-', '_')}")
        command: click.Command = module.command
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run; errors of ours, and of the file system, end in one sentence."""
        try:
            with true_to_the_stop():
                return super().invoke(ctx)
        except MasklensError as error:
            raise click.ClickException(sentence(error)) from error
        except OSError as error:
            if error.errno == errno.EPIPE:  # click knows what that is: nobody reads on
                raise
            name = "standard output" if error.filename is None else error.filename
            message = f"Cannot use {name}: {error.strerror or error}."
            raise click.ClickException(sentence(message)) from error
        except KeyboardInterrupt as error:
            click.echo("Interrupted.", err=True)
            ctx.exit(128 + (error.number if isinstance(error, Stopped) else signal.SIGINT))


def prepare_streams() -> None:
    """Make the standard streams take whatever is written to them.

    A stream that the caller closed is replaced by nothing: the next file that is opened would get
    its number, and what libraries write in C would end in it. Characters that the terminal's
    encoding lacks, and names of files that are no UTF-8, are written as escapes.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            with contextlib.suppress(OSError):
                os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free: this one
            setattr(sys, name, open(number, "w" if number else "r", closefd=False))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


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
