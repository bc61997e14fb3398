"""The pool that all requests share: pictures in, finished results out, a bounded number at a time.

Each worker thread takes the next piece of work: a batch of faces, gathered from whichever pictures
have some waiting, or a picture in which faces have to be found. So the faces of many small requests
go through the classifier together, and those of a crowd are spread over the workers and do not
hold up the others. The networks run one thread each: the workers are what uses the cores.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from masklens.classifier import Classification
from masklens.crop import Image, crop_faces
from masklens.detections import Detections
from masklens.detector import MaskDetector
from masklens.errors import InputError
from masklens.faces import Faces
from masklens.io.pictures import decode_picture
from masklens.server.failures import log_mistake
from masklens.server.metrics import Metrics
from masklens.server.settings import Limits

#: Faces per run of the classifier. With one thread, 4 to 8 take the least time per face.
BATCH = 8

#: Seconds that faces wait for others to fill a batch while there are pictures to search.
PATIENCE = 0.05

#: What becomes of a picture: (image, its faces, how many more were left out) -> the result.
Finish = Callable[[Image, Detections, int], Any]


class BusyError(Exception):
    """There is no place left; ``seconds`` is when to try again."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"no place for {seconds} s")
        self.seconds = seconds


@dataclass(eq=False)
class Job:
    """One picture on its way. ``future`` gets what ``finish`` returns, or the error."""

    content: bytes
    name: str
    finish: Finish
    future: Future[Any] = field(default_factory=Future)
    image: Image | None = None
    faces: Faces | None = None
    omitted: int = 0
    crops: Image | None = None
    taken: int = 0
    answered: int = 0
    answers: dict[int, Classification] = field(default_factory=dict)
    since: float = 0
    cost: float = 0

    @property
    def left(self) -> int:
        """Faces that no batch has taken yet."""
        return 0 if self.crops is None else len(self.crops) - self.taken


class Engine:
    """Worker threads around one detector.

    Args:
        detector: its networks must be safe to run from several threads at a time.
        workers: number of threads.
        limits: ``queue``, ``faces``, ``pixels`` and ``seconds`` are kept here.
        metrics: told of batches, faces and places.
    """

    def __init__(
        self, detector: MaskDetector, workers: int, limits: Limits, metrics: Metrics
    ) -> None:
        self._detector = detector
        self._limits = limits
        self._metrics = metrics
        self._workers = workers
        self._work = threading.Condition()
        self._pictures: deque[Job] = deque()
        self._crowds: deque[Job] = deque()
        self._inside: set[Job] = set()  # what has a place
        self._seconds = 0.05  # of work per picture, a moving average
        self._closed = False
        self._began = [math.inf] * workers  # each one's present step; while it waits there is none
        metrics.places.set_function(lambda: len(self._inside))
        self._threads = [
            threading.Thread(target=self._run, args=(i,), name=f"worker-{i}", daemon=True)
            for i in range(workers)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def alive(self) -> bool:
        """Whether every worker runs, and not all are at one step for longer than a request may."""
        hanging = max(self._began) < time.perf_counter() - self._limits.seconds
        running = all(thread.is_alive() for thread in self._threads)
        return running and not hanging and not self._closed

    def check_room(self, pictures: int = 1) -> None:
        """Raise a BusyError when so many pictures would not be taken now."""
        if len(self._inside) + pictures > self._limits.queue or self._closed:
            ahead = len(self._inside) * self._seconds / self._workers
            raise BusyError(min(max(math.ceil(ahead), 1), 60))

    def submit(self, jobs: Sequence[Job]) -> None:
        """Take pictures in, all of them or none.

        Raises:
            BusyError: there is no room for them.
        """
        with self._work:
            self.check_room(len(jobs))
            self._inside.update(jobs)
            self._pictures.extend(jobs)
            self._work.notify(len(jobs))

    def cancel(self, jobs: Sequence[Job]) -> None:
        """Forget what nobody waits for any more; what is in work stops after its present step."""
        with self._work:
            for job in jobs:
                if job.future.cancel() and job in self._pictures:
                    self._pictures.remove(job)
                    self._leave(job)

    def close(self, seconds: float = 10) -> None:
        """Stop the workers, after what they are doing; what waits is cancelled."""
        with self._work:
            self._closed = True
            self._work.notify_all()
        for thread in self._threads:
            thread.join(seconds)
        self.cancel([*self._pictures, *self._crowds])

    def _run(self, number: int) -> None:
        while step := self._next():
            self._began[number] = time.perf_counter()
            self._do(*step)
            self._began[number] = math.inf
            del step  # a thread that waits holds on to nothing

    def _do(self, work: Callable[[], None], jobs: Sequence[Job]) -> None:
        started = time.perf_counter()
        try:
            work()
        except Exception as error:  # whatever it is belongs to these requests, not to the pool
            self._fail(jobs, error)
        spent = (time.perf_counter() - started) / len(jobs)
        for job in jobs:
            job.cost += spent
            if job.future.done():
                self._seconds += 0.05 * (job.cost - self._seconds)

    def _next(self) -> tuple[Callable[[], None], Sequence[Job]] | None:
        """The next piece of work; waits for one, and is None when the engine closes."""
        with self._work:
            while not self._closed:
                oldest = self._crowds[0].since if self._crowds else math.inf
                impatient = oldest < time.perf_counter() - PATIENCE
                full = sum(job.left for job in self._crowds) >= BATCH
                if full or impatient or (self._crowds and not self._pictures):
                    if rows := self._gather():
                        return partial(self._classify, rows), [job for job, _ in rows]
                elif self._pictures:
                    job = self._pictures.popleft()
                    return partial(self._search, job), [job]
                else:
                    self._work.wait()
        return None

    def _gather(self) -> list[tuple[Job, slice]]:
        """Take up to a batch of waiting faces, from the oldest pictures first."""
        rows: list[tuple[Job, slice]] = []
        room = BATCH
        while room and self._crowds:
            job = self._crowds[0]
            count = min(room, job.left)
            if job.future.done():  # cancelled, or another batch of it failed
                count = job.left
                self._leave(job)
            else:
                rows.append((job, slice(job.taken, job.taken + count)))
                room -= count
            job.taken += count
            if job.left == 0:
                self._crowds.popleft()
        return rows

    def _search(self, job: Job) -> None:
        """Decode a picture, find its faces and cut them out."""
        if job.future.cancelled():
            self._leave(job)
            return
        image = decode_picture(job.content, job.name, max_pixels=self._limits.pixels)
        job.content = b""
        if job.future.cancelled():
            self._leave(job)
            return
        found = self._detector.finder.find(image)
        most = self._limits.faces
        job.omitted = max(0, len(found) - most)
        found = Faces(found.boxes[:most], found.scores[:most], found.landmarks[:most])
        card = self._detector.card
        job.image, job.faces = image, found
        job.crops = crop_faces(image, found.boxes, card.size, card.margin)
        if not len(found):
            self._complete(job)
            return
        with self._work:
            job.since = time.perf_counter()
            self._crowds.append(job)
            self._work.notify()

    def _classify(self, rows: list[tuple[Job, slice]]) -> None:
        """Run the classifier once, and complete the pictures that have all their answers."""
        crops = [job.crops[part] for job, part in rows if job.crops is not None]
        result = self._detector.classifier.predict(np.concatenate(crops))
        self._metrics.batch.observe(len(result.face))
        start = 0
        ready = []
        for job, part in rows:
            stop = start + part.stop - part.start
            with self._work:
                job.answers[part.start] = result[start:stop]
                job.answered += stop - start
                if job.faces is not None and job.answered == len(job.faces):
                    ready.append(job)
            start = stop
        for job in ready:
            try:
                self._complete(job)
            except Exception as error:  # of this picture, not of the others in the batch
                self._fail([job], error)

    def _complete(self, job: Job) -> None:
        image, faces, crops = job.image, job.faces, job.crops
        if image is None or faces is None or crops is None or job.future.cancelled():
            self._leave(job)
            return
        parts = [job.answers[start] for start in sorted(job.answers)]
        result = Classification.joined(parts) if parts else self._detector.classifier.predict(crops)
        detections = self._detector.assemble(image, faces, result)
        done = job.finish(image, detections, job.omitted)
        if self._leave(job) and job.future.set_running_or_notify_cancel():
            job.future.set_result(done)

    def _fail(self, jobs: Sequence[Job], error: BaseException) -> None:
        # Not those of which another batch has failed, or for which nobody waits.
        failed = [job for job in jobs if self._leave(job)]
        if failed and not isinstance(error, InputError):
            log_mistake(error)
        # Its traceback would keep what was decoded, and the jobs, until a garbage collection.
        error.__traceback__ = error.__cause__ = error.__context__ = None
        for job in failed:
            if job.future.set_running_or_notify_cancel():
                job.future.set_exception(error)

    def _leave(self, job: Job) -> bool:
        """Give a picture's place and memory back; False when that was done before."""
        with self._work:
            first = job in self._inside
            self._inside.discard(job)
            job.content, job.image, job.faces = b"", None, None
            return first
