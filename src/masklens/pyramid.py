"""A search for faces at several working sizes, for pictures far larger than the usual one.

A picture goes in, faces come out, as from a single finder: large ones from the usual size, small
ones from the larger sizes. The page has the same in ``web/src/core/pyramid.ts``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, Self

import numpy as np

from masklens.crop import Image
from masklens.faces import FaceFinder, Faces, best_faces

#: Of a larger working size only faces up to this many pixels there are taken: parts of faces that
#: fill the picture look like faces to it. Each size has its range, as in Singh and Davis, "SNIP",
#: CVPR 2018. ``benchmarks/large_pictures.py`` shows what it does.
MAX_SIDE = 192

#: Where a picture is smaller than this times a working size, a larger one gains nothing.
MIN_GAIN = 4 / 3

#: Pictures at least this many times as large as a working size lose a third of the faces of 16 to
#: 32 px. Unless told otherwise, a detector searches them at so many times that size, too.
LARGE = 2

#: At most this many faces per picture, best first.
_MAX_FACES = 500


class SizedFinder(FaceFinder, Protocol):
    """A finder that scales pictures so that their longer side is ``long_side`` pixels.

    Of two boxes that overlap by more than ``nms_iou`` it drops the weaker.
    """

    long_side: int
    nms_iou: float

    def at(self, long_side: int) -> Self:
        """The same finder at a larger size, in pixels."""
        ...


class PyramidFinder:
    """A finder at several working sizes: the smallest for large faces, the others for small ones.

    Args:
        finders: the same finder, with rising ``long_side``. The larger ones should not enlarge.
        min_gain: where a picture is smaller than this times a size, no larger one is looked at.
    """

    def __init__(self, finders: Sequence[SizedFinder], min_gain: float = MIN_GAIN) -> None:
        self.name = finders[0].name
        self.card = getattr(finders[0], "card", None)
        self.finders = tuple(finders)
        self.min_gain = min_gain
        self.nms_iou = finders[0].nms_iou

    @property
    def long_side(self) -> int:
        """The largest size that is looked at."""
        return self.finders[-1].long_side

    def find(self, image: Image) -> Faces:
        """Find the faces of a picture: uint8 (H, W, 3), RGB."""
        longer = max(image.shape[:2])
        first, *larger = self.finders
        parts = [first.find(image)]
        for below, finder in zip(self.finders, larger, strict=False):
            if longer < below.long_side * self.min_gain:
                break
            limit = MAX_SIDE * max(1.0, longer / finder.long_side)
            found = finder.find(image)
            small = np.max(found.boxes[:, 2:] - found.boxes[:, :2], axis=1, initial=0) <= limit
            parts.append(Faces(found.boxes[small], found.scores[small], found.landmarks[small]))
        columns = ((part.boxes, part.scores, part.landmarks) for part in parts)
        boxes, scores, landmarks = map(np.concatenate, zip(*columns, strict=True))
        return best_faces(boxes, scores, landmarks, image, self.nms_iou, _MAX_FACES)


def closer_size(longer: int, usual: int) -> int | None:
    """What finds more than ``LARGE`` times the usual size, in pictures larger by far.

    Args:
        longer: side of the picture in pixels.
        usual: working size in pixels.

    Returns:
        Three or four times the usual size; None where it would gain little.
    """
    if longer <= LARGE * LARGE * usual:
        return None
    # At two thirds of a picture's size nearly all is found that can be.
    return usual * min(round(longer * 2 / 3 / usual), 4)
