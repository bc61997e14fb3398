"""The journey of many pictures: read, detect, hand to the writers, count."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from masklens.crop import Image
from masklens.detections import Detections
from masklens.detector import MaskDetector
from masklens.errors import MasklensError
from masklens.io.frames import Frame
from masklens.io.sources import read_frames
from masklens.io.writers import Writer


@dataclass
class Summary:
    """What became of a number of pictures."""

    pictures: int = 0
    failed: int = 0
    faces: Counter[str] = field(default_factory=Counter)


def label_pictures(
    detector: MaskDetector,
    pictures: Mapping[Path, str],
    writers: Sequence[Writer],
    on_result: Callable[[Frame, Detections], None],
    on_error: Callable[[Path, MasklensError], None],
) -> Summary:
    """Detect in every picture and feed the writers, in order.

    Args:
        detector: finds and labels.
        pictures: what :func:`masklens.io.sources.find_pictures` returned.
        writers: open; they are closed by whoever opened them.
        on_result: called after each picture.
        on_error: called for each picture that could not be read; the others go on.
    """
    summary = Summary()
    frames: deque[Frame] = deque()

    def failed(path: Path, error: MasklensError) -> None:
        summary.failed += 1
        on_error(path, error)

    def images() -> Iterator[Image]:
        for frame in read_frames(pictures, failed):
            frames.append(frame)
            yield frame.image

    for detections in detector.detect_many(images()):
        frame = frames.popleft()
        for writer in writers:
            writer.write(frame, detections)
        summary.pictures += 1
        summary.faces.update(detections.label_names)
        on_result(frame, detections)
    return summary
