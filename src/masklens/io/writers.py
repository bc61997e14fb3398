"""Results out: JSON, CSV, COCO and annotated pictures.

Each writer is a context manager that takes one frame's detections at a time and does nothing when
its target is None, so that the loop that feeds them has no branches. Files are written under a
temporary name and renamed. When the loop is interrupted, the tables hold what was done by then;
when it is interrupted or fails before its first frame, what was there stays.
"""

from __future__ import annotations

import json
import math
import os
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from PIL import Image as PillowImage

from masklens.detections import Detections
from masklens.io.atomic import GrowingText, check_writable, real_paths, write_json
from masklens.io.coco_ids import CocoIds
from masklens.io.draw import draw_detections
from masklens.io.frames import Frame
from masklens.io.logs import JsonLines, check_log_writable, csv_row
from masklens.io.pictures import write_picture
from masklens.io.signature import is_signed, signed_exif
from masklens.labels import LABELS

#: Pillow's formats that are written as they are read; every other one is written as JPEG.
_KEPT_FORMATS = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG", ".webp": "WEBP"}

#: Bytes in the name of a file, on Linux.
_LONGEST_NAME = 255

#: The longest side in pixels that a format can hold: libjpeg's JPEG_MAX_DIMENSION, WebP's 14 bits.
LONGEST_SIDES = {"JPEG": 65_500, "PNG": math.inf, "WEBP": 16_383}


class Writer:
    """Base of the writers: nothing is written when ``target`` is None."""

    def __init__(self, target: Path | None) -> None:
        self.target = target
        self._written = False

    def __enter__(self) -> Self:
        if self.target is not None:
            self._check(self.target)
        return self

    def write(self, frame: Frame, detections: Detections) -> None:
        """Take the detections of one frame."""
        if self.target is not None:
            self._written = True
            self._add(self.target, frame, detections)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        in_vain = kind is not None and not self._written
        if self.target is not None and not in_vain:
            self._finish(self.target)

    def _check(self, target: Path) -> None:
        """Raise OutputError now rather than after the work."""
        check_writable(target)

    def _add(self, target: Path, frame: Frame, detections: Detections) -> None:
        raise NotImplementedError

    def _finish(self, target: Path) -> None:
        """Called once at the end, also after an interruption."""


class JsonWriter(Writer):
    """A list of ``{"file", "width", "height", "faces": […]}``; see ``docs/formats.md``.

    It grows while the frames come, so that a long film does not fill the memory. With the suffix
    ``.jsonl`` a line per picture or frame instead, written at once under the file's own name.
    """

    def __init__(self, target: Path | None) -> None:
        super().__init__(target)
        self._file: JsonLines | _JsonList | None = None

    def _check(self, target: Path) -> None:
        (check_log_writable if _in_lines(target) else check_writable)(target)

    def _opened(self, target: Path) -> JsonLines | _JsonList:
        """The file; not before there is something for it."""
        if self._file is None:
            self._file = JsonLines(target) if _in_lines(target) else _JsonList(target)
        return self._file

    def _add(self, target: Path, frame: Frame, detections: Detections) -> None:
        self._opened(target).write(frame_record(frame, detections))

    def _finish(self, target: Path) -> None:
        self._opened(target).close()


class _JsonList:
    """A list in a file that looks as if it had been written at once."""

    def __init__(self, target: Path) -> None:
        self._text = GrowingText(target)
        self._before = "[\n"

    def write(self, values: Mapping[str, Any]) -> None:
        text = json.dumps(values, indent=2, ensure_ascii=False)
        self._text.add(self._before + textwrap.indent(text, "  "))
        self._before = ",\n"

    def close(self) -> None:
        self._text.add("[]\n" if self._before == "[\n" else "\n]\n")
        self._text.finish()


def _in_lines(target: Path) -> bool:
    return target.suffix.lower() == ".jsonl"


class CsvWriter(Writer):
    """One row per face: file, box, label, score, face score, a probability per label.

    Args:
        target: file, or None. It grows while the frames come.
        videos: there are videos among the sources: three columns more, frame, time and track.
    """

    def __init__(self, target: Path | None, *, videos: bool = False) -> None:
        super().__init__(target)
        self._videos = videos
        self._text: GrowingText | None = None

    def _add(self, target: Path, frame: Frame, detections: Detections) -> None:
        text = self._begun(target, detections.labels)
        for face in face_records(detections):
            probabilities = [face["probabilities"][label] for label in detections.labels]
            row = [frame.name, *face["box"], face["label"], face["score"], face["face_score"]]
            row += probabilities
            if self._videos:
                still = frame.time is None
                row += [""] * 3 if still else [frame.index, frame.time, face.get("track", "")]
            text.add(csv_row(row) + "\n")

    def _begun(self, target: Path, labels: Sequence[str]) -> GrowingText:
        """The file; it gets its head when there is something for it."""
        if self._text is None:
            columns = ["file", "x", "y", "w", "h", "label", "score", "face_score"]
            moving = ["frame", "time", "track"] if self._videos else []
            self._text = GrowingText(target)
            self._text.add(csv_row(columns + [f"p_{label}" for label in labels] + moving) + "\n")
        return self._text

    def _finish(self, target: Path) -> None:
        self._begun(target, LABELS).finish()


class CocoWriter(Writer):
    """The COCO results format: a list of ``{"image_id", "category_id", "bbox", "score"}``.

    Args:
        target: file, or None.
        annotations: a COCO detection file whose picture and category ids are used, see
            :class:`CocoIds`. Without it the pictures that are written are numbered from 1 in order,
            and the three labels are categories 1, 2 and 3.
        pictures: names of the frames that will come: that each has an id is found out now.
    """

    def __init__(
        self, target: Path | None, annotations: Path | None = None, pictures: Iterable[str] = ()
    ) -> None:
        super().__init__(target)
        self._results: list[dict[str, Any]] = []
        self._pictures = 0
        self._ids: CocoIds | None = None
        self._categories = {label: number for number, label in enumerate(LABELS, start=1)}
        if annotations is not None:
            self._ids = CocoIds(annotations)
            self._categories = self._ids.categories
            for name in pictures:
                self._ids.of(name)

    def _add(self, target: Path, frame: Frame, detections: Detections) -> None:
        self._pictures += 1
        image_id = self._pictures if self._ids is None else self._ids.of(frame.name)
        for face in face_records(detections):
            self._results.append(
                {
                    "image_id": image_id,
                    "category_id": self._categories[face["label"]],
                    "bbox": face["box"],
                    "score": face["score"],
                }
            )

    def _finish(self, target: Path) -> None:
        write_json(target, self._results)


class PictureWriter(Writer):
    """Annotated pictures in a folder, with the relative paths they had in their source.

    Two pictures that would get the same name get numbers. What an earlier run made is replaced; no
    source ever is, nor any other file.

    Args:
        target: the folder, or None.
        taken: paths that are not to be written to, from :func:`real_paths`; those of the results
            are added.
    """

    def __init__(self, target: Path | None, taken: set[Path] | None = None) -> None:
        super().__init__(target)
        self._taken = set() if taken is None else taken

    def _check(self, target: Path) -> None:
        check_writable(target / "picture")

    def _add(self, target: Path, frame: Frame, detections: Detections) -> None:
        annotated = draw_detections(frame.image, detections)
        save_picture(self._path_for(target, frame), annotated, signed=True)

    def _path_for(self, folder: Path, frame: Frame) -> Path:
        relative = Path(frame.relative or Path(frame.name).name)
        suffix = relative.suffix if relative.suffix.lower() in _KEPT_FORMATS else ".jpg"
        if max(frame.size) > LONGEST_SIDES[_KEPT_FORMATS[suffix.lower()]]:
            suffix = ".png"
        self._taken |= real_paths([frame.name])
        return free_path(folder, relative.with_suffix(suffix), self._taken)


def free_path(folder: Path, relative: Path, taken: set[Path]) -> Path:
    """A path below ``folder`` where nothing is lost: free, or a result of an earlier run.

    Args:
        folder: of the results.
        relative: what it should be called there; a number is added where that is taken, and the
            name is shortened where it gets longer than file systems allow.
        taken: paths of the sources and of the results so far, from :func:`real_paths`; the new one
            is added.
    """
    path = folder / _with_end(relative, relative.suffix)
    number = 1
    while (real := real_paths([path])) <= taken or _is_in_the_way(path):
        number += 1
        path = folder / _with_end(relative, f"-{number}{relative.suffix}")
    taken |= real
    return path


def _with_end(path: Path, end: str) -> Path:
    stem = path.stem
    while len(os.fsencode(stem + end)) > _LONGEST_NAME:
        stem = stem[:-1]
    return path.with_name(stem + end)


def _is_in_the_way(path: Path) -> bool:
    """Whether anything but a copy of ours is there: a file, a folder, a pipe, a link to nothing."""
    return os.path.lexists(path) and not (path.is_file() and is_signed(path))


def save_picture(path: Path, image: Any, *, signed: bool = False) -> None:
    """Write uint8 (H, W, 3), RGB, in the format of the suffix, whole or not at all.

    Signed it can be made again, so that a later run may replace it: see
    :mod:`masklens.io.signature`.
    """
    exif = signed_exif() if signed else b""
    write_picture(path, PillowImage.fromarray(image), quality=92, exif=exif)


def frame_record(frame: Frame, detections: Detections) -> dict[str, Any]:
    """One frame's results as JSON values; the format of ``--json``."""
    width, height = frame.size
    moving = {} if frame.time is None else {"frame": frame.index, "time": round(frame.time, 4)}
    return {
        "file": frame.name,
        **moving,
        "width": width,
        "height": height,
        "faces": face_records(detections),
    }


def face_records(detections: Detections) -> list[dict[str, Any]]:
    """The faces as JSON values: boxes as [x, y, w, h] in pixels, probabilities by label."""
    records = []
    for face in detections:
        x1, y1, x2, y2 = face.box
        track = {} if face.track_id is None else {"track": face.track_id}
        records.append(
            {
                **track,
                "box": [round(v, 2) for v in (x1, y1, x2 - x1, y2 - y1)],
                "label": face.label,
                "score": round(face.score, 5),
                "face_score": round(face.face_score, 5),
                "probabilities": {k: round(p, 5) for k, p in face.probabilities.items()},
            }
        )
    return records
