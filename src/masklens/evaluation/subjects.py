"""Who is judged: a bundle, or anybody's predictions in the JSON format of ``detect --json``."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from masklens.boxes import clipped
from masklens.bundle import Bundle, file_sha256
from masklens.crop import FloatArray
from masklens.dataset.readable import read_each
from masklens.dataset.scan import Picture
from masklens.detections import Detections
from masklens.errors import InputError
from masklens.evaluation.selection import Selection
from masklens.io.jsonfile import read_json
from masklens.labels import LABELS, WITH_MASK, WITHOUT_MASK, canonical


@dataclass(frozen=True, eq=False)
class Subject:
    """A model under test.

    Attributes:
        name: what tables and reports call it.
        labels: that it can give.
        threshold: score from which its boxes are shown.
        bundle: None for predictions from a file.
        predictions: (file, sha256) of a predictions file; None for a bundle.
        records: file name -> entry of the predictions file.
    """

    name: str
    labels: tuple[str, ...]
    threshold: float
    bundle: Bundle | None = None
    predictions: tuple[Path, str] | None = None
    records: Mapping[str, Mapping[str, Any]] | None = None


def load_subject(source: str | Path, threshold: float | None = None) -> Subject:
    """A bundle's folder, the word "default", or a predictions file (.json).

    Args:
        source: see above.
        threshold: None takes the bundle's own; of predictions, every box counts.

    Raises:
        BundleError, InputError: it cannot be used.
    """
    path = Path(source)
    if path.suffix.lower() == ".json" and path.name != "card.json" and not path.is_dir():
        return _load_predictions(path, threshold or 0.0)
    bundle = Bundle.load(source)
    card = bundle.card
    chosen = card.threshold() if threshold is None else threshold
    return Subject(f"{card.name} {card.version}", card.labels, chosen, bundle)


def _load_predictions(path: Path, threshold: float) -> Subject:
    try:
        content = read_json(path)
        files = Counter(str(entry["file"]) for entry in content)
        faces = [face for entry in content for face in entry["faces"]]
        labels = {canonical(face["label"]) for face in faces}
        named = {canonical(name) for face in faces for name in _given(face)}
    except OSError as error:
        raise InputError(f"Cannot read {path}: {error.strerror}.") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path} holds no predictions: {type(error).__name__} {error}. Expected a list of "
            '{"file", "width", "height", "faces": [{"box": [x, y, w, h], "label", "score"}]}.'
        ) from error
    if strangers := labels - set(LABELS):
        raise InputError(
            f"{path} has labels that masklens does not know: {sorted(strangers)}. "
            f"Use {list(LABELS)}."
        )
    name, times = files.most_common(1)[0] if files else ("", 0)
    if times > 1:
        raise InputError(f"{path} has {times} entries for {name}. Make one of them.")
    # A model that calls nothing badly worn is taken to know two labels, whatever it says here.
    seen = labels | named | {WITH_MASK, WITHOUT_MASK}
    known = tuple(label for label in LABELS if label in seen)
    records = {str(entry["file"]): entry for entry in content}
    facts = (path, file_sha256(path))
    return Subject(path.name, known, threshold, predictions=facts, records=records)


def match_records(subject: Subject, selection: Selection) -> list[Mapping[str, Any]]:
    """The entry of a predictions file for each selected picture, in order.

    Names are compared as paths below the data set's root, or by the file name where that is unique.
    A picture that cannot be read needs no entry, as detect gives it none; here its is empty.

    Raises:
        InputError: pictures without an entry, or two with the same one.
    """
    assert subject.records is not None and subject.predictions is not None  # noqa: PT018
    by_tail = _by_tail(subject.records)
    found: list[Mapping[str, Any]] = []
    missing: list[Picture] = []
    given: dict[str, str] = {}
    for picture in selection.dataset.pictures:
        names = by_tail.get(picture.name) or by_tail.get(PurePosixPath(picture.name).name) or []
        if len(names) > 1:
            raise InputError(
                f"{subject.predictions[0]} has {len(names)} entries that could be {picture.name}. "
                "Name the files as the data set does."
            )
        if not names:
            missing.append(picture)
            found.append({})
            continue
        if given.setdefault(names[0], picture.name) != picture.name:
            raise InputError(
                f"{subject.predictions[0]} has one entry, {names[0]}, that could be "
                f"{given[names[0]]} and {picture.name}. Name the files as the data set does."
            )
        found.append(subject.records[names[0]])
    total = len(selection.dataset)
    if len(missing) == total:
        raise InputError(
            f"{subject.predictions[0]} holds predictions for other pictures: none of the {total} "
            f"of {selection.dataset.source} is in it (it names {next(iter(subject.records), '-')})."
        )
    if lacking := [picture.name for picture, _ in read_each(missing, lambda picture, error: None)]:
        raise InputError(
            f"{subject.predictions[0]} lacks {len(lacking)} of the {total} pictures, such as "
            f'{lacking[0]}. Pictures without a face need an entry with "faces": [].'
        )
    return found


def _by_tail(names: Iterable[str]) -> dict[str, list[str]]:
    """Names of files by what they may be called: each end of their path, from the file name on."""
    by_tail: dict[str, list[str]] = {}
    for name in names:
        parts = PurePosixPath(name.replace("\\", "/")).parts
        for start in range(len(parts)):
            by_tail.setdefault("/".join(parts[start:]), []).append(name)
    return by_tail


def to_detections(
    record: Mapping[str, Any], subject: Subject, size: tuple[int, int], name: str
) -> Detections:
    """One entry of a predictions file as detections, best first.

    Args:
        record: the entry.
        subject: for its labels.
        size: width and height of the picture in pixels.
        name: of the picture, for errors.

    Raises:
        InputError: another size, boxes outside the picture, or not the format.
    """
    width, height = size
    made_on = (record.get("width", width), record.get("height", height))
    if made_on != size:
        raise InputError(
            f"The predictions for {name} were made on a picture of {made_on[0]}×{made_on[1]} "
            f"pixels, but it has {width}×{height}."
        )
    try:
        faces = sorted(record["faces"], key=lambda face: -float(face["score"]))
        count = len(faces)
        xywh = _column([face["box"] for face in faces], count, 4)
        scores = _column([face["score"] for face in faces], count)
        own = _column([face.get("face_score", face["score"]) for face in faces], count)
        rows = [_probabilities(face, subject.labels) for face in faces]
    except (KeyError, OverflowError, TypeError, ValueError) as error:
        raise InputError(
            f"The predictions for {name} cannot be read: {type(error).__name__} {error}."
        ) from error
    boxes = _inside(xywh, size, name)
    both = np.concatenate([scores, own])
    if count and not (both.min() >= 0 and both.max() <= 1):
        raise InputError(f"The predictions for {name} have scores outside 0…1.")
    return Detections(
        boxes=boxes,
        scores=scores,
        face_scores=own,
        probabilities=np.array(rows, np.float32).reshape(count, len(subject.labels)),
        labels=subject.labels,
        landmarks=np.zeros((count, 5, 2), np.float32),
        track_ids=np.full(count, -1, np.int64),
    )


def _inside(xywh: FloatArray, size: tuple[int, int], name: str) -> FloatArray:
    """Boxes (N, 4), xywh, as xyxy, clipped to their picture of (width, height)."""
    boxes = np.hstack([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]])
    inside = clipped(boxes, *size)
    outside = np.any(inside[:, 2:] <= inside[:, :2], axis=1) | ~np.isfinite(boxes).all(axis=1)
    if outside.any():
        raise InputError(
            f"The predictions for {name} have a box outside the picture ({size[0]}×{size[1]}): "
            f"{xywh[outside][0].tolist()} (x, y, width, height)."
        )
    return inside


def _column(values: list[Any], *shape: int) -> FloatArray:
    """The same entry of every face; numbers that float32 does not hold become infinite."""
    with np.errstate(over="ignore"):
        return np.asarray(np.array(values, np.float32).reshape(shape))


def _given(face: Mapping[str, Any]) -> dict[str, Any]:
    """What a face's entry gives as probabilities: they may be left out, or null."""
    return dict(face.get("probabilities") or {})


def _probabilities(face: Mapping[str, Any], labels: tuple[str, ...]) -> list[float]:
    """The face's probabilities in order of labels, made to agree with its label."""
    given = {canonical(k): float(v) for k, v in _given(face).items()}
    label = canonical(face["label"])
    row = [given.get(name, 0.0) for name in labels]
    total, place = sum(row), labels.index(label)
    if min(row) < 0 or not math.isfinite(total):
        raise ValueError(f"probabilities must be finite and not negative, {row}")
    if total <= 0 or row[place] < max(row):
        # Without probabilities, or with ones that say something else, the label alone counts.
        return [float(name == label) for name in labels]
    return [p / total for p in row]
