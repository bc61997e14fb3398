"""Annotated faces and found boxes of a whole data set, matched and laid out in columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from masklens.boxes import iou
from masklens.evaluation.answers import fold_map
from masklens.intervals import Array, Bools, Ints
from masklens.labels import MASK_WORN_INCORRECTLY, WITHOUT_MASK
from masklens.matching import NO_BOXES, match, widths

_Column = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Boxes:
    """What was found in one picture, and what is annotated there.

    Attributes:
        found: (D, 4), xyxy pixels, best score first.
        scores: (D,), falling.
        found_labels: (D,).
        truth: (G, 4), xyxy pixels.
        truth_labels: (G,).
        masked: (G,), whether something covers the face; not changed by folding labels.
        crowds: (C, 4), xyxy pixels, regions in which nothing counts.
        crowd_labels: (C,); -1 for a label that is no face's: it holds for no label, but for faces.
    """

    found: Array
    scores: Array
    found_labels: Ints
    truth: Array
    truth_labels: Ints
    masked: Bools
    crowds: Array = field(default_factory=lambda: NO_BOXES)
    crowd_labels: Ints = field(default_factory=lambda: np.zeros(0, np.intp))

    def only(self, label: int) -> Boxes:
        """The boxes of one label."""
        f, t = self.found_labels == label, self.truth_labels == label
        c = self.crowd_labels == label
        return Boxes(
            self.found[f],
            self.scores[f],
            self.found_labels[f],
            self.truth[t],
            self.truth_labels[t],
            self.masked[t],
            self.crowds[c],
            self.crowd_labels[c],
        )

    def as_one_label(self) -> Boxes:
        """The same boxes, all of label 0."""
        f, t, c = map(np.zeros_like, (self.found_labels, self.truth_labels, self.crowd_labels))
        return replace(self, found_labels=f, truth_labels=t, crowd_labels=c)


@dataclass(frozen=True, eq=False)
class Scenes:
    """One model's boxes beside the annotated ones.

    Attributes:
        labels: that the indices in ``pictures`` refer to.
        pictures: all boxes, whatever their score.
        groups: (P,), number of each picture's group, from 0.
        threshold: score from which a box is shown to a user.
    """

    labels: tuple[str, ...]
    pictures: tuple[Boxes, ...]
    groups: Ints
    threshold: float

    @property
    def n_groups(self) -> int:
        """Number of groups."""
        return int(self.groups.max(initial=-1)) + 1

    def fold(self, labels: tuple[str, ...]) -> Scenes:
        """The same in fewer labels; see :meth:`masklens.evaluation.answers.Answers.fold`."""
        if labels == self.labels:
            return self
        places = fold_map(self.labels, labels)
        folded = tuple(
            replace(
                p,
                found_labels=places[p.found_labels],
                truth_labels=places[p.truth_labels],
                crowd_labels=np.append(places, -1)[p.crowd_labels],
            )
            for p in self.pictures
        )
        return Scenes(labels, folded, self.groups, self.threshold)


@dataclass(frozen=True, eq=False)
class AnnotatedFaces:
    """Every annotated face that counts, over all pictures, at one IoU and one threshold.

    Attributes:
        labels: (N,), true label.
        said: (N,), label of the box that met it; -1 where none did.
        widths: (N,), in pixels.
        masked: (N,), whether something covers it.
        groups: (N,).
        pictures, rows: (N,), where it stands: picture, and row in its annotations.
    """

    labels: Ints
    said: Ints
    widths: Array
    masked: Bools
    groups: Ints
    pictures: Ints
    rows: Ints

    @property
    def found(self) -> Bools:
        """(N,), whether a box met it."""
        return np.asarray(self.said >= 0)


@dataclass(frozen=True, eq=False)
class FoundBoxes:
    """Every found box that counts, over all pictures.

    Attributes:
        labels: (N,), label given.
        truth: (N,), label of the annotated face it met; -1 for none.
        scores: (N,).
        groups: (N,).
        pictures, rows: (N,), picture, and row in its found boxes.
    """

    labels: Ints
    truth: Ints
    scores: Array
    groups: Ints
    pictures: Ints
    rows: Ints


def pair(
    scenes: Scenes, min_iou: float, min_width: float, threshold: float = 0.0
) -> tuple[AnnotatedFaces, FoundBoxes]:
    """Match every picture: the annotated faces that count, and the found boxes that count."""
    faces: list[tuple[_Column, ...]] = []
    found: list[tuple[_Column, ...]] = []
    for number, picture in enumerate(scenes.pictures):
        shown = picture.scores >= threshold
        boxes, labels = picture.found[shown], picture.found_labels[shown]
        overlaps = iou(boxes, picture.truth)
        result = match(boxes, overlaps, picture.truth, min_iou, min_width, picture.crowds)
        met = result.truth >= 0
        said = np.full(len(picture.truth), -1)
        said[result.truth[met]] = labels[met]
        truth = np.full(len(boxes), -1)
        truth[met] = picture.truth_labels[result.truth[met]]
        group = scenes.groups[number]
        rows = np.flatnonzero(result.counted)
        columns = (picture.truth_labels, said, widths(picture.truth), picture.masked)
        faces.append((*(c[rows] for c in columns), *_place(group, number, rows)))
        rows = np.flatnonzero(~result.ignored)
        of_boxes = (labels, truth, picture.scores[shown])
        found.append((*(c[rows] for c in of_boxes), *_place(group, number, rows)))
    return AnnotatedFaces(*_joined(faces)), FoundBoxes(*_joined(found))


def _place(group: int, number: int, rows: Ints) -> tuple[Ints, Ints, Ints]:
    return np.full(len(rows), group), np.full(len(rows), number), rows


def _joined(parts: Sequence[tuple[_Column, ...]]) -> list[Any]:
    """The pictures' columns behind each other."""
    return [np.concatenate(column) for column in zip(*parts, strict=True)]


def two_class(labels: Ints, names: tuple[str, ...]) -> Ints:
    """Labels (N,) with badly worn masks as no mask; -1 stays."""
    target = tuple(name for name in names if name != MASK_WORN_INCORRECTLY)
    if WITHOUT_MASK not in target:
        return labels
    return np.append(fold_map(names, target), -1)[labels]
