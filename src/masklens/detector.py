"""MaskDetector: find the faces, cut them out, classify them. The class most users ever touch."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from numbers import Integral, Real
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from masklens.bundle import Bundle
from masklens.classifier import Classification, MaskClassifier, logit
from masklens.crop import FloatArray, Image, crop_faces, refined_boxes
from masklens.detections import Detections
from masklens.errors import InputError
from masklens.faces import FaceFinder, Faces
from masklens.finder import load_finder
from masklens.io.pictures import decode_picture, read_picture
from masklens.limits import LONG_SIDES, MAX_THREADS, cores

#: uint8 (H, W, 3), RGB, upright; the path of a picture file; or what is in such a file. Of arrays
#: the type is looked at when they come: OpenCV's stubs do not tell it.
Picture = npt.NDArray[Any] | str | Path | bytes | bytearray | memoryview

T = TypeVar("T")
R = TypeVar("R")

#: Faces are classified in batches of about this size, across pictures.
BATCH = 16

#: Pixels of pictures that wait for a batch to fill: 16 of a telephone's would take half a gigabyte,
#: and reading them takes so long that smaller batches cost nothing.
WAITING_PIXELS = 20_000_000


class MaskDetector:
    """Finds every face of a picture and says whether it wears a mask.

    It can be pickled, for example for worker processes: there the same files are opened again. A
    finder of one's own must be something that can be, too.

    Args:
        bundle: folder of a bundle; None takes the one that ships with masklens.
        finder: "yunet", the path of an ONNX face finder, or any :class:`FaceFinder`, whose ``find``
            is called by several threads at once; None takes the bundle's own, and where it has none
            that of the bundle that ships. The card's calibration and thresholds were fitted to that
            one: with another P(face) is the plain product of its score and the classifier's, and a
            ``threshold`` of one's own is better.
        threshold: faces with a lower score are left out (0…1); None takes the card's default.
        threads: pictures in which faces are found at a time, and threads of the classifier; 0 is
            one per core.
        runtime: "onnx", "litert" or "openvino", for the classifier, and for the face finder where
            there is one in that format: in LiteRT's it has one size, and is left to ONNX Runtime
            where there is a ``long_side``. The latter two are extras.
        long_side: working size of the face finder in pixels; None is its own, and twice that as
            well for pictures at least twice as large. Smaller is faster, and loses small faces;
            larger finds smaller faces in large pictures, and loses those that fill the picture.
            Several, such as (704, 2112), are searched one after the other and lose neither. A
            finder that is an object has its own.

    Raises:
        BundleError: the bundle or the face finder cannot be used.
        MissingExtraError: the runtime is not installed.
        TypeError, ValueError: an option is of another type, a number out of range, or ``long_side``
            beside a finder that is an object.
    """

    def __init__(
        self,
        bundle: str | Path | Bundle | None = None,
        *,
        finder: str | Path | FaceFinder | None = None,
        threshold: float | None = None,
        threads: int = 0,
        runtime: str = "onnx",
        long_side: int | Sequence[int] | None = None,
    ) -> None:
        _check_options(bundle, finder, threshold, threads, long_side)
        self._reopen = partial(
            type(self),
            bundle,
            finder=finder,
            threads=threads,
            runtime=runtime,
            long_side=long_side,
        )
        self.bundle = bundle if isinstance(bundle, Bundle) else Bundle.load(bundle)
        self.card = self.bundle.card
        self.classifier = MaskClassifier(self.bundle, threads, runtime=runtime)
        self.finder = load_finder(
            finder, 1, runtime, bundle=self.bundle, long_side=long_side, closer=True
        )
        # All finders of train-finder have one name, and are told apart by their cards.
        own = self.card.finder
        named = own is not None and self.finder.name == own.name
        fitted = finder is None or (named and getattr(self.finder, "card", own) == own)
        self._calibration = self.card.face_calibration if fitted else None
        self.workers = threads or cores()
        self.threshold = self.card.threshold() if threshold is None else threshold

    @property
    def threshold(self) -> float:
        """Faces with a lower score are left out (0…1)."""
        return self._threshold

    @threshold.setter
    def threshold(self, value: float) -> None:
        _check_threshold(value)
        self._threshold = value

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(self._reopen, threshold=self.threshold), ()

    def detect(self, picture: Picture) -> Detections:
        """The faces of one picture.

        Args:
            picture: uint8 (H, W, 3), RGB, upright; the path of a picture file; or the bytes that
                are in such a file, of any format of :func:`masklens.io.pictures.read_picture`.

        Raises:
            InputError: the file or the bytes are no picture, or the array has another form.
        """
        # In this thread, whose tensor the finder keeps for the next picture.
        return next(self._label([self._find(picture)]))

    def detect_many(self, pictures: Iterable[Picture]) -> Iterator[Detections]:
        """The faces of many pictures, in order; faces are classified in batches across pictures.

        Faces are found in several pictures at a time, one thread each: the finder is so small that
        this is faster than many threads inside it. Reads ahead only as far as that and one batch
        need, and a batch waits for at most ``WAITING_PIXELS``, so an endless iterable is fine; an
        array must stay as it is until its faces were given out. An error, the iterable's own as
        well, is raised when the pictures before it were given out.

        Raises:
            InputError: a picture cannot be read, see :meth:`detect`; or this is one picture.
        """
        one = isinstance(pictures, str | os.PathLike | bytes | bytearray)
        if one or getattr(pictures, "ndim", 4) < 4:
            raise InputError(
                "detect_many takes a list of pictures, or another iterable of them; detect takes "
                f"one. Received: {_shown(pictures)}"
            )
        waiting: list[tuple[Image, Faces]] = []
        faces = pixels = 0
        failure: Exception | None = None
        try:
            for image, found in in_parallel(self._find, pictures, self.workers):
                waiting.append((image, found))
                faces += len(found)
                pixels += image.shape[0] * image.shape[1]
                if max(faces, len(waiting)) >= BATCH or pixels >= WAITING_PIXELS:
                    batch, waiting, faces, pixels = waiting, [], 0, 0
                    yield from self._label(batch)
        except Exception as error:  # whatever it is, those before it are done
            failure = error
        yield from self._label(waiting)
        if failure is not None:
            raise failure

    def _find(self, picture: Picture) -> tuple[Image, Faces]:
        if isinstance(picture, str | os.PathLike):
            picture = read_picture(picture)
        elif isinstance(picture, bytes | bytearray | memoryview):
            content = bytes(picture)
            picture = decode_picture(content, f"The picture of {len(content)} bytes")
        elif not isinstance(picture, np.ndarray):  # None is what OpenCV gives for no picture
            raise InputError(
                "A picture must be the path of a file, the bytes of one, or a uint8 array (height, "
                f"width, 3), RGB. Received: {_shown(picture)}"
            )
        image = check_image(picture)
        return image, self.finder.find(image)

    def label(self, image: Image, found: Faces, *, twice: bool = True) -> Detections:
        """Classify faces that were found before.

        Args:
            image: uint8 (H, W, 3), RGB.
            found: in pixels of ``image``.
            twice: see :meth:`masklens.classifier.MaskClassifier.predict`.

        Returns:
            One row per face, in their order; faces below the threshold are not left out.

        Raises:
            InputError: the array has another form.
        """
        image = check_image(image)
        crops = crop_faces(image, found.boxes, self.card.size, self.card.margin)
        result = self.classifier.predict(crops, twice=twice)
        return self._in_order(image, found, result)

    def _label(self, batch: list[tuple[Image, Faces]]) -> Iterator[Detections]:
        """Classify the faces of several pictures at once and give each picture its own back."""
        if not batch:
            return
        card = self.card
        crops = [crop_faces(image, found.boxes, card.size, card.margin) for image, found in batch]
        result = self.classifier.predict(np.concatenate(crops))
        start = 0
        for image, found in batch:
            rows = slice(start, start + len(found))
            start = rows.stop
            yield self.assemble(image, found, result[rows]).above(self.threshold)

    def assemble(self, image: Image, found: Faces, result: Classification) -> Detections:
        """Put together what finder and classifier said of one picture; no threshold is applied.

        Args:
            image: uint8 (H, W, 3), RGB.
            found: its N faces.
            result: what the classifier said of them, in the order of ``found``.

        Returns:
            N faces, best first.
        """
        labelled = self._in_order(image, found, result)
        return labelled[np.argsort(-labelled.scores, kind="stable")]

    def _in_order(self, image: Image, found: Faces, result: Classification) -> Detections:
        """As :meth:`assemble`, in the order of ``found``."""
        probabilities = result.probabilities
        is_face = self._face_probability(found.scores, result.face)
        boxes = found.boxes
        if result.boxes is not None:
            boxes = refined_boxes(boxes, result.boxes, self.card.margin, image.shape)
        scores = is_face * probabilities.max(axis=1, initial=0)
        return Detections(
            boxes=boxes,
            scores=scores.astype(np.float32),
            face_scores=found.scores,
            probabilities=probabilities,
            labels=self.card.labels,
            landmarks=found.landmarks,
            track_ids=np.full(len(found), -1, np.int64),
        )

    def _face_probability(self, finder: FloatArray, classifier: FloatArray) -> FloatArray:
        calibration = self._calibration
        if calibration is None:
            return finder * classifier
        f, c = logit(finder), logit(classifier)
        face = (
            calibration.bias
            + calibration.finder * f
            + calibration.classifier * c
            + calibration.both * np.logaddexp(0, f) * np.logaddexp(0, c)
        )
        return np.asarray(np.exp(-np.logaddexp(0, -face)), dtype=np.float32)


def _check_options(
    bundle: object, finder: object, threshold: Any, threads: Any, long_side: Any
) -> None:
    """Refuse what no :class:`MaskDetector` can be made of; see there."""
    low, high = LONG_SIDES
    several = isinstance(long_side, Sequence) and not isinstance(long_side, str | bytes)
    sizes = long_side if several else () if long_side is None else (long_side,)
    for name, values, types, accepted in (
        ("bundle", [bundle], str | os.PathLike | Bundle | None, "a folder's path or a Bundle"),
        ("finder", [finder], str | Path | FaceFinder | None, '"yunet", a path or a FaceFinder'),
        ("threads", [threads], Integral, f"a whole number in 0…{MAX_THREADS}"),
        ("long_side", sizes, Integral, f"a whole number in {low}…{high}, or several"),
    ):
        for value in values:
            if not isinstance(value, types):
                raise TypeError(f"{name} must be {accepted}. Received: {value!r:.80}")
    if not 0 <= threads <= MAX_THREADS:
        raise ValueError(f"threads must be in 0…{MAX_THREADS}. Received: {threads}")
    if threshold is not None:
        _check_threshold(threshold)
    if (several and not sizes) or not all(low <= size <= high for size in sizes):
        raise ValueError(f"long_side must be in {low}…{high}. Received: {long_side}")


def _check_threshold(value: Any) -> None:
    if not isinstance(value, Real):
        raise TypeError(f"threshold must be a number in 0…1. Received: {value!r:.80}")
    if not 0 <= float(value) <= 1:
        raise ValueError(f"threshold must be in 0…1. Received: {value}")


def in_parallel(function: Callable[[T], R], items: Iterable[T], workers: int) -> Iterator[R]:
    """The results of a function, in order, computed by several threads.

    At most ``workers`` items beyond the one that is yielded are taken from the iterable.
    """
    if workers == 1:
        yield from map(function, items)
        return
    pool = ThreadPoolExecutor(workers)
    pending: deque[Callable[[], R]] = deque()
    source = iter(items)
    failure: Exception | None = None
    try:
        while True:
            try:
                item = next(source)
            except StopIteration:
                break
            except Exception as error:  # after the results of those before
                failure = error
                break
            try:
                pending.append(pool.submit(function, item).result)
            except RuntimeError:  # the main thread has ended: Python gives no work to others then
                pending.append(partial(function, item))
            if len(pending) > workers:
                yield pending.popleft()()
        while pending:
            yield pending.popleft()()
        if failure is not None:
            raise failure
    finally:
        pool.shutdown(cancel_futures=True)


def check_image(image: npt.NDArray[Any]) -> Image:
    """The array itself, if it is a picture: uint8 (H, W, 3) with at least one pixel."""
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or image.size == 0:
        raise InputError(
            f"A picture must be a uint8 array (height, width, 3), RGB. Received: {_shown(image)}"
        )
    return image


def _shown(picture: object) -> str:
    """A picture as errors name it."""
    if isinstance(picture, np.ndarray):
        return f"{picture.dtype} {picture.shape}"
    return repr(picture) if isinstance(picture, str | os.PathLike) else type(picture).__name__
