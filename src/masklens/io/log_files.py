"""Reading the logs of moving pictures: which files they are, and their lines that are whole.

A log may be written while it is read, cut short by a run that was killed, rotated and compressed.
``docs/formats.md`` says what the lines hold; :mod:`masklens.io.logs` writes them.
"""

from __future__ import annotations

import csv
import gzip
import json
import os
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, cast

from masklens.errors import InputError
from masklens.io.logs import LONGEST_LINE
from masklens.io.search import walk

#: Columns of a table of tracks that are read. Older tables have no clock.
_COLUMNS = {"source", "track", "first_seen", "frames", "label"}
#: What stands behind or in the names of one log's files.
_ROTATED = re.compile(
    r"""
    \. (gz|xz|bz2|zst) $
    | \. \d+ (?= \. (gz|xz|bz2|zst) $ | $ )                # hall.jsonl.1
    | [-_.]? (?<!\d) 20\d\d -? (0[1-9]|1[0-2]) -? (0[1-9]|[12]\d|3[01])  # hall.jsonl-20260504,
      ( T? [0-2]\d                                         # …09, as logrotate names hourly ones
      | [-_T]? [0-2]\d [-:]? [0-5]\d ( [-:]? [0-5]\d )?    # hall-2026-05-04T09-00-00.jsonl
      | - \d{10}                                           # seconds since 1970
      )? (?!\d)
    """,
    re.VERBOSE,
)
_SUFFIX = re.compile(r"(\.tracks)?\.(jsonl?|csv)$")
#: What holds so many lines at its beginning that cannot be understood is no log.
_STRANGE = 100


@dataclass(frozen=True)
class LogFile:
    """A file that can be reported.

    Attributes:
        path: of the file.
        family: path without what tells the files of one log apart: ``logs/hall`` for
            ``logs/hall.jsonl.2.gz`` and ``logs/hall.tracks.csv``.
        is_table: rows of tracks; else lines of frames.
        first: its first line that can be understood; of films the first with a face, if there is
            one, as without faces all begin alike.
        began: POSIX time of that; 0 where it has no clock.
    """

    path: Path
    family: str
    is_table: bool
    first: bytes
    began: float = 0.0


def find_logs(places: Iterable[Path], on_error: Callable[[InputError], None]) -> list[LogFile]:
    """The logs that paths name, and all that lie in folders and below them, each once.

    In folders other files are passed over. Of two files of one log that begin with the same frame,
    the larger counts: logs are copied before they are emptied, and packed before they are removed.
    They come in the order in which they were last written: of films nothing else tells which file
    of a rotated log goes on with which.

    Args:
        places: files and folders.
        on_error: called for each that is missing, cannot be read, or holds no log.
    """
    found: dict[object, tuple[os.stat_result, LogFile]] = {}
    for place in places:
        try:
            logs = _in_folder(place, on_error) if place.is_dir() else [_recognised(place)]
            for log in logs:
                key = os.path.realpath(log.path) if log.is_table else (log.family, log.first)
                status = log.path.stat()
                if key not in found or status.st_size > found[key][0].st_size:
                    found[key] = status, log
        except InputError as error:
            on_error(error)
        except OSError as error:  # its folder may not be entered, or it has just been removed
            on_error(InputError(f"Cannot read {place}: {error.strerror}."))
    return [log for _, log in sorted(found.values(), key=lambda pair: pair[0].st_mtime_ns)]


def records(log: LogFile) -> Iterator[dict[str, Any]]:
    """The lines or rows of a log, each as a dictionary; an empty one for one that is not whole.

    Raises:
        InputError: it cannot be read, or its compression is damaged.
    """
    columns: list[str] = []
    for line in _lines(log.path):
        if not log.is_table:
            yield _object(line) or {}
            continue
        cells = _cells(line)
        if set(cells) >= _COLUMNS:
            columns = cells
        else:
            yield dict(zip(columns, cells, strict=True)) if len(cells) == len(columns) else {}


class _NoLogError(InputError):
    """A file that can be read, and holds something else or nothing."""


_WHICH = (
    "Logs are what masklens live writes with --json and --tracks, and masklens detect of videos "
    "with --json FILE.jsonl and --tracks."
)


def _in_folder(folder: Path, on_error: Callable[[InputError], None]) -> list[LogFile]:
    found = []

    def closed(error: OSError) -> None:
        on_error(InputError(f"Cannot read {error.filename}: {error.strerror}."))

    for here, _, names in walk(folder, on_error=closed):
        for path in (here / name for name in sorted(names)):
            if _SUFFIX.search(_ROTATED.sub("", path.name)) and path.is_file():
                try:
                    found.append(_recognised(path))
                except _NoLogError:
                    continue
                except InputError as error:
                    on_error(error)
    if not found:
        raise InputError(f"The folder {folder} has no log of moving pictures in it. {_WHICH}")
    return found


def _recognised(path: Path) -> LogFile:
    if not path.exists():
        raise InputError(f"{path} does not exist.")
    if not path.is_file():
        raise InputError(f"{path} is not a file.")
    family = str(path.parent / _SUFFIX.sub("", _ROTATED.sub("", path.name)))
    first, strange, without_faces = None, 0, None
    for line in _lines(path):
        first = first or line
        if set(_cells(line)) >= _COLUMNS:
            return LogFile(path, family, True, line)
        values = _object(line)
        if values is None or not isinstance(values.get("faces"), list):
            strange += 1
        elif "time" in values:
            log = LogFile(path, family, False, line, _began(values))
            if log.began or values["faces"]:
                return log
            without_faces = without_faces or log
        if strange == _STRANGE:
            break
    if without_faces is not None:
        return without_faces
    if first is None:
        raise _NoLogError(f"{path} has no whole line in it yet.")
    shown = first.decode("utf-8", "backslashreplace").strip()
    begins = f'it begins with "{shown[:40]}"' if shown.isprintable() else "it is no text"
    raise _NoLogError(f"{path} is no log of moving pictures: {begins}. {_WHICH}")


def _began(line: dict[str, Any]) -> float:
    try:
        return datetime.fromisoformat(line["clock"]).timestamp()
    except (KeyError, TypeError, ValueError, OverflowError):
        return 0.0


def _lines(path: Path) -> Iterator[bytes]:
    """The lines up to the last one that has an end; what is longer than any line comes in parts."""
    try:
        with _opened(path) as file:
            while line := file.readline(LONGEST_LINE):
                if line.endswith(b"\n") or len(line) == LONGEST_LINE:
                    yield line
    except EOFError:  # it is being compressed, or that was broken off
        return
    except (OSError, zlib.error) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise InputError(f"Cannot read {path}: {reason}.") from error


def _opened(path: Path) -> BinaryIO:
    if path.suffix in (".xz", ".bz2", ".zst"):
        raise InputError(f"{path} cannot be read packed as it is. Unpack it, or pack it with gzip.")
    return cast(BinaryIO, gzip.open(path)) if path.suffix == ".gz" else path.open("rb")


def _object(line: bytes) -> dict[str, Any] | None:
    try:
        values = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return values if isinstance(values, dict) else None


def _cells(line: bytes) -> list[str]:
    """One row. By itself, so that a quote that was left open takes in no other row."""
    try:
        return next(csv.reader([line.decode("utf-8-sig", "backslashreplace")]), [])
    except csv.Error:
        return []
