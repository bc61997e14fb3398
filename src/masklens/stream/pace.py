"""Which frames of a stream are taken, and in which faces are looked for.

At most so many a second are taken; of those every k-th is searched, where k follows the time there
is.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from masklens.io.frames import USUAL_RATE, Frame

#: Faces are looked for at least this often a second; and more often than FASTEST is of no use.
SLOWEST, FASTEST = 3.0, 15.0
#: Share of the time between two frames that may be used; the rest is room for a slow moment.
_ROOM = 0.8
#: Share of a new measurement in the mean.
_NEW = 0.1


class Pace:
    """Decides, frame by frame, whether faces are looked for.

    Args:
        every: k, fixed; None lets it follow the time that frames take.
        rate: frames per second of the stream, if it is known.
        longest: seconds from a search to the next at most, if frames come at all: the rate is a
            promise or a mean. None is no limit where k is fixed, else what ``SLOWEST`` says.
    """

    def __init__(
        self, every: int | None = None, rate: float | None = None, longest: float | None = None
    ) -> None:
        self._fixed = every
        self._longest = longest or (1 / SLOWEST if every is None else math.inf)
        self._gap = 1 / (rate or USUAL_RATE)
        self._last: float | None = None
        self._looked = -math.inf
        self._since = 0
        self._with: float | None = None
        self._without = 0.0
        self._session: int | None = None

    @property
    def every(self) -> int:
        """K at the moment."""
        if self._fixed is not None:
            return self._fixed
        least = max(1, round(1 / (self._gap * FASTEST)))
        most = max(least, round(1 / (self._gap * SLOWEST)))
        room = _ROOM * self._gap - self._without
        extra = (self._with or 0.0) - self._without
        needed = math.ceil(extra / room) if room > 0 else most
        return int(min(max(needed, least), most))

    def due(self, time: float, session: int = 0) -> bool:
        """Whether faces should be looked for in the frame at ``time`` seconds."""
        if self._last is not None and 0 < time - self._last < 1:
            # Frames that were dropped make the gap longer: the shorter gaps are the true ones.
            gap = time - self._last
            self._gap += (0.3 if gap < self._gap else 0.02) * (gap - self._gap)
        self._last = time
        self._since += 1
        late = time - self._looked >= self._longest
        if late or session != self._session or self._since >= self.every:
            self._session = session
            self._looked = time
            self._since = 0
            return True
        return False

    def took(self, seconds: float, looked: bool) -> None:
        """How long a frame took, with or without looking for faces."""
        if not looked:
            self._without += _NEW * (seconds - self._without)
        elif self._with is None:
            self._with = seconds
        else:
            self._with += _NEW * (seconds - self._with)


def pace_for_file(every: int | None, rate: float | None) -> Pace:
    """For a file: every k-th frame, or where frames come slower than on average, as often in time.

    Args:
        every: k, fixed; None chooses it.
        rate: frames per second of the film, on average.
    """
    if every is not None:
        return Pace(every)
    every = every_for_file(rate)
    return Pace(every, longest=every / (rate or USUAL_RATE))


def every_for_file(rate: float | None) -> int:
    """K for a file: faces are looked for up to 6 times per second of film."""
    return max(1, math.ceil((rate or USUAL_RATE) / 6))


def rate_at_most(rate: float | None, most: float | None) -> float | None:
    """Frames per second that :func:`at_most` leaves of a stream; None when it is not known."""
    return min(filter(None, (rate, most)), default=None)


def at_most(frames: Iterator[Frame], rate: float | None) -> Iterator[Frame]:
    """Leave out frames so that at most ``rate`` of them are left per second of the stream."""
    if not rate:
        yield from frames
        return
    due: float | None = None
    for frame in frames:
        time = frame.time or 0.0
        due = time if due is None else due
        if time + 1e-6 >= due:
            # The grid follows the frames, so that rounding does not halve the rate.
            due = max(due, time - 1 / rate) + 1 / rate
            yield frame
