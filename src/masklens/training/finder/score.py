"""How well a finder finds the faces of annotated photographs, for the curves of a training.

The figures with intervals are those of ``masklens evaluate`` and ``benchmarks/finder.py``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from masklens.boxes import iou
from masklens.curves import sweep
from masklens.detector import in_parallel
from masklens.faces import FaceFinder, Faces
from masklens.labels import LABELS, WITHOUT_MASK
from masklens.limits import cores
from masklens.matching import match
from masklens.training.finder.scenes import Scene

Doubles = npt.NDArray[np.float64]

#: Narrower faces do not count, in pixels.
MIN_WIDTH = 16.0

#: Overlap from which a found box lies on a face.
MIN_IOU = 0.5


def find_all(finder: FaceFinder, scenes: Sequence[Scene]) -> list[Faces]:
    """The finder's faces of every picture."""
    return list(in_parallel(lambda scene: finder.find(scene.image), scenes, cores()))


def score(found: Iterable[Faces], scenes: Sequence[Scene]) -> dict[str, float]:
    """Average precision at IoU 0.5, and the recall of masked faces at the best F1.

    Args:
        found: from :func:`find_all`, down to low scores.
        scenes: in the same order.

    Returns:
        ``face_ap``, ``best_f1``, ``masked_recall`` there, and ``threshold`` of the best F1, 0…1.
    """
    scores, hits, hidden = [], [], []
    faces = masked = 0
    for picture, scene in zip(found, scenes, strict=True):
        overlaps = iou(picture.boxes, scene.boxes)
        met = match(picture.boxes, overlaps, scene.boxes, MIN_IOU, MIN_WIDTH, scene.crowds)
        covered = scene.labels != LABELS.index(WITHOUT_MASK)
        faces += int(met.counted.sum())
        masked += int((met.counted & covered).sum())
        truth = met.truth[~met.ignored]
        scores.append(picture.scores[~met.ignored])
        hits.append(truth >= 0)
        hidden.append((truth >= 0) & np.append(covered, False)[truth])
    every = np.concatenate(scores)
    curve = sweep(every, np.concatenate(hits), faces)
    threshold, f1 = curve.best
    shown = every >= threshold
    return {
        "face_ap": _average_precision(curve.recall, curve.precision),
        "best_f1": f1,
        "masked_recall": float(np.concatenate(hidden)[shown].sum() / max(1, masked)),
        "threshold": threshold,
    }


def _average_precision(recall: Doubles, precision: Doubles) -> float:
    """The area under the curve, with precision made to fall."""
    falling = np.maximum.accumulate(precision[::-1])[::-1]
    return float(np.sum(np.diff(recall, prepend=0.0) * falling))
