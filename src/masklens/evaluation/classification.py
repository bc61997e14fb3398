"""Scores of answers to labelled faces: folders of classes, and the annotated boxes of scenes.

scikit-learn gives the figures; resampled confusion matrices and weighted curves give their
intervals.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from sklearn import metrics

from masklens import curves
from masklens.evaluation.answers import Answers
from masklens.evaluation.measures import Measure, Section, calibration, figure, share
from masklens.intervals import Array, Bools, Estimate, Ints, Statistic, Weights, proportion
from masklens.labels import WITH_MASK

#: Confusion matrices (R, L, L + 1) -> figures (R,).
MatrixStatistic = Callable[[Array], Array]

#: Edges in pixels of the size table: faces in photographs, and portraits.
FACE_EDGES = (12, 16, 32, 64)
PICTURE_EDGES = (64, 128, 256)

#: What keys of measures on annotated boxes begin with: other measures of a report have theirs.
BOXED = "boxed."

#: How keys of measures end that go by probabilities, which only faces have that were found.
_OF_FOUND = ("brier", "ece", "roc_auc", "pr_auc")


@dataclass(frozen=True)
class Curve:
    """A curve for a figure of the report: points, and what stands in the legend."""

    label: str
    x: Array
    y: Array
    area: Estimate


@dataclass(frozen=True)
class LabelScores:
    """Everything measured on answers.

    Attributes:
        labels: the L labels.
        sections: tables of measures.
        confusion: (L, L + 1) counts; rows are true labels, the last column is "no face found".
        roc, precision_recall: one curve per label.
        calibration: mean stated confidence, and the share that was right; per bin.
        sizes: size band -> accuracy in it.
    """

    labels: tuple[str, ...]
    sections: tuple[Section, ...]
    confusion: Ints
    roc: tuple[Curve, ...]
    precision_recall: tuple[Curve, ...]
    calibration: tuple[curves.CalibrationRow, ...]
    sizes: tuple[tuple[str, Estimate], ...]


def score(
    answers: Answers, weights: Weights, *, boxed: bool = False, searched: bool = False
) -> LabelScores:
    """Score answers.

    Args:
        answers: already folded to common labels.
        weights: group weights (R, G) from :func:`intervals.group_weights`.
        boxed: to the annotated boxes of scenes; else to portraits.
        searched: portraits in which the face was looked for first: how many were found is a measure
            then, and titles say which others are of these alone.
    """
    overall, per_label = _overall(answers, weights, searched), _per_label(answers, weights)
    roc, pr = _curves(answers, per_label)
    title = "Labels of the pictures"
    if boxed:
        title = "The classifier alone, on the annotated boxes"
        overall, per_label = (
            [replace(m, key=BOXED + m.key, title=f"{m.title}, boxed") for m in measures]
            for measures in (overall, per_label)
        )
    if searched:
        overall, per_label = (
            [
                replace(m, title=f"{m.title}, found faces", among=answers.found)
                if m.key.endswith(_OF_FOUND)
                else m
                for m in measures
            ]
            for measures in (overall, per_label)
        )
    found = answers.select(answers.found)
    edges = FACE_EDGES if boxed else PICTURE_EDGES
    return LabelScores(
        labels=answers.labels,
        sections=(
            Section(title, tuple(overall)),
            Section(f"{title}, each label", tuple(per_label)),
        ),
        confusion=confusion_matrix(answers),
        roc=roc,
        precision_recall=pr,
        calibration=tuple(curves.calibration_table(found.confidence, found.right, found.groups)),
        sizes=tuple(by_size(answers.widths, answers.right, answers.groups, edges)),
    )


def confusion_matrix(answers: Answers) -> Ints:
    """Counts (L, L + 1): rows are true labels; the last column counts faces not found."""
    count = len(answers.labels)
    column = np.where(answers.found, answers.predicted, count)
    matrix = metrics.confusion_matrix(answers.truth, column, labels=list(range(count + 1)))
    return np.asarray(matrix[:count], dtype=np.intp)


def _overall(answers: Answers, weights: Weights, searched: bool) -> list[Measure]:
    truth, predicted = answers.truth, answers.predicted
    support = _support(answers, np.unique(truth))
    measures = [share("accuracy", "Accuracy", answers.right, answers.groups, answers.n_groups)]
    if searched:
        measures.append(
            share("found", "Pictures with a face found", answers.found, answers.groups,
                  answers.n_groups)
        )  # fmt: skip
    # A label that the data lacks has no recall; scikit-learn leaves it out, as we do.
    recalls = metrics.recall_score(
        truth, predicted, labels=np.unique(truth), average="macro", zero_division=0
    )
    measures.append(
        figure("balanced_accuracy", "Balanced accuracy", float(recalls),
               matrix_statistic(answers, _balanced), weights, support=support)
    )  # fmt: skip
    measures.append(
        figure("mcc", "Matthews correlation", float(metrics.matthews_corrcoef(truth, predicted)),
               matrix_statistic(answers, _mcc), weights, support=support)
    )  # fmt: skip
    if WITH_MASK in answers.labels and answers.bare.any():
        bare = answers.bare
        wrong = answers.predicted[bare] == answers.labels.index(WITH_MASK)
        measures.append(
            share("bare_called_masked", "Bare faces called with_mask", wrong,
                  answers.groups[bare], answers.n_groups, better=-1)
        )  # fmt: skip
    found = answers.select(answers.found)
    if len(found):
        errors = curves.brier(found.probabilities, found.truth)
        measures.append(
            figure("brier", "Brier score (0 best, 2 worst)", float(errors.mean()),
                   _item_statistic(found, lambda w: (w @ errors) / w.sum(axis=1)), weights,
                   support=len(np.unique(found.groups)), better=-1)
        )  # fmt: skip
        measures.append(
            calibration("ece", "Expected calibration error", found.confidence, found.right,
                        found.groups, weights)
        )  # fmt: skip
    return measures


def _per_label(answers: Answers, weights: Weights) -> list[Measure]:
    measures = []
    present = [i for i in range(len(answers.labels)) if np.any(answers.truth == i)]
    for index in present:
        label = answers.labels[index]
        is_label, said = answers.truth == index, answers.predicted == index
        groups, count, hit = answers.groups, answers.n_groups, answers.truth == answers.predicted
        support = _support(answers, np.array([index]))
        f1 = metrics.f1_score(is_label, said, zero_division=0)
        measures += [
            share(f"{label}.recall", f"{label}: recall", hit[is_label], groups[is_label], count),
            share(f"{label}.precision", f"{label}: precision", hit[said], groups[said], count),
            figure(f"{label}.f1", f"{label}: F1", float(f1),
                   matrix_statistic(answers, partial(_f1, index=index)), weights,
                   support=support),
        ]  # fmt: skip
        measures += _areas(answers, index, weights)
    return measures


def _areas(answers: Answers, index: int, weights: Weights) -> list[Measure]:
    found = answers.select(answers.found)
    positive = found.truth == index
    if not positive.any() or positive.all():
        return []
    label, scores = answers.labels[index], found.probabilities[:, index]
    support = _support(found, np.array([index]))
    return [
        figure(f"{label}.roc_auc", f"{label}: area under ROC curve",
               float(metrics.roc_auc_score(positive, scores)),
               _item_statistic(found, lambda w: curves.roc_area(scores, positive, w)),
               weights, support=support),
        figure(f"{label}.pr_auc", f"{label}: area under PR curve",
               float(metrics.average_precision_score(positive, scores)),
               _item_statistic(found, lambda w: curves.average_precision(scores, positive, w)),
               weights, support=support),
    ]  # fmt: skip


def _curves(
    answers: Answers, measures: Sequence[Measure]
) -> tuple[tuple[Curve, ...], tuple[Curve, ...]]:
    found = answers.select(answers.found)
    areas = {m.key: m.estimate for m in measures}
    roc, pr = [], []
    for index, label in enumerate(answers.labels):
        if f"{label}.roc_auc" not in areas:
            continue
        positive, scores = found.truth == index, found.probabilities[:, index]
        false_share, true_share, _ = metrics.roc_curve(positive, scores)
        roc.append(Curve(label, false_share, true_share, areas[f"{label}.roc_auc"]))
        precision, recall, _ = metrics.precision_recall_curve(positive, scores)
        pr.append(Curve(label, recall, precision, areas[f"{label}.pr_auc"]))
    return tuple(roc), tuple(pr)


def by_size(
    widths: Array, hits: Bools, groups: Ints, edges: tuple[int, ...]
) -> list[tuple[str, Estimate]]:
    """The share of hits in each band of widths (pixels); bands without items are left out."""
    bands = np.digitize(widths, edges)
    rows = []
    for band in range(len(edges) + 1):
        member = bands == band
        if member.any():
            rows.append((band_name(edges, band), proportion(hits[member], groups[member])))
    return rows


def band_name(edges: tuple[int, ...], band: int) -> str:
    """What a band of :func:`numpy.digitize` is called: "16–32 px"."""
    if band == 0:
        return f"< {edges[0]} px"
    if band == len(edges):
        return f"≥ {edges[-1]} px"
    return f"{edges[band - 1]}–{edges[band]} px"


def matrix_statistic(answers: Answers, statistic: MatrixStatistic) -> Statistic:
    """A figure of the confusion matrix as a function of group weights."""
    size = len(answers.labels)
    cell = answers.truth * (size + 1) + np.where(answers.found, answers.predicted, size)
    flat = answers.groups * (size * (size + 1)) + cell
    length = answers.n_groups * size * (size + 1)
    per_group = np.bincount(flat, minlength=length).reshape(answers.n_groups, -1).astype(float)

    def of_weights(weights: Array) -> Array:
        with np.errstate(invalid="ignore", divide="ignore"):
            return statistic((weights @ per_group).reshape(-1, size, size + 1))

    return of_weights


def _balanced(matrix: Array) -> Array:
    true = matrix.sum(axis=2)
    recalls = np.diagonal(matrix, axis1=1, axis2=2) / true
    return np.asarray(np.nansum(recalls, axis=1) / (true > 0).sum(axis=1))


def _f1(matrix: Array, index: int) -> Array:
    both = matrix[:, index].sum(axis=1) + matrix[:, :, index].sum(axis=1)
    return np.asarray(2 * matrix[:, index, index] / both)


def _mcc(matrix: Array) -> Array:
    """Gorodkin 2004, "Comparing two K-category assignments by a K-category correlation".

    NaN where all answers, or all labels, are alike: nothing goes with them.
    """
    total = matrix.sum(axis=(1, 2))
    true, said = matrix.sum(axis=2), matrix.sum(axis=1)
    hits = np.trace(matrix, axis1=1, axis2=2)
    cross = np.sum(true * said[:, :-1], axis=1)
    spread = (total**2 - np.sum(said**2, axis=1)) * (total**2 - np.sum(true**2, axis=1))
    return np.asarray(np.where(spread > 0, (hits * total - cross) / np.sqrt(spread), np.nan))


def _item_statistic(answers: Answers, statistic: Callable[[Array], Array]) -> Statistic:
    """A statistic of item weights (R, N) as one of group weights (R, G)."""

    def of_weights(weights: Array) -> Array:
        with np.errstate(invalid="ignore", divide="ignore"):
            return statistic(weights[:, answers.groups])

    return of_weights


def _support(answers: Answers, labels: Ints) -> int:
    """Independent groups of the rarest of some labels; what a faultless score rests on."""
    return min(len(np.unique(answers.groups[answers.truth == label])) for label in labels)
