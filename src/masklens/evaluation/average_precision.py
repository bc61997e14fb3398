"""Average precision on scenes: faster-coco-eval gives the figure, our resamples its interval.

Width takes the place of COCO's area, so that faces under a width are left out by the tool's own
rules: the "area" of every box is set to its width, and the only area range starts at the smallest
width of interest.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from masklens.boxes import iou
from masklens.evaluation.pairing import Boxes
from masklens.intervals import Array, Bools, Ints
from masklens.matching import match, widths

IOUS = tuple(round(0.5 + 0.05 * step, 2) for step in range(10))
_RECALLS = np.linspace(0, 1, 101)
_MAX_DETECTIONS = 1000


def coco_average_precision(
    pictures: Sequence[Boxes], labels: int, min_width: float
) -> dict[int, tuple[float, float]]:
    """AP at IoU 0.5 and 0.5:0.95 from faster-coco-eval, by label; -1 is all faces as one class.

    NaN where no annotated face counts.
    """
    result = _coco(pictures, labels, min_width)
    result[-1] = _coco([picture.as_one_label() for picture in pictures], 1, min_width)[0]
    return result


def _coco(
    pictures: Sequence[Boxes], labels: int, min_width: float
) -> dict[int, tuple[float, float]]:
    from faster_coco_eval import COCO, COCOeval_faster

    categories = [{"id": index + 1, "name": str(index)} for index in range(labels)]
    images = [{"id": i + 1, "width": 1, "height": 1} for i in range(len(pictures))]
    truth: list[dict[str, Any]] = []
    found: list[dict[str, Any]] = []
    for number, picture in enumerate(pictures, start=1):
        truth += _entries(picture.truth, picture.truth_labels, number, len(truth))
        truth += _entries(picture.crowds, picture.crowd_labels, number, len(truth), crowd=True)
        entries = _entries(picture.found, picture.found_labels, number, len(found))
        found += [
            entry | {"score": float(score)}
            for entry, score in zip(entries, picture.scores, strict=True)
        ]
    common = {"images": images, "categories": categories}
    evaluation = COCOeval_faster(
        COCO(common | {"annotations": truth}), COCO(common | {"annotations": found}), "bbox"
    )
    parameters = evaluation.params
    parameters.areaRng, parameters.areaRngLbl = [[min_width, 1e10]], ["all"]
    parameters.maxDets = [_MAX_DETECTIONS]
    parameters.iouThrs = np.asarray(IOUS)
    evaluation.evaluate()
    evaluation.accumulate()
    precision = np.asarray(evaluation.eval["precision"])  # (IoU, recall, label, area, maxDets)
    result = {}
    for index in range(labels):
        values = precision[:, :, index, 0, -1]
        empty = np.all(values < 0)
        result[index] = (
            (float("nan"), float("nan"))
            if empty
            else (float(values[0].mean()), float(values.mean()))
        )
    return result


def _entries(
    boxes: Array, labels: Ints, image: int, start: int, crowd: bool = False
) -> list[dict[str, Any]]:
    return [
        {
            "id": start + i + 1,
            "image_id": image,
            "category_id": int(labels[i]) + 1,
            "bbox": [float(x1), float(y1), float(x2 - x1), float(y2 - y1)],
            "area": float(x2 - x1),
            "iscrowd": int(crowd),
        }
        for i, (x1, y1, x2, y2) in enumerate(boxes)
    ]


class ResampledPrecision:
    """COCO's interpolated average precision as a function of picture weights.

    Args:
        pictures: one entry per picture.
        label: index, or -1 for all faces as one class.
        min_width: in pixels.
        groups: (P,), number of each picture's group.
    """

    def __init__(
        self, pictures: Sequence[Boxes], label: int, min_width: float, groups: Ints
    ) -> None:
        scores: list[Array] = []
        owners: list[Ints] = []
        hits: list[Bools] = []
        counts = np.zeros(int(groups.max(initial=-1)) + 1)
        alive: list[Bools] = []
        for picture, group in zip(pictures, groups, strict=True):
            boxes = picture if label < 0 else picture.only(label)
            overlaps = iou(boxes.found, boxes.truth)
            counts[group] += np.sum(widths(boxes.truth) >= min_width)
            results = [
                match(boxes.found, overlaps, boxes.truth, t, min_width, boxes.crowds) for t in IOUS
            ]
            alive.append(np.stack([~m.ignored for m in results]))
            hits.append(np.stack([(m.truth >= 0) & ~m.ignored for m in results]))
            scores.append(boxes.scores)
            owners.append(np.full(len(boxes.scores), group, dtype=np.intp))
        order = np.argsort(-np.concatenate(scores), kind="stable")
        self._owners = np.concatenate(owners)[order]
        self._hits = np.concatenate(hits, axis=1)[:, order]
        self._alive = np.concatenate(alive, axis=1)[:, order]
        self._counts = counts

    def curve(self) -> tuple[Array, Array]:
        """Recall and precision (D,) at IoU 0.5, from the surest box to the least sure."""
        hits = self._hits[0][self._alive[0]].astype(float)
        true = np.cumsum(hits)
        return true / max(self._counts.sum(), 1), true / np.arange(1, len(hits) + 1)

    def at_half(self, weights: Array) -> Array:
        """AP at IoU 0.5: group weights (R, G) -> (R,)."""
        return self._average(weights, 0)

    def over_ious(self, weights: Array) -> Array:
        """AP averaged over IoU 0.5 to 0.95: group weights (R, G) -> (R,)."""
        return np.asarray(
            np.mean([self._average(weights, level) for level in range(len(IOUS))], axis=0)
        )

    def _average(self, weights: Array, level: int) -> Array:
        alive = self._alive[level]
        hits = self._hits[level][alive].astype(float)
        drawn = weights[:, self._owners[alive]]
        faces = weights @ self._counts
        true = np.cumsum(drawn * hits, axis=1)
        if not true.shape[1]:
            return np.where(faces > 0, 0.0, np.nan)
        with np.errstate(invalid="ignore", divide="ignore"):
            precision = np.nan_to_num(true / np.cumsum(drawn, axis=1))
        # Precision at a recall is the best precision at that recall or beyond.
        precision = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
        return np.where(faces > 0, _at_recalls(true, precision, np.maximum(faces, 1)), np.nan)


def _at_recalls(true: Array, precision: Array, faces: Array) -> Array:
    """Mean of each row's precision at 101 equally spaced recalls; 0 beyond the last.

    Args:
        true, precision: (R, D), running number of hits, and precision, from the surest box down.
        faces: (R,), number of annotated faces, no less than hits.
    """
    rows, length = true.shape
    # Hits that each recall takes: whole numbers, so that nothing hangs on how 0.7 is rounded.
    needed = np.ceil(_RECALLS[None] * faces[:, None])
    needed -= (needed - 1) / faces[:, None] >= _RECALLS[None]
    needed += needed / faces[:, None] < _RECALLS[None]
    # Rows are laid behind each other, so that one search serves all of them.
    offsets = (needed.max() + 1) * np.arange(rows)[:, None]
    places = np.searchsorted((true + offsets).ravel(), (needed + offsets).ravel())
    places = places.reshape(rows, -1) - np.arange(rows)[:, None] * length
    padded = np.hstack([precision, np.zeros((rows, 1))])
    return np.asarray(np.take_along_axis(padded, places, axis=1).mean(axis=1))
