"""Results of moving pictures, line by line: every complete line is safe, whatever happens next."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from masklens.errors import OutputError
from masklens.io.atomic import UNDECODED, check_writable, open_unbuffered, stream_of

#: Bytes that no line exceeds: one with 500 faces has 130,000.
LONGEST_LINE = 1_000_000


def check_log_writable(target: Path) -> None:
    """Find out now whether a :class:`LineLog` can be written; what is there stays as it is.

    Raises:
        OutputError: it cannot.
    """
    if not target.is_file() or stream_of(target) is not None:
        check_writable(target)
        return
    try:
        target.open("ab").close()  # a log replaces what is in the file, not the file
    except OSError as error:
        raise OutputError(f"Cannot write {target}: {error.strerror}.") from error


class LineLog:
    """A text file to which lines are added and handed to the system at once.

    A context manager that does nothing when ``target`` is None. A stream such as ``/dev/stdout``
    goes on where it is. A file may be emptied while it is written, as ``logrotate`` does with
    ``copytruncate``: lines go to its end, and the head comes again.

    Args:
        target: file or stream, or None.
        head: its first line.
        append: lines are added to those of an earlier run; else they are replaced.

    Raises:
        OutputError: no permission, no space, or the file has another head.
        BrokenPipeError: nobody reads on.
    """

    def __init__(
        self, target: Path | None, head: str | None = None, *, append: bool = False
    ) -> None:
        self.target = target
        self._head = head
        self._file: io.FileIO | None = None
        if target is None:
            return
        stream = stream_of(target) is not None
        try:
            known = append and not stream and target.is_file()
            torn = self._torn_line(target) if known else b""
            self._file = open_unbuffered(target, "a")
            self._is_file = not stream and target.is_file()
            if self._is_file and not append:
                self._file.truncate(0)
        except OSError as error:
            raise OutputError(f"Cannot write {target}: {error.strerror}.") from error
        if torn:  # a quote that is open would take in the next rows
            self._put(self._file, '"' * (torn.count(b'"') % 2))
        if head is not None and (not self._is_file or _is_empty(self._file)):
            self._put(self._file, head)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()

    def add(self, line: str) -> None:
        """Write one line, whole, in one call to the system."""
        if self._file is None:
            return
        if self._head is not None and self._is_file and _is_empty(self._file):
            line = f"{self._head}\n{line}"
        self._put(self._file, line)

    def _torn_line(self, target: Path) -> bytes:
        """A last line of an earlier run that was cut short; the run's head must be ours."""
        with target.open("rb") as earlier:
            first = earlier.readline()
            if self._head is not None and first.strip() not in (b"", self._head.encode()):
                raise OutputError(
                    f"{target} has other columns than those that would be added. Name another "
                    "file, or leave --append out to replace this one."
                )
            earlier.seek(max(0, earlier.seek(0, os.SEEK_END) - LONGEST_LINE))
            return earlier.read().rpartition(b"\n")[2]

    def _put(self, file: io.FileIO, line: str) -> None:
        content = memoryview(f"{line}\n".encode("utf-8", UNDECODED))
        try:
            while content:
                content = content[file.write(content) or 0 :]
        except BrokenPipeError:
            raise
        except OSError as error:
            raise OutputError(
                f"Cannot write {self.target}: {error.strerror}. "
                "The lines before this one are there."
            ) from error


def _is_empty(file: io.FileIO) -> bool:
    return os.fstat(file.fileno()).st_size == 0


class JsonLines(LineLog):
    """One JSON value per line (``.jsonl``); see ``docs/formats.md``."""

    def write(self, values: Mapping[str, Any]) -> None:
        """Add a line."""
        if self._file is not None:
            self.add(json.dumps(values, ensure_ascii=False, separators=(",", ":")))


class CsvLines(LineLog):
    """A table whose rows are written as they come."""

    def __init__(
        self, target: Path | None, columns: Sequence[str], *, append: bool = False
    ) -> None:
        super().__init__(target, csv_row(columns), append=append)

    def write(self, values: Sequence[Any]) -> None:
        """Add a row."""
        if self._file is not None:
            self.add(csv_row(values))


def csv_row(values: Sequence[Any]) -> str:
    """The values as a line of CSV, without the end of the line."""
    text = io.StringIO()
    end = "\r\n"  # not none: what it is made of is what puts a value between quotes
    csv.writer(text, lineterminator=end).writerow(values)
    return text.getvalue().removesuffix(end)
