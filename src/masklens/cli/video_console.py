"""What ``masklens detect`` shows of videos: a progress bar each, and a line when it is done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from masklens.cli import console
from masklens.cli.terminal import plain, step_bar
from masklens.detector import MaskDetector
from masklens.errors import InputError
from masklens.io.video import VideoReader
from masklens.io.writers import Writer, free_path
from masklens.plural import many
from masklens.stream.results import StreamSummary, TrackTable
from masklens.stream.videos import label_video


def label_videos(
    detector: MaskDetector,
    videos: Mapping[Path, str],
    writers: Sequence[Writer],
    out: Path | None,
    taken: set[Path],
    tracks: Path | None,
    every: int | None,
) -> int:
    """Label videos, one after the other.

    Args:
        detector: finds and labels.
        videos: path -> its path below the source that named it.
        writers: open; for tables.
        out: folder of the annotated copies, or None.
        taken: paths that are not to be written to, see :func:`masklens.io.writers.free_path`.
        tracks: table of followed faces, or None.
        every: faces are looked for in every k-th frame; None chooses k.

    Returns:
        How many could not be read, or not wholly.
    """
    failed = 0
    with TrackTable(tracks) as table:
        for path, relative in videos.items():
            try:
                reader = VideoReader(path)
                target = out and free_path(out, Path(relative).with_suffix(".mp4"), taken)
                with step_bar(reader.total or None, path.name, "frame") as advance:
                    summary = label_video(
                        detector,
                        reader,
                        writers,
                        out=target,
                        tracks=table,
                        every=every,
                        on_frame=advance,
                    )
                summarise_stream(summary, str(path))
            except InputError as error:
                failed += 1
                console.complain(error)
    if failed:
        click.secho(f"{many(failed, 'video')} could not be read", fg="red", err=True)
    return failed


def summarise_stream(summary: StreamSummary, name: str = "") -> None:
    """What was seen in a video or from a camera."""
    line = f"{many(summary.frames, 'frame')}, {summary.seconds:.1f} s, "
    line += f"{many(summary.tracks.total(), 'face')} followed"
    line += console.labels_of(summary.tracks)
    click.secho(f"{plain(name)}  {line}" if name else line, bold=True)
