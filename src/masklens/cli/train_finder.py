"""``masklens train-finder``: photographs with boxed faces in, a face finder out."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from masklens.cli.options import (
    NamedPath,
    corrections_option,
    file_option,
    folder_option,
    run_options,
    typed_command,
)
from masklens.cli.terminal import show_skipped


@click.command("train-finder")
@click.argument(
    "data",
    nargs=-1,
    required=True,
    metavar="SCENES.json...",
    type=NamedPath(dir_okay=False),
)
@file_option(
    "--start",
    metavar="YUNET.onnx",
    required=True,
    help="The published YuNet-n that training starts from: yunet_n_dynamic.onnx of "
    "libfacedetection.train.",
)
@folder_option(
    "--out",
    required=True,
    help="Folder for the run: finder.onnx, finder.tflite, finder.json, history, curves, examples.",
)
@run_options
@corrections_option(
    "Labels and boxes that are wrong or missing in SCENES.json, put right; may be repeated."
)
@file_option(
    "--validate-on",
    metavar="FILE.json",
    help="COCO file of other photographs: scored and drawn after every epoch.",
)
def command(
    data: tuple[Path, ...],
    start: Path,
    out: Path,
    resume: bool,
    overwrite: bool,
    epochs: int | None,
    batch_size: int | None,
    corrections: tuple[Path, ...],
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
    from masklens.cli.train_console import show_end
    from masklens.training import load_module

    recipe = load_module("finder.recipe")
    from masklens.training.run import TrainOptions

    result = recipe.train_finder(
        TrainOptions(
            data=data,
            out=out,
            command=typed_command(),
            resume=resume,
            overwrite=overwrite,
            epochs=epochs,
            batch_size=batch_size,
            seed=seed,
            corrections=corrections,
            calibrate_on=validate_on,
        ),
        start,
    )
    show_skipped(result.skipped)
    if result.scores:
        click.secho(
            f"Average precision of faces {result.scores['face_ap']:.3f} (IoU 0.5); masked faces "
            f"found at the best F1 {result.scores['masked_recall']:.3f}",
            bold=True,
        )
    sys.exit(show_end(result, result.folder))
