"""The application: its routes, what they take and how they answer."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Query, Request, Response
from fastapi.params import Depends as Dependency
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer
from fastapi.telemetry import TelemetryConfig
from PIL import Image as PillowImage
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse
from starlette.types import ASGIApp

import masklens
from masklens.crop import Image
from masklens.detections import Detections
from masklens.detector import MaskDetector
from masklens.io.draw import draw_detections
from masklens.io.frames import Frame
from masklens.io.writers import LONGEST_SIDES, frame_record
from masklens.server import failures, page
from masklens.server.failures import ApiError
from masklens.server.guard import Guard
from masklens.server.linger import Linger
from masklens.server.metrics import MetricsMiddleware
from masklens.server.schemas import ONE_PICTURE, Answer, Asked, Failure, Health, form
from masklens.server.schemas import failures as failing
from masklens.server.service import Service
from masklens.server.settings import Settings

_DESCRIPTION = """Finds every face in a picture and says whether it wears a mask (`with_mask`),
wears it badly (`mask_worn_incorrectly`) or wears none (`without_mask`).

Nothing of a picture is written to disk or log. Every error has the same shape."""

#: FastAPI would report exceptions, with their messages, to whatever OpenTelemetry is set up to.
_NO_TELEMETRY: TelemetryConfig = {
    "tracing": False,
    "metrics": False,
    "logs": False,
    "operation_spans": False,
    "auto_configure": False,
}

#: How annotated pictures are written: content type -> Pillow's format and options.
_WRITERS: dict[str, tuple[str, dict[str, Any]]] = {
    "image/jpeg": ("JPEG", {"quality": 92}),
    "image/png": ("PNG", {"compress_level": 3}),
    "image/webp": ("WEBP", {"quality": 90, "method": 2}),
}


def create_app(
    detector: MaskDetector, settings: Settings, folder: Path = page.PAGE
) -> tuple[ASGIApp, Service]:
    """The application and what it works with; close the service's engine at the end.

    Args:
        detector: with one thread per network; the engine's workers run it side by side.
        settings: see there.
        folder: of the built page.
    """
    service = Service(detector, settings)
    app = FastAPI(
        title="masklens",
        description=_DESCRIPTION,
        version=masklens.__version__,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        license_info={"name": "Apache-2.0"},
        telemetry=_NO_TELEMETRY,
    )
    failures.install(app)
    bearer = HTTPBearer(auto_error=False, description="Checked before anything is read.")
    secured = [] if settings.token is None else [Depends(bearer)]
    _add_detection(app, service, secured)
    _add_annotation(app, service, secured)
    _add_operation(app, service, secured)
    page.documentation(app)
    page.pages(app, detector.bundle, folder)
    _answer_head(app)
    wrapped: ASGIApp = Linger(Guard(app, settings))
    return MetricsMiddleware(wrapped, service.metrics), service


def _add_detection(app: FastAPI, service: Service, secured: Sequence[Dependency]) -> None:
    """Where pictures are sent to be labelled."""

    @app.post(
        "/v1/detect",
        summary="Find and label faces",
        tags=["detection"],
        response_model=Answer,
        response_model_exclude_none=True,
        responses=failing(400, 408, 413, 415, 422, 429, 503),
        openapi_extra={"requestBody": {"required": True, "content": ONE_PICTURE | form(True)}},
        dependencies=secured,
    )
    async def detect(request: Request, asked: Annotated[Asked, Query()]) -> Response:
        """Send one picture as the body, or several as files of a form.

        Of several, those that cannot be read have an `error` in place of `faces`; when none can be
        read, the answer is the first one's error.
        """
        least = service.threshold(asked.threshold, asked.preset)

        def finish(image: Image, found: Detections, omitted: int) -> dict[str, Any]:
            record = frame_record(Frame(image, ""), service.counted(found.above(least)))
            return record | {"faces_omitted": omitted}

        results = await service.run(request, finish, service.limits.pictures)
        failed = [result for _, result in results if isinstance(result, ApiError)]
        if len(failed) == len(results):
            raise failed[0]
        pictures = [
            {"file": name, "error": result.record()}
            if isinstance(result, ApiError)
            else result | {"file": name}
            for name, result in results
        ]
        card = service.card
        answer = JSONResponse(
            {
                "model": f"{card.name} {card.version}",
                "threshold": least,
                "pictures": pictures,
            }
        )
        return service.held(bytes(answer.body), "application/json")


def _add_annotation(app: FastAPI, service: Service, secured: Sequence[Dependency]) -> None:
    """Where pictures are sent to be drawn on."""

    @app.post(
        "/v1/detect/annotated",
        summary="Draw the faces on the picture",
        tags=["detection"],
        response_class=Response,
        responses={
            **failing(400, 408, 413, 415, 422, 429, 503),
            200: {
                "description": "The picture with a box and a label for each face; JPEG, or what "
                "Accept asks for first: image/png, image/webp",
                "content": {kind: ONE_PICTURE[kind] for kind in _WRITERS},
            },
        },
        openapi_extra={"requestBody": {"required": True, "content": ONE_PICTURE | form(False)}},
        dependencies=secured,
    )
    async def annotated(request: Request, asked: Annotated[Asked, Query()]) -> Response:
        """Send one picture, as the body or as a file of a form; metadata is left behind."""
        least = service.threshold(asked.threshold, asked.preset)
        kind = _wanted(request.headers.get("accept", ""))
        style, options = _WRITERS[kind]
        longest = LONGEST_SIDES[style]

        def finish(image: Image, found: Detections, omitted: int) -> bytes | ApiError:
            if max(image.shape) > longest:
                return ApiError(
                    422,
                    "unwritable_picture",
                    f"A picture of {image.shape[1]}×{image.shape[0]} pixels cannot be written as "
                    f"{style}, which takes {longest} a side. Ask for PNG: Accept: image/png.",
                )
            out = io.BytesIO()
            kept = service.counted(found.above(least))
            PillowImage.fromarray(draw_detections(image, kept)).save(out, style, **options)
            return out.getvalue()

        ((_, result),) = await service.run(request, finish, 1)
        if isinstance(result, ApiError):
            raise result
        return service.held(result, kind)


def _add_operation(app: FastAPI, service: Service, secured: Sequence[Dependency]) -> None:
    """What is asked about the server: its model, its health, its counters."""

    @app.get(
        "/v1/model",
        summary="The model's card",
        tags=["detection"],
        responses=failing(),
        dependencies=secured,
    )
    async def model() -> dict[str, Any]:
        """The card of the model: labels, thresholds, training, scores with intervals."""
        return service.card.to_dict()

    @app.get(
        "/healthz",
        summary="Does it work?",
        tags=["operation"],
        response_model=Health,
        responses={503: {"model": Failure, "description": "It is stopping, or broken"}},
    )
    async def health() -> Any:
        """Whether the server works. Needs no token."""
        if not service.engine.alive:
            raise ApiError(
                503, "stopping", "The server is stopping, or a part of it is dead or hangs."
            )
        return {"status": "ok"}

    @app.get(
        "/metrics",
        summary="Counters for Prometheus",
        tags=["operation"],
        response_class=Response,
        responses={
            **failing(),
            200: {"content": {"text/plain": {"schema": {"type": "string"}}}},
        },
        dependencies=secured,
    )
    async def metrics() -> Response:
        """Counters, times and sizes in the form of Prometheus."""
        text = await run_in_threadpool(service.metrics.text)
        return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")


def _answer_head(app: FastAPI) -> None:
    """Answer HEAD where GET is answered (RFC 9110, section 9.3.2), which FastAPI leaves out.

    The API is described before that, or HEAD would be a second operation of the same name.
    """
    app.openapi()
    for route in app.routes:
        if isinstance(route, APIRoute) and route.methods == {"GET"}:
            route.methods.add("HEAD")


def _wanted(accept: str) -> str:
    """The first type of an Accept header that can be written; JPEG without one."""
    for part in accept.lower().split(","):
        kind, _, parameter = part.partition(";")
        refused = re.fullmatch(r"\s*q=0(\.0*)?\s*", parameter)
        if kind.strip() in _WRITERS and not refused:
            return kind.strip()
    return "image/jpeg"
