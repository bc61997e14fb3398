"""The application: its routes, from requests to the engine and back."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import Depends, FastAPI, Query, Request, Response
from fastapi.security import HTTPBearer
from fastapi.telemetry import TelemetryConfig
from PIL import Image as PillowImage
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse
from starlette.types import ASGIApp

import masklens
from masklens.crop import Image
from masklens.detections import Detections
from masklens.detector import MaskDetector
from masklens.errors import BundleError, InputError
from masklens.io.draw import draw_detections
from masklens.io.sources import Frame
from masklens.io.writers import frame_record
from masklens.server import failures, page
from masklens.server.bodies import Budget, read_pictures, wait_until_gone
from masklens.server.engine import BusyError, Engine, Finish, Job
from masklens.server.failures import ApiError
from masklens.server.guard import Guard
from masklens.server.linger import Linger
from masklens.server.metrics import Metrics, MetricsMiddleware
from masklens.server.schemas import ONE_PICTURE, Answer, Failure, Health, form
from masklens.server.schemas import failures as failing
from masklens.server.settings import Settings

Threshold = Annotated[
    float | None,
    Query(ge=0, le=1, description="Leave out faces with a lower score. Goes before `preset`."),
]
Preset = Annotated[
    Literal["default", "precise", "sensitive"], Query(description="Which of the card's thresholds.")
]

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


class Service:
    """What the routes share: one detector, one engine, one budget."""

    def __init__(self, detector: MaskDetector, settings: Settings) -> None:
        self.limits = settings.limits
        self.metrics = Metrics()
        self.card = detector.card
        self.engine = Engine(detector, settings.cores, settings.limits, self.metrics)
        self.budget = Budget(settings.limits.memory, self.metrics)

    def threshold(self, threshold: float | None, preset: str) -> float:
        """The threshold of a request."""
        if threshold is not None:
            return threshold
        try:
            return self.card.threshold(preset)
        except BundleError as error:
            raise ApiError(422, "bad_parameter", str(error)) from error

    async def run(
        self, request: Request, finish: Finish, most: int
    ) -> list[tuple[str, Any | ApiError]]:
        """Read a request's pictures, put them through the engine, wait.

        Returns:
            for each picture its name, and what ``finish`` returned or why it could not be read.

        Raises:
            ApiError: about the request as a whole.
            ClientDisconnect: nobody waits for the answer.
        """
        with self.budget.hold() as hold:
            try:
                self.engine.check_room()  # before the body is read for nothing
                pictures = await read_pictures(request, self.limits, hold)
                most = min(most, self.limits.queue)
                if len(pictures) > most:
                    raise ApiError(
                        413,
                        "too_many_pictures",
                        f"{len(pictures)} pictures were received; this takes {most} at a time.",
                    )
                jobs = [Job(content, name, finish) for name, content in pictures]
                self.engine.submit(jobs)
            except BusyError as busy:
                raise _busy(busy.seconds) from busy
            names = [name for name, _ in pictures]
            del pictures  # the jobs let go of their bytes as they go
            try:
                results = await self._wait(request, jobs)
            finally:
                self.engine.cancel(jobs)
        for result in results:
            failed = isinstance(result, ApiError)
            self.metrics.pictures.labels(result.code if failed else "done").inc()
        return list(zip(names, results, strict=True))

    async def _wait(self, request: Request, jobs: Sequence[Job]) -> list[Any | ApiError]:
        answers = asyncio.gather(
            *(asyncio.wrap_future(job.future) for job in jobs), return_exceptions=True
        )
        gone = asyncio.ensure_future(wait_until_gone(request))
        try:
            await asyncio.wait(
                (answers, gone), timeout=self.limits.seconds, return_when=asyncio.FIRST_COMPLETED
            )
            if answers.done():
                return [_outcome(result) for result in answers.result()]
            if gone.done():
                raise ClientDisconnect
            raise ApiError(
                503,
                "too_slow",
                f"It took longer than {self.limits.seconds:g} s. Send fewer or smaller pictures, "
                "or try again later.",
                {"Retry-After": "5"},
            )
        finally:
            gone.cancel()
            answers.cancel()


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
    bearer = HTTPBearer(auto_error=False, description="Checked before anything is read.")
    secured = [] if settings.token is None else [Depends(bearer)]
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
    async def detect(
        request: Request, threshold: Threshold = None, preset: Preset = "default"
    ) -> Response:
        """Send one picture as the body, or several as files of a form.

        Of several, those that cannot be read have an `error` in place of `faces`; when none can be
        read, the answer is the first one's error.
        """
        least = service.threshold(threshold, preset)

        def finish(image: Image, found: Detections, omitted: int) -> dict[str, Any]:
            kept = found.above(least)
            for label, count in kept.counts().items():
                service.metrics.faces.labels(label).inc(count)
            record = frame_record(Frame(image, ""), kept)
            return record | {"faces_omitted": omitted}

        results = await service.run(request, finish, settings.limits.pictures)
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
        return JSONResponse(
            {
                "model": f"{card.name} {card.version}",
                "threshold": least,
                "pictures": pictures,
            },
            headers={"Cache-Control": "no-store"},
        )

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
    async def annotated(
        request: Request, threshold: Threshold = None, preset: Preset = "default"
    ) -> Response:
        """Send one picture, as the body or as a file of a form; metadata is left behind."""
        least = service.threshold(threshold, preset)
        kind = _wanted(request.headers.get("accept", ""))
        style, options = _WRITERS[kind]

        def finish(image: Image, found: Detections, omitted: int) -> bytes:
            out = io.BytesIO()
            drawn = PillowImage.fromarray(draw_detections(image, found.above(least)))
            try:
                drawn.save(out, style, **options)
            except (OSError, ValueError) as error:  # JPEG and WebP have a largest side
                raise InputError(
                    f"A picture of {image.shape[1]}×{image.shape[0]} pixels cannot be written as "
                    f"{style}: {str(error).rstrip('.')}."
                ) from error
            return out.getvalue()

        ((_, result),) = await service.run(request, finish, 1)
        if isinstance(result, ApiError):
            raise result
        return Response(result, media_type=kind, headers={"Cache-Control": "no-store"})

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
            raise ApiError(503, "stopping", "The server is stopping, or a part of it has died.")
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

    app.include_router(page.documentation(app, "masklens: the HTTP API"))
    app.include_router(page.pages(app, detector.bundle, folder))
    wrapped: ASGIApp = Linger(Guard(app, settings))
    return MetricsMiddleware(wrapped, service.metrics), service


def _outcome(result: Any) -> Any:
    """What a job's future gave: a result, or an error of the picture; other errors are ours."""
    if isinstance(result, InputError):
        return failures.picture_failure(result)
    if isinstance(result, asyncio.CancelledError):
        raise ApiError(503, "stopping", "The server is stopping.", {"Retry-After": "5"})
    if isinstance(result, BaseException):
        raise failures.internal()  # the engine has logged it
    return result


def _busy(seconds: int) -> ApiError:
    return ApiError(
        429,
        "busy",
        f"The queue is full. Try again in {seconds} s.",
        {"Retry-After": str(seconds)},
    )


def _wanted(accept: str) -> str:
    """The first type of an Accept header that can be written; JPEG without one."""
    for part in accept.lower().split(","):
        kind = part.partition(";")[0].strip()
        if kind in _WRITERS:
            return kind
    return "image/jpeg"
