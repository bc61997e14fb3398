"""Fetching a public data set: every file checked against the manifest that ships with masklens.

A manifest (``prajna.json`` beside this module) lists the files with size and sha256, and where they
can be had. Out comes a folder with exactly those files. What lies there already and is right is not
fetched again, and a file that broke off continues where it stopped, so that a second call finishes
what a first one left.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import random
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from masklens.bundle import file_sha256
from masklens.dataset.manifest import ListedFile, Manifest
from masklens.errors import DownloadError, OutputError

#: Tells of a file's progress: its name, and the bytes that have come in since the last call.
Progress = Callable[[str, int], None]

_CHUNK = 1 << 16
#: HTTP answers that may be different a moment later.
_TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504})
_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 30.0
_NAMED_FAILURES = 5


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a fetch did: files that were there already, and files that came in."""

    present: int
    fetched: int


class _FileError(Exception):
    """One file could not be had; the others still can. The message ends a sentence about it."""


class _Source(Protocol):
    """Brings one file's content; a partial file from an earlier call may be continued."""

    def __call__(self, file: ListedFile, partial: Path) -> None: ...


def fetch(
    manifest: Manifest,
    target: Path,
    *,
    source: Path | None = None,
    urls: Sequence[str] | None = None,
    progress: Progress | None = None,
    connections: int = 6,
    attempts: int = 5,
    timeout: float = 20.0,
) -> Fetched:
    """Bring a data set's files into a folder, each checked against the manifest.

    Args:
        manifest: what to fetch.
        target: made if it does not exist; other files in it are left alone.
        source: a folder with a copy; then nothing is downloaded.
        urls: base addresses in place of the manifest's.
        progress: called from several threads.
        connections: files on their way at a time.
        attempts: per file and address; the pause between them doubles from half a second.
        timeout: seconds without an answer or without data before an attempt counts as failed.

    Raises:
        DownloadError: names the files that are missing, changed or broken.
        OutputError: the file system refused.
    """
    tell = progress or (lambda name, count: None)
    if source is not None and not source.is_dir():
        raise DownloadError(f"{source} is not a folder. --from needs the folder of a copy.")
    bases = tuple(manifest.urls if urls is None else urls)
    for base in bases:
        if "://" not in base:
            raise DownloadError(f'"{base}" is no address to download from. Begin it with https://.')
    stop = threading.Event()
    bring: _Source = (
        _Copy(source, tell) if source else _Download(bases, tell, attempts, timeout, stop)
    )
    todo = [file for file in manifest.files if not _is_right(target / file.path, file, tell)]
    # Path.exists raises for a name that is too long.
    if source and todo and not any(os.path.exists(source / f.path) for f in todo):  # noqa: PTH110
        raise DownloadError(
            f"{source} has none of the {len(todo)} files that are missing, such as {todo[0].path}. "
            "--from needs the folder of a copy."
        )
    failures: list[str] = []
    with ThreadPoolExecutor(max_workers=connections) as pool:
        jobs = {pool.submit(_fetch_one, bring, file, target, tell): file for file in todo}
        try:
            for job in as_completed(jobs):
                try:
                    job.result()
                except _FileError as failure:
                    failures.append(f"{jobs[job].path} {failure}")
        except BaseException:
            stop.set()
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    if failures:
        raise DownloadError(_describe(sorted(failures), len(manifest.files)))
    return Fetched(len(manifest.files) - len(todo), len(todo))


def _describe(failures: Sequence[str], total: int) -> str:
    named = "; ".join(failures[:_NAMED_FAILURES])
    more = len(failures) - _NAMED_FAILURES
    if more > 0:
        named += f"; and {more} more"
    return (
        f"{len(failures)} of {total} files could not be had: {named}. "
        "The others are in place; run the command again to try these once more."
    )


def _is_right(path: Path, file: ListedFile, tell: Progress) -> bool:
    with contextlib.suppress(OSError):
        if path.stat().st_size == file.bytes and file_sha256(path) == file.sha256:
            tell(file.path, file.bytes)
            return True
    return False


def _fetch_one(bring: _Source, file: ListedFile, target: Path, tell: Progress) -> None:
    path = target / file.path
    partial = path.with_name(f".{path.name}.part")
    with _writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    continued = partial.exists()
    bring(file, partial)
    if continued and not _matches(partial, file):
        # What an earlier call had left may have been of another file: once more from the start.
        _forget(partial, file, tell)
        bring(file, partial)
    if not _matches(partial, file):
        found = f"{partial.stat().st_size:,} bytes, sha256 {file_sha256(partial)[:12]}…"
        _forget(partial, file, tell)
        raise _FileError(
            f"has changed or is damaged (received {found}; "
            f"expected {file.bytes:,} bytes, sha256 {file.sha256[:12]}…)"
        )
    with _writing(path):
        partial.replace(path)


def _matches(partial: Path, file: ListedFile) -> bool:
    return partial.stat().st_size == file.bytes and file_sha256(partial) == file.sha256


def _forget(partial: Path, file: ListedFile, tell: Progress) -> None:
    tell(file.path, -partial.stat().st_size)
    partial.unlink()


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(f"Cannot write {path}: {error.strerror or error}.") from error


@dataclass(frozen=True)
class _Copy:
    """Takes files from a folder."""

    folder: Path
    tell: Progress

    def __call__(self, file: ListedFile, partial: Path) -> None:
        try:
            content = (self.folder / file.path).read_bytes()
        except OSError as error:
            raise _FileError(f"cannot be read in {self.folder} ({error.strerror})") from error
        with _writing(partial):
            partial.write_bytes(content)
        self.tell(file.path, len(content))


@dataclass(frozen=True)
class _Download:
    """Takes files over HTTP, with retries; a broken one continues with a Range request."""

    urls: tuple[str, ...]
    tell: Progress
    attempts: int
    timeout: float
    stop: threading.Event

    def __call__(self, file: ListedFile, partial: Path) -> None:
        if partial.exists():
            self.tell(file.path, partial.stat().st_size)
        reason = "has no address"
        for base in self.urls:
            url = f"{base.rstrip('/')}/{urllib.parse.quote(file.path)}"
            try:
                return self._with_retries(url, file, partial)
            except urllib.error.HTTPError as error:
                reason = f"is not at {url} (HTTP {error.code} {error.reason})"
        raise _FileError(reason)

    def _with_retries(self, url: str, file: ListedFile, partial: Path) -> None:
        """Download one file from one address.

        Raises:
            HTTPError: the address answers, but does not have the file.
            DownloadError: the address cannot be reached or breaks off again and again.
        """
        for attempt in range(self.attempts):
            if self.stop.is_set():
                raise _FileError("was not tried")
            wait = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2**attempt) * random.uniform(0.8, 1.2)
            try:
                return self._receive(url, file, partial)
            except urllib.error.HTTPError as error:
                if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE and partial.exists():
                    _forget(partial, file, self.tell)  # it was of another, longer file
                    wait = 0.0
                elif error.code not in _TRANSIENT:
                    raise
                reason = f"HTTP {error.code} {error.reason}"
                wait = max(wait, _retry_after(error))
            except (OSError, http.client.HTTPException) as error:
                reason = _reason(error)
            if attempt + 1 < self.attempts:
                self.stop.wait(wait)
        raise DownloadError(
            f"{file.path} could not be downloaded from {url} in {self.attempts} attempts "
            f"({reason}). What has come in so far is kept; run the command again to continue."
        )

    def _receive(self, url: str, file: ListedFile, partial: Path) -> None:
        start = partial.stat().st_size if partial.exists() else 0
        if start >= file.bytes:
            return
        headers = {"User-Agent": "masklens"} | ({"Range": f"bytes={start}-"} if start else {})
        request = urllib.request.Request(url, headers=headers)
        with urllib.request.urlopen(request, timeout=self.timeout) as answer:
            resumed = answer.status == http.client.PARTIAL_CONTENT
            if start and not resumed:
                self.tell(file.path, -start)
                start = 0
            with _writing(partial):
                output = partial.open("ab" if resumed else "wb")
            with output:
                while chunk := answer.read(_CHUNK):
                    if self.stop.is_set():
                        raise _FileError("was interrupted")
                    with _writing(partial):
                        output.write(chunk)
                    start += len(chunk)
                    self.tell(file.path, len(chunk))
                    if start > file.bytes:
                        return  # longer than it should be: the check will say so
        if answer.length:  # what the server announced and did not send
            raise http.client.IncompleteRead(b"", answer.length)


def _retry_after(error: urllib.error.HTTPError) -> float:
    value = error.headers.get("Retry-After", "")
    return min(_LONGEST_PAUSE, float(value)) if value.isdigit() else 0.0


def _reason(error: Exception) -> str:
    if isinstance(error, urllib.error.URLError):
        return str(getattr(error.reason, "strerror", None) or error.reason)
    if isinstance(error, http.client.IncompleteRead):
        return "the connection broke off"
    return str(getattr(error, "strerror", None) or error or type(error).__name__)
