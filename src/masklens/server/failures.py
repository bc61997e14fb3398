"""The one shape of everything that goes wrong: ``{"error": {"status", "code", "message"}}``.

Codes are for programs and stay; messages are for people: what was received and what to do.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response

from masklens.errors import InputError
from masklens.io.pictures import PictureError
from masklens.server.schemas import Asked

log = logging.getLogger("masklens.server")


class ApiError(Exception):
    """An answer that is not the one that was asked for.

    Args:
        status: of HTTP.
        code: a word for programs.
        message: one or two sentences for people.
        headers: sent with it.
    """

    def __init__(
        self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.headers = dict(headers or {})

    def record(self) -> dict[str, Any]:
        """As JSON values."""
        return {"status": self.status, "code": self.code, "message": str(self)}

    def response(self) -> JSONResponse:
        """As an answer."""
        headers = {"Cache-Control": "no-store"} | self.headers
        return JSONResponse({"error": self.record()}, self.status, headers)


def internal() -> ApiError:
    """What the client is told of a mistake of ours: nothing but that it was one."""
    return ApiError(500, "internal", "The server made a mistake; its log says where.")


def stopping() -> ApiError:
    """What those are told whose requests the end of the server cuts short."""
    return ApiError(503, "stopping", "The server is stopping.", {"Retry-After": "5"})


def picture_failure(error: InputError) -> ApiError:
    """A picture that was refused."""
    reason = error.reason if isinstance(error, PictureError) else "damaged"
    status, code, advice = {
        "unknown": (415, "not_a_picture", " Send JPEG, PNG, WebP, GIF, BMP, TIFF or AVIF."),
        "too_large": (413, "too_many_pixels", ""),
    }.get(reason, (422, "damaged_picture", " Send a picture that opens elsewhere."))
    return ApiError(status, code, f"{error}{advice}")


def log_mistake(error: BaseException) -> None:
    """Log where an unexpected error came from, without its message: it could quote a picture."""
    places = "".join(traceback.format_tb(error.__traceback__))
    log.error("%s while answering a request:\n%s", type(error).__name__, places)


def install(app: FastAPI) -> None:
    """Give every error of the application the one shape."""

    @app.exception_handler(ApiError)
    async def ours(request: Request, error: ApiError) -> JSONResponse:
        return error.response()

    @app.exception_handler(HTTPException)
    async def framework(request: Request, error: HTTPException) -> JSONResponse:
        if error.status_code == 404:
            message = (
                f"There is nothing at {request.url.path[:200]}. The API is described at /docs."
            )
        elif error.status_code == 405:
            message = f"{request.method[:20]} is not possible at {request.url.path[:200]}."
        else:
            message = str(error.detail)
        code = HTTPStatus(error.status_code).phrase.lower().replace(" ", "_")
        return ApiError(error.status_code, code, message, error.headers).response()

    @app.exception_handler(RequestValidationError)
    async def parameters(request: Request, error: RequestValidationError) -> JSONResponse:
        asked, parts = list(Asked.model_fields), []
        for problem in error.errors():
            name = ".".join(str(part) for part in problem["loc"][1:])
            said = problem["msg"]
            if problem["type"] == "extra_forbidden":
                name, said = name[:80], f"There is no such parameter, only {' and '.join(asked)}"
            parts.append(f"{name}: {said}. Received: {str(problem.get('input'))[:80]!r}")
        return ApiError(422, "bad_parameter", "; ".join(parts)).response()

    @app.exception_handler(ClientDisconnect)
    async def gone(request: Request, error: ClientDisconnect) -> Response:
        return Response(status_code=499)  # nobody reads it; the metrics count it

    @app.exception_handler(Exception)
    async def unexpected(request: Request, error: Exception) -> JSONResponse:
        return internal().response()
