"""One loader for both forms of labelled pictures: folders of classes, and COCO detection files.

Out comes a :class:`Dataset`: pictures with annotations. In a folder of classes (``DIR/<label>/*``)
a picture has one annotation without a box; in a COCO file it has one per boxed face, perhaps none.
Nothing is decoded here.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from masklens.boxes import clipped
from masklens.bundle import file_sha256
from masklens.crop import FloatArray
from masklens.errors import DatasetError
from masklens.io.jsonfile import read_json
from masklens.io.search import is_dead_link, is_to_be_read, walk
from masklens.io.sources import PICTURE_SUFFIXES
from masklens.labels import LABELS, canonical
from masklens.plural import many

#: Pixels, of any number of a box; far beyond it float32 ends.
_LARGEST = 1e9


@dataclass(frozen=True, slots=True)
class Annotation:
    """One labelled face.

    Attributes:
        label: canonical, see :func:`masklens.labels.canonical`.
        box: x1, y1, x2, y2 in pixels; None when the label is the whole picture's.
    """

    label: str
    box: tuple[float, float, float, float] | None = None


@dataclass(frozen=True)
class Picture:
    """One file with its faces.

    Attributes:
        path: of the file.
        name: its path below the data set's root, with ``/``.
        annotations: its faces.
        crowds: regions with more faces than were boxed one by one (``iscrowd`` in COCO): nothing
            in them is a face that counts, nor background.
        size: width and height in pixels of the picture that was annotated, as a COCO file gives
            them; None when it does not.
    """

    path: Path
    name: str
    annotations: tuple[Annotation, ...]
    crowds: tuple[Annotation, ...] = ()
    size: tuple[int, int] | None = None

    @cached_property
    def content(self) -> str:
        """The sha256 of the file, which is read once; of a link to nothing, where it leads.

        Nothing of a file that is not there or may not be read: what uses the picture leaves it out.
        """
        if is_dead_link(self.path):
            return str(self.path.readlink())
        try:
            return file_sha256(self.path)
        except (OSError, ValueError):  # or no file can have that name
            return ""

    def crowd_boxes(self) -> FloatArray:
        """The regions of crowds: float32 (C, 4), xyxy pixels."""
        return np.array([a.box for a in self.crowds], np.float32).reshape(-1, 4)

    def boxes(self, width: int, height: int) -> FloatArray:
        """The annotated boxes as they stand: float32 (G, 4), xyxy pixels.

        Args:
            width, height: of the picture in pixels.

        Raises:
            DatasetError: one lies wholly outside the picture, has no area, or reaches farther out
                than the picture is long: its crop would take any amount of memory.
        """
        boxes = np.array([a.box for a in self.annotations], np.float32).reshape(-1, 4)
        inside = clipped(boxes, width, height)
        bad = np.any(inside[:, 2:] <= inside[:, :2], axis=1)
        bad |= np.any(np.abs(boxes - inside) > max(width, height), axis=1)
        if bad.any():
            x1, y1, x2, y2 = boxes[bad][0].tolist()
            raise DatasetError(
                f"{self.path} is {width}×{height} pixels, but a face is boxed at x {x1:g}, "
                f"y {y1:g}, width {x2 - x1:g}, height {y2 - y1:g}: outside, or without area. "
                "Correct the annotation."
            )
        return boxes


@dataclass(frozen=True)
class Dataset:
    """Labelled pictures.

    Attributes:
        source: the folder or COCO file they came from.
        boxed: True for COCO files: faces have boxes; False for folders of classes.
        pictures: in order of their names.
    """

    source: Path
    boxed: bool
    pictures: tuple[Picture, ...]

    def __len__(self) -> int:
        return len(self.pictures)

    @property
    def short_name(self) -> str:
        """A name for titles: the last folder of the source."""
        source = self.source.resolve()
        return source.parent.name if source.is_file() else source.name

    def faces(self) -> Iterator[tuple[Picture, Annotation]]:
        """Every annotation with its picture."""
        for picture in self.pictures:
            for annotation in picture.annotations:
                yield picture, annotation

    def counts(self) -> dict[str, int]:
        """Number of faces per label; the known labels first, in their order."""
        counter = Counter(annotation.label for _, annotation in self.faces())
        known = [label for label in LABELS if label in counter]
        return {label: counter[label] for label in known + sorted(set(counter) - set(LABELS))}

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels that occur."""
        return tuple(self.counts())

    def check_labels(self, known: Sequence[str]) -> None:
        """Refuse labels that a model does not have.

        Raises:
            DatasetError: there are some.
        """
        if strangers := sorted(set(self.labels) - set(known)):
            raise DatasetError(
                f"{self.source} has labels that are not known: {strangers}. Rename them or leave "
                f"them out; the labels are {', '.join(known)}."
            )

    def files(self) -> list[Path]:
        """What it is read from: the source, and every picture."""
        return [self.source, *(picture.path for picture in self.pictures)]

    def sha256(self) -> str:
        """A hash over every file's name, content and annotations: the identity of the data."""
        digest = hashlib.sha256()
        for picture in self.pictures:
            marked = f"{picture.annotations}{picture.crowds or ''}"
            line = f"{picture.name}\0{picture.content}\0{marked}\n"
            digest.update(line.encode("utf-8", "surrogatepass"))  # a name may be no UTF-8
        return digest.hexdigest()


def load_dataset(source: str | Path) -> Dataset:
    """Read a folder of classes or a COCO detection file.

    Args:
        source: ``DIR`` with one sub-folder per label, or ``FILE.json`` in the COCO detection
            format, its pictures beside it or in ``images/``.

    Raises:
        DatasetError: nothing there, no right to read it, no labelled picture in it, a label's
            folder without any, or a malformed file.
    """
    source = Path(source)
    try:
        if source.is_dir():
            return _load_folder(source)
        if source.is_file():
            return _load_coco(source)
    except OSError as error:
        unread = error.filename or source
        raise DatasetError(f"Cannot read {unread}: {error.strerror}.") from error
    raise DatasetError(
        f"{source} does not exist. Expected a folder with one sub-folder per label, "
        "or a COCO detection file (.json)."
    )


def _load_folder(root: Path) -> Dataset:
    pictures = []
    inside = sorted(p for p in root.iterdir() if not p.name.startswith("."))
    for path in inside:
        if canonical(path.name) in LABELS and is_dead_link(path):
            raise DatasetError(
                f"{path} is a link to {path.readlink()}, which does not exist. Correct the link or "
                "remove it."
            )
    for folder in filter(Path.is_dir, inside):
        annotation = Annotation(canonical(folder.name))
        refuse = _refuse if annotation.label in LABELS else None  # not for the disk's lost+found
        below = walk(folder, on_error=refuse)
        found = [
            Picture(path, path.relative_to(root).as_posix(), (annotation,))
            for path in sorted(here / name for here, _, names in below for name in names)
            if path.suffix.lower() in PICTURE_SUFFIXES and is_to_be_read(path)
        ]
        if not found and annotation.label in LABELS:
            raise DatasetError(f"{folder} has no pictures in it. Fill the folder or remove it.")
        pictures += found
    if not pictures:
        raise DatasetError(
            f"{root} has no labelled pictures. Expected sub-folders named after labels, such as "
            f"{LABELS[0]}/ and {LABELS[1]}/, with pictures in them."
        )
    return Dataset(root, boxed=False, pictures=tuple(pictures))


def _refuse(error: OSError) -> NoReturn:
    raise error


def _beside(file: Path, name: str) -> Path:
    """Where a picture of a COCO file is: beside it, or in ``images/``."""
    inside = file.parent / "images" / name
    beside = file.parent / name
    return beside if beside.is_file() or not inside.parent.is_dir() else inside


def _load_coco(file: Path) -> Dataset:
    try:
        content = read_json(file)
    except ValueError as error:
        raise DatasetError(f"{file} is not a COCO detection file: {error}.") from error
    try:
        if not isinstance(content, dict):
            raise ValueError("it holds no JSON object")
        pictures = _coco_pictures(file, content)
        listed = (
            ("picture", [picture.path for picture in pictures], "faces it has"),
            ("the picture id", [image["id"] for image in content["images"]], "faces it has"),
            ("the category id", [c["id"] for c in content["categories"]], "label it stands for"),
        )
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:
        kind = "" if type(error) is ValueError else f"{type(error).__name__} "
        raise DatasetError(
            f"{file} is not a COCO detection file: {kind}{error}. Expected "
            '"images", "annotations" (image_id, category_id, bbox) and "categories".'
        ) from error
    if not any(picture.annotations for picture in pictures):
        raise DatasetError(f"{file} has no annotation of a face, so there is nothing to work with.")
    for what, names, unclear in listed:
        name, times = Counter(names).most_common(1)[0]
        if times > 1:
            raise DatasetError(
                f"{file} lists {what} {name} twice, so that it is not clear which {unclear}. "
                "Make one entry of them."
            )
    if not any(picture.path.is_file() for picture in pictures):
        raise DatasetError(
            f"{file} lists {many(len(pictures), 'picture')}, and none is there, such as "
            f"{pictures[0].path}. Correct the names, or put the file into the folder with its "
            "pictures, or beside that if it is called images."
        )
    return Dataset(file, boxed=True, pictures=tuple(sorted(pictures, key=lambda p: p.name)))


def _coco_pictures(file: Path, content: Mapping[str, Any]) -> list[Picture]:
    """What a COCO file lists; what it lacks, or has in another form, raises Python's own errors."""
    categories = {c["id"]: canonical(c["name"]) for c in content["categories"]}
    faces: dict[Any, list[Annotation]] = {image["id"]: [] for image in content["images"]}
    crowds: dict[Any, list[Annotation]] = {image["id"]: [] for image in content["images"]}
    for entry in content["annotations"]:
        number, category, box = entry["image_id"], entry["category_id"], entry["bbox"]
        if number not in faces or category not in categories:
            raise ValueError(
                f"an annotation names picture {number!r} and category {category!r}, and they are "
                "not both listed"
            )
        annotation = Annotation(categories[category], box_of(box))
        (crowds if entry.get("iscrowd") else faces)[number].append(annotation)
    pictures = []
    for image in content["images"]:
        name = image["file_name"].replace("\\", "/")  # as Windows' tools write them
        annotated = tuple(faces[image["id"]]), tuple(crowds[image["id"]])
        sides = image.get("width"), image.get("height")
        size = sides if all(isinstance(side, int) and side > 0 for side in sides) else None
        pictures.append(Picture(_beside(file, name), name, *annotated, size))
    return pictures


def box_of(bbox: Any) -> tuple[float, float, float, float]:
    """The corners x1, y1, x2, y2 of a box as COCO writes it: [x, y, width, height].

    Raises:
        TypeError, ValueError: it is none.
    """
    if not isinstance(bbox, list) or len(bbox) != 4:
        raise ValueError(f"a box is not [x, y, width, height], {bbox}")
    x, y, width, height = map(float, bbox)
    if not abs(x) + abs(y) + abs(width) + abs(height) < _LARGEST:
        raise ValueError(f"a box is too large or not finite, {bbox}")
    return x, y, x + width, y + height
