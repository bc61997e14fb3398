"""``masklens detect``: pictures in, annotated pictures and tables out."""

from __future__ import annotations

import sys
from pathlib import Path

import click


@click.command("detect")
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), help="Folder for annotated pictures."
)
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Results as JSON.")
@click.option("--csv", "csv_file", type=click.Path(path_type=Path), help="A row per face, as CSV.")
@click.option(
    "--coco", "coco_file", type=click.Path(path_type=Path), help="Results in the COCO format."
)
@click.option(
    "--coco-images",
    type=click.Path(path_type=Path),
    help="COCO detection file whose picture and category ids --coco uses.",
)
@click.option(
    "--threshold",
    type=click.FloatRange(0, 1),
    help="Leave out faces with a lower score.  [default: the bundle's]",
)
@click.option(
    "--preset",
    type=click.Choice(["default", "precise", "sensitive"]),
    default="default",
    show_default=True,
    help="Which of the bundle's thresholds to use.",
)
@click.option(
    "--bundle",
    type=click.Path(path_type=Path),
    help="Folder of a model bundle.  [default: the one that ships with masklens]",
)
@click.option(
    "--finder",
    help="Face finder: a name, or the path of an .onnx file.  [default: the bundle's, else yunet]",
)
@click.option(
    "--threads",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Threads per network; 0 uses every core.",
)
def command(
    sources: tuple[str, ...],
    out: Path | None,
    json_file: Path | None,
    csv_file: Path | None,
    coco_file: Path | None,
    coco_images: Path | None,
    threshold: float | None,
    preset: str,
    bundle: Path | None,
    finder: str | None,
    threads: int,
) -> None:
    """Find and label the faces in pictures.

    SOURCE is a picture, a folder (searched recursively), a glob pattern, or - for a list of files
    on standard input. Boxes are green for a mask, red for none, orange for a badly worn one.

    \b
    Examples:
      masklens detect photo.jpg --out labelled/
      masklens detect photos/ "more/*.png" --json results.json --csv faces.csv
      find . -name "*.jpg" | masklens detect - --coco results.coco.json

    Exit status: 0 all done, 1 some inputs failed, 2 wrong use.
    """
    from masklens.batch import label_pictures
    from masklens.cli import console
    from masklens.detector import MaskDetector
    from masklens.io.sources import find_pictures
    from masklens.io.writers import CocoWriter, CsvWriter, JsonWriter, PictureWriter

    pictures = find_pictures(console.expand_dash(sources))
    writers = [
        PictureWriter(out),
        JsonWriter(json_file),
        CsvWriter(csv_file),
        CocoWriter(coco_file, coco_images),
    ]
    detector = MaskDetector(bundle, finder=finder, threads=threads)
    detector.threshold = detector.card.threshold(preset) if threshold is None else threshold
    with console.Results(len(pictures)) as results:
        summary = label_pictures(detector, pictures, writers, results.show, results.fail)
    results.summarise(summary, [out, json_file, csv_file, coco_file])
    sys.exit(1 if summary.failed else 0)
