"""Corrections of somebody else's annotation: labels that are wrong, and faces that nobody boxed.

A file of corrections lies beside the pictures' own annotation and leaves it as it is::

    {"pictures": {
        "ilc_0013.jpg": [
            {"bbox": [304, 132, 57, 72], "label": "without_mask"},
            {"bbox": [12.5, 80, 20.5, 24], "label": "ignore"}],
        "with_mask/1.jpg": [{"label": "mask_worn_incorrectly"}]}}

``bbox`` is x, y, width, height in pixels, as in COCO. Where a face is boxed there already
(:data:`SAME_BOX`), it gets the label; elsewhere a face is added. "ignore" is for what should count
neither as a face nor as background: such a place becomes a crowd (``iscrowd`` in COCO). In a folder
of classes the label is the whole picture's, and what is to be ignored is left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from masklens.boxes import iou
from masklens.dataset.scan import Annotation, Dataset, Picture, box_of
from masklens.errors import DatasetError
from masklens.io.jsonfile import read_json
from masklens.labels import LABELS, canonical

#: Overlap (IoU) from which a correction speaks of a face that is boxed.
SAME_BOX = 0.9

#: The label of what is neither a face that counts nor background.
IGNORE = "ignore"

#: What is to be said of the faces of each picture, by its name below the data set's root.
Corrections = Mapping[str, Sequence[Annotation]]


def load_corrections(*paths: Path) -> Corrections:
    """Read files of corrections; what several say of one picture comes together.

    Raises:
        DatasetError: one cannot be read, is malformed, or has labels that are not known.
    """
    every: dict[str, list[Annotation]] = {}
    for path in paths:
        for name, entries in _read(path).items():
            every.setdefault(name, []).extend(entries)
    return every


def _read(path: Path) -> dict[str, list[Annotation]]:
    try:
        content = read_json(path)
        pictures = content["pictures"]
        return {name: [_entry(e) for e in entries] for name, entries in pictures.items()}
    except OSError as error:
        raise DatasetError(f"Cannot read {path}: {error.strerror}.") from error
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        kind = "" if type(error) is ValueError else f"{type(error).__name__} "
        raise DatasetError(
            f"{path} is not a file of corrections: {kind}{error}. Expected "
            '{"pictures": {FILE: [{"bbox": [x, y, width, height], "label": LABEL}]}}, where LABEL '
            f"is {', '.join(LABELS)} or {IGNORE}; in a folder of classes without bbox."
        ) from error


def _entry(entry: Mapping[str, Any]) -> Annotation:
    label = entry["label"]
    if label != IGNORE and (label := canonical(label)) not in LABELS:
        raise ValueError(f"a label is not known, {entry['label']!r}")
    if "bbox" not in entry:
        return Annotation(label)
    x1, y1, x2, y2 = box = box_of(entry["bbox"])
    if x2 <= x1 or y2 <= y1:
        raise ValueError(f"a box is without area, {entry['bbox']}")
    return Annotation(label, box)


def corrected(
    datasets: Sequence[Dataset], corrections: Corrections, whole: Sequence[Dataset]
) -> list[Dataset]:
    """Data sets with their faces corrected.

    Args:
        datasets: what is used of the data.
        corrections: of any pictures of the data.
        whole: all of the data.

    Raises:
        DatasetError: a picture that is corrected is in none of the data sets or in two, or its
            correction has a box where the picture has a label of its own, or none where faces are
            boxed.
    """
    names = Counter(picture.name for dataset in whole for picture in dataset.pictures)
    if twice := [name for name in corrections if names[name] > 1]:
        raise DatasetError(
            f"The corrections name {twice[0]}, and there are two of that name in the data, so that "
            "it is not clear which is meant. Rename one of them."
        )
    if missing := sorted(set(corrections) - set(names)):
        more = len(missing) - 1
        others = f", nor {'is' if more == 1 else 'are'} {more:,} more" if more else ""
        raise DatasetError(
            f"The corrections name {missing[0]}, which is not among the data{others}. "
            "Give the file that was made for these data."
        )
    return [
        replace(
            dataset,
            pictures=tuple(
                mended
                for picture in dataset.pictures
                for mended in _corrected(picture, corrections.get(picture.name, ()), dataset.boxed)
            ),
        )
        for dataset in datasets
    ]


def _corrected(picture: Picture, entries: Sequence[Annotation], boxed: bool) -> list[Picture]:
    """The picture as it should be, or nothing if it is to be left out."""
    if any((entry.box is not None) != boxed for entry in entries):
        need, kind = ("all", "with boxed faces") if boxed else ("not", "of a folder of classes")
        raise DatasetError(
            f"The corrections of {picture.name} must {need} have a bbox: it is a picture {kind}."
        )
    if boxed:
        return [_with_boxes(picture, entries)]
    if any(entry.label == IGNORE for entry in entries):
        return []
    return [replace(picture, annotations=tuple(entries[-1:]) or picture.annotations)]


def _with_boxes(picture: Picture, entries: Sequence[Annotation]) -> Picture:
    faces: list[Annotation] = list(picture.annotations)
    crowds = list(picture.crowds)
    boxes = np.array([a.box for a in faces], np.float32).reshape(-1, 4)
    gone: set[int | None] = set()
    for entry in entries:
        overlap = iou(np.array([entry.box], np.float32), boxes)[0]
        same = int(overlap.argmax()) if overlap.max(initial=0) >= SAME_BOX else None
        if entry.label == IGNORE:
            crowds.append(entry)
            gone.add(same)
        elif same is None:
            faces.append(entry)
        else:
            faces[same] = replace(faces[same], label=entry.label)
    kept = tuple(face for i, face in enumerate(faces) if i not in gone)
    return replace(picture, annotations=kept, crowds=tuple(crowds))
