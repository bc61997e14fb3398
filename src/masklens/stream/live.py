"""The loop of moving pictures: a source in; labelled frames out to whoever wants them.

For cameras the loop takes the newest frame there is and looks for faces as often as time allows;
for files it takes every frame, looks for faces in several at a time, and knows where they went when
it places those of the frames between.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property

from masklens.crop import Image
from masklens.detections import Detections
from masklens.errors import InputError
from masklens.io.draw import draw_detections, draw_status
from masklens.io.frames import Frame
from masklens.io.sources import Source
from masklens.limits import cores
from masklens.memory import give_back
from masklens.stream.between import filled_in
from masklens.stream.labeller import Found, StreamLabeller
from masklens.stream.pace import Pace, at_most, pace_for_file, rate_at_most

#: So many more frames of a file are searched at a time than there are cores, so that none of them
#: waits while faces are classified.
AHEAD = 2
#: And so many frames are held for each of these at the most: decoded, each takes megabytes.
_HELD = 10


@dataclass(eq=False)
class Labelled:
    """One frame with its faces.

    Attributes:
        frame, detections: what was seen.
        fps: frames per second that the loop does at the moment.
    """

    frame: Frame
    detections: Detections
    fps: float

    @property
    def annotated(self) -> Image:
        """The frame with boxes and labels drawn on it, made anew each time."""
        return draw_detections(self.frame.image, self.detections)

    @cached_property
    def picture(self) -> Image:
        """The frame with boxes, labels, counts and the frame rate drawn on it."""
        return draw_status(self.annotated, self.detections, self.fps)


def labelled_frames(
    source: Source,
    labeller: StreamLabeller,
    *,
    every: int | None = None,
    max_fps: float | None = None,
) -> Generator[Labelled]:
    """Label the frames of a source, in order.

    Args:
        source: from :func:`masklens.io.sources.open_source`.
        labeller: a new one; its tracks are ended when the source ends.
        every: faces are looked for in every k-th frame; None chooses k.
        max_fps: frames beyond this many per second are left out.

    Raises:
        InputError: the source broke or was lost; all frames before were given out.
    """
    frames = at_most(iter(source), max_fps)
    # Faces are looked for so often a second, however many of its frames are left.
    rate = rate_at_most(source.rate, max_fps)
    found = (
        _as_time_allows(frames, labeller, Pace(every, rate))
        if source.live
        else filled_in(_one_after_the_other(frames, labeller, pace_for_file(every, rate)))
    )
    meter = Meter()
    try:
        for frame, detections in found:
            yield Labelled(frame, detections, meter.tick())
    finally:
        labeller.close()
        give_back()


def _as_time_allows(
    frames: Iterator[Frame], labeller: StreamLabeller, pace: Pace
) -> Iterator[tuple[Frame, Detections]]:
    for frame in frames:
        began = time.perf_counter()
        look = pace.due(frame.time or 0.0, frame.session)
        detections = labeller.update(frame, labeller.find(frame) if look else None)
        yield frame, detections
        # What the receiver did with the frame belongs to its time.
        pace.took(time.perf_counter() - began, look)


def _one_after_the_other(
    frames: Iterator[Frame], labeller: StreamLabeller, pace: Pace
) -> Iterator[tuple[Frame, Detections, bool]]:
    """Every frame, and whether faces were looked for in it."""
    workers = cores()
    # One thread per core: what each keeps (a heap, converters, a tensor) is kept so many times.
    pool = ThreadPoolExecutor(workers)
    pending: deque[tuple[Frame, Future[Found] | None]] = deque()
    searches, most = 0, workers + AHEAD

    def oldest() -> tuple[Frame, Detections, bool]:
        nonlocal searches
        frame, faces = pending.popleft()
        found = faces.result() if faces else None
        searches -= found is not None
        return frame, labeller.update(frame, found), found is not None

    failure: InputError | None = None
    try:
        try:
            for frame in frames:
                look = pace.due(frame.time or 0.0)
                searches += look
                pending.append((frame, pool.submit(labeller.find, frame) if look else None))
                while searches > most or len(pending) > most * min(pace.every, _HELD):
                    yield oldest()
        except InputError as error:
            failure = error
        while pending:
            yield oldest()
        if failure is not None:
            raise failure
    finally:
        pool.shutdown(cancel_futures=True)


class Meter:
    """Frames per second over the last second or so."""

    def __init__(self) -> None:
        self._last: float | None = None
        self._gap = 0.0

    def tick(self) -> float:
        """A frame is done; returns the rate."""
        now = time.perf_counter()
        if self._last is not None:
            gap = now - self._last
            share = min(1.0, max(gap, 0.02))
            self._gap = gap if self._gap == 0 else self._gap + share * (gap - self._gap)
        self._last = now
        return 1 / self._gap if self._gap > 0 else 0.0
