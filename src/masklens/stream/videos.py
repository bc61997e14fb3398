"""Moving pictures on their way into the results: what ``detect`` and ``live`` have in common."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from pathlib import Path

from masklens.detector import MaskDetector
from masklens.io.recorder import VideoWriter
from masklens.io.sources import Source
from masklens.io.video import VideoReader
from masklens.io.writers import Writer
from masklens.stream.labeller import BUDGET, BUDGET_OF_FILES, StreamLabeller
from masklens.stream.live import Labelled, labelled_frames
from masklens.stream.records import TrackRecord
from masklens.stream.results import StreamSummary, TrackTable


def counted_frames(
    detector: MaskDetector,
    source: Source,
    summary: StreamSummary,
    tracks: TrackTable,
    *,
    every: int | None = None,
    max_fps: float | None = None,
) -> Generator[Labelled]:
    """The labelled frames of a source; they and the followed faces are counted meanwhile.

    Args:
        detector: finds and labels.
        source: from :func:`masklens.io.sources.open_source`.
        summary: counts; complete when the frames have ended or are closed.
        tracks: gets a row per followed face.
        every, max_fps: see :func:`masklens.stream.live.labelled_frames`.

    Raises:
        InputError: the source broke or was lost; all frames before were given out.
        OutputError: a row could not be written.
    """

    def ended(record: TrackRecord) -> None:
        summary.ended(record)
        tracks.ended(source.name, record)

    budget = BUDGET if source.live else BUDGET_OF_FILES
    labeller = StreamLabeller(detector, budget=budget, on_end=ended)
    with closing(labelled_frames(source, labeller, every=every, max_fps=max_fps)) as frames:
        for labelled in frames:
            summary.frames += 1
            summary.seconds = labelled.frame.time or 0.0
            yield labelled


def label_video(
    detector: MaskDetector,
    reader: VideoReader,
    writers: Sequence[Writer],
    *,
    out: Path | None = None,
    tracks: TrackTable,
    every: int | None = None,
    on_frame: Callable[[Labelled], None],
) -> StreamSummary:
    """Label every frame of a video and feed the writers, in order.

    Args:
        detector: finds and labels.
        reader: the video; it is closed at the end.
        writers: open; each gets every frame.
        out: the annotated copy, an H.264 MP4 with the sound of the video; None for none.
        tracks: gets a row per followed face.
        every: faces are looked for in every k-th frame; None chooses k.
        on_frame: called after each frame.

    Raises:
        InputError: the video is damaged; what could be read of it is with the writers.
        OutputError: a result could not be written.
    """
    summary = StreamSummary()
    with reader, VideoWriter(out, reader.rate, sound=reader, signed=True) as video:
        for labelled in counted_frames(detector, reader, summary, tracks, every=every):
            frame, detections = labelled.frame, labelled.detections
            for writer in writers:
                writer.write(frame, detections)
            if out is not None:
                video.write(labelled.annotated, frame.time or 0.0)
            on_frame(labelled)
    return summary
