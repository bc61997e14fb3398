"""From a request's bytes to finished results: admission, the body, the engine, the wait."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from starlette.requests import ClientDisconnect, Request

from masklens.detections import Detections
from masklens.detector import MaskDetector
from masklens.errors import BundleError, InputError
from masklens.server import failures
from masklens.server.answers import HeldAnswer
from masklens.server.bodies import Budget, read_pictures, wait_until_gone
from masklens.server.engine import BusyError, Engine, Finish, Job
from masklens.server.failures import ApiError
from masklens.server.metrics import Metrics
from masklens.server.settings import Settings


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

    def counted(self, found: Detections) -> Detections:
        """The faces of an answer, told to the metrics."""
        for label, count in found.counts().items():
            self.metrics.faces.labels(label).inc(count)
        return found

    def held(self, content: bytes, media_type: str) -> HeldAnswer:
        """An answer that counts as held until it has been read."""
        return HeldAnswer(content, media_type, self.budget, self.limits)

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
            gone.cancel()  # the answers end with the jobs, which run() cancels


def _outcome(result: Any) -> Any:
    """What a job's future gave: a result, or an error of the picture; other errors are ours."""
    if isinstance(result, InputError):
        return failures.picture_failure(result)
    if isinstance(result, asyncio.CancelledError):
        raise failures.stopping()
    if isinstance(result, BaseException) and not isinstance(result, ApiError):
        raise failures.internal()  # the engine has logged it
    return result


def _busy(seconds: int) -> ApiError:
    return ApiError(
        429,
        "busy",
        f"The queue is full. Try again in {seconds} s.",
        {"Retry-After": str(seconds)},
    )
