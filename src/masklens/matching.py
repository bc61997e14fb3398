"""Which found box is which annotated face: the rules of the COCO evaluation, for one picture.

Found boxes choose, best score first, the free annotated face they overlap most. Annotated faces
narrower than the smallest width of interest do not count, neither as hits nor as misses. Nor do
found boxes that fall on them, that are as narrow themselves and fall on nothing, or that lie in a
crowd and meet no face that counts (Lin et al. 2014, "Microsoft COCO"; there with areas instead of
widths).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from masklens.boxes import coverage
from masklens.intervals import Array, Bools, Ints

Numbers = npt.NDArray[Any]

NO_BOXES = np.zeros((0, 4))


@dataclass(frozen=True, eq=False)
class Matches:
    """How D found boxes met G annotated ones.

    Attributes:
        truth: (D,), index of the annotated face each found box met; -1 for none.
        ignored: (D,), found boxes that count neither way.
        counted: (G,), annotated faces that count.
    """

    truth: Ints
    ignored: Bools
    counted: Bools


def match(
    boxes: Numbers,
    overlaps: Numbers,
    truth_boxes: Numbers,
    min_iou: float,
    min_width: float,
    crowds: Numbers = NO_BOXES,
) -> Matches:
    """Match the found boxes of one picture with its annotated faces.

    Args:
        boxes: (D, 4), xyxy pixels, best score first.
        overlaps: (D, G), from :func:`masklens.boxes.iou`.
        truth_boxes: (G, 4), xyxy pixels.
        min_iou: overlap that counts as the same face.
        min_width: in pixels, see above.
        crowds: (C, 4), xyxy pixels, regions of crowds.
    """
    crowded = coverage(boxes, crowds).max(axis=1, initial=0)
    counted = widths(truth_boxes) >= min_width
    truth = np.full(len(boxes), -1, dtype=np.intp)
    free = np.ones(len(truth_boxes), dtype=bool)
    for row in range(len(boxes)):
        reach = free & (overlaps[row] >= min_iou)
        # A face that counts is preferred even where an ignored one, or a crowd, overlaps more.
        for candidates in (reach & counted, reach & ~counted & (overlaps[row] > crowded[row])):
            if candidates.any():
                best = np.where(candidates, overlaps[row], -1.0)
                # Of equal overlaps the last wins, as in the COCO tools.
                chosen = len(best) - 1 - int(np.argmax(best[::-1]))
                truth[row], free[chosen] = chosen, False
                break
    alone = truth < 0
    on_ignored = ~alone & ~counted[truth] if len(counted) else np.zeros(len(boxes), dtype=bool)
    nothing = (crowded >= min_iou) | (widths(boxes) < min_width)
    ignored = np.where(alone, nothing, on_ignored)
    return Matches(truth, ignored, counted)


def widths(boxes: Numbers) -> Array:
    """Width of boxes (N, 4), xyxy -> (N,)."""
    return np.asarray(boxes[:, 2] - boxes[:, 0])
