"""Options that several commands share, so that they say and mean the same everywhere."""

from __future__ import annotations

import contextlib
import glob
import math
import os
import shlex
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

from masklens.cli.terminal import plain
from masklens.io.atomic import STDOUT, check_writable, real_paths, stream_of
from masklens.limits import LONG_SIDES, MAX_THREADS


class NamedPath(click.Path):
    """A path that is not empty: an unset variable of the shell must not mean the current folder."""

    def __init__(self, **checks: Any) -> None:
        super().__init__(path_type=Path, **checks)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Refuse the empty name."""
        if value == "":
            self.fail("It is empty.", param, ctx)
        return super().convert(value, param, ctx)


class BundlePath(NamedPath):
    """A bundle's folder, or the word default for the one that ships; ./default is a folder."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Take the word for its folder: a Path does not tell it from ./default."""
        from masklens.bundle import default_bundle_folder

        return super().convert(default_bundle_folder() if value == "default" else value, param, ctx)


class ResultPath(NamedPath):
    """A file to write. Where it is standard output, the terminal's text goes to standard error."""

    def __init__(self) -> None:
        super().__init__(dir_okay=False, readable=False)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Take - for standard output."""
        path = super().convert(str(STDOUT) if value == "-" else value, param, ctx)
        if ctx is not None and stream_of(path) == stream_of(STDOUT):
            ctx.with_resource(contextlib.redirect_stdout(sys.stderr))
        return path


class PicturePath(NamedPath):
    """A picture to write: that its suffix is known is checked before the work, not after it."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Refuse other suffixes."""
        path = super().convert(value, param, ctx)
        if path.suffix.lower() not in (".png", ".jpg", ".jpeg", ".webp"):
            self.fail(f'"{path}" is no name of a picture: use .png or .jpg.', param, ctx)
        return path


class FiniteRange(click.FloatRange):
    """A number in a range; NaN, which every comparison lets through, is none."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Refuse NaN and infinity."""
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is not a number.", param, ctx)
        return number


class Sizes(click.IntRange):
    """A working size of the face finder in pixels, or several with commas."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Refuse what is no whole number or out of range."""
        parts: list[Any] = str(value).split(",")
        return tuple(super(Sizes, self).convert(part, param, ctx) for part in parts)


Command = TypeVar("Command", bound=Callable[..., Any])


def file_option(*names: str, **more: Any) -> Callable[[Command], Command]:
    """An option that names a file to read."""
    return click.option(*names, type=NamedPath(dir_okay=False), **more)


def result_option(*names: str, **more: Any) -> Callable[[Command], Command]:
    """An option that names a file to write, or - for standard output."""
    return click.option(*names, type=ResultPath(), **more)


def folder_option(*names: str, **more: Any) -> Callable[[Command], Command]:
    """An option that names a folder to read or to write."""
    return click.option(*names, type=NamedPath(file_okay=False), **more)


def count_option(
    *names: str, least: int = 1, most: int | None = None, **more: Any
) -> Callable[[Command], Command]:
    """An option that is a whole number; its default, where there is one, is shown."""
    shown = "default" in more
    return click.option(*names, type=click.IntRange(least, most), show_default=shown, **more)


def json_option(help: str) -> Callable[[Command], Command]:
    """``--json FILE``."""
    return result_option("--json", "json_file", help=help)


def sheet_results(sheet: Path | None) -> dict[str, Path]:
    """What ``--sheet`` names, and of its further pages, FILE-2 and so on, those that exist."""
    if sheet is None:
        return {}
    pages = sheet.parent.glob(f"{glob.escape(sheet.stem)}-*{glob.escape(sheet.suffix)}")
    numbered = (p for p in pages if p.stem.removeprefix(f"{sheet.stem}-").isdecimal())
    return {"--sheet": sheet} | {f"--sheet (page {path.name})": path for path in numbered}


def sheet_option(help: str) -> Callable[[Command], Command]:
    """``--sheet FILE``, a contact sheet."""
    return click.option("--sheet", type=PicturePath(dir_okay=False), help=help)


def seed_option(default: int, help: str) -> Callable[[Command], Command]:
    """``--seed``, in the range that all of NumPy, TensorFlow and their neighbours take."""
    seeds = click.IntRange(0, 2**31 - 2)
    return click.option("--seed", type=seeds, default=default, show_default=True, help=help)


def score_option(name: str, help: str) -> Callable[[Command], Command]:
    """A threshold of the score."""
    return click.option(name, type=FiniteRange(0, 1), help=help)


#: What ``--long-side`` is for pictures.
USUAL_SIZES = "the finder's, 704 for the one that ships, and in large pictures twice that, too"


def long_side_option(default: str) -> Callable[[Command], Command]:
    """``--long-side``: the working size, or sizes, of the face finder."""
    return click.option(
        "--long-side",
        type=Sizes(*LONG_SIDES),
        metavar="PIXELS[,PIXELS]",
        help="Scale the longer side of a picture to this to look for faces. Two sizes, such as "
        f"704,2112, find small and large faces in large pictures.  [default: {default}]",
    )


def run_options(command: Command) -> Command:
    """How a training is run, whatever is trained: from --resume to --seed."""
    for option in reversed(
        (
            click.option("--resume", is_flag=True, help="Continue the run in --out."),
            click.option("--overwrite", is_flag=True, help="Throw away the run in --out."),
            count_option("--epochs", help="Passes over the data.  [default: the recipe's]"),
            count_option("--batch-size", help="Pictures per step.  [default: the recipe's]"),
            seed_option(42, "Seed of weights, order, dropout and augmentation."),
        )
    ):
        command = option(command)
    return command


def corrections_option(help: str) -> Callable[[Command], Command]:
    """Files that put the annotation right: see :mod:`masklens.dataset.corrections`."""
    return file_option("--corrections", metavar="FILE.json", multiple=True, help=help)


def typed_command() -> str:
    """The command as it was typed, for the record of what it makes."""
    return shlex.join(["masklens", *sys.argv[1:]])


def model_files(*models: str | Path | None, finder: str | None = None) -> list[Path]:
    """What is read of models: the cards and files of bundles, of a finder its file and cards.

    Args:
        models: each as an option or argument names a bundle, None for the one that ships; what is
            no bundle's folder is taken for a file.
        finder: as --finder names it.

    Raises:
        BundleError: a card is damaged.
    """
    from masklens.bundle import CARD_FILE, FINDER_CARD_FILE, default_bundle_folder, read_card

    files = []
    for model in models:
        shipped = model is None or model == "default"
        folder = default_bundle_folder() if shipped else Path(str(model))
        if (folder / CARD_FILE).is_file():
            files += [folder / name for name in (CARD_FILE, *read_card(folder).files)]
        else:
            files.append(folder)
    if finder is not None and finder != "yunet":
        cards = (Path(finder).parent / name for name in (CARD_FILE, FINDER_CARD_FILE))
        files += [Path(finder), *filter(Path.is_file, cards)]
    return files


def keep_apart(outputs: Mapping[str, Path | None], inputs: Iterable[Path | None] = ()) -> None:
    """Refuse to write over what is read, two results into one file, or one where a folder must be.

    Args:
        outputs: option -> file that it names, or None.
        inputs: files that are read.

    Raises:
        click.UsageError: with the option and the file.
    """
    read: set[Path] = set()
    for source in filter(None, inputs):
        with contextlib.suppress(ValueError):  # no file can have that name, so none is replaced
            read |= real_paths([source])
    taken: dict[Path, str] = {}
    for option, path in outputs.items():
        if path is None:
            continue
        if is_device(path) and stream_of(path) is None:
            continue
        (file,), name = real_paths([path]), plain(path)
        if file in read:
            raise click.UsageError(f"{option} would replace {name}, which is read. Use another.")
        if file in taken:
            raise click.UsageError(f"{taken[file]} and {option} both name {name}. Use two files.")
        for other, earlier in taken.items():
            if other in file.parents or file in other.parents:
                raise click.UsageError(
                    f"{earlier} and {option}: {plain(min(file, other))} would be a file and a "
                    "folder. Use another name for one."
                )
        taken[file] = option


def check_results(outputs: Mapping[str, Path | None], inputs: Iterable[Path | None] = ()) -> None:
    """Find out before the work what would go wrong after it: :func:`keep_apart`, and no permission.

    Raises:
        click.UsageError: two are one file, or one is read.
        OutputError: one cannot be written.
    """
    keep_apart(outputs, inputs)
    for path in outputs.values():
        if path is not None:
            check_writable(path)


def is_device(path: Path) -> bool:
    """Whether a path is a device, a pipe or a stream such as ``/dev/stdout``."""
    if stream_of(path) is not None:
        return True
    names = (str(path.absolute()), os.path.realpath(path))
    return any(n.startswith(("/dev/", "/proc/")) and not n.startswith("/dev/shm/") for n in names)


def names_in(text: str) -> list[str]:
    """The names in a list that was typed with commas."""
    return [name.strip() for name in text.split(",") if name.strip()]


threshold_option = score_option(
    "--threshold", "Leave out faces with a lower score.  [default: the bundle's]"
)
bundle_option = click.option(
    "--bundle",
    type=BundlePath(),
    help="Folder of a model bundle, or the word default.  [default: the one that ships with "
    "masklens]",
)
finder_option = click.option(
    "--finder",
    help="Face finder: yunet, or the path of an .onnx file.  [default: the bundle's]",
)
threads_option = count_option(
    "--threads",
    least=0,
    most=MAX_THREADS,
    default=0,
    help="How many pictures to search for faces at a time, and threads of the classifier; 0 is one "
    "per core, which videos always take.",
)
rounds_option = count_option(
    "--rounds", default=60, help="Runs of each network for its times; the median counts."
)
data_argument = click.argument("data", type=NamedPath())
