"""Reports of what cameras and films have shown, by the hour, from the logs of their runs.

Lines of frames tell everything: who was there, when the camera was watched, how many were there at
once. Tables of tracks tell who was there; what both tell is counted once, and reading a copy of a
log as well changes nothing. A person is a track: who leaves and comes back is another one.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from masklens.errors import InputError
from masklens.intervals import wilson
from masklens.io.log_files import LogFile, records
from masklens.labels import WITH_MASK
from masklens.stream.records import LONGEST_PAUSE

#: When something was: by the clock of the machine, with its offset from UTC; of films seconds.
Moment = datetime | float

_SECONDS = {"minute": 60, "hour": 3600, "day": 86400}


@dataclass
class Row:
    """What was seen in a period.

    Attributes:
        start: of the period, local time; of films seconds.
        labels: number of people who were first seen in it, by the label they had most.
        at_once: most faces in one frame; None where no frame is logged, as for the next two.
        observed: seconds in which there were frames.
        away: seconds without a frame, of all interruptions that began in it.
    """

    start: Moment
    labels: Counter[str] = field(default_factory=Counter)
    at_once: int | None = None
    observed: float | None = None
    away: float | None = None

    @property
    def people(self) -> int:
        """How many were first seen in it."""
        return self.labels.total()

    @property
    def compliant(self) -> tuple[float, float, float] | None:
        """Share of the people who wore a mask as they should, and its 95 % interval (Wilson)."""
        if not self.people:
            return None
        right = self.labels[WITH_MASK]
        return right / self.people, *wilson(right, self.people)


@dataclass
class Report:
    """One camera, or one film.

    Attributes:
        name: the log's, without what tells its files apart; of films their own, where it is known.
        rows: periods of which there is anything, in order.
        total: all of them together.
    """

    name: str
    rows: list[Row]
    total: Row


def make_reports(
    logs: Sequence[LogFile],
    by: str,
    *,
    on_broken: Callable[[LogFile, int], None] = lambda *_: None,
    on_error: Callable[[InputError], None] = lambda _: None,
    on_file: Callable[[], None] = lambda: None,
) -> list[Report]:
    """Read logs, and report each camera and each film in them.

    Args:
        logs: from :func:`masklens.io.log_files.find_logs`.
        by: the length of a period: "minute", "hour" or "day".
        on_broken: called with a log and how many of its lines are not whole, if there are any.
        on_error: called when a log cannot be read to its end; what was read counts.
        on_file: called after each log.
    """
    reading = _Reading(by)
    # Lines before tables, of which they know more.
    for log in sorted(logs, key=lambda log: (log.is_table, log.began)):
        take = reading.row if log.is_table else reading.line
        broken = 0
        try:
            for values in records(log):
                try:
                    take(log.family, values)
                except (ValueError, TypeError, KeyError, OverflowError):
                    broken += 1
        except InputError as error:
            on_error(error)
        if broken:
            on_broken(log, broken)
        on_file()
    views = sorted(reading.views.items(), key=lambda item: item[0])
    return [view.report(name) for (name, _), view in views]


class _Reading:
    """Hands what logs hold to the camera or film that it is of."""

    def __init__(self, by: str) -> None:
        self.views: dict[tuple[str, bool], _View] = {}
        self._by = by
        self._runs: dict[str, tuple[int, int]] = {}  # of films: number, last frame

    def line(self, family: str, line: Mapping[str, Any]) -> None:
        """A line of a frame."""
        if "faces" in line and "time" not in line:  # a picture
            return
        faces = [(int(face["track"]), str(face["label"])) for face in line["faces"]]
        index, session = int(line["frame"]), int(line.get("session", 0))
        clock = line.get("clock")
        moment = _moment(clock, line["time"])
        # Live does not name its film.
        name = family if clock else str(line.get("file", family))
        if clock is None:
            name = self._run_of(name, index)
        self._view(name, clock).frame(moment, index, session, faces)

    def row(self, family: str, row: Mapping[str, Any]) -> None:
        """A row of a track."""
        clock, source = row.get("clock") or None, row["source"]
        if clock is None and not self._runs.keys().isdisjoint((family, source)):
            return  # the lines of this film tell it all
        number, first = int(row["track"]), _moment(clock, row["first_seen"])
        self._view(family if clock else source, clock).followed(number, first, row["label"])

    def _run_of(self, film: str, index: int) -> str:
        """What a film is called: when it begins again, it is reported once more."""
        run, last = self._runs.get(film, (1, -1))
        run += index <= last
        self._runs[film] = run, index
        return f"{film} (run {run})" if run > 1 else film

    def _view(self, name: str, clock: str | None) -> _View:
        key = name, clock is None
        if key not in self.views:
            self.views[key] = _View(self._by)
        return self.views[key]


class _View:
    """What the logs tell of one camera or film."""

    def __init__(self, by: str) -> None:
        self._by = by
        # Track and when it was first seen -> label -> frames. Plain, for there may be millions.
        self._people: dict[tuple[int, Moment], dict[str, int]] = {}
        self._of_run: dict[int, dict[str, int]] = {}  # those of the last run, by their track
        self._at_once: dict[Moment, int] = {}
        self._stretches: list[tuple[Moment, Moment, Moment]] = []  # watched: from, to, period
        self._index, self._session = -1, 0
        self._last: Moment | None = None

    def frame(
        self, moment: Moment, index: int, session: int, faces: Sequence[tuple[int, str]]
    ) -> None:
        """A frame of a run: its number, and the track and the label of each face."""
        anew = index <= self._index
        if anew:
            self._of_run = {}
        start, period = self._period(moment)
        passed = math.inf if self._last is None else _seconds(self._last, moment)
        if anew or session != self._session or not 0 <= passed <= LONGEST_PAUSE:
            self._stretches.append((moment, moment, period))
        else:
            since, _, before = self._stretches[-1]
            if period != before:
                self._stretches[-1] = since, start, before
                self._stretches.append((start, moment, period))
            else:
                self._stretches[-1] = since, moment, period
        self._last, self._index, self._session = moment, index, session
        self._at_once[period] = max(self._at_once.get(period, 0), len(faces))
        for number, label in faces:
            if number not in self._of_run:
                self._of_run[number] = self._people[number, moment] = {}
            frames = self._of_run[number]
            frames[label] = frames.get(label, 0) + 1

    def followed(self, number: int, first: Moment, label: str) -> None:
        """A row of a track, which may be known already."""
        self._people.setdefault((number, first), {label: 1})

    def report(self, name: str) -> Report:
        """All of it, by the period."""
        rows: dict[Moment, Row] = {}

        def row(period: Moment) -> Row:
            return rows.setdefault(period, Row(period))

        for (_, first), frames in self._people.items():
            row(self._period(first)[1]).labels[max(frames, key=frames.__getitem__)] += 1
        for period, number in self._at_once.items():
            row(period).at_once = number
        latest: tuple[Moment, Row] | None = None
        for start, end, period in sorted(self._stretches):
            here = row(period)
            here.observed, here.away = here.observed or 0.0, here.away or 0.0
            if latest is not None:
                until, before = latest
                before.away = (before.away or 0.0) + max(0.0, _seconds(until, start))
                start = max(start, until)
            here.observed += max(0.0, _seconds(start, end))
            latest = (end, here) if latest is None or _seconds(latest[0], end) > 0 else latest
        ordered = [rows[period] for period in sorted(rows)]
        return Report(name, ordered, _total(ordered))

    def _period(self, moment: Moment) -> tuple[Moment, Moment]:
        """When its period began, and what it is called: days that change their offset are one."""
        if isinstance(moment, float):
            start = moment - moment % _SECONDS[self._by]
            return start, start
        began = moment.replace(second=0, microsecond=0)
        if self._by != "minute":
            began = began.replace(minute=0)
        if self._by == "day":
            began = began.replace(hour=0)
            return began, began.replace(tzinfo=None)
        return began, began


def _moment(clock: str | None, time: Any) -> Moment:
    if clock is None:
        seconds = float(time)
        if not math.isfinite(seconds):
            raise ValueError(time)
        return seconds
    moment = datetime.fromisoformat(clock)
    if moment.tzinfo is None:
        raise ValueError(clock)
    return moment


def _seconds(since: Moment, until: Moment) -> float:
    passed: Any = until - since  # type: ignore[operator]
    return float(passed.total_seconds() if isinstance(until, datetime) else passed)


def _total(rows: Sequence[Row]) -> Row:
    def over(add: Callable[[list[Any]], Any], name: str) -> Any:
        known = [value for row in rows if (value := getattr(row, name)) is not None]
        return add(known) if known else None

    labels = sum((row.labels for row in rows), Counter[str]())
    return Row(
        rows[0].start, labels, over(max, "at_once"), over(sum, "observed"), over(sum, "away")
    )
