"""Delivering events to a command or to an address of the web, beside the loop that raises them.

A thread of its own runs the command or posts the JSON; what waits for it is bounded, and so is the
time that each event and the end may take. Nothing that fails here ends the stream.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import math
import os
import queue
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any, Self
from urllib.parse import unquote, urlsplit, urlunsplit

from masklens.errors import MasklensError, OutputError

#: So many events wait at the most; one more is left out.
WAITING = 8
#: Seconds that a command may take, and that an address may keep silent.
COMMAND_TIMEOUT = 30.0
POST_TIMEOUT = 5.0
#: Seconds that are left for what is under way and what waits, at the end.
CLOSE_TIMEOUT = 5.0

#: Of an event's entries, those that a command finds in its environment: MASKLENS_TRACK ...
_VARIABLES = (
    *("source", "kind", "time", "clock", "track", "label", "score"),
    *("people", "share_compliant"),
)
_POLL = 0.05

Event = Mapping[str, Any]


class Notifier:
    """Takes events and returns at once; a context manager that does nothing for the target None.

    Args:
        target: an ``http://`` or ``https://`` address, to which an event is posted as JSON; or a
            command, split as a shell would but run without one, which gets the event as JSON on its
            standard input and some of it as variables. What the command prints goes nowhere.
        on_error: called, from the thread, with what could not be delivered and why. Neither
            addresses, except for their hosts, nor arguments of commands are in it.

    Raises:
        OutputError: the target is no command that can be found, and no address.
    """

    def __init__(self, target: str | None, on_error: Callable[[MasklensError], None]) -> None:
        self._on_error = on_error
        self._deliver = None if target is None else _deliverer(target)
        self._queue: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        self._full = False
        self._end = math.inf
        self._thread = threading.Thread(target=self._run, name="notifier", daemon=True)

    def __enter__(self) -> Self:
        if self._deliver is not None:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Wait for what is under way and what waits, some seconds; then end it."""
        if self._deliver is not None:
            self._end = time.monotonic() + CLOSE_TIMEOUT
            self._queue.put(None)
            self._thread.join(CLOSE_TIMEOUT + 1)
            if self._thread.is_alive():  # a server whose answer has begun and has no end
                self._undelivered(self._queue.qsize())  # the one under way, for None

    def send(self, event: Event) -> None:
        """Hand over an event."""
        if self._deliver is None:
            return
        full = self._queue.qsize() >= WAITING
        if not full:
            self._queue.put(event)
        elif not self._full:  # said once, until there is room again
            self._on_error(
                OutputError(f"{WAITING} alarms wait to be delivered: more are left out.")
            )
        self._full = full

    def _run(self) -> None:
        assert self._deliver is not None
        lost = 0
        while (event := self._queue.get()) is not None:
            if time.monotonic() > self._end:
                lost += 1
                continue
            try:
                self._deliver(event, lambda: self._end - time.monotonic())
            except OutputError as error:
                self._on_error(error)
        if lost:
            self._undelivered(lost)

    def _undelivered(self, number: int) -> None:
        self._on_error(OutputError(f"Alarms not delivered before the end: {number}."))


def _deliverer(target: str) -> Callable[[Event, Callable[[], float]], None]:
    is_address = target.lower().startswith(("http://", "https://"))
    return _Post(target) if is_address else _Command(target)


class _Command:
    """Runs a command for each event."""

    def __init__(self, line: str) -> None:
        try:
            self._words = _split(line)
        except ValueError as error:
            raise OutputError(f"The alarm's command cannot be split: {error}.") from error
        if not self._words:
            raise OutputError("The alarm's command is empty.")
        self._name, *arguments = self._words
        found = shutil.which(self._name)
        if found is None:
            raise OutputError(
                f"There is no command {self._name} for the alarm. Name one that can be run, "
                "or an address that begins with http:// or https://."
            )
        self._words = [found, *arguments]  # Windows itself would look for programs only, no .bat

    def __call__(self, event: Event, seconds_left: Callable[[], float]) -> None:
        """Run it, and wait for its end.

        Raises:
            OutputError: it cannot be run, fails, or takes too long; it has ended.
        """
        name = f"The alarm's command {self._name}"
        variables = {f"MASKLENS_{k.upper()}": str(event[k]) for k in _VARIABLES if k in event}
        try:
            process = subprocess.Popen(
                self._words,
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=os.environ | variables,
                start_new_session=True,  # Ctrl-C is for us; and all that it starts can be ended
            )
        except OSError as error:
            raise OutputError(f"{name} cannot be run: {error.strerror}.") from error
        assert process.stdin is not None
        with contextlib.suppress(OSError), process.stdin:  # it need not read what it is given
            process.stdin.write(_as_json(event))  # less than a pipe holds
        until = time.monotonic() + COMMAND_TIMEOUT
        while process.poll() is None:
            if seconds_left() < 0 or time.monotonic() > until:
                _kill(process)
                raise OutputError(f"{name} took too long and was ended.")
            time.sleep(_POLL)
        if process.returncode:
            raise OutputError(f"{name} failed: {_ending(process.returncode)}.")


def _split(line: str) -> list[str]:
    """The words of a command, as a shell of this system would part them."""
    words = shlex.shlex(line, posix=True)
    words.whitespace_split, words.commenters = True, ""
    if sys.platform == "win32":  # a backslash is a part of paths there, and ' one of names
        words.escape, words.quotes = "", '"'
    return list(words)


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End a command and what it has started."""
    with contextlib.suppress(OSError):
        if sys.platform != "win32":
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    process.wait()


def _ending(status: int) -> str:
    return f"exit status {status}" if status > 0 else f"signal {-status}"


class _Post:
    """Posts each event to an address."""

    def __init__(self, address: str) -> None:
        try:
            parts = urlsplit(address)
            host, _ = (parts.hostname or "").encode("idna"), parts.port
        except ValueError:  # of a port, brackets, or dots that have nothing between them
            host = b""
        if not host or not address.isascii() or not address.isprintable() or " " in address:
            raise OutputError(
                "The alarm's address cannot be used: it has no host or one that cannot exist, a "
                "port that is none, or characters that must be written as %XX."
            )
        place = parts.netloc.rpartition("@")[2]
        self._address = urlunsplit((parts.scheme, place, parts.path or "/", parts.query, ""))
        # Paths and queries of such addresses are often secrets.
        self._shown = f"{parts.scheme}://{place}"
        self._headers = {"Content-Type": "application/json", "User-Agent": "masklens"}
        if parts.username is not None:
            login = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
            self._headers["Authorization"] = f"Basic {base64.b64encode(login).decode()}"
        self._opener = urllib.request.build_opener(_NoRedirect)

    def __call__(self, event: Event, seconds_left: Callable[[], float]) -> None:
        """Post it.

        Raises:
            OutputError: no connection, no answer in time, or one that is no 2xx.
        """
        request = urllib.request.Request(self._address, _as_json(event), self._headers)
        try:
            timeout = min(POST_TIMEOUT, max(_POLL, seconds_left()))
            self._opener.open(request, timeout=timeout).close()
        except urllib.error.HTTPError as error:
            error.close()
            raise self._failed(f"it answered {error.code}") from error
        except urllib.error.URLError as error:
            raise self._failed(
                str(getattr(error.reason, "strerror", None) or error.reason)
            ) from error
        except (OSError, http.client.HTTPException) as error:
            raise self._failed(str(error) or type(error).__name__) from error

    def _failed(self, reason: str) -> OutputError:
        return OutputError(f"An alarm did not reach {self._shown}: {reason}.")


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Takes a redirection for a failure: urllib would go on with a GET, and lose the event."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        """None of them."""


def _as_json(event: Event) -> bytes:
    return json.dumps(event, ensure_ascii=False).encode("utf-8", "backslashreplace")
