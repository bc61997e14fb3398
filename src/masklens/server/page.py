"""The built page, the model that it loads, and the documentation of the API: files, read only.

The page is what Vite builds from ``web/`` into ``page/`` beside this module. The model comes from
the bundle that is served, whatever the build had.
"""

from __future__ import annotations

import mimetypes
import re
from pathlib import Path

import fastapi_offline
from fastapi import APIRouter, FastAPI, HTTPException, Request
from starlette.datastructures import Headers
from starlette.responses import (
    FileResponse,
    HTMLResponse,
    MalformedRangeHeader,
    RangeNotSatisfiable,
    Response,
)
from starlette.staticfiles import NotModifiedResponse, PathLike, StaticFiles
from starlette.types import Scope

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

#: Vite's names with a hash of their content, like assets/index-B4kE9x_2.js.
_HASHED = re.compile(r"(^|/)assets/.*-[\w-]{8}\.\w+$")

NOT_BUILT = (
    "The page is not built. In a checkout, scripts/demo --page builds and opens it, and "
    "scripts/build-wheel makes a wheel with it, to be installed. The API works without it and is "
    "described at /docs."
)


class Files(StaticFiles):
    """A folder: right types, and caching that lasts as long as it may."""

    def __init__(self, folder: Path) -> None:
        super().__init__(directory=folder, html=True, check_dir=False)
        self._folder = folder.resolve()

    def file_response(
        self, full_path: PathLike, stat_result: object, scope: Scope, status_code: int = 200
    ) -> Response:
        """One file, or 304 when the client has it."""
        path = Path(full_path)
        relative = path.relative_to(self._folder).as_posix()
        lasting = _HASHED.search(relative)
        headers = {
            "Cache-Control": "public, max-age=31536000, immutable" if lasting else "no-cache"
        }
        return file_answer(path, scope, headers)


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


def file_answer(path: Path, scope: Scope, headers: dict[str, str]) -> Response:
    """A file, or 304 when the client has it already."""
    answer = _Answer(path, headers=headers, media_type=media_type(path), stat_result=path.stat())
    if answer.headers["etag"] in _known(Headers(scope=scope).get("if-none-match", "")):
        return NotModifiedResponse(answer.headers)
    return answer


def _known(header: str) -> set[str]:
    """The tags of an If-None-Match header, weak or not."""
    return {tag.strip().removeprefix("W/") for tag in header.split(",")}


def media_type(path: Path) -> str:
    """The type of a file by its name."""
    known = _TYPES.get(path.suffix.lower())
    return known or mimetypes.guess_type(path.name)[0] or "application/octet-stream"


def served_file(bundle: Bundle, name: str) -> Path:
    """The card, or a file that it lists and that lies in the bundle's folder."""
    if name != CARD_FILE and name not in bundle.card.files:  # first: not every name is a path
        raise HTTPException(404)
    folder = bundle.folder.resolve()
    path = (folder / name).resolve()
    if not path.is_relative_to(folder):
        raise HTTPException(404)
    return path


def documentation(app: FastAPI, title: str) -> APIRouter:
    """``/docs``: Swagger UI from our own files, without inline scripts."""
    router = APIRouter(include_in_schema=False)
    template = (_DOCS / "index.html").read_text(encoding="utf-8")

    @router.api_route("/docs", methods=["GET", "HEAD"])
    async def index() -> HTMLResponse:
        return HTMLResponse(
            template.replace("{title}", title), headers={"Cache-Control": "no-cache"}
        )

    @router.api_route("/docs/{name}", methods=["GET", "HEAD"])
    async def file(name: str, request: Request) -> Response:
        folder = {"start.js": _DOCS, "swagger-ui-bundle.js": _SWAGGER, "swagger-ui.css": _SWAGGER}
        if name not in folder:
            raise HTTPException(404)
        return file_answer(folder[name] / name, request.scope, {"Cache-Control": "no-cache"})

    return router


def pages(app: FastAPI, bundle: Bundle, folder: Path) -> APIRouter:
    """The model and the page: everything that no other route answers."""
    router = APIRouter(include_in_schema=False)
    files = Files(folder)

    @router.api_route("/model/{name:path}", methods=["GET", "HEAD"])
    async def model(name: str, request: Request) -> Response:
        # Its address stays the same when the model changes: clients ask whether it has.
        return file_answer(served_file(bundle, name), request.scope, {"Cache-Control": "no-cache"})

    @router.api_route("/{path:path}", methods=["GET", "HEAD"])
    async def page(path: str, request: Request) -> Response:
        if allowed := methods.get(request.url.path):
            raise HTTPException(405, headers={"Allow": ", ".join(sorted(allowed))})
        if path in ("", "index.html") and not (folder / "index.html").is_file():
            raise ApiError(404, "no_page", NOT_BUILT)
        return await files.get_response(files.get_path(request.scope), request.scope)

    methods: dict[str, set[str]] = {}
    for route in app.routes:
        methods.setdefault(getattr(route, "path", ""), set()).update(
            getattr(route, "methods", None) or ()
        )
    return router
