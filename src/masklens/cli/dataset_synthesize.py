"""``masklens dataset synthesize``: bare faces in, painted masks and look-alikes out."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from masklens.cli.options import (
    NamedPath,
    check_results,
    count_option,
    folder_option,
    names_in,
    seed_option,
    sheet_option,
    sheet_results,
)
from masklens.cli.terminal import plain, sentence, step_bar, written
from masklens.plural import many


@click.command("synthesize")
@click.argument("source", type=NamedPath())
@folder_option(
    "--out",
    help="Folder for the painted faces: a sub-folder per label, and a COCO file with their boxes.",
)
@click.option("--overwrite", is_flag=True, help="Throw away the paintings in --out.")
@sheet_option("Contact sheet of the first hundred, as a picture.")
@count_option(
    "--count",
    help="How many to paint; faces are used again if needed.  [default: each face once]",
)
@click.option("--styles", default="", help="Styles, separated by commas.  [default: all]")
@click.option("--classes", default="", help="Labels, separated by commas.  [default: all]")
@seed_option(0, "The same seed paints the same.")
@click.option(
    "--finder",
    help="Face finder: yunet, or the path of an .onnx file.  [default: the one that ships]",
)
def command(
    source: Path,
    out: Path | None,
    overwrite: bool,
    sheet: Path | None,
    count: int | None,
    styles: str,
    classes: str,
    seed: int,
    finder: str | None,
) -> None:
    """Paint masks, badly worn masks and look-alikes onto bare faces.

    SOURCE is a picture or a folder of pictures of bare faces, or a folder with a sub-folder per
    label or a COCO detection file, of which only without_mask is used. Without boxes, a
    face is what the finder finds and the model that ships also takes for one.

    \b
    with_mask              surgical, ffp2, ffp2_valve, n95_cup, cloth, bandana
    mask_worn_incorrectly  nose_out, mouth_out, below_lip, one_ear, under_chin, hanging,
                           over_eyes, over_face, forehead
    without_mask           hand, scarf, microphone, beard, cup, phone, helmet

    \b
    Examples:
      masklens dataset synthesize portrait.jpg --count 100 --sheet sheet.png
      masklens dataset synthesize data/prajna --out data/painted --count 3000
      masklens dataset synthesize faces/ --out hard/ --classes without_mask --seed 7

    Exit status: 0 all done, 1 some pictures could not be read, 2 wrong use.
    """
    from masklens.bundle import Bundle
    from masklens.classifier import MaskClassifier
    from masklens.dataset.sheet import draw_sheets, save_sheets
    from masklens.dataset.synthesize import produce
    from masklens.dataset.synthesize.folder import FolderWriter
    from masklens.errors import MasklensError
    from masklens.finder import load_finder

    if out is None and sheet is None:
        raise click.UsageError("Give --out DIR, --sheet FILE, or both.")
    if out is not None and out.resolve() == source.resolve():
        raise click.UsageError(f"--out {out} is the folder that is read. Use another.")
    listed = produce.list_originals(source, out)
    writer = FolderWriter(out, overwrite=overwrite)
    check_results({**sheet_results(sheet), "--out": writer.file}, listed.files)
    inside = out is not None and out.resolve().is_relative_to(source.resolve())
    if inside and listed.labelled:
        raise click.UsageError(
            f"--out {out} lies in {source}, whose sub-folders are labels: the paintings would "
            "become pictures of that data set. Use a folder outside."
        )
    writer.check(listed.files)
    chosen = produce.choose_styles(names_in(styles), names_in(classes))
    failed = 0

    def on_error(path: Path, error: MasklensError) -> None:
        nonlocal failed
        failed += 1
        click.secho(f"Unreadable: {sentence(error)}", fg="red", err=True)

    shown: list[produce.Painting] = []
    with step_bar(count, unit="face") as advance:

        def keep(painting: produce.Painting) -> None:
            writer.write(painting)
            if sheet and len(shown) < 100:
                shown.append(painting)
            advance()

        counts = produce.synthesize(
            listed, chosen, load_finder(finder), MaskClassifier(Bundle.load()), keep,
            seed=seed, count=count, on_error=on_error,
        )  # fmt: skip
    writer.finish()
    for label, line in produce.describe(counts).items():
        click.echo(f"  {plain(label):<22}{line}")
    painted = sum(counts.values())
    click.secho(f"{many(painted, 'face')} painted.", bold=True)
    if count and painted < count:
        click.echo(f"{count - painted:,} left out: the mask would lie outside of the picture.")
    written([out])
    if sheet:
        title = f"masklens dataset synthesize {source.name}"
        blocks = produce.sheet_blocks(shown)
        written(save_sheets(sheet, draw_sheets(title, blocks, columns=10)))
    sys.exit(1 if failed else 0)
