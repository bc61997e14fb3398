"""Refusing a request whose body is still on its way, so that the client gets to read why.

A server that closes while data arrives makes the client's system throw the answer away. So the
answer is sent, what arrives is dropped for a moment, and only then the connection is closed.
"""

from __future__ import annotations

import asyncio
import contextlib

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: The most that is read and dropped, in bytes and seconds.
_BYTES = 100_000_000
_SECONDS = 3.0


class Linger:
    """ASGI middleware around everything that may answer before it has read the body."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        headers = Headers(scope=scope) if scope["type"] == "http" else Headers()
        if headers.get("content-length", "0") == "0" and "transfer-encoding" not in headers:
            await self._app(scope, receive, send)
            return
        unread = True
        # A client that waits for "100 Continue" sends nothing after a refusal.
        sending = "expect" not in headers

        async def watched() -> Message:
            nonlocal unread, sending
            sending = True
            message = await receive()
            if message["type"] != "http.request" or not message.get("more_body", False):
                unread = False
            return message

        async def lingering(message: Message) -> None:
            if unread and message["type"] == "http.response.start":
                MutableHeaders(scope=message)["Connection"] = "close"
            last = message["type"] == "http.response.body" and not message.get("more_body", False)
            if not (unread and sending and last):
                await send(message)
                return
            await send({**message, "more_body": True})
            dropped = 0
            # Where the server ends meanwhile, the answer is still completed.
            with contextlib.suppress(TimeoutError, asyncio.CancelledError):
                async with asyncio.timeout(_SECONDS):
                    while unread and dropped < _BYTES:
                        dropped += len((await watched()).get("body", b""))
            await send({"type": "http.response.body", "body": b"", "more_body": False})

        await self._app(scope, watched, lingering)
