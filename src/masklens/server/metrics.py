"""What ``/metrics`` shows, in the form of Prometheus: counts and times, nothing of any picture."""

from __future__ import annotations

import time

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)

#: Everything that is not named here counts as "page" or "other".
_ROUTES = frozenset(
    {"/v1/detect", "/v1/detect/annotated", "/v1/model", "/healthz", "/metrics", "/openapi.json"}
)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Metrics:
    """The counters of one server, in a registry of their own."""

    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry()
        self.requests = Counter(
            "masklens_requests", "Answers.", ["route", "method", "status"], registry=registry
        )
        self.seconds = Histogram(
            "masklens_request_seconds",
            "From the first byte of a request to the last of its answer.",
            ["route"],
            buckets=_SECONDS,
            registry=registry,
        )
        self.open = Gauge("masklens_open_requests", "Requests in progress.", registry=registry)
        self.places = Gauge(
            "masklens_queue_pictures", "Pictures in the server, waiting or in work.",
            registry=registry,
        )  # fmt: skip
        self.held = Gauge(
            "masklens_held_bytes", "Bytes of bodies and answers that are held.", registry=registry
        )
        self.pictures = Counter(
            "masklens_pictures", "Pictures, by what became of them.", ["result"], registry=registry
        )
        self.faces = Counter("masklens_faces", "Faces found.", ["label"], registry=registry)
        self.batch = Histogram(
            "masklens_batch_faces",
            "Faces in one run of the classifier.",
            buckets=(1, 2, 3, 4, 5, 6, 7, 8),
            registry=registry,
        )
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)

    def text(self) -> bytes:
        """The current values."""
        return generate_latest(self.registry)


class MetricsMiddleware:
    """Counts and times every answer; a client that left before it counts as 499."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, and count it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        metrics, status, started = self._metrics, 499, time.perf_counter()

        async def counting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        metrics.open.inc()
        try:
            await self._app(scope, receive, counting)
        finally:
            metrics.open.dec()
            route = route_of(scope["path"], status)
            method = scope["method"] if scope["method"] in _METHODS else "other"
            metrics.requests.labels(route, method, str(status)).inc()
            metrics.seconds.labels(route).observe(time.perf_counter() - started)


def route_of(path: str, status: int) -> str:
    """The label of a path; a bounded number of them, whatever clients ask for."""
    if path in _ROUTES:
        return path
    return "page" if status < 400 else "other"
