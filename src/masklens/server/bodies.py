"""Reading request bodies into memory, and nowhere else, within bounds.

A body is one picture, or a form with several. Size is counted while it arrives, whatever its
Content-Length says; silence and slowness end it; and all bodies together have one budget, so that
many clients that send a little at a time cannot take the memory.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from typing import Self

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from masklens.server.failures import ApiError
from masklens.server.metrics import Metrics
from masklens.server.settings import Limits

#: Types of a body that is a picture. The last two are what curl --data-binary sends unasked, and
#: nothing at all. What it is really is read from its content.
_PICTURE_TYPES = ("image/", "application/octet-stream", "application/x-www-form-urlencoded")

_HOW = (
    "Send the picture as the body (image/jpeg or another picture type), or pictures as "
    "multipart/form-data."
)


class Budget:
    """The memory of all bodies, and answers to them, that are held at a time."""

    def __init__(self, most: int, metrics: Metrics) -> None:
        self.most = most
        self.held = 0
        metrics.held.set_function(lambda: self.held)

    def hold(self) -> Hold:
        """A share of it for one request, as a context manager."""
        return Hold(self)


class Hold:
    """What one request holds; given back at the end of the block."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._bytes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._budget.held -= self._bytes

    def add(self, size: int) -> None:
        """Take more, or raise a 429."""
        if self._budget.held + size > self._budget.most:
            raise ApiError(
                429,
                "busy",
                "The server holds as much as it can. Try again in a second.",
                {"Retry-After": "1"},
            )
        self._budget.held += size
        self._bytes += size


async def read_pictures(request: Request, limits: Limits, hold: Hold) -> list[tuple[str, bytes]]:
    """The pictures of a request, each with the name that answers call it.

    Raises:
        ApiError: another type of body, a malformed form, nothing in it, too much, or too slow.
        starlette.requests.ClientDisconnect: the client left.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        pictures = await _read_form(request, _chunks(request, limits, hold), limits)
    elif not kind or kind.startswith(_PICTURE_TYPES):
        pieces = [chunk async for chunk in _chunks(request, limits, hold)]
        pictures = [("body", b"".join(pieces))] if pieces else []
    else:
        raise ApiError(
            415, "unsupported_type", f"The body is {kind[:80]}, which is not taken. {_HOW}"
        )
    if not pictures:
        raise ApiError(400, "no_picture", f"The request holds no picture. {_HOW}")
    return pictures


async def _chunks(request: Request, limits: Limits, hold: Hold) -> AsyncGenerator[bytes, None]:
    """The body as it arrives."""
    too_large = ApiError(
        413,
        "too_large",
        f"The body is larger than the {limits.body / 1e6:.3g} MB that are taken. Send a smaller "
        "picture, or fewer at a time.",
    )
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > limits.body:
        raise too_large
    size = 0
    stream = request.stream()
    end = time.monotonic() + limits.transfer
    while True:
        try:
            async with asyncio.timeout(min(limits.stall, max(end - time.monotonic(), 0))):
                chunk = await anext(stream, None)
        except TimeoutError:
            raise ApiError(
                408,
                "slow_body",
                f"The body came too slowly: nothing for {limits.stall:g} s, or not all of it in "
                f"{limits.transfer:g} s. {size} bytes were received.",
            ) from None
        if chunk is None:
            return
        size += len(chunk)
        if size > limits.body:
            raise too_large
        if chunk:
            hold.add(len(chunk))
            yield chunk


class _InMemory(MultiPartParser):
    """Starlette's parser, which would write files of more than 1 MB to disk."""

    def __init__(
        self, request: Request, stream: AsyncGenerator[bytes, None], limits: Limits
    ) -> None:
        super().__init__(request.headers, stream, max_files=limits.pictures, max_fields=16)
        self.spool_max_size = limits.body + 1
        self.ended = False

    def on_end(self) -> None:
        """The boundary that ends a form has come; the parser itself does not miss it."""
        self.ended = True


async def _read_form(
    request: Request, stream: AsyncGenerator[bytes, None], limits: Limits
) -> list[tuple[str, bytes]]:
    parser = _InMemory(request, stream, limits)
    try:
        form = await parser.parse()
    except MultiPartException as error:
        reason = error.message.rstrip(".")
        if reason.startswith("Too many files"):
            raise ApiError(
                413,
                "too_many_pictures",
                f"The form holds more than the {limits.pictures} pictures that are taken at a "
                "time. Send several requests.",
            ) from None
        raise ApiError(400, "bad_form", f"The form cannot be read: {reason}.") from None
    except UnicodeError:
        raise ApiError(
            400, "bad_form", "The form's names are not in the charset it names. Send UTF-8."
        ) from None
    if not parser.ended:
        raise ApiError(
            400,
            "bad_form",
            "The form broke off: the boundary that ends it did not come. Send all of it.",
        )
    pictures = []
    for field, value in form.multi_items():
        if not isinstance(value, UploadFile):
            raise ApiError(
                400,
                "bad_form",
                f'The form\'s field "{_whole(field[:80])}" is not a file. Pictures are sent '
                "as files, options in the address: ?threshold=0.5",
            )
        pictures.append((_whole(value.filename or field), await value.read()))
        await value.close()
    return pictures


def _whole(name: str) -> str:
    """A name that can be sent back: some charsets that a form may name have half characters."""
    return name.encode("utf-8", "backslashreplace").decode()


async def wait_until_gone(request: Request) -> None:
    """Return when the client has left; the body must have been read."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
