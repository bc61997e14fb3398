"""The built page, the model that it loads, and the documentation of the API: files, read only.

The page is what Vite builds from ``web/`` into ``page/`` beside this module. The model comes from
the bundle that is served, whatever the build had.
"""

from __future__ import annotations

import mimetypes
import os
import re
from pathlib import Path

import fastapi_offline
from fastapi import FastAPI, HTTPException, Request
from starlette.datastructures import Headers
from starlette.responses import (
    FileResponse,
    MalformedRangeHeader,
    RangeNotSatisfiable,
    Response,
)
from starlette.staticfiles import NotModifiedResponse, PathLike, StaticFiles
from starlette.types import Receive, Scope, Send

from masklens.bundle import CARD_FILE, Bundle
from masklens.server.failures import ApiError

PAGE = Path(__file__).parent / "page"
_DOCS = Path(__file__).parent / "docs"
_SWAGGER = Path(fastapi_offline.__file__).parent / "static"

#: Systems differ in what they know of these; browsers insist on them.
_TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".json": "application/json",
    ".map": "application/json",
    ".wasm": "application/wasm",
    ".webmanifest": "application/manifest+json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".woff2": "font/woff2",
    ".onnx": "application/octet-stream",
    ".tflite": "application/octet-stream",
}

#: Addresses that Vite gives a hash of the content, like /assets/index-B4kE9x_2.js.
_HASHED = re.compile(r"/assets/.*-[\w-]{8}\.\w+")

NOT_BUILT = (
    "The page is not built. In a checkout, scripts/demo --page builds and opens it, and "
    "scripts/build-wheel makes a wheel with it, to be installed. The API works without it and is "
    "described at /docs."
)


class Files(StaticFiles):
    """A folder: right types, and caching that lasts as long as it may."""

    def file_response(
        self,
        full_path: PathLike,
        stat_result: os.stat_result,
        scope: Scope,
        status_code: int = 200,
    ) -> Response:
        """One file, or 304 when the client has it."""
        lasting = _HASHED.fullmatch(scope["path"])
        caching = "public, max-age=31536000, immutable" if lasting else "no-cache"
        answer = _Answer(
            full_path,
            status_code=status_code,
            headers={"Cache-Control": caching},
            media_type=media_type(Path(full_path)),
            stat_result=stat_result,
        )
        if self.is_not_modified(answer.headers, Headers(scope=scope)):
            return NotModifiedResponse(answer.headers)
        return answer


class _Answer(FileResponse):
    """Starlette's, which answers a Range that it cannot serve in a form of its own."""

    @classmethod
    def _parse_range_header(cls, http_range: str, file_size: int) -> list[tuple[int, int]]:
        try:
            return super()._parse_range_header(http_range, file_size)
        except MalformedRangeHeader:  # RFC 9110, section 14.2: as if there were none
            return []
        except RangeNotSatisfiable:
            raise ApiError(
                416,
                "range_not_satisfiable",
                f"The range lies behind the end of the file, which has {file_size} bytes.",
                {"Content-Range": f"bytes */{file_size}"},
            ) from None


def media_type(path: Path) -> str:
    """The type of a file by its name."""
    known = _TYPES.get(path.suffix.lower())
    return known or mimetypes.guess_type(path.name)[0] or "application/octet-stream"


def documentation(app: FastAPI) -> None:
    """``/docs``: Swagger UI from our own files, without inline scripts."""
    ours, swagger = (Files(directory=place, follow_symlink=True) for place in (_DOCS, _SWAGGER))
    places = {"start.js": ours, "swagger-ui-bundle.js": swagger, "swagger-ui.css": swagger}

    @app.get("/docs", include_in_schema=False)
    async def index(request: Request) -> Response:
        return await ours.get_response("index.html", request.scope)

    @app.get("/docs/{name}", include_in_schema=False)
    async def file(name: str, request: Request) -> Response:
        if name not in places:
            raise HTTPException(404)
        return await places[name].get_response(name, request.scope)


def pages(app: FastAPI, bundle: Bundle, folder: Path) -> None:
    """The model, and the page: everything that no other route answers."""
    models = Files(directory=bundle.folder)
    files = Files(directory=folder, html=True, check_dir=False)

    @app.get("/model/{name:path}", include_in_schema=False)
    async def model(name: str, request: Request) -> Response:
        # Its address stays the same when the model changes: clients ask whether it has.
        if name != CARD_FILE and name not in bundle.card.files:
            raise HTTPException(404)
        return await models.get_response(name, request.scope)

    async def page(scope: Scope, receive: Receive, send: Send) -> None:
        path = files.get_path(scope)
        asked = scope["method"] in ("GET", "HEAD") and path in (".", "index.html")
        if asked and not (folder / "index.html").is_file():
            raise ApiError(404, "no_page", NOT_BUILT)
        answer = await files.get_response(path, scope)
        await answer(scope, receive, send)

    app.router.default = page
