"""One video file through the detector: every frame, in order, into the writers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from masklens.detector import MaskDetector
from masklens.io.recorder import VideoWriter
from masklens.io.video import VideoReader
from masklens.io.writers import Writer
from masklens.stream.labeller import StreamLabeller
from masklens.stream.live import Labelled, labelled_frames
from masklens.stream.records import TrackRecord
from masklens.stream.results import StreamSummary, TrackTable


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

    def ended(record: TrackRecord) -> None:
        summary.ended(record)
        tracks.ended(reader.name, record)

    labeller = StreamLabeller(detector, budget=16, on_end=ended)
    with reader, VideoWriter(out, reader.rate, sound=reader, signed=True) as video:
        for labelled in labelled_frames(reader, labeller, every=every):
            frame, detections = labelled.frame, labelled.detections
            for writer in writers:
                writer.write(frame, detections)
            if out is not None:
                video.write(labelled.annotated, frame.time or 0.0)
            summary.frames += 1
            summary.seconds = frame.time or 0.0
            on_frame(labelled)
    return summary
