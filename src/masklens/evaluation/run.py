"""Letting a model answer: every picture is read once, its faces are found and labelled.

Out comes what the scores need, and no pixels are kept: detections at every score, and the
classifier's answers to the annotated boxes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

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
from masklens.intervals import RESAMPLES
from masklens.io.sources import read_frames

#: What becomes of a portrait: the whole picture is classified, or its face is found first.
WHOLE, FIND = "whole", "find"

#: Crops are classified in batches of this size.
_BATCH = 16


@dataclass(frozen=True)
class Options:
    """How to judge.

    Attributes:
        faces: portraits: "find" the face first, or classify the "whole" picture.
        min_face: on scenes, annotated faces narrower than this (pixels) count neither way.
        min_box: annotated faces narrower than this are left out of the classifier's own scores.
        finder, threads, long_side: as of :class:`masklens.detector.MaskDetector`.
        resamples: of the bootstrap.
    """

    faces: str = FIND
    min_face: float = 16
    min_box: float = 12
    finder: str | None = None
    threads: int = 0
    long_side: tuple[int, ...] | None = None
    resamples: int = RESAMPLES


@dataclass(frozen=True, eq=False)
class Run:
    """What one model answered to the pictures that can be read, in their order.

    Attributes:
        detections: one per picture, at every score; empty in mode "whole".
        crops: one (F, L) per picture: probabilities of its annotated faces (boxed data), or of the
            whole picture (mode "whole"); None where they were not asked for.
        sizes: width and height of each picture in pixels.
        unreadable: number of a selected picture -> why it could not be read.
    """

    detections: tuple[Detections, ...]
    crops: tuple[FloatArray, ...] | None
    sizes: tuple[tuple[int, int], ...]
    unreadable: dict[int, str]


def run(
    subject: Subject,
    selection: Selection,
    options: Options,
    progress: Progress = lambda: None,
) -> Run:
    """Let a model answer to every selected picture.

    Args:
        subject: the model.
        selection: the pictures.
        options: how.
        progress: called after each picture.

    Raises:
        DatasetError: an annotated box lies outside its picture.
        InputError: predictions that do not fit the pictures.
    """
    whole = options.faces == WHOLE and not selection.dataset.boxed
    if subject.bundle is None:
        if whole:
            raise DatasetError(
                f"{subject.name} holds predictions for faces that were found, so it cannot be "
                "judged with --faces whole."
            )
        return _recorded(subject, selection, progress)
    if whole:
        return _whole(MaskClassifier(subject.bundle, options.threads), selection, progress)
    detector = MaskDetector(
        subject.bundle,
        finder=options.finder,
        threshold=0.0,
        threads=options.threads,
        long_side=options.long_side,
    )
    return _found(detector, selection, progress)


def _found(detector: MaskDetector, selection: Selection, progress: Progress) -> Run:
    card, pictures = detector.card, _Pictures(selection)
    crops = _Crops(detector.classifier) if selection.dataset.boxed else None

    def images() -> Iterator[Image]:
        for number, image, size in pictures:
            if crops is not None:
                boxes = annotated_boxes(selection, number, size)
                crops.add(crop_faces(image, boxes, card.size, card.margin))
            yield image

    detections = []
    for found in detector.detect_many(images()):
        detections.append(found)
        progress()
    return pictures.answered(detections, crops)


def _whole(classifier: MaskClassifier, selection: Selection, progress: Progress) -> Run:
    crops, pictures = _Crops(classifier), _Pictures(selection)
    for _, image, _ in pictures:
        crops.add(whole_picture(image, classifier.card.size)[None])
        progress()
    return pictures.answered([], crops)


def _recorded(subject: Subject, selection: Selection, progress: Progress) -> Run:
    records, pictures = match_records(subject, selection), _Pictures(selection)
    detections = []
    for number, _, size in pictures:
        if selection.dataset.boxed:
            annotated_boxes(selection, number, size)  # refuses what lies outside
        name = selection.dataset.pictures[number].name
        detections.append(to_detections(records[number], subject, size, name))
        progress()
    return pictures.answered(detections, None)


class _Pictures:
    """The selected pictures that can be read: number, pixels, and size; decoded a few ahead."""

    def __init__(self, selection: Selection) -> None:
        self._pictures = selection.dataset.pictures
        self._sizes: list[tuple[int, int]] = []
        self._unreadable: dict[int, str] = {}

    def __iter__(self) -> Iterator[tuple[int, Image, tuple[int, int]]]:
        numbers = {picture.path: number for number, picture in enumerate(self._pictures)}

        def failed(path: Path, error: MasklensError) -> None:
            self._unreadable[numbers[path]] = str(error)

        for frame in read_frames({p.path: p.name for p in self._pictures}, failed):
            self._sizes.append(frame.size)
            yield frame.index, frame.image, frame.size

    def answered(self, detections: Sequence[Detections], crops: _Crops | None) -> Run:
        """All answers to them, when all were read."""
        probabilities = None if crops is None else tuple(crops.probabilities())
        return Run(tuple(detections), probabilities, tuple(self._sizes), self._unreadable)


class _Crops:
    """Classifies crops in batches across pictures, and remembers how many each picture had."""

    def __init__(self, classifier: MaskClassifier) -> None:
        self._classifier = classifier
        self._waiting: list[Image] = []
        self._counts: list[int] = []
        self._done = [np.zeros((0, len(classifier.card.labels)), np.float32)]

    def add(self, crops: Image) -> None:
        """The crops of the next picture."""
        self._waiting.append(crops)
        self._counts.append(len(crops))
        if sum(map(len, self._waiting)) >= _BATCH:
            self._flush()

    def probabilities(self) -> list[FloatArray]:
        """One (F, L) per picture, in the order they came."""
        self._flush()
        return np.split(np.concatenate(self._done), np.cumsum(self._counts))[:-1]

    def _flush(self) -> None:
        if self._waiting:
            crops = np.concatenate(self._waiting)
            batches = (crops[i : i + _BATCH] for i in range(0, len(crops), _BATCH))
            self._done += [self._classifier.predict(batch).probabilities for batch in batches]
            self._waiting = []


def annotated_boxes(selection: Selection, number: int, size: tuple[int, int]) -> FloatArray:
    """The annotated boxes of a picture, clipped to it: float32 (G, 4), xyxy pixels.

    Raises:
        DatasetError: one lies wholly outside, or has no area.
    """
    return clipped(selection.dataset.pictures[number].boxes(*size), *size)
