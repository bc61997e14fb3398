"""What of a data set can be read: a damaged picture is named and left out, wherever it is used."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from masklens.crop import Image
from masklens.dataset.scan import Dataset, Picture
from masklens.errors import DatasetError, InputError
from masklens.io.pictures import read_picture

#: Told of a picture that cannot be read, and why.
OnError = Callable[[Picture, InputError], None]


def read_each(pictures: Iterable[Picture], on_error: OnError) -> Iterator[tuple[Picture, Image]]:
    """The pictures that can be read, each with its pixels: uint8 (H, W, 3), RGB."""
    for picture in pictures:
        try:
            image = read_picture(picture.path)
        except InputError as error:
            on_error(picture, error)
        else:
            yield picture, image


def readable(dataset: Dataset, on_error: OnError) -> Dataset:
    """A data set with boxed faces without what cannot be read.

    Raises:
        DatasetError: a box outside its picture, or no picture with a face is left.
    """
    kept = []
    for picture, image in read_each(dataset.pictures, on_error):
        picture.boxes(image.shape[1], image.shape[0])  # refuses what lies outside
        kept.append(picture)
    if not any(picture.annotations for picture in kept):
        raise DatasetError(f"No picture of {dataset.source} with a face in it can be read.")
    return replace(dataset, pictures=tuple(kept))
