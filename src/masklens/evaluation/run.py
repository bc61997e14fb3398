"""Letting a model answer: every picture is read once, its faces are found and labelled.

Out comes what the scores need, and no pixels are kept: detections at every score, and the
classifier's answers to the annotated boxes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from masklens.boxes import clipped
from masklens.classifier import MaskClassifier
from masklens.crop import FloatArray, Image, crop_faces, whole_picture
from masklens.detections import Detections
from masklens.detector import MaskDetector
from masklens.errors import DatasetError, MasklensError
from masklens.evaluation.bars import Progress
from masklens.evaluation.selection import Selection
from masklens.evaluation.subjects import Subject, match_records, to_detections
from masklens.io.pictures import read_picture
from masklens.io.sources import read_frames

#: What becomes of a portrait: the whole picture is classified, or its face is found first.
WHOLE, FIND = "whole", "find"

#: Crops are classified in batches of this size.
_BATCH = 16


@dataclass(frozen=True, eq=False)
class Run:
    """What one model answered.

    Attributes:
        detections: one per picture, at every score; empty in mode "whole".
        crops: one (F, L) per picture: probabilities of its annotated faces (boxed data), or of the
            whole picture (mode "whole"); None where they were not asked for.
        sizes: (P, 2), width and height in pixels.
        unreadable: number of a picture -> why it could not be read.
    """

    detections: tuple[Detections, ...]
    crops: tuple[FloatArray, ...] | None
    sizes: FloatArray
    unreadable: dict[int, str]

    def readable(self) -> Run:
        """The same without the pictures that could not be read."""
        keep = [i for i in range(len(self.sizes)) if i not in self.unreadable]
        return Run(
            tuple(self.detections[i] for i in keep) if self.detections else (),
            None if self.crops is None else tuple(self.crops[i] for i in keep),
            self.sizes[keep],
            {},
        )


def run(
    subject: Subject,
    selection: Selection,
    *,
    faces: str = FIND,
    finder: str | None = None,
    threads: int = 0,
    long_side: tuple[int, ...] | None = None,
    progress: Progress = lambda: None,
) -> Run:
    """Let a model answer to every selected picture.

    Args:
        subject: the model.
        selection: the pictures.
        faces: for portraits, "find" or "whole".
        finder, threads, long_side: as of :class:`masklens.detector.MaskDetector`.
        progress: called after each picture.

    Raises:
        DatasetError: an annotated box lies outside its picture.
        InputError: predictions that do not fit the pictures.
    """
    if subject.bundle is None:
        return _recorded(subject, selection, faces, progress)
    if faces == WHOLE and not selection.dataset.boxed:
        return _whole(subject, selection, threads, progress)
    detector = MaskDetector(
        subject.bundle, finder=finder, threshold=0.0, threads=threads, long_side=long_side
    )
    return _found(subject, selection, detector, progress)


def _found(
    subject: Subject, selection: Selection, detector: MaskDetector, progress: Progress
) -> Run:
    crops = _CropReader(detector.classifier) if selection.dataset.boxed else None
    sizes = np.zeros((len(selection.dataset), 2), np.float32)
    unreadable: dict[int, str] = {}
    readable: list[int] = []

    def images() -> Iterator[Image]:
        for number, image in _read(selection, unreadable):
            height, width = image.shape[:2]
            sizes[number] = width, height
            readable.append(number)
            if crops is not None:
                crops.add(image, annotated_boxes(selection, number, (width, height)))
            yield image

    found: list[Detections] = []
    for detections in detector.detect_many(images()):
        found.append(detections)
        progress()
    per_picture = dict(zip(readable, found, strict=True))
    nothing = Detections.empty(subject.labels)
    return Run(
        tuple(per_picture.get(i, nothing) for i in range(len(selection.dataset))),
        _spread(crops.finish(), readable, selection, subject) if crops is not None else None,
        sizes,
        unreadable,
    )


def _whole(subject: Subject, selection: Selection, threads: int, progress: Progress) -> Run:
    assert subject.bundle is not None
    crops = _CropReader(MaskClassifier(subject.bundle, threads))
    sizes = np.zeros((len(selection.dataset), 2), np.float32)
    unreadable: dict[int, str] = {}
    readable = []
    for number, image in _read(selection, unreadable):
        height, width = image.shape[:2]
        sizes[number] = width, height
        readable.append(number)
        crops.add_whole(image)
        progress()
    answers = _spread(crops.finish(), readable, selection, subject)
    return Run((), answers, sizes, unreadable)


def _recorded(subject: Subject, selection: Selection, faces: str, progress: Progress) -> Run:
    if faces == WHOLE and not selection.dataset.boxed:
        raise DatasetError(
            f"{subject.name} holds predictions for faces that were found, so it cannot be judged "
            "with --faces whole."
        )
    records = match_records(subject, selection)
    sizes = np.zeros((len(selection.dataset), 2), np.float32)
    unreadable: dict[int, str] = {}
    detections = [Detections.empty(subject.labels) for _ in records]
    for number, image in _read(selection, unreadable):
        size = (image.shape[1], image.shape[0])
        sizes[number] = size
        name = selection.dataset.pictures[number].name
        if selection.dataset.boxed:
            annotated_boxes(selection, number, size)  # refuses what lies outside
        detections[number] = to_detections(records[number], subject, size, name)
        progress()
    return Run(tuple(detections), None, sizes, unreadable)


def _read(selection: Selection, unreadable: dict[int, str]) -> Iterator[tuple[int, Image]]:
    """The pictures that can be read, with their numbers; decoded a few ahead."""
    pictures = {p.path: p.name for p in selection.dataset.pictures}
    numbers = {p.path: i for i, p in enumerate(selection.dataset.pictures)}

    def failed(path: object, error: MasklensError) -> None:
        unreadable[numbers[path]] = str(error)  # type: ignore[index]

    for frame in read_frames(pictures, failed):
        yield frame.index, frame.image


def annotated_boxes(selection: Selection, number: int, size: tuple[int, int]) -> FloatArray:
    """The annotated boxes of a picture, clipped to it: float32 (G, 4), xyxy pixels.

    Raises:
        DatasetError: one lies wholly outside, or has no area.
    """
    return clipped(selection.dataset.pictures[number].boxes(*size), *size)


class _CropReader:
    """Classifies crops in batches across pictures, and remembers how many each picture had."""

    def __init__(self, classifier: MaskClassifier) -> None:
        self._classifier = classifier
        self._waiting: list[Image] = []
        self._counts: list[int] = []
        self._done: list[FloatArray] = []

    def add(self, image: Image, boxes: FloatArray) -> None:
        card = self._classifier.card
        self._take(crop_faces(image, boxes, card.size, card.margin))

    def add_whole(self, image: Image) -> None:
        self._take(whole_picture(image, self._classifier.card.size)[None])

    def _take(self, crops: Image) -> None:
        self._waiting.append(crops)
        self._counts.append(len(crops))
        if sum(map(len, self._waiting)) >= _BATCH:
            self._flush()

    def _flush(self) -> None:
        if self._waiting:
            crops = np.concatenate(self._waiting)
            for start in range(0, len(crops), _BATCH):
                batch = crops[start : start + _BATCH]
                self._done.append(self._classifier.predict(batch).probabilities)
            self._waiting = []

    def finish(self) -> list[FloatArray]:
        """Probabilities per picture, in the order they came."""
        self._flush()
        if not self._done:
            return [np.zeros((0, len(self._classifier.card.labels)), np.float32)] * len(
                self._counts
            )
        return np.split(np.concatenate(self._done), np.cumsum(self._counts)[:-1])


def _spread(
    answers: list[FloatArray], readable: list[int], selection: Selection, subject: Subject
) -> tuple[FloatArray, ...]:
    """Answers of the readable pictures, with empty ones in the places of the others."""
    by_number = dict(zip(readable, answers, strict=True))
    nothing = np.zeros((0, len(subject.labels)), np.float32)
    return tuple(by_number.get(i, nothing) for i in range(len(selection.dataset)))


def read_selected(selection: Selection, number: int) -> Image:
    """The pixels of one selected picture, again."""
    return read_picture(selection.dataset.pictures[number].path)
