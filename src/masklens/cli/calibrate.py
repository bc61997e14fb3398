"""``masklens calibrate``: a bundle and photographs in, the bundle with fitted scores out."""

from __future__ import annotations

from pathlib import Path

import click

from masklens.cli.options import BundlePath, NamedPath, folder_option
from masklens.cli.terminal import show_skipped, written


@click.command("calibrate")
@click.argument("bundle", type=BundlePath())
@click.argument("scenes", metavar="SCENES.json", type=NamedPath(dir_okay=False))
@folder_option(
    "--finder",
    metavar="FOLDER",
    help="Run folder of train-finder, or a bundle: its face finder becomes the new bundle's.",
)
@click.option(
    "--to-ship",
    is_flag=True,
    help="Leave out the Keras model, which the ONNX file can give back (recipe street).",
)
@folder_option("--out", required=True, help="Folder for the new bundle.")
def command(bundle: Path, scenes: Path, finder: Path | None, to_ship: bool, out: Path) -> None:
    """Fit a bundle's scores and thresholds to photographs of your own.

    BUNDLE is a folder, or "default". SCENES.json is a COCO detection file with boxed faces that
    the models were not trained on: temperature, the probability of a face and the three thresholds
    are fitted to it and written into the card of the new bundle; no weight is changed.

    \b
    Examples:
      masklens calibrate default canteen.json --out bundles/canteen
      masklens calibrate runs/street val.json --finder runs/finder --out bundles/street

    Exit status: 0 done, 1 failed, 2 wrong use.
    """
    from masklens.training import require_extra

    require_extra()
    from masklens.training.assemble import assemble

    skipped: list[str] = []
    calibrated, scores = assemble(
        bundle,
        scenes,
        finder,
        out,
        to_ship=to_ship,
        on_error=lambda picture, error: skipped.append(str(error)),
    )
    show_skipped(skipped)
    accuracy, (low, high) = scores["accuracy"]["value"], scores["accuracy"]["interval_95"]
    click.secho(
        f"Labels at annotated boxes {accuracy:.3f} right (95 % interval {low:.3f} to {high:.3f}); "
        f"detection F1 {scores['detection_f1']:.3f}; calibration error "
        f"{scores['expected_calibration_error']:.3f}",
        bold=True,
    )
    click.echo(
        "F1 and calibration error are of the photographs they were fitted to: a little too good."
    )
    for purpose, threshold in calibrated.card.thresholds.items():
        click.echo(f"Threshold {purpose}: {threshold}, {calibrated.card.threshold_notes[purpose]}")
    written([out])
