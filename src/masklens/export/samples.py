"""Real face crops, to calibrate a quantised network with and to compare artefacts on.

Labelled pictures go in; out come crops as the detector would cut them, with their labels.
"""

from __future__ import annotations

import os
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from masklens.card import ModelCard
from masklens.crop import Image, crop_face, whole_picture
from masklens.dataset.readable import read_each
from masklens.dataset.scan import Annotation, Picture, load_dataset
from masklens.dataset.split import trained_on
from masklens.errors import DatasetError

#: Crops that the activations' ranges are measured on.
CALIBRATION_CROPS = 400

_SEED = 0


@dataclass(frozen=True, eq=False)
class Crops:
    """Faces, cut as the classifier wants them.

    Attributes:
        images: uint8 (N, size, size, 3), RGB.
        targets: int64 (N,), index into the card's labels.
        pictures: int64 (N,), number of the picture that each was cut from, from 0.
        name: of the data set.
        sha256: of the data set.
        trained_on: the card says that the model was trained on it.
        skipped: pictures that could not be read, each with the reason.
    """

    images: Image
    targets: npt.NDArray[np.int64]
    pictures: npt.NDArray[np.int64]
    name: str
    sha256: str
    trained_on: bool = False
    skipped: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.targets)


def cut_crops(source: Path, card: ModelCard, limit: int | None = None) -> Crops:
    """Cut the labelled faces of a data set.

    Boxed faces are cut by :func:`masklens.crop.crop_face`; a picture that is labelled as a whole
    becomes one by :func:`masklens.crop.whole_picture`. Pictures that cannot be read are left out.

    Args:
        source: a COCO detection file or a folder of classes.
        card: its labels, size and margin are used; faces with other labels are left out.
        limit: take so many at random (always the same ones); None takes all.

    Raises:
        DatasetError: nothing there or nothing that can be read, no face with one of the card's
            labels, or a box outside its picture.
    """
    dataset = load_dataset(source)
    faces = [(p, a) for p, a in dataset.faces() if a.label in card.labels]
    if not faces:
        raise DatasetError(
            f"{source} has no face labelled {' or '.join(card.labels)}, only {dataset.counts()}."
        )
    if limit is not None and limit < len(faces):
        chosen = np.random.default_rng(_SEED).choice(len(faces), limit, replace=False)
        faces = [faces[i] for i in np.sort(chosen)]
    by_picture: dict[Picture, list[Annotation]] = defaultdict(list)
    for picture, annotation in faces:
        by_picture[picture].append(annotation)
    images, targets, pictures = [], [], []
    skipped: list[str] = []
    read = read_each(by_picture, lambda picture, error: skipped.append(str(error)))
    for number, (picture, image) in enumerate(read):
        if dataset.boxed:
            picture.boxes(image.shape[1], image.shape[0])  # refuses what lies outside
        for annotation in by_picture[picture]:
            images.append(_cut(image, annotation, card))
            targets.append(card.labels.index(annotation.label))
            pictures.append(number)
    if not images:
        raise DatasetError(f"No picture of {source} can be read.")
    return Crops(
        np.stack(images),
        np.array(targets, np.int64),
        np.array(pictures, np.int64),
        dataset.short_name,
        dataset.sha256(),
        trained_on(dataset, card.training_data) is not None,
        tuple(skipped),
    )


def default_data(part: str) -> Path | None:
    """The part "train" or "val" of the photographs below ``MASKLENS_DATA``, if it is there."""
    if not (root := os.environ.get("MASKLENS_DATA")):
        return None
    path = Path(root) / "data" / "scenes" / part / "annotations.coco.json"
    return path if path.is_file() else None


def data_or_default(given: Path | None, part: str, option: str, purpose: str) -> Path:
    """The data that was given, or the part of ``MASKLENS_DATA``.

    Raises:
        DatasetError: neither is there.
    """
    found = given or default_data(part)
    if found is None:
        raise DatasetError(
            f"{purpose} needs labelled pictures of real faces: give {option} a COCO detection file "
            "or a folder of classes, or set MASKLENS_DATA."
        )
    return found


def _cut(image: Image, annotation: Annotation, card: ModelCard) -> Image:
    if annotation.box is not None:
        return crop_face(image, annotation.box, card.size, card.margin)
    return whole_picture(image, card.size)
