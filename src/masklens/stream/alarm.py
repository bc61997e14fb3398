"""When to raise an alarm: somebody is seen without a mask, or with one badly worn, for too long.

Frames' results go in, now and then an event comes out. What is done with it is not known here:
:mod:`masklens.io.notify` delivers it.
"""

from __future__ import annotations

import math
from typing import Any

from masklens.detections import Detections
from masklens.io.frames import Frame
from masklens.labels import WITH_MASK
from masklens.stream.results import when

#: A face that was not shown for so many seconds begins anew; by then most tracks are given up.
_ABSENT = 1.0


class Alarm:
    """Raises at most one alarm per track, and one per pause.

    Args:
        after: seconds for which a face has been shown without a break, none of them
            ``with_mask``: its labels are votes already, and may go from bare to badly worn.
        pause: at least so many seconds lie between two alarms. Whoever is still there after it has
            one then.
    """

    def __init__(self, after: float, pause: float) -> None:
        self._after = after
        self._pause = pause
        self._shown: dict[int, tuple[float, float]] = {}  # track -> bare since, last shown
        self._told: set[int] = set()
        self._next = -math.inf

    def update(self, frame: Frame, detections: Detections) -> dict[str, Any] | None:
        """Take the next frame.

        Args:
            frame: the next one of the stream; its time counts.
            detections: the faces that are shown in it, best first, with track ids.

        Returns:
            The event as JSON values, or None: ``docs/formats.md`` describes it.
        """
        now = frame.time or 0.0
        due = None
        for face in detections:
            number = face.track_id
            if number is None:
                continue
            if face.label == WITH_MASK:
                self._shown.pop(number, None)
                continue
            since = self._shown[number][0] if number in self._shown else now
            self._shown[number] = since, now
            if due is None and now - since >= self._after and number not in self._told:
                due = face, number, now - since
        for number in [n for n, (_, last) in self._shown.items() if now - last > _ABSENT]:
            del self._shown[number]
        if due is None or now < self._next:
            return None
        face, number, seconds = due
        self._next = now + self._pause
        self._told.add(number)
        return {
            **when(frame),
            "track": number,
            "label": face.label,
            "score": round(face.score, 5),
            "seconds": round(seconds, 3),
            "counts": detections.counts(),
        }
