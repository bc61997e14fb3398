"""From what a model answered to what is scored: answers to labelled faces, and scenes."""

from __future__ import annotations

import numpy as np

from masklens.detections import Detections
from masklens.evaluation.answers import Answers
from masklens.evaluation.pairing import Boxes, Scenes
from masklens.evaluation.run import WHOLE, Run, annotated_boxes
from masklens.evaluation.selection import Selection
from masklens.evaluation.subjects import Subject
from masklens.intervals import Array
from masklens.labels import LABELS, WITHOUT_MASK
from masklens.matching import widths


def portrait_answers(selection: Selection, subject: Subject, run: Run, faces: str) -> Answers:
    """Answers to portraits, one per picture, in the labels of :data:`masklens.labels.LABELS`.

    Found faces below the shipped threshold do not count; of several, the largest and surest
    answers for the picture.
    """
    count = len(selection.dataset)
    probabilities = np.full((count, len(LABELS)), np.nan)
    predicted = np.full(count, -1, dtype=np.intp)
    boxes = np.full((count, 4), np.nan)
    columns = [LABELS.index(label) for label in subject.labels]
    for number in range(count):
        if faces == WHOLE:
            assert run.crops is not None
            row = run.crops[number][0]
            boxes[number] = 0, 0, *run.sizes[number]
        else:
            best = main_face(run.detections[number], subject.threshold)
            if best is None:
                continue
            row = run.detections[number].probabilities[best]
            boxes[number] = run.detections[number].boxes[best]
        probabilities[number] = 0
        probabilities[number, columns] = row
        predicted[number] = columns[int(np.argmax(row))]
    truth = [LABELS.index(p.annotations[0].label) for p in selection.dataset.pictures]
    return Answers(
        labels=LABELS,
        truth=np.asarray(truth, dtype=np.intp),
        predicted=predicted,
        probabilities=probabilities,
        groups=selection.groups,
        widths=np.array([width for width, _ in run.sizes], dtype=float),
        pictures=np.arange(count),
        boxes=boxes,
        n_groups=selection.n_groups,
        bare=np.asarray(truth) == LABELS.index(WITHOUT_MASK),
    )


def main_face(detections: Detections, threshold: float) -> int | None:
    """Row of the face a portrait is about: largest width times score, from the threshold up."""
    rows = np.flatnonzero(detections.scores >= threshold)
    if not len(rows):
        return None
    sizes = detections.boxes[rows, 2] - detections.boxes[rows, 0]
    return int(rows[np.argmax(sizes * detections.scores[rows])])


def boxed_answers(selection: Selection, subject: Subject, run: Run, min_box: float) -> Answers:
    """Answers to the annotated faces at least ``min_box`` pixels wide, in :data:`LABELS`."""
    assert run.crops is not None
    columns = [LABELS.index(label) for label in subject.labels]
    truth: list[int] = []
    owners: list[int] = []
    rows: list[Array] = []
    boxes: list[Array] = []
    for number, picture in enumerate(selection.dataset.pictures):
        clipped = truth_boxes(selection, run, number)
        for index in np.flatnonzero(widths(clipped) >= min_box):
            row = np.zeros(len(LABELS))
            row[columns] = run.crops[number][index]
            rows.append(row)
            boxes.append(clipped[index])
            truth.append(LABELS.index(picture.annotations[index].label))
            owners.append(number)
    probabilities = np.array(rows).reshape(-1, len(LABELS))
    pictures = np.asarray(owners, dtype=np.intp)
    shapes = np.array(boxes, dtype=float).reshape(-1, 4)
    return Answers(
        labels=LABELS,
        truth=np.asarray(truth, dtype=np.intp),
        predicted=probabilities.argmax(axis=1),
        probabilities=probabilities,
        groups=selection.groups[pictures],
        widths=widths(shapes),
        pictures=pictures,
        boxes=shapes,
        n_groups=selection.n_groups,
        bare=np.asarray(truth) == LABELS.index(WITHOUT_MASK),
    )


def truth_boxes(selection: Selection, run: Run, number: int) -> Array:
    """The annotated boxes of a picture, clipped to it: (G, 4), xyxy pixels."""
    return np.asarray(annotated_boxes(selection, number, run.sizes[number]), dtype=float)


def scenes_of(selection: Selection, subject: Subject, run: Run) -> Scenes:
    """All boxes, found and annotated, in :data:`masklens.labels.LABELS`."""
    columns = np.array([LABELS.index(label) for label in subject.labels], dtype=np.intp)
    pictures = []
    for number, picture in enumerate(selection.dataset.pictures):
        found = run.detections[number]
        pictures.append(
            Boxes(
                found=np.asarray(found.boxes, dtype=float),
                scores=np.asarray(found.scores, dtype=float),
                found_labels=columns[found.label_indices] if len(found) else columns[:0],
                truth=truth_boxes(selection, run, number),
                truth_labels=np.array(
                    [LABELS.index(a.label) for a in picture.annotations], dtype=np.intp
                ),
                masked=np.array([a.label != WITHOUT_MASK for a in picture.annotations], bool),
                crowds=np.asarray(picture.crowd_boxes(), dtype=float),
                crowd_labels=np.array(
                    [LABELS.index(a.label) if a.label in LABELS else -1 for a in picture.crowds],
                    dtype=np.intp,
                ),
            )
        )
    return Scenes(LABELS, tuple(pictures), selection.groups, subject.threshold)
