"""Answers that are made for one request: held by the budget of all bodies until they are read.

uvicorn keeps in memory what a client has not read yet. So an answer is handed over piece by piece,
and what is left of it counts like a body that arrives: a client that reads slowly, or not at all,
takes no memory that nobody counted, and not for longer than a body may take.
"""

from __future__ import annotations

import asyncio

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from masklens.server.bodies import Budget
from masklens.server.protocol import HANG_UP
from masklens.server.settings import Limits

#: Bytes that are handed over at a time; uvicorn takes the next when most of them are gone.
_PIECE = 65_536


class HeldAnswer(Response):
    """An answer in memory.

    Args:
        content: of the answer.
        media_type: of the content.
        budget: raises a 429 when there is no room for the answer.
        limits: ``transfer`` is kept here.
    """

    def __init__(self, content: bytes, media_type: str, budget: Budget, limits: Limits) -> None:
        super().__init__(content, media_type=media_type, headers={"Cache-Control": "no-store"})
        self._budget = budget
        self._seconds = limits.transfer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        with self._budget.hold() as hold:
            hold.add(len(self.body))
            hang_up = scope.get(HANG_UP, lambda: None)  # other servers have bounds of their own
            late = asyncio.get_running_loop().call_later(self._seconds, hang_up)
            try:
                await self._send(send)
            finally:
                late.cancel()

    async def _send(self, send: Send) -> None:
        await send(
            {
                "type": "http.response.start",
                "status": self.status_code,
                "headers": self.raw_headers,
            }
        )
        for start in range(0, len(self.body), _PIECE):
            piece = bytes(self.body[start : start + _PIECE])
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
