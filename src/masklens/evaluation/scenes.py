"""Scores of the whole pipeline on photographs with boxed faces (COCO detection files).

Everything is matched by the rules of :mod:`masklens.matching`. A masked face is one
whose label is not ``without_mask``: the faces that ordinary face finders lose.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from masklens import curves
from masklens.evaluation.average_precision import ResampledPrecision, coco_average_precision
from masklens.evaluation.classification import FACE_EDGES, by_size
from masklens.evaluation.measures import Measure, Section, calibration, figure, share
from masklens.evaluation.pairing import AnnotatedFaces, FoundBoxes, Scenes, pair, two_class
from masklens.intervals import Array, Bools, Estimate, Ints, Statistic, Weights

#: A box that overlaps this much is the same face; the looser one is that of the headline's bar.
IOU, LOOSE_IOU = 0.5, 0.35


@dataclass(frozen=True)
class SceneScores:
    """Everything measured on scenes.

    Attributes:
        threshold: score from which boxes are shown.
        sections: tables of measures; the first is the headline.
        sizes: size band -> share of all faces found; and of masked faces.
        curve: what each threshold shows; right is found and the right label of two.
        precision_recall: per label and for faces: recall, interpolation-free precision, AP.
        calibration: mean score, and the share of right boxes; per bin.
    """

    threshold: float
    sections: tuple[Section, ...]
    sizes: tuple[tuple[str, Estimate], ...]
    masked_sizes: tuple[tuple[str, Estimate], ...]
    curve: curves.Sweep
    precision_recall: tuple[tuple[str, Array, Array, Estimate], ...]
    calibration: tuple[curves.CalibrationRow, ...]


def score_scenes(scenes: Scenes, weights: Weights, min_width: float = 16) -> SceneScores:
    """Score the pipeline on scenes.

    Args:
        scenes: already folded to common labels.
        weights: group weights (R, G) from :func:`intervals.group_weights`.
        min_width: annotated faces narrower than this (pixels) count neither way.
    """
    faces, found = pair(scenes, IOU, min_width, scenes.threshold)
    loose, _ = pair(scenes, LOOSE_IOU, min_width, scenes.threshold)
    banded, _ = pair(scenes, LOOSE_IOU, min(min_width, FACE_EDGES[0]), scenes.threshold)
    _, every = pair(scenes, IOU, min_width)
    precision, curves_of_labels = _average_precisions(scenes, faces, weights, min_width)
    sections = (
        Section("The whole pipeline: find, cut, label", (
            *_headline(scenes, faces, loose), *_end_to_end(scenes, faces, found, weights),
            *_calibration(every, found, weights),
        )),
        Section("The whole pipeline, each label", tuple(_per_label(scenes, faces, found))),
        Section("Average precision", precision),
    )  # fmt: skip
    masked = banded.masked
    right = every.labels == every.truth
    return SceneScores(
        threshold=scenes.threshold,
        sections=sections,
        sizes=tuple(by_size(banded.widths, banded.found, banded.groups, FACE_EDGES)),
        masked_sizes=tuple(
            by_size(banded.widths[masked], banded.found[masked], banded.groups[masked], FACE_EDGES)
        ),
        curve=curves.sweep(every.scores, _right(scenes, every, two=True), len(faces.labels)),
        precision_recall=curves_of_labels,
        calibration=tuple(curves.calibration_table(every.scores, right, every.groups)),
    )


def _headline(scenes: Scenes, faces: AnnotatedFaces, loose: AnnotatedFaces) -> list[Measure]:
    measures = []
    for suffix, title, part in (("", f"IoU {IOU}", faces), ("_35", f"IoU {LOOSE_IOU}", loose)):
        masked = part.masked
        measures.append(
            share(f"masked_recall{suffix}", f"Masked faces found, {title}", part.found[masked],
                  part.groups[masked], scenes.n_groups)
        )  # fmt: skip
    for suffix, title, part in (("", f"IoU {IOU}", faces), ("_35", f"IoU {LOOSE_IOU}", loose)):
        measures.append(
            share(f"face_recall{suffix}", f"All faces found, {title}", part.found, part.groups,
                  scenes.n_groups)
        )  # fmt: skip
    hit = loose.found
    right = two_class(loose.said, scenes.labels) == two_class(loose.labels, scenes.labels)
    label_right = share("label_right", f"Label right on found faces, two classes, IoU {LOOSE_IOU}",
                        right[hit], loose.groups[hit], scenes.n_groups)  # fmt: skip
    return [*measures, replace(label_right, among=hit)]


def _end_to_end(
    scenes: Scenes, faces: AnnotatedFaces, found: FoundBoxes, weights: Weights
) -> list[Measure]:
    measures = [
        share("face_precision", "Shown boxes on annotated faces", found.truth >= 0, found.groups,
              scenes.n_groups)
    ]  # fmt: skip
    for key, title, right in (
        ("f1_two_class", "End-to-end F1, two classes", _right(scenes, found, two=True)),
        ("f1", "End-to-end F1, all labels", _right(scenes, found, two=False)),
    ):
        statistic = f1_statistic(right, found.groups, faces.groups, scenes.n_groups)
        value = float(statistic(np.ones((1, scenes.n_groups)))[0])
        support = len(np.unique(faces.groups))
        measures.append(figure(key, title, value, statistic, weights, support=support))
    return measures


def _right(scenes: Scenes, found: FoundBoxes, two: bool) -> Bools:
    if two:
        said, true = (two_class(column, scenes.labels) for column in (found.labels, found.truth))
        return np.asarray(said == true)
    return np.asarray(found.labels == found.truth)


def f1_statistic(right: Bools, found_groups: Ints, face_groups: Ints, n_groups: int) -> Statistic:
    """F1 = 2 · right boxes / (boxes + annotated faces) as a function of group weights."""
    hits = np.bincount(found_groups, weights=right.astype(float), minlength=n_groups)
    both = np.bincount(found_groups, minlength=n_groups) + np.bincount(
        face_groups, minlength=n_groups
    )

    def statistic(weights: Array) -> Array:
        with np.errstate(invalid="ignore"):
            return np.asarray(2 * (weights @ hits) / (weights @ both.astype(float)))

    return statistic


def _per_label(scenes: Scenes, faces: AnnotatedFaces, found: FoundBoxes) -> list[Measure]:
    measures = []
    for index, label in enumerate(scenes.labels):
        true, said = faces.labels == index, found.labels == index
        if not true.any():
            continue
        right, hit = faces.said == index, found.truth == index
        groups, n = faces.groups[true], scenes.n_groups
        measures += [
            share(f"{label}.found", f"{label}: found at all", faces.found[true], groups, n),
            share(f"{label}.recall", f"{label}: recall", right[true], groups, n),
            share(f"{label}.precision", f"{label}: precision", hit[said], found.groups[said], n),
        ]
    return measures


def _calibration(every: FoundBoxes, shown: FoundBoxes, weights: Weights) -> list[Measure]:
    return [
        calibration(key, title, part.scores, part.labels == part.truth, part.groups, weights)
        for key, title, part in (
            ("ece", "Calibration error of the score, all boxes", every),
            ("ece_shown", "Calibration error of the score, shown boxes", shown),
        )
        if len(part.scores)
    ]


def _average_precisions(
    scenes: Scenes, faces: AnnotatedFaces, weights: Weights, min_width: float
) -> tuple[tuple[Measure, ...], tuple[tuple[str, Array, Array, Estimate], ...]]:
    values = coco_average_precision(scenes.pictures, len(scenes.labels), min_width)
    measures, lines, of_labels, supports = [], [], [], []
    few = weights[:500]
    for index, name in [(-1, "faces"), *enumerate(scenes.labels)]:
        half, over = values[index]
        if np.isnan(half):
            continue
        resampled = ResampledPrecision(scenes.pictures, index, min_width, scenes.groups)
        title = "Faces, whatever their label" if index < 0 else name
        support = len(np.unique(faces.groups[(faces.labels == index) | (index < 0)]))
        at_half, over_ious = (
            figure(f"{key}.{name}", f"{title}: {what}", value, statistic, few, support=support)
            for key, what, value, statistic in (
                ("ap50", "AP at IoU 0.5", half, resampled.at_half),
                ("ap", "AP, IoU 0.5–0.95", over, resampled.over_ious),
            )
        )
        lines.append((name, *resampled.curve(), at_half.estimate))
        measures += [at_half, over_ious]
        if index >= 0:
            of_labels.append((at_half, over_ious))
            supports.append(support)
    halves, overs = zip(*of_labels, strict=True)
    for key, title, each in (
        ("map50", "Mean over labels: AP at IoU 0.5", halves),
        ("map", "Mean over labels: AP, IoU 0.5–0.95", overs),
    ):
        measures.append(_mean(key, title, each, few, min(supports)))
    return tuple(measures), tuple(lines)


def _mean(key: str, title: str, each: Sequence[Measure], weights: Weights, support: int) -> Measure:
    """The mean of several measures."""

    def statistic(of_groups: Array) -> Array:
        return np.asarray(np.mean([m.statistic(of_groups) for m in each], axis=0))

    value = float(np.mean([m.estimate.value for m in each]))
    return figure(key, title, value, statistic, weights, support=support)
