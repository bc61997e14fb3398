"""The report's data: whole portraits at 224×224, and which of them are set aside for the test."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from masklens.crop import Image, whole_picture
from masklens.dataset.scan import Dataset
from masklens.dataset.split import Parts
from masklens.errors import DatasetError, InputError
from masklens.io.pictures import read_picture
from masklens.labels import LABELS
from masklens.training.network import SIZE

Indices = npt.NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Portraits:
    """The pictures of a data set that could be read.

    Attributes:
        images: uint8 (N, 224, 224, 3), RGB.
        targets: int64 (N,), index into ``labels``.
        labels: the classes that occur.
        names: of the pictures, N.
        skipped: what could not be read, a sentence each.
        skipped_names: of those pictures.
    """

    images: Image
    targets: npt.NDArray[np.int64]
    labels: tuple[str, ...]
    names: tuple[str, ...]
    skipped: tuple[str, ...]
    skipped_names: tuple[str, ...] = ()


def read_portraits(dataset: Dataset) -> Portraits:
    """Read whole pictures at 224×224, with the nearest pixel, as the notebook does.

    Args:
        dataset: folders of classes; its labels must be known ones.

    Raises:
        DatasetError: fewer than two labels are left.
    """

    def read(path: Path) -> Image | str:
        try:
            return whole_picture(read_picture(path), SIZE)
        except InputError as error:
            return str(error)

    pictures = dataset.pictures
    with ThreadPoolExecutor() as pool:
        results = list(
            tqdm(
                pool.map(read, (picture.path for picture in pictures)),
                total=len(pictures),
                desc="reading",
                unit="picture",
                disable=None,
            )
        )
    good = [i for i, result in enumerate(results) if not isinstance(result, str)]
    found = {pictures[i].annotations[0].label for i in good}
    if len(found) < 2:
        what = f"only {found.pop()}" if found else "none that can be read"
        raise DatasetError(
            f"{dataset.source} must have pictures of at least two labels. Received: {what}."
        )
    labels = tuple(label for label in LABELS if label in found)
    return Portraits(
        images=np.stack([results[i] for i in good]),
        targets=np.array([labels.index(pictures[i].annotations[0].label) for i in good], np.int64),
        labels=labels,
        names=tuple(pictures[i].name for i in good),
        skipped=tuple(result for result in results if isinstance(result, str)),
        skipped_names=tuple(
            picture.name
            for picture, result in zip(pictures, results, strict=True)
            if isinstance(result, str)
        ),
    )


def split_by_name(
    names: Sequence[str], split: Parts, skipped: Sequence[str] = ()
) -> tuple[Indices, Indices]:
    """Indices of the training and of the test pictures that a split names; others are left out.

    Args:
        names: of the pictures that could be read.
        split: names pictures for training and for the test.
        skipped: names that a split may list, too: of the others.

    Raises:
        DatasetError: a part is empty, or the split lists pictures that are not there.
    """
    index = {name: i for i, name in enumerate(names)}
    train_part, test_part = (
        np.array([index[name] for name in part if name in index], np.intp)
        for part in (split.train, split.test)
    )
    if len(train_part) == 0 or len(test_part) == 0:
        raise DatasetError(
            "The split names no picture of this data set that can be read, for "
            f"{'training' if len(train_part) == 0 else 'the test'}."
        )
    listed = {*split.train, *split.test}
    if missing := sorted(listed - set(names) - set(skipped)):
        raise DatasetError(
            f"The data lacks {len(missing)} of the {len(listed)} pictures that the split lists, "
            f"such as {missing[0]}. Put them back, or make a new split."
        )
    return train_part, test_part
