"""Photographs in memory with everything that is known of their faces.

A COCO data set goes in. The starting finder is run over every picture once: where it agrees with an
annotated face it gives the five landmarks; where it is sure of a face that nobody boxed, the place
is neither face nor background for the training (an ignore region).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from masklens.boxes import iou
from masklens.crop import FloatArray, Image
from masklens.dataset.readable import OnError, read_each
from masklens.dataset.scan import Dataset, Picture
from masklens.detector import in_parallel
from masklens.errors import DatasetError
from masklens.faces import FaceFinder, Faces
from masklens.labels import LABELS
from masklens.limits import cores

#: Overlap from which a found face is the annotated one, and score from which its landmarks are
#: believed.
_SAME, _SURE_LANDMARKS = 0.4, 0.5

#: Score from which a found face that nobody boxed is ignored, and how large the region is.
_SURE_FACE, _IGNORE_SCALE = 0.5, 1.2


@dataclass(frozen=True, eq=False)
class Scene:
    """One photograph.

    Attributes:
        image: uint8 (H, W, 3), RGB.
        boxes: float32 (n, 4), xyxy pixels.
        labels: (n,), index into LABELS; -1 for a face whose label is not known.
        landmarks: float32 (n, 5, 2), pixels; NaN where they are not known.
        ignore: float32 (m, 4), xyxy pixels: neither face nor background.
        crowds: float32 (c, 4), those of them that are annotated; of whole photographs only.
    """

    image: Image
    boxes: FloatArray
    labels: npt.NDArray[np.int64]
    landmarks: FloatArray
    ignore: FloatArray
    crowds: FloatArray = field(default_factory=lambda: np.zeros((0, 4), np.float32))


def load_scenes(
    dataset: Dataset,
    finder: FaceFinder,
    on_error: OnError = lambda picture, error: None,
) -> list[Scene]:
    """Read every picture of a data set and look at it with the starting finder.

    Pictures that cannot be read are left out; ``on_error`` is called for each.

    Raises:
        DatasetError: a box outside its picture, or no picture with a face can be read.
    """

    def load(read: tuple[Picture, Image]) -> Scene:
        picture, image = read
        return make_scene(image, picture, finder.find(image))

    pictures = tqdm(dataset.pictures, "photographs", disable=None)
    scenes = list(in_parallel(load, read_each(pictures, on_error), cores()))
    if not any(len(scene.boxes) for scene in scenes):
        raise DatasetError(f"No picture of {dataset.source} with a face in it can be read.")
    return scenes


def make_scene(image: Image, picture: Picture, found: Faces) -> Scene:
    """Join what is annotated with what the starting finder found."""
    boxes = picture.boxes(image.shape[1], image.shape[0])
    known = [LABELS.index(a.label) if a.label in LABELS else -1 for a in picture.annotations]
    landmarks = np.full((len(boxes), 5, 2), np.nan, np.float32)
    overlap = iou(found.boxes, boxes)
    for row in range(len(found)):  # best first: the first that fits a face gives its landmarks
        if len(boxes) and found.scores[row] >= _SURE_LANDMARKS:
            face = int(overlap[row].argmax())
            if overlap[row, face] >= _SAME and np.isnan(landmarks[face, 0, 0]):
                landmarks[face] = found.landmarks[row]
    alone = overlap.max(axis=1, initial=0) < 0.2
    inside = _inside(found.boxes, boxes)
    stray = found.boxes[alone & ~inside & (found.scores >= _SURE_FACE)]
    crowds = picture.crowd_boxes()
    ignore = np.concatenate([_grown(stray), crowds])
    return Scene(image, boxes, np.array(known, np.int64), landmarks, ignore, crowds)


def _inside(found: FloatArray, boxes: FloatArray) -> npt.NDArray[np.bool_]:
    """Whether the centre of a found box lies in an annotated face: no face of its own then."""
    centres = (found[:, None, :2] + found[:, None, 2:]) / 2
    within = (centres >= boxes[None, :, :2]) & (centres <= boxes[None, :, 2:])
    return np.asarray(within.all(axis=-1).any(axis=-1), bool)


def _grown(boxes: FloatArray) -> FloatArray:
    centre, half = (boxes[:, :2] + boxes[:, 2:]) / 2, (boxes[:, 2:] - boxes[:, :2]) / 2
    return np.hstack([centre - half * _IGNORE_SCALE, centre + half * _IGNORE_SCALE])
