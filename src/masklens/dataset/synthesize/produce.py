"""From pictures with bare faces to painted ones: what ``dataset synthesize`` does.

Pictures go in; faces are found, painted in turn with every style asked for, and come out cut around
the face (:mod:`masklens.dataset.synthesize.folder` writes them). Where nobody boxed the faces, the
classifier has to take them for one, too: the finder alone is also sure of chests and collars.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path

import numpy as np

from masklens.boxes import iou
from masklens.classifier import MaskClassifier
from masklens.crop import FloatArray, Image, crop_faces, crop_square
from masklens.dataset.scan import Dataset, load_dataset
from masklens.dataset.sheet import Block, Tile, contain
from masklens.dataset.synthesize.geometry import face_frame
from masklens.dataset.synthesize.painter import STYLES, paint
from masklens.errors import DatasetError, InputError, MasklensError
from masklens.faces import FaceFinder, Faces
from masklens.io.pictures import read_picture
from masklens.io.sources import find_pictures
from masklens.labels import LABELS, WITHOUT_MASK, canonical

#: Faces are taken from this finder score and this box width (pixels) on.
MIN_SCORE = 0.6
MIN_WIDTH = 32
#: Without labelled boxes, from this probability of the classifier that it is a face.
MIN_FACE = 0.5
#: A mask is painted where at least this share of it lies inside of the picture.
MIN_SHOWN = 0.5
#: What is kept around a face, as a share of its box's longer side.
MARGIN = 0.5
_SAME_FACE = 0.4  # intersection over union of a labelled and a found box


@dataclass(frozen=True, slots=True)
class Originals:
    """What a user names, looked through once.

    Attributes:
        path: as it was named.
        labelled: whether it has labels; otherwise every face in it is taken for bare.
        pictures: files, each with the labelled boxes of its bare faces, (N, 4), xyxy pixels; None
            where every face counts.
    """

    path: Path
    labelled: bool
    pictures: Sequence[tuple[Path, FloatArray | None]]

    @property
    def files(self) -> list[Path]:
        """All that is read, the source itself included."""
        return [self.path, *(path for path, _ in self.pictures)]


@dataclass(frozen=True, slots=True)
class BareFace:
    """A face without a mask.

    Attributes:
        path: the picture's file.
        box: (4,), xyxy pixels, as the finder gave it.
        landmarks: (5, 2), pixels.
        labelled: (4,), xyxy pixels: the box it was labelled with; the finder's if there is none.
    """

    path: Path
    box: FloatArray
    landmarks: FloatArray
    labelled: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Painting:
    """A painted face, cut out.

    Attributes:
        image: uint8 (H, W, 3), RGB.
        box: xyxy, pixels of ``image``.
        label: what it shows. style: how it was painted.
        name: file name without suffix, unique within one run.
    """

    image: Image
    box: tuple[float, float, float, float]
    label: str
    style: str
    name: str


def choose_styles(names: Sequence[str] = (), labels: Sequence[str] = ()) -> list[str]:
    """The styles with these names and labels, in the order of :data:`STYLES`; empty means all.

    Raises:
        InputError: a name or label that is unknown, or nothing left.
    """
    for name in names:
        if name not in STYLES:
            raise InputError(f'There is no style "{name}". Choose from: {", ".join(STYLES)}.')
    for label in labels:
        if label not in LABELS:
            raise InputError(f'There is no label "{label}". Choose from: {", ".join(LABELS)}.')
    chosen = [
        style
        for style, label in STYLES.items()
        if (not names or style in names) and (not labels or label in labels)
    ]
    if not chosen:
        raise InputError(f"None of the styles {', '.join(names)} shows {' or '.join(labels)}.")
    return chosen


def list_originals(path: Path, results: Path | None = None) -> Originals:
    """Look for the pictures with bare faces; none is opened.

    Args:
        path: a picture or a folder, whose faces are all taken for bare; or a folder with a
            sub-folder per label or a COCO detection file, of which only ``without_mask`` is used.
        results: folder of paintings, left out where it lies in a folder of pictures.

    Raises:
        DatasetError: there are labels, but none of a bare face.
    """
    dataset = _labelled(path)
    if dataset is None:
        found = find_pictures([str(path)], results=results)
        return Originals(path, False, [(picture, None) for picture in found])
    pictures: list[tuple[Path, FloatArray | None]] = []
    for picture in dataset.pictures:
        bare = [a for a in picture.annotations if a.label == WITHOUT_MASK]
        if bare and dataset.boxed:
            pictures.append((picture.path, np.array([a.box for a in bare], np.float32)))
        elif bare:
            pictures.append((picture.path, None))
    if not pictures:
        raise DatasetError(
            f"{path} has no face labelled {WITHOUT_MASK}, only {', '.join(dataset.labels)}: "
            "masks are painted on bare faces."
        )
    return Originals(path, True, pictures)


def synthesize(
    source: Originals,
    styles: Sequence[str],
    finder: FaceFinder,
    classifier: MaskClassifier | None,
    sink: Callable[[Painting], None],
    *,
    seed: int = 0,
    count: int | None = None,
    on_error: Callable[[Path, MasklensError], None],
) -> dict[str, int]:
    """Paint the bare faces of a source and hand each painting on.

    Args:
        source: from :func:`list_originals`.
        styles: from :func:`choose_styles`.
        finder, classifier, on_error: see :func:`bare_faces`.
        sink: called with each painting.
        seed, count: see :func:`paintings`.

    Returns:
        How many were painted in each style that was.

    Raises:
        DatasetError: no face can be painted.
    """
    counts: Counter[str] = Counter()
    faces = bare_faces(source, finder, seed, on_error, classifier)
    for painting in paintings(faces, styles, seed, count):
        sink(painting)
        counts[painting.style] += 1
    if not counts:
        raise DatasetError(
            f"No face was found in {source.path} that can be painted. Faces must be upright, "
            f"sharp, at least {MIN_WIDTH} pixels wide, and masks must lie inside of the picture."
        )
    return dict(counts)


def bare_faces(
    source: Originals | Path,
    finder: FaceFinder,
    seed: int,
    on_error: Callable[[Path, MasklensError], None],
    classifier: MaskClassifier | None = None,
) -> Iterator[BareFace]:
    """Find bare faces, picture by picture in an order drawn from the seed.

    Args:
        source: from :func:`list_originals`, or the path that it takes.
        finder: gives boxes and landmarks.
        seed: of the order.
        on_error: called for each picture that cannot be read.
        classifier: in pictures without labelled boxes, has to take for a face what the finder
            found; None believes the finder.

    Raises:
        DatasetError: there are labels, but none of a bare face.
    """
    pictures = (source if isinstance(source, Originals) else list_originals(source)).pictures
    for index in np.random.default_rng(seed).permutation(len(pictures)):
        path, boxes = pictures[index]
        try:
            image = read_picture(path)
            faces = finder.find(image)
        except InputError as error:
            on_error(path, error)
            continue
        for row, labelled in _usable(faces, boxes):
            box = faces.boxes[row]
            if boxes is None and classifier is not None and not _is_face(image, box, classifier):
                continue
            yield BareFace(path, box, faces.landmarks[row], labelled)


def paintings(
    faces: Iterable[BareFace], styles: Sequence[str], seed: int, count: int | None = None
) -> Iterator[Painting]:
    """Paint faces with the styles in turn.

    A mask of which more than half would lie outside of the picture is not painted: the next style
    is tried, and a face that none fits is left out.

    Args:
        faces: bare faces.
        styles: keys of :data:`STYLES`.
        seed: the same seed, faces and styles give the same pictures.
        count: how many; faces are used again if there are fewer. None paints each face once. Those
            that are left out count.
    """
    path, image = None, np.zeros((1, 1, 3), np.uint8)
    enough = faces if count is None else islice(cycle(faces), count)
    for index, face in enumerate(enough):
        if face.path != path:
            path, image = face.path, read_picture(face.path)
        for turn in range(len(styles)):
            style = styles[(index + turn) % len(styles)]
            rng = np.random.default_rng([seed, index])
            painted = paint(image, face.landmarks, face.box, style, rng)
            if painted.label == WITHOUT_MASK or painted.shown >= MIN_SHOWN:
                cut, box = _cut(painted.image, face.box)
                name = f"{face.path.stem}-{style}-{index:05d}"
                yield Painting(cut, box, painted.label, style, name)
                break


def describe(counts: Mapping[str, int]) -> dict[str, str]:
    """Counts per style -> a line per label, such as "12 (hand 6, cup 6)"."""
    lines = {}
    for label in LABELS:
        styles = {style: n for style, n in counts.items() if STYLES[style] == label}
        if styles:
            parts = ", ".join(f"{style} {n:,}" for style, n in styles.items())
            lines[label] = f"{sum(styles.values()):>6,}  ({parts})"
    return lines


def sheet_blocks(made: Sequence[Painting], size: int = 128) -> list[Block]:
    """A contact sheet's blocks: a label each, the style under each picture."""
    blocks = []
    for label in LABELS:
        tiles = [Tile(contain(p.image, size), p.style) for p in made if p.label == label]
        if tiles:
            blocks.append(Block(label, tiles))
    return blocks


def _labelled(source: Path) -> Dataset | None:
    if source.is_dir():
        labels = {label.name for label in source.iterdir() if label.is_dir()}
        if not any(_is_label(name) for name in labels):
            return None
        return load_dataset(source)
    return load_dataset(source) if source.suffix.lower() == ".json" else None


def _is_label(name: str) -> bool:
    return canonical(name) in LABELS


def _usable(faces: Faces, boxes: FloatArray | None) -> Iterator[tuple[int, FloatArray]]:
    """Rows of the faces that can be painted on, each with its labelled box."""
    for row, box in enumerate(faces.boxes):
        if faces.scores[row] < MIN_SCORE or box[2] - box[0] < MIN_WIDTH:
            continue
        try:
            face_frame(faces.landmarks[row], box)
        except InputError:  # landmarks that are no face: the finder was wrong, or it lies too flat
            continue
        if boxes is None:
            yield row, box
            continue
        (overlap,) = iou(box[None], boxes)
        if float(overlap.max()) >= _SAME_FACE:
            yield row, boxes[int(overlap.argmax())]


def _is_face(image: Image, box: FloatArray, classifier: MaskClassifier) -> bool:
    card = classifier.card
    crop = crop_faces(image, box[None], card.size, card.margin)
    return bool(classifier.predict(crop).face[0] >= MIN_FACE)


def _cut(image: Image, box: FloatArray) -> tuple[Image, tuple[float, float, float, float]]:
    """The square around a face, as far as the picture has it, and the box within."""
    left, top, side = crop_square(box, MARGIN)
    height, width = image.shape[:2]
    x1, y1 = max(left, 0), max(top, 0)
    window = image[y1 : min(top + side, height), x1 : min(left + side, width)]
    a, b, c, d = (float(v) for v in box)
    return np.ascontiguousarray(window), (a - x1, b - y1, c - x1, d - y1)
