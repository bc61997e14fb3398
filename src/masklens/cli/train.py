"""``masklens train``: labelled pictures in, a run folder with a model bundle out."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from masklens.cli.options import (
    BundlePath,
    NamedPath,
    corrections_option,
    count_option,
    file_option,
    folder_option,
    run_options,
    typed_command,
)


@click.command("train")
@click.argument("data", nargs=-1, required=True, metavar="DATA...", type=NamedPath())
@click.option(
    "--recipe",
    type=click.Choice(["report", "street"]),
    default="report",
    show_default=True,
    help="report: the original one, on portraits. street: for real photographs.",
)
@folder_option(
    "--out", required=True, help="Folder for the run: the bundle, history, metrics and figures."
)
@run_options
@count_option("--views", help="Augmented views per picture; recipe report only.  [default: 3]")
@click.option(
    "--start",
    metavar="BUNDLE",
    type=BundlePath(),
    help="Bundle to train on from, or default for the one that ships; recipe street only.  "
    "[default: ImageNet's weights]",
)
@corrections_option(
    "Labels and boxes that are wrong or missing in DATA, put right; may be repeated; recipe street "
    "only."
)
@file_option(
    "--calibrate-on",
    metavar="FILE.json",
    help="COCO file of photographs that are not in DATA: temperature, thresholds and scores come "
    "from it; recipe street only.",
)
@click.option(
    "--split",
    default="report",
    show_default=True,
    metavar="SPLIT",
    help="report: one picture in five is the test, copies or not. grouped: copies of a photograph "
    "stay together. Or FILE.csv[:PART] from dataset split; recipe report only.",
)
def command(
    data: tuple[Path, ...],
    recipe: str,
    out: Path,
    resume: bool,
    overwrite: bool,
    epochs: int | None,
    batch_size: int | None,
    views: int | None,
    start: Path | None,
    corrections: tuple[Path, ...],
    calibrate_on: Path | None,
    split: str,
    seed: int,
) -> None:
    """Train a model on labelled pictures.

    DATA is a folder with one sub-folder per label (recipe report), or COCO detection files and
    such folders (recipe street). The folder --out becomes a bundle that the other commands take.

    Ctrl-C keeps the last finished epoch; --resume goes on from there.

    \b
    Examples:
      masklens train data/prajna --out runs/report
      masklens train data/prajna --out runs/report --resume
      masklens train data/prajna --split grouped --out runs/honest
      masklens train canteen.coco.json --recipe street --start default --out runs/canteen
      masklens detect photo.jpg --bundle runs/report

    Exit status: 0 all done, 1 failed, 2 wrong use, 130 interrupted (the last epoch was kept).
    """
    from masklens.cli.train_console import show_end, show_result
    from masklens.training import load_recipe

    train = load_recipe(recipe)
    from masklens.training.run import TrainOptions

    result = train(
        TrainOptions(
            data=data,
            out=out,
            command=typed_command(),
            resume=resume,
            overwrite=overwrite,
            epochs=epochs,
            batch_size=batch_size,
            seed=seed,
            views=views,
            start=start,
            corrections=corrections,
            calibrate_on=calibrate_on,
            split=split,
        )
    )
    show_result(result)
    sys.exit(show_end(result, result.bundle.folder))
