"""uvicorn's HTTP protocol, with an end to connections that keep it waiting.

uvicorn times out idle connections after an answer, but not one that never finishes its headers, nor
one that never reads its answer; a few hundred of those would keep everybody else out. What is no
HTTP it answers in a form of its own, and fails when it has begun another answer.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from masklens.server.failures import ApiError
from masklens.server.guard import SECURITY_HEADERS

#: What a scope calls the function that ends its connection at once.
HANG_UP = "masklens.hang_up"


class BoundedProtocol(H11Protocol):
    """One connection.

    Class attributes, set by :func:`bounded`:
        stall: seconds to send the headers of a request, and to read any more of an answer.
        most: connections at a time; further ones are closed.
    """

    stall: float = 10
    most: int = 256

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._waiting: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client connects."""
        super().connection_made(transport)
        if len(self.connections) > self.most:
            transport.abort()
            return
        self._expect()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        self._settle()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Some of a request arrived; when its headers are whole, the application's bounds hold."""
        super().data_received(data)
        self._tell()
        if self._answering and not self.flow.write_paused:  # else it has yet to read
            self._settle()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP, in the one shape of all errors, and hang up."""
        refusal = ApiError(
            400, "bad_request", "What was received is no HTTP/1.1 request.", SECURITY_HEADERS
        ).response()
        headers = [*refusal.raw_headers, (b"connection", b"close")]
        with contextlib.suppress(h11.LocalProtocolError):  # an answer has begun already
            for event in (
                h11.Response(status_code=400, headers=headers, reason=b"Bad Request"),
                h11.Data(data=bytes(refusal.body)),
                h11.EndOfMessage(),
            ):
                self.transport.write(self.conn.send(event))
        if self.cycle is not None:
            self.cycle.disconnected = True  # the application may be about to answer, too
        self.transport.close()

    def on_response_complete(self) -> None:
        """An answer is done; a pipelined request may have begun."""
        super().on_response_complete()
        self._tell()
        if not self._answering:
            self._expect()

    def pause_writing(self) -> None:
        """The client reads slower than we write."""
        super().pause_writing()
        self._expect()

    def resume_writing(self) -> None:
        """It has caught up."""
        super().resume_writing()
        if self._answering:
            self._settle()

    @property
    def _answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _tell(self) -> None:
        """Let the application, which has yet to begin, end the connection."""
        if self._answering:
            self.cycle.scope[HANG_UP] = self.transport.abort  # type: ignore[literal-required]

    def _expect(self) -> None:
        """Hang up after a stall, unless the client has read some of what is still to be sent."""
        self._settle()
        self._waiting = self.loop.call_later(self.stall, self._check, self._unread)

    def _check(self, before: int) -> None:
        # An answer is written as a whole, and a slow client reads it for longer than a stall.
        if self._unread < before:
            self._expect()
        else:
            self.transport.abort()

    @property
    def _unread(self) -> int:
        return self.transport.get_write_buffer_size()

    def _settle(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None


def bounded(stall: float, most: int) -> type[BoundedProtocol]:
    """The protocol with bounds; uvicorn makes the instances itself, so they are a class's."""
    return type("BoundedProtocol", (BoundedProtocol,), {"stall": stall, "most": most})
