"""When to raise an alarm: somebody wears no mask, or wears it badly, for too long; or too many do.

Frames' results go in, now and then an event comes out. What is done with it is not known here:
:mod:`masklens.io.notify` delivers it.
"""

from __future__ import annotations

import math
from collections import Counter, OrderedDict
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
            "kind": "person",
            **when(frame),
            "track": number,
            "label": face.label,
            "score": round(face.score, 5),
            "seconds": round(seconds, 3),
            "counts": detections.counts(),
        }


class ShareAlarm:
    """Raises an alarm when too few of the people of the last minutes wear a mask as they should.

    A person is a track, counted once, with the label that it had last. Whoever stays in the picture
    goes on counting; what is kept grows with the people of the window, not with time.

    Args:
        share: 0…1; of the people ``with_mask``, at the least.
        people: there is no alarm as long as fewer than this were seen.
        minutes: of the stream; whoever was not seen for longer no longer counts.
        after: seconds for which that has been so without a break: a new face's label may be wrong.
        pause: at least so many seconds lie between two alarms. The next one comes only after the
            share was reached, or nobody was left to count.
    """

    def __init__(
        self, share: float, people: int, minutes: float, after: float, pause: float
    ) -> None:
        self._share, self._least, self._window = share, people, 60 * minutes
        self._after = after
        self._pause = pause
        # Track -> last shown, label; who was shown last stands last.
        self._people: OrderedDict[int, tuple[float, str]] = OrderedDict()
        self._counts: Counter[str] = Counter()
        self._shown: list[int] = []
        self._session = 0
        self._since: float | None = None
        self._told = False
        self._next = -math.inf

    def update(self, frame: Frame, detections: Detections) -> dict[str, Any] | None:
        """Take the next frame: as :meth:`Alarm.update`."""
        now = frame.time or 0.0
        if frame.session != self._session:
            # Whoever is still there when a camera comes back has another track.
            self._session = frame.session
            for gone in self._shown:
                self._forget(gone)
        self._shown = []
        for face in detections:
            if (number := face.track_id) is not None:
                self._forget(number)
                self._people[number] = now, face.label
                self._counts[face.label] += 1
                self._shown.append(number)
        while self._people and now - next(iter(self._people.values()))[0] > self._window:
            self._forget(next(iter(self._people)))

        people = len(self._people)
        share = self._counts[WITH_MASK] / people if people else 1.0
        if share >= self._share:
            self._told = False
        if share >= self._share or people < self._least:
            self._since = None
            return None
        self._since = now if self._since is None else self._since
        if self._told or now - self._since < self._after or now < self._next:
            return None
        self._told, self._next = True, now + self._pause
        return {
            "kind": "share",
            **when(frame),
            "people": people,
            "share_compliant": round(share, 4),
            "seconds": round(now - self._since, 3),
            "counts": {label: self._counts[label] for label in detections.labels},
        }

    def _forget(self, number: int) -> None:
        if number in self._people:
            self._counts[self._people.pop(number)[1]] -= 1
