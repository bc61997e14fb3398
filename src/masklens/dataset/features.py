"""What is kept of a picture to recognise it again: hashes, local features, a small grey copy.

A file goes in, :class:`Features` come out. Local features (SIFT, Lowe 2004, in the square-root form
of Arandjelović and Zisserman 2012) survive rotation, cropping, blur and noise. The lower half of
every face is left out: masks sit there, and the same drawing pasted on two people must not make
them duplicates, nor a pasted mask hide that two pictures are one photograph.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image as PillowImage

from masklens.bundle import file_sha256
from masklens.crop import FloatArray, Image
from masklens.errors import MissingExtraError
from masklens.faces import FaceFinder, Faces
from masklens.io.pictures import read_picture

#: Longer side of the working copy in pixels; a portrait keeps its eyes at about 10 px across.
WORKING_SIDE = 256
#: Longer side of the copy whose pixels are compared.
SMALL_SIDE = 128
#: Strongest features kept per picture.
FEATURES = 240

_FACE_SCORE = 0.6
_NOISE_BLUR = 1.0


@dataclass(frozen=True, eq=False)
class Features:
    """One picture, reduced.

    Attributes:
        sha256: of the file.
        hashes: bool (8, 64), the perceptual hash (DCT) of the picture and of its three quarter
            turns, then of their mirror images.
        points: float32 (N, 2), x and y in pixels of the working copy; the strongest first.
        descriptors: float32 (N, 128), of length one.
        width: of the working copy in pixels.
        grey: uint8 (h, w), the small copy.
        usable: bool (h, w), False on the lower halves of faces.
        scale: pixels of the small copy per pixel of the working copy.
    """

    sha256: str
    hashes: npt.NDArray[np.bool_]
    points: FloatArray
    descriptors: FloatArray
    width: int
    grey: npt.NDArray[np.uint8]
    usable: npt.NDArray[np.bool_]
    scale: float

    @cached_property
    def mirrored(self) -> Features:
        """The features of the mirror image, worked out from these.

        Mirroring turns the four rows of a SIFT descriptor's grid over and the sense of rotation of
        its eight directions round; nothing has to be detected again.
        """
        grid = self.descriptors.reshape(-1, 4, 4, 8)
        turned = grid[:, ::-1, :, -np.arange(8) % 8].reshape(-1, 128)
        points = self.points.copy()
        points[:, 0] = self.width - 1 - points[:, 0]
        return Features(
            self.sha256,
            self.hashes,
            points,
            np.ascontiguousarray(turned),
            self.width,
            np.ascontiguousarray(self.grey[:, ::-1]),
            np.ascontiguousarray(self.usable[:, ::-1]),
            self.scale,
        )


def extract(path: Path, finder: FaceFinder) -> Features:
    """Reduce one picture file to what it is recognised by.

    Raises:
        InputError: the picture cannot be read.
        MissingExtraError: imagehash is not installed.
    """
    image = read_picture(path)
    working, scale = _resize(image, WORKING_SIDE)
    usable = _outside_lower_faces(working.shape[:2], finder.find(image), scale)
    grey = cv2.cvtColor(working, cv2.COLOR_RGB2GRAY)
    calm = cv2.GaussianBlur(grey, (0, 0), _NOISE_BLUR)
    detector = cv2.SIFT.create(nfeatures=FEATURES, contrastThreshold=0.02)
    keypoints, descriptors = detector.detectAndCompute(calm, usable.astype(np.uint8) * 255)
    order = np.argsort([-k.response for k in keypoints], kind="stable")[:FEATURES]
    points = np.array([k.pt for k in keypoints], dtype=np.float32).reshape(-1, 2)
    small, small_scale = _resize(calm, SMALL_SIDE)
    shape = (small.shape[1], small.shape[0])
    return Features(
        sha256=file_sha256(path),
        hashes=_hashes(working),
        points=points[order],
        descriptors=_root(descriptors)[order],
        width=working.shape[1],
        grey=small,
        usable=cv2.resize(usable.astype(np.uint8), shape, interpolation=cv2.INTER_NEAREST) > 0,
        scale=small_scale,
    )


def _resize(image: npt.NDArray[Any], side: int) -> tuple[npt.NDArray[np.uint8], float]:
    height, width = image.shape[:2]
    scale = side / max(height, width)
    shape = (max(8, round(width * scale)), max(8, round(height * scale)))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, shape, interpolation=how), dtype=np.uint8), scale


def _root(descriptors: Any) -> FloatArray:
    if descriptors is None:
        return np.empty((0, 128), dtype=np.float32)
    total = np.maximum(descriptors.sum(axis=1, keepdims=True), 1e-6)
    return np.asarray(np.sqrt(descriptors / total), dtype=np.float32)


def _outside_lower_faces(
    shape: tuple[int, ...], faces: Faces, scale: float
) -> npt.NDArray[np.bool_]:
    """False where a mask would sit: from half-way between eyes and nose to below the chin."""
    usable = np.ones(shape, dtype=np.uint8)
    for box, score, landmarks in zip(faces.boxes, faces.scores, faces.landmarks, strict=True):
        if score < _FACE_SCORE:
            continue
        eyes, rest = landmarks[:2].mean(axis=0), landmarks[2:].mean(axis=0)
        down = (rest - eyes) / max(float(np.linalg.norm(rest - eyes)), 1e-6)
        across = np.array([-down[1], down[0]])
        # Seen from the side the eyes draw together; the box does not.
        unit = max(float(np.linalg.norm(landmarks[1] - landmarks[0])), 0.42 * (box[2] - box[0]))
        top, bottom = eyes + 0.45 * unit * down, eyes + 2.6 * unit * down
        wide = 1.4 * unit * across
        corners = np.array([top - wide, top + wide, bottom + wide, bottom - wide]) * scale
        cv2.fillConvexPoly(usable, corners.round().astype(np.int32), 0)
    return usable > 0


def _hashes(image: Image) -> npt.NDArray[np.bool_]:
    try:
        import imagehash
    except ImportError as error:
        raise MissingExtraError("Looking for duplicates", "train") from error
    turns = [np.rot90(image, k) for k in range(4)]
    views = turns + [view[:, ::-1] for view in turns]
    return np.stack([imagehash.phash(PillowImage.fromarray(v)).hash.ravel() for v in views])
