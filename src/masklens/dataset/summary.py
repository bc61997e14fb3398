"""What is in a data set: counts, sizes, files that cannot be read, and warnings worth acting on.

A :class:`~masklens.dataset.scan.Dataset` flows in; out comes a :class:`Summary` of numbers, and the
tiles of a contact sheet. Every picture is decoded once, so that a damaged file is found here and
not in the middle of a training run.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from masklens.crop import Image, crop_face
from masklens.dataset.scan import Annotation, Dataset, Picture
from masklens.dataset.sheet import Block, Tile, cover
from masklens.errors import DatasetError, InputError
from masklens.io.pictures import read_picture
from masklens.labels import LABELS
from masklens.plural import many

#: Below this, a label is hard to see for people too; evaluate counts narrower faces neither way.
TINY_FACE = 16
TINY_PICTURE = 48
#: Frigate and scikit-learn's guides warn at about this ratio of the largest to the smallest class.
IMBALANCE = 3.0

_TILE = 132
_TILES_PER_LABEL = 16
_CROP_MARGIN = 0.25


@dataclass(frozen=True, slots=True)
class Spread:
    """Smallest, median and largest of some lengths in pixels."""

    smallest: int
    median: int
    largest: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """The spread of at least one value."""
        return cls(round(min(values)), round(float(np.median(values))), round(max(values)))

    def __str__(self) -> str:
        return f"{self.smallest} – {self.median} – {self.largest}"


@dataclass(frozen=True, slots=True)
class Summary:
    """A data set in numbers.

    Attributes:
        name: the folder or file.
        boxed: faces have boxes.
        pictures: files that could be read.
        counts: faces (or, without boxes, pictures) per label, of all files.
        widths, heights: of the pictures that could be read; None if there is none.
        faces: longer side of the boxes, per label; empty without boxes.
        empty: boxed pictures without a face.
        crowds: regions that are marked as crowds; nothing in them counts.
        unreadable: (name, reason) of the files that could not be read.
        warnings: sentences.
        sheet: the blocks of a contact sheet: examples of each label.
    """

    name: str
    boxed: bool
    pictures: int
    counts: dict[str, int]
    widths: Spread | None
    heights: Spread | None
    faces: dict[str, Spread]
    empty: int
    crowds: int
    unreadable: tuple[tuple[str, str], ...]
    warnings: tuple[str, ...]
    sheet: tuple[Block, ...]

    @property
    def noun(self) -> str:
        """What the counts count."""
        return "face" if self.boxed else "picture"

    def title(self, name: str | None = None) -> str:
        """The data set in one line, with a shorter name if one is given."""
        parts = [many(self.pictures + len(self.unreadable), "picture")]
        if self.boxed:
            parts.append(many(sum(self.counts.values()), "face"))
        parts.append(many(len(self.counts), "label"))
        return f"{name or self.name}: {', '.join(parts)}"


def summarise(dataset: Dataset, on_picture: Callable[[], object] = lambda: None) -> Summary:
    """Read every picture of a data set and describe the whole.

    Args:
        dataset: folders of classes or a COCO file.
        on_picture: called after each picture.
    """
    shapes: dict[str, tuple[int, int]] = {}
    unreadable: list[tuple[str, str]] = []
    tiles: dict[str, list[Tile]] = defaultdict(list)
    wanted = _examples(dataset)
    for picture in dataset.pictures:
        try:
            image = read_picture(picture.path)
            shapes[picture.name] = image.shape[0], image.shape[1]
            for annotation in wanted.get(picture.name, ()):
                tiles[annotation.label].append(Tile(_example(image, annotation)))
        except InputError as error:
            unreadable.append((picture.name, str(error)))
        on_picture()
    counts = dataset.counts()
    sides = _face_sides(dataset)
    noun = "face" if dataset.boxed else "picture"
    return Summary(
        name=str(dataset.source),
        boxed=dataset.boxed,
        pictures=len(shapes),
        counts=counts,
        widths=Spread.of([w for _, w in shapes.values()]) if shapes else None,
        heights=Spread.of([h for h, _ in shapes.values()]) if shapes else None,
        faces={label: Spread.of(sides[label]) for label in counts if label in sides},
        empty=sum(dataset.boxed and not picture.annotations for picture in dataset.pictures),
        crowds=sum(len(picture.crowds) for picture in dataset.pictures),
        unreadable=tuple(unreadable),
        warnings=tuple(_warnings(dataset, shapes, sides)),
        sheet=tuple(
            Block(label, tiles[label], many(count, noun))
            for label, count in counts.items()
            if tiles[label]
        ),
    )


def _face_sides(dataset: Dataset) -> dict[str, list[float]]:
    """Longer side of each box in pixels, per label."""
    sides: dict[str, list[float]] = defaultdict(list)
    for _, annotation in dataset.faces():
        if annotation.box is not None:
            x1, y1, x2, y2 = annotation.box
            sides[annotation.label].append(max(x2 - x1, y2 - y1))
    return sides


def _warnings(
    dataset: Dataset, shapes: dict[str, tuple[int, int]], sides: dict[str, list[float]]
) -> list[str]:
    warnings = []
    try:
        dataset.check_labels(LABELS)  # as the trainings do
    except DatasetError as error:
        warnings.append(str(error))
    counts = dataset.counts()
    most, least = max(counts, key=counts.__getitem__), min(counts, key=counts.__getitem__)
    if len(counts) == 1:
        warnings.append(f"Only one label occurs, {most}: nothing can be learned from it.")
    elif counts[most] >= IMBALANCE * counts[least]:
        warnings.append(
            f"The labels are out of balance: {most} is {counts[most] / counts[least]:.1f} times as "
            f"frequent as {least}. Weigh the labels, or add examples of {least}."
        )
    tiny = [name for name, shape in shapes.items() if min(shape) < TINY_PICTURE]
    if tiny:
        warnings.append(
            f"{_are(len(tiny), 'picture')} smaller than {TINY_PICTURE} px, such as {tiny[0]}."
        )
    small = sum(side < TINY_FACE for values in sides.values() for side in values)
    if small:
        warnings.append(
            f"{_are(small, 'face')} smaller than {TINY_FACE} px: too little to see a mask by."
        )
    twice = [
        picture.name
        for picture in dataset.pictures
        for times in Counter(a.box for a in picture.annotations if a.box).values()
        if times > 1
    ]
    if twice:
        warnings.append(
            f"{_are(len(twice), 'face')} annotated more than once, in the same box, such as one "
            f"in {twice[0]}: every time counts."
        )
    resized = [
        picture
        for picture in dataset.pictures
        if picture.size and shapes.get(picture.name, picture.size[::-1]) != picture.size[::-1]
    ]
    if resized:
        name, size = resized[0].name, resized[0].size or ()
        height, width = shapes[name]
        warnings.append(
            f"{many(len(resized), 'picture was', 'pictures were')} annotated at another size, such "
            f"as {name} at {'×'.join(map(str, size))} px, which has {width}×{height}, upright: the "
            "boxes lie elsewhere. Annotate the pictures as they are."
        )
    outside = [
        p.name for p, a in dataset.faces() if a.box and _is_outside(a.box, shapes.get(p.name))
    ]
    if outside:
        warnings.append(
            f"{_are(len(outside), 'box', 'boxes')} empty or outside the picture, "
            f"such as one in {outside[0]}."
        )
    return warnings


def _is_outside(box: tuple[float, float, float, float], shape: tuple[int, int] | None) -> bool:
    x1, y1, x2, y2 = box
    if shape is None:
        return False
    height, width = shape
    return x2 <= x1 or y2 <= y1 or min(x1, y1) < -1 or x2 > width + 1 or y2 > height + 1


def _are(number: int, noun: str, plural: str | None = None) -> str:
    return many(number, noun, plural) + (" is" if number == 1 else " are")


def _examples(dataset: Dataset) -> dict[str, list[Annotation]]:
    """Which faces the sheet shows, by picture: spread evenly over each label's, no tiny ones."""
    by_label: dict[str, list[tuple[Picture, Annotation]]] = defaultdict(list)
    for picture, annotation in dataset.faces():
        box = annotation.box
        if box is None or min(box[2] - box[0], box[3] - box[1]) >= 2 * TINY_FACE:
            by_label[annotation.label].append((picture, annotation))
    chosen: dict[str, list[Annotation]] = defaultdict(list)
    for faces in by_label.values():
        for place in np.linspace(0, len(faces) - 1, min(_TILES_PER_LABEL, len(faces))).round():
            picture, annotation = faces[int(place)]
            chosen[picture.name].append(annotation)
    return chosen


def _example(image: Image, annotation: Annotation) -> Image:
    if annotation.box is None:
        return cover(image, _TILE)
    height, width = image.shape[:2]
    inside = np.clip(annotation.box, 0, (width, height) * 2)
    return crop_face(image, inside, _TILE, _CROP_MARGIN)
