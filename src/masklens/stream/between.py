"""Where faces were between two frames in which they were looked for.

Ahead of the next search a face can only be guessed to move on as it did, and a camera that turns
makes fools of such guesses. A film can wait: the places before and after are known, and what lies
between them is a straight line, unless another scene has begun there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np

from masklens.crop import FloatArray
from masklens.detections import Detections
from masklens.errors import InputError
from masklens.io.frames import Frame
from masklens.stream.cuts import is_other_scene, signature
from masklens.stream.tracks import PATIENCE

#: Frames are compared at this size, in pixels, and only where no face goes on.
_LONG_SIDE = 256


def filled_in(
    labelled: Iterable[tuple[Frame, Detections, bool]],
) -> Iterator[tuple[Frame, Detections]]:
    """Hold frames back until the next search, and put the faces of both onto the line between.

    No longer than a face is waited for: what is found after that is another track.

    Args:
        labelled: frames in order, their faces, and whether faces were looked for.

    Yields:
        The same frames in the same order. Faces without a track on both sides stay where they are,
        but those of the scene before a cut are not left in the scene after it.
    """
    before: tuple[Frame, Detections] | None = None
    waiting: list[tuple[Frame, Detections]] = []
    failure: InputError | None = None
    try:
        for frame, detections, looked in labelled:
            if not looked:
                waiting.append((frame, detections))
                if before is None or (frame.time or 0.0) - (before[0].time or 0.0) > PATIENCE:
                    yield from waiting
                    waiting.clear()
                continue
            for held, guessed in waiting:
                yield held, _between(before, (held, guessed), (frame, detections))
            waiting.clear()
            yield frame, detections
            before = frame, detections
    except InputError as error:
        failure = error
    yield from waiting
    if failure is not None:
        raise failure


def _between(
    before: tuple[Frame, Detections] | None,
    now: tuple[Frame, Detections],
    after: tuple[Frame, Detections],
) -> Detections:
    guessed = now[1]
    if before is None or not len(guessed):
        return guessed
    start, time, end = (frame.time or 0.0 for frame, _ in (before, now, after))
    if not start < time < end:
        return guessed
    share = np.float32((time - start) / (end - start))
    sides = [{int(t): row for row, t in enumerate(d.track_ids)} for _, d in (before, after)]
    rows = [
        (row, sides[0][track], sides[1][track])
        for row, track in enumerate(guessed.track_ids.tolist())
        if track in sides[0] and track in sides[1]
    ]
    if not rows:
        was, is_now = (signature(frame.within(_LONG_SIDE)) for frame in (before[0], now[0]))
        return Detections.empty(guessed.labels) if is_other_scene(was, is_now) else guessed
    own, first, last = np.array(rows).T

    def on_the_line(guess: FloatArray, old: FloatArray, new: FloatArray) -> FloatArray:
        out = guess.copy()
        out[own] = old[first] + share * (new[last] - old[first])
        return out

    return replace(
        guessed,
        boxes=on_the_line(guessed.boxes, before[1].boxes, after[1].boxes),
        landmarks=on_the_line(guessed.landmarks, before[1].landmarks, after[1].landmarks),
    )
