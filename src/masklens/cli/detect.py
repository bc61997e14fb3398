"""``masklens detect``: pictures and videos in, annotated ones and tables out."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from masklens.cli.options import (
    USUAL_SIZES,
    bundle_option,
    count_option,
    file_option,
    finder_option,
    folder_option,
    json_option,
    keep_apart,
    long_side_option,
    model_files,
    result_option,
    threads_option,
    threshold_option,
)
from masklens.cli.terminal import written
from masklens.plural import many


@click.command("detect")
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@folder_option("--out", help="Folder for annotated pictures and videos.")
@json_option("Results as JSON; a line per picture or frame if FILE ends in .jsonl.")
@result_option("--csv", "csv_file", help="A row per face, as CSV.")
@result_option("--coco", "coco_file", help="Results in the COCO format.")
@file_option(
    "--coco-images", help="COCO detection file whose picture and category ids --coco uses."
)
@result_option("--tracks", help="A row per face that was followed in a video, as CSV.")
@count_option(
    "--every", help="Look for faces in every K-th frame of a video.  [default: six times a second]"
)
@threshold_option
@click.option(
    "--preset",
    type=click.Choice(["default", "precise", "sensitive"]),
    default="default",
    show_default=True,
    help="Which of the bundle's thresholds to use.",
)
@long_side_option(f"{USUAL_SIZES}; 640 in videos")
@bundle_option
@finder_option
@threads_option
def command(
    sources: tuple[str, ...],
    out: Path | None,
    json_file: Path | None,
    csv_file: Path | None,
    coco_file: Path | None,
    coco_images: Path | None,
    tracks: Path | None,
    every: int | None,
    threshold: float | None,
    preset: str,
    long_side: tuple[int, ...] | None,
    bundle: Path | None,
    finder: str | None,
    threads: int,
) -> None:
    """Find and label the faces in pictures and videos.

    SOURCE is a picture, a video, a folder (searched recursively, through links as well), a glob
    pattern, or - for a list of files on standard input, as find writes it with or without -print0.
    Each file counts once. Boxes are green for a mask, red for none, orange for a badly worn one. In
    videos faces are followed, labels are votes over time, and annotated copies are H.264 MP4 with
    the sound kept. A result whose FILE is - goes to standard output, all messages to standard
    error.

    \b
    Examples:
      masklens detect photo.jpg --out labelled/
      masklens detect photos/ "more/*.png" --json results.json --csv faces.csv
      masklens detect group.jpg --long-side 704,2112
      masklens detect walk.mp4 --out labelled/ --json walk.jsonl --tracks faces.csv
      masklens detect photo.jpg --json - | jq ".[0].faces[0].label"
      find . -name "*.jpg" | masklens detect - --coco results.coco.json

    Exit status: 0 all done, 1 some inputs failed, 2 wrong use, 130 interrupted by Ctrl-C, 143 by
    SIGTERM (the tables keep what was done).
    """
    from contextlib import ExitStack

    from masklens.batch import label_pictures
    from masklens.cli import console
    from masklens.detector import MaskDetector
    from masklens.errors import InputError
    from masklens.io.atomic import real_paths
    from masklens.io.logs import check_log_writable
    from masklens.io.quiet import hush_libtiff
    from masklens.io.sources import find_pictures, is_video
    from masklens.io.writers import CocoWriter, CsvWriter, JsonWriter, PictureWriter
    from masklens.memory import keep_flat

    if coco_images is not None and coco_file is None:
        raise click.UsageError("--coco-images says which ids --coco uses. Give --coco FILE too.")
    unusable: list[InputError] = []
    copies: set[Path] = set()
    found = find_pictures(
        console.expand_dash(sources),
        videos=True,
        out=out,
        on_copy=copies.add,
        on_error=unusable.append,
    )
    console.tell_of_copies(copies)
    for error in unusable:
        console.complain(error)
    if not found:
        sys.exit(1)
    files = {"--json": json_file, "--csv": csv_file, "--coco": coco_file, "--tracks": tracks}
    keep_apart(
        {**files, "--out": out and out / "*"},  # a file in it, of no name that a result has
        [*found, coco_images, *model_files(bundle, finder=finder)],
    )
    pictures = {path: name for path, name in found.items() if not is_video(path)}
    videos = {path: name for path, name in found.items() if is_video(path)}
    if coco_file is not None and videos:
        raise InputError(
            f"COCO results are for pictures, and {next(iter(videos))} is a video. Use --json."
        )
    if tracks is not None and not videos:
        raise InputError("--tracks is for videos, and there is none. Use --json or --csv.")
    coco = CocoWriter(coco_file, coco_images, map(str, pictures))
    named = real_paths([*found, *filter(None, files.values())]) if out is not None else set()
    taken = set(named)  # and the annotated copies, as they are made
    tables = [JsonWriter(json_file), CsvWriter(csv_file, videos=bool(videos))]
    writers = [PictureWriter(out, taken), *tables, coco]

    def detector(**options: Any) -> MaskDetector:
        made = MaskDetector(bundle, finder=finder, **options)
        made.threshold = made.card.threshold(preset) if threshold is None else threshold
        return made

    if tracks is not None:
        check_log_writable(tracks)
    hush_libtiff()
    if videos:
        keep_flat()
    failed = len(unusable)
    with ExitStack() as stack:
        for writer in writers:
            stack.enter_context(writer)
        if pictures:
            finds = detector(threads=threads, long_side=long_side)
            with console.Results(len(pictures)) as results:
                summary = label_pictures(finds, pictures, writers, results.show, results.fail)
            console.summarise(summary)
            if long_side is None:
                console.tell_of_large(results.sides, finds.finder)
            failed += summary.failed
        if videos:
            from masklens.cli.video_console import label_videos
            from masklens.stream.labeller import LONG_SIDE

            follows = detector(threads=1, long_side=long_side or LONG_SIDE)
            failed += label_videos(follows, videos, tables, out, taken, tracks, every)
    if unusable:
        click.secho(f"{many(len(unusable), 'source')} could not be used", fg="red", err=True)
    annotated = out if any(path.exists() for path in taken - named) else None
    written([annotated, json_file, csv_file, coco_file, tracks])
    sys.exit(1 if failed else 0)
