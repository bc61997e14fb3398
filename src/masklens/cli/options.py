"""Options that several commands share, so that they say and mean the same everywhere."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])


def file_option(*names: str, **more: Any) -> Callable[[Command], Command]:
    """An option that names a file to read or to write."""
    return click.option(*names, type=click.Path(path_type=Path, dir_okay=False), **more)


def folder_option(*names: str, **more: Any) -> Callable[[Command], Command]:
    """An option that names a folder to read or to write."""
    return click.option(*names, type=click.Path(path_type=Path, file_okay=False), **more)


def count_option(*names: str, least: int = 1, **more: Any) -> Callable[[Command], Command]:
    """An option that is a whole number; its default, where there is one, is shown."""
    shown = "default" in more
    return click.option(*names, type=click.IntRange(min=least), show_default=shown, **more)


def json_option(help: str) -> Callable[[Command], Command]:
    """``--json FILE``."""
    return file_option("--json", "json_file", help=help)


def sheet_option(help: str) -> Callable[[Command], Command]:
    """``--sheet FILE``, a contact sheet."""
    return file_option("--sheet", help=help)


def seed_option(default: int, help: str) -> Callable[[Command], Command]:
    """``--seed``, in the range that all of NumPy, TensorFlow and their neighbours take."""
    seeds = click.IntRange(0, 2**31 - 2)
    return click.option("--seed", type=seeds, default=default, show_default=True, help=help)


def score_option(name: str, help: str) -> Callable[[Command], Command]:
    """A threshold of the score."""
    return click.option(name, type=click.FloatRange(0, 1), help=help)


def run_options(command: Command) -> Command:
    """How a training is run, whatever is trained: from --resume to --seed."""
    for option in reversed(
        (
            click.option("--resume", is_flag=True, help="Continue the run in --out."),
            click.option("--overwrite", is_flag=True, help="Throw away the run in --out."),
            count_option("--epochs", help="Passes over the data.  [default: the recipe's]"),
            count_option("--batch-size", help="Pictures per step.  [default: the recipe's]"),
            seed_option(42, "Of weights, order, dropout and augmentation."),
        )
    ):
        command = option(command)
    return command


def typed_command() -> str:
    """The command as it was typed, for the record of what it makes."""
    return shlex.join(["masklens", *sys.argv[1:]])


def names_in(text: str) -> list[str]:
    """The names in a list that was typed with commas."""
    return [name.strip() for name in text.split(",") if name.strip()]


threshold_option = score_option(
    "--threshold", "Leave out faces with a lower score.  [default: the bundle's]"
)
bundle_option = click.option(
    "--bundle",
    type=click.Path(path_type=Path),
    help="Folder of a model bundle.  [default: the one that ships with masklens]",
)
finder_option = click.option(
    "--finder",
    help="Face finder: yunet, or the path of an .onnx file.  [default: the bundle's]",
)
threads_option = count_option(
    "--threads", least=0, default=0, help="Threads per network; 0 uses every core."
)
rounds_option = count_option(
    "--rounds", default=60, help="Runs of each network for its times; the median counts."
)
data_argument = click.argument("data", type=click.Path(path_type=Path))
