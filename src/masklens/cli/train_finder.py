"""``masklens train-finder``: photographs with boxed faces in, a face finder out."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import click


@click.command("train-finder")
@click.argument(
    "data",
    nargs=-1,
    required=True,
    metavar="SCENES.json...",
    type=click.Path(path_type=Path, dir_okay=False),
)
@click.option(
    "--start",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="YUNET.onnx",
    required=True,
    help="The published YuNet-n that training starts from: yunet_n_dynamic.onnx of "
    "libfacedetection.train.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    help="Folder for the run: finder.onnx, finder.tflite, finder.json, history, curves, examples.",
)
@click.option("--resume", is_flag=True, help="Continue the run in --out.")
@click.option("--overwrite", is_flag=True, help="Throw away the run in --out.")
@click.option(
    "--epochs",
    type=click.IntRange(min=1),
    help="Passes over the pictures.  [default: the recipe's]",
)
@click.option(
    "--batch-size", type=click.IntRange(min=1), help="Views per step.  [default: the recipe's]"
)
@click.option(
    "--validate-on",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE.json",
    help="COCO file of other photographs: scored and drawn after every epoch.",
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**31 - 2),
    default=42,
    show_default=True,
    help="Of order, views and augmentation.",
)
def command(
    data: tuple[Path, ...],
    start: Path,
    out: Path,
    resume: bool,
    overwrite: bool,
    epochs: int | None,
    batch_size: int | None,
    validate_on: Path | None,
    seed: int,
) -> None:
    """Train a face finder on photographs with boxed faces.

    SCENES.json are COCO detection files. "masklens calibrate --finder RUN" puts the finder into a
    bundle.

    Ctrl-C keeps the last finished epoch; --resume goes on from there.

    \b
    Example:
      masklens train-finder scenes/train/annotations.coco.json --out runs/finder \\
        --start yunet_n_dynamic.onnx --validate-on scenes/val/annotations.coco.json

    Exit status: 0 all done, 1 failed, 2 wrong use, 130 interrupted (the last epoch was kept).
    """
    from masklens.training import load_module

    recipe = load_module("finder.recipe")
    from masklens.training.run import TrainOptions

    result = recipe.train_finder(
        TrainOptions(
            data=data,
            out=out,
            command=shlex.join(["masklens", *sys.argv[1:]]),
            resume=resume,
            overwrite=overwrite,
            epochs=epochs,
            batch_size=batch_size,
            seed=seed,
            calibrate_on=validate_on,
        ),
        start,
    )
    if result.scores:
        click.secho(
            f"Average precision of faces {result.scores['face_ap']:.3f} (IoU 0.5); masked faces "
            f"found at the best F1 {result.scores['masked_recall']:.3f}",
            bold=True,
        )
    if result.interrupted:
        click.echo(f"{result.epochs} of {result.wanted} epochs are done; --resume goes on.")
    click.echo(f"Written: {result.folder}")
    sys.exit(130 if result.interrupted else 0)
