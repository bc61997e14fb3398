"""Training samples for the street recipe: every face cut once, with room around it.

Data sets go in; out come squares with more context than the classifier sees, so that box jitter,
rotation and shifts later come from memory (:mod:`masklens.training.augment`) and no picture is
decoded twice. Faces are cut where they are annotated; where our own finder places them is kept
beside it, so that training sees what serving sees. What the finder takes for a face and nobody
annotated becomes ``not_a_face``. Bare faces are also painted on
(:mod:`masklens.dataset.synthesize`): masks worn right and badly, and hands, cups and scarves that
are no masks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from masklens.boxes import coverage, iou
from masklens.crop import FloatArray, Image, crop_face, crop_square
from masklens.dataset.readable import OnError, read_each
from masklens.dataset.scan import Dataset, Picture
from masklens.dataset.synthesize import STYLES, paint
from masklens.errors import DatasetError, InputError
from masklens.faces import FaceFinder, Faces
from masklens.labels import LABELS, MASK_WORN_INCORRECTLY, NOT_A_FACE, WITH_MASK, WITHOUT_MASK

#: Shares of what is painted on bare faces, by the label that results.
PAINTED_SHARES = {WITH_MASK: 0.3, MASK_WORN_INCORRECTLY: 0.4, WITHOUT_MASK: 0.3}

#: The styles that the models that ship were trained with, and their labels. The painter knows more
#: by now; trainings with all of them were no better (docs/model-card.md, "What was tried").
PAINTED_STYLES = {
    name: label
    for name, label in STYLES.items()
    if name not in ("over_face", "mouth_out", "forehead", "helmet")
}

#: A face must be this wide in pixels, and the finder this sure, to be painted on.
PAINT_MIN_WIDTH = 24.0
PAINT_MIN_SCORE = 0.6

#: Below the face there must be this share of its height for a mask under the chin to be seen.
PAINT_ROOM = 0.3

#: Columns of the street network's probabilities.
OUTPUTS = (*LABELS, NOT_A_FACE)

#: Side in pixels of a kept square, and its margin (see ``crop_square``).
CONTEXT_SIZE = 192
CONTEXT_MARGIN = 0.6

#: A finder's box belongs to an annotated face from this overlap on, and to none below the other.
MATCH_IOU = 0.3
STRAY_IOU = 0.15

#: In crowd pictures some faces have no box. What the finder is sure of is therefore not taken as
#: background, and less so when it is small.
STRAY_MAX_SCORE = 0.6
STRAY_MAX_SCORE_SMALL = 0.3
STRAY_SMALL = 24.0


@dataclass(frozen=True, eq=False)
class Samples:
    """Faces and non-faces, one row each.

    Attributes:
        contexts: uint8 (N, CONTEXT_SIZE, CONTEXT_SIZE, 3), RGB.
        targets: int64 (N,), index into :data:`OUTPUTS`.
        annotated: float32 (N, 4), the tight box, xyxy in the square, 0…1; NaN where not known.
        found: float32 (N, 4), the finder's box, the same way; NaN where it found nothing.
        scores: float32 (N,), the finder's score; 0 where it found nothing.
        widths: float32 (N,), width of the face in pixels of its picture.
        painted: bool (N,), drawn on a bare face.
    """

    contexts: Image
    targets: npt.NDArray[np.int64]
    annotated: FloatArray
    found: FloatArray
    scores: FloatArray
    widths: FloatArray
    painted: npt.NDArray[np.bool_]

    @classmethod
    def concatenate(cls, parts: Sequence[Samples]) -> Samples:
        """All rows of all parts."""
        names = [field.name for field in fields(cls)]
        return cls(*(np.concatenate([getattr(part, n) for part in parts]) for n in names))


@dataclass(frozen=True, slots=True)
class _Row:
    """One sample, and ``face``: its row among the finder's faces, or -1 where it found nothing."""

    context: Image
    centre: FloatArray
    target: int
    annotated: FloatArray
    found: FloatArray
    score: float
    width: float
    face: int
    painted: bool = False


_UNKNOWN = np.full(4, np.nan, np.float32)


def cut_samples(
    dataset: Dataset,
    finder: FaceFinder,
    *,
    paints: bool = False,
    seed: int = 42,
    on_error: OnError = lambda picture, error: None,
) -> Samples:
    """Cut every face of a data set, and the background that the finder takes for one.

    Pictures that cannot be read are left out.

    Args:
        dataset: boxed (COCO) or folders of classes; in the latter the finder's best box is cut,
            or the whole picture where it finds none. Its labels must be known ones.
        finder: a low ``min_score`` (0.1) gives more background.
        paints: also paint once on every bare face that is large enough.
        seed: for the random background squares, one per boxed picture, and the painter.
        on_error: called for each picture that cannot be read.

    Raises:
        DatasetError: a box outside its picture, no picture that can be read.
    """
    rng = np.random.default_rng(seed)
    rows: list[_Row] = []
    pictures = tqdm(dataset.pictures, "faces", disable=None)
    for picture, image in read_each(pictures, on_error):
        faces = finder.find(image)
        if dataset.boxed:
            new = _boxed(image, picture, faces, rng)
        else:
            new = [_whole(image, picture, faces)]
        rows += new
        if paints:
            rows += [painted for row in new if (painted := _painted(image, row, faces, rng))]
    if not rows:
        raise DatasetError(f"No picture of {dataset.source} can be read.")
    return Samples(
        contexts=np.stack([row.context for row in rows]),
        targets=np.array([row.target for row in rows], np.int64),
        annotated=np.stack([row.annotated for row in rows]),
        found=np.stack([row.found for row in rows]),
        scores=np.array([row.score for row in rows], np.float32),
        widths=np.array([row.width for row in rows], np.float32),
        painted=np.array([row.painted for row in rows], np.bool_),
    )


def _boxed(image: Image, picture: Picture, faces: Faces, rng: np.random.Generator) -> list[_Row]:
    rows = []
    truth = picture.boxes(image.shape[1], image.shape[0])
    overlap = iou(faces.boxes, truth)
    for column, annotation in enumerate(picture.annotations):
        box = truth[column]
        match, score, face = _UNKNOWN, 0.0, -1
        if len(faces) and overlap[:, column].max() >= MATCH_IOU:
            best = int(overlap[:, column].argmax())
            # A finder's box goes to the face it covers best, not to every face it touches.
            if overlap[best].argmax() == column:
                match, score, face = faces.boxes[best], float(faces.scores[best]), best
        rows.append(_row(image, annotation.label, box, match, score, face))
    crowds = picture.crowd_boxes()
    stray = overlap.max(axis=1, initial=0) < STRAY_IOU
    stray &= coverage(faces.boxes, crowds).max(axis=1, initial=0) < STRAY_IOU
    widths = faces.boxes[:, 2] - faces.boxes[:, 0]
    limit = np.where(widths < STRAY_SMALL, STRAY_MAX_SCORE_SMALL, STRAY_MAX_SCORE)
    for i in np.flatnonzero(stray & (faces.scores < limit)):
        box, score = faces.boxes[i], float(faces.scores[i])
        rows.append(_row(image, NOT_A_FACE, _UNKNOWN, box, score, int(i)))
    background = _background(image, np.concatenate([truth, faces.boxes, crowds]), rng)
    if background is not None:
        rows.append(_row(image, NOT_A_FACE, _UNKNOWN, background))
    return rows


def _whole(image: Image, picture: Picture, faces: Faces) -> _Row:
    height, width = image.shape[:2]
    label = picture.annotations[0].label
    good = np.flatnonzero(faces.scores >= 0.5)
    if len(good) == 0:
        box, score, best = np.array([0, 0, width, height], np.float32), 0.0, -1
    else:
        sides = faces.boxes[good, 2] - faces.boxes[good, 0]
        best = int(good[(sides * faces.scores[good]).argmax()])
        box, score = faces.boxes[best], float(faces.scores[best])
    return _row(image, label, _UNKNOWN, box, score, best)


def _painted(image: Image, row: _Row, faces: Faces, rng: np.random.Generator) -> _Row | None:
    """The same face with something drawn on it, or None if it cannot be."""
    if OUTPUTS[row.target] != WITHOUT_MASK or row.score < PAINT_MIN_SCORE:
        return None
    if row.width < PAINT_MIN_WIDTH:
        return None
    label = str(rng.choice(list(PAINTED_SHARES), p=list(PAINTED_SHARES.values())))
    box = faces.boxes[row.face]
    room = (image.shape[0] - box[3]) / (box[3] - box[1])
    hidden = {"hanging"} if room >= PAINT_ROOM else {"hanging", "under_chin"}
    styles = [n for n, shown in PAINTED_STYLES.items() if shown == label and n not in hidden]
    style = str(rng.choice(styles))
    try:
        copy = paint(image, faces.landmarks[row.face], box, style, rng).image
    except InputError:  # landmarks in profile, or a face that reaches outside
        return None
    context = crop_face(copy, row.centre, CONTEXT_SIZE, CONTEXT_MARGIN)
    return replace(row, context=context, target=OUTPUTS.index(label), painted=True)


def _background(image: Image, faces: FloatArray, rng: np.random.Generator) -> FloatArray | None:
    """A random square that touches no face, or None if ten tries found none."""
    height, width = image.shape[:2]
    for _ in range(10):
        side = min(height, width) * float(rng.uniform(0.05, 0.4))
        left = float(rng.uniform(0, width - side))
        top = float(rng.uniform(0, height - side))
        box = np.array([left, top, left + side, top + side], np.float32)
        if iou(box[None], faces).max(initial=0) == 0:
            return box
    return None


def _row(
    image: Image,
    label: str,
    annotated: FloatArray,
    found: FloatArray,
    score: float = 0.0,
    face: int = -1,
) -> _Row:
    """A sample cut around the annotated box, or around the other where that is not known."""
    centre = annotated if np.isfinite(annotated[0]) else found
    left, top, side = crop_square(centre, CONTEXT_MARGIN)
    origin = np.array([left, top, left, top], np.float32)
    return _Row(
        context=crop_face(image, centre, CONTEXT_SIZE, CONTEXT_MARGIN),
        centre=centre,
        target=OUTPUTS.index(label),
        annotated=((annotated - origin) / side).astype(np.float32),
        found=((found - origin) / side).astype(np.float32),
        score=score,
        width=float(centre[2] - centre[0]),
        face=face,
    )
