"""``masklens export``: a bundle's model in other formats, each file proved against Keras."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from masklens.cli.options import BundlePath, NamedPath, folder_option, rounds_option
from masklens.cli.terminal import plain, show_skipped, written


@click.command("export")
@click.argument("source", type=BundlePath(), metavar="BUNDLE")
@click.option(
    "--to",
    "formats",
    default="litert,onnx,openvino",
    show_default=True,
    metavar="LIST",
    help="Formats, separated by commas.",
)
@click.option(
    "--precision",
    "precisions",
    default="fp32,fp16,int8",
    show_default=True,
    metavar="LIST",
    help="Precisions, separated by commas.",
)
@folder_option("--out", help="New folder for the files, their card and the table.")
@click.option(
    "--best",
    is_flag=True,
    help="Keep of each format only the smallest file that holds its bar, named classifier.*.",
)
@click.option("--into-bundle", is_flag=True, help="Instead of --out: the best, into BUNDLE itself.")
@click.option(
    "--data",
    type=NamedPath(),
    help="Labelled pictures for the comparison.  [default: scenes/val below MASKLENS_DATA]",
)
@click.option(
    "--calibration",
    type=NamedPath(),
    help="Other labelled pictures, for int8.  [default: scenes/train below MASKLENS_DATA]",
)
@rounds_option
def command(
    source: Path,
    formats: str,
    precisions: str,
    out: Path | None,
    best: bool,
    into_bundle: bool,
    data: Path | None,
    calibration: Path | None,
    rounds: int,
) -> None:
    """Export a model to LiteRT, ONNX and OpenVINO, and prove every file.

    BUNDLE is the folder of a bundle with a Keras model, a .keras or .h5 file, or "default", the
    bundle that ships. Labelled pictures are a COCO detection file (.json) or a folder with one
    sub-folder per label.

    Every file runs in its own runtime on the same real faces as Keras. One that misses its bar gets
    the suffix .rejected, and the command fails. The table is kept as parity.json and parity.md.

    \b
    Examples:
      masklens export runs/street --out exports/
      masklens export runs/street --to litert --precision int8 --out phone/ \\
          --data val.coco.json --calibration train.coco.json
      masklens export runs/report/classifier.h5 --to litert --precision fp32 --out tflite/ \\
          --data data/prajna
      masklens export runs/street --to onnx,litert --best --out bundle-to-ship/

    Exit status: 0 all files hold their bar, 1 some do not, 2 wrong use.
    """
    from masklens.export import FORMATS, PRECISIONS, choices, require_extra
    from masklens.io.quiet import quiet

    if (out is None) != into_bundle:
        raise click.UsageError("Give either --out DIR or --into-bundle.")
    chosen_formats = choices(formats, "format", tuple(FORMATS))
    chosen_precisions = choices(precisions, "precision", PRECISIONS)
    require_extra()
    with quiet():  # TensorFlow greets with a page about processors
        from masklens.export.pipeline import export

    done = export(
        source,
        out,
        best=best,
        formats=chosen_formats,
        precisions=chosen_precisions,
        data=data,
        calibration=calibration,
        rounds=rounds,
        say=lambda text: click.echo(f"{text} …", err=True),
    )
    click.echo(done.proof.table())
    if done.proof.caveat:
        click.secho(plain(done.proof.caveat), fg="yellow", err=True)
    written(done.written)
    show_skipped(done.skipped)
    for name, missed in done.rejected.items():
        click.secho(f"Rejected: {name}: {'; '.join(missed)}.", fg="red", err=True)
    sys.exit(1 if done.rejected else 0)
