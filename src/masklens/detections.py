"""The one value that travels through masklens: what was found in one picture.

Finder and classifier make it, votes and filters return changed copies, drawing and writers read it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from masklens.crop import FloatArray
from masklens.labels import LABELS, WITH_MASK
from masklens.plural import many


@dataclass(frozen=True, slots=True)
class Detection:
    """One face, in plain Python numbers: for loops and writers."""

    box: tuple[float, float, float, float]
    label: str
    score: float
    face_score: float
    probabilities: dict[str, float]
    track_id: int | None = None


def set_columns(owner: object, columns: Mapping[str, tuple[tuple[int, ...], type]]) -> None:
    """Make arrays of the columns of a frozen value that is being made, and check their shapes.

    Args:
        owner: of the columns; lists and numbers of other types are changed in it.
        columns: name -> shape, and type of its numbers.

    Raises:
        ValueError: a column has another shape, or what is in it is no number.
    """
    for name, (shape, kind) in columns.items():
        given, where = getattr(owner, name), f"{type(owner).__name__}.{name}"
        try:
            column: npt.NDArray[Any] = np.asarray(given, kind)
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"{where} must be numbers of shape {shape}. Received: {given!r:.80}"
            ) from error
        if column.shape == (0,) == shape[:1]:  # of an empty list, which says no more
            column = column.reshape(shape)
        if column.shape != shape:
            raise ValueError(f"{where} must have shape {shape}. Received: {column.shape}")
        object.__setattr__(owner, name, column)


@dataclass(frozen=True, eq=False)
class Detections:
    """All faces of one picture, best first; every column has one row per face.

    Lists become arrays, and numbers of other types those that stand below.

    A loop over it, and ``detections[0]``, give single faces as :class:`Detection`; slices, indices
    and masks give ``Detections``.

    Attributes:
        boxes: float32 (N, 4), xyxy, pixels of the upright original picture.
        scores: float32 (N,), 0…1: how likely it is that a face is there and wears what its label
            says. Ranks the faces and is compared with thresholds.
        face_scores: float32 (N,), 0…1: the face finder's own score.
        probabilities: float32 (N, L), rows sum to 1: for each label, given that it is a face.
        labels: the L labels, in the order of the columns of ``probabilities``.
        landmarks: float32 (N, 5, 2), x and y in pixels; see :class:`masklens.faces.Faces`.
        track_ids: int64 (N,), -1 where a face belongs to no track (always in single pictures).

    Raises:
        ValueError: when a column has another shape.
    """

    boxes: FloatArray
    scores: FloatArray
    face_scores: FloatArray
    probabilities: FloatArray
    labels: tuple[str, ...]
    landmarks: FloatArray
    track_ids: npt.NDArray[np.int64]

    def __post_init__(self) -> None:
        n = len(self.boxes)
        object.__setattr__(self, "labels", tuple(self.labels))
        set_columns(
            self,
            {
                "boxes": ((n, 4), np.float32),
                "scores": ((n,), np.float32),
                "face_scores": ((n,), np.float32),
                "probabilities": ((n, len(self.labels)), np.float32),
                "landmarks": ((n, 5, 2), np.float32),
                "track_ids": ((n,), np.int64),
            },
        )

    @classmethod
    def empty(cls, labels: tuple[str, ...] = LABELS) -> Detections:
        """No face at all."""
        return cls(
            boxes=np.zeros((0, 4), np.float32),
            scores=np.zeros(0, np.float32),
            face_scores=np.zeros(0, np.float32),
            probabilities=np.zeros((0, len(labels)), np.float32),
            labels=labels,
            landmarks=np.zeros((0, 5, 2), np.float32),
            track_ids=np.zeros(0, np.int64),
        )

    def __len__(self) -> int:
        return len(self.boxes)

    @overload
    def __getitem__(self, rows: int | np.integer[Any]) -> Detection: ...
    @overload
    def __getitem__(self, rows: slice | list[Any] | npt.NDArray[Any]) -> Detections: ...

    def __getitem__(
        self, rows: int | np.integer[Any] | slice | list[Any] | npt.NDArray[Any]
    ) -> Detection | Detections:
        """One face for an integer, as iterating gives it; several stay together as Detections.

        Args:
            rows: a number, from the end where it is negative; a slice, indices, or a boolean mask.

        Raises:
            IndexError: there is no such face.
            TypeError: for anything else, such as several axes, or the name of a column: that is an
                attribute.
        """
        if isinstance(rows, int | np.integer):
            return self._face(int(rows))
        if isinstance(rows, list):
            several = all(isinstance(row, int | np.integer | np.bool) for row in rows)
        elif isinstance(rows, np.ndarray):
            several = rows.ndim == 1 and rows.dtype.kind in "biu"
        else:
            several = isinstance(rows, slice)
        if not several:
            raise TypeError(
                "Detections are indexed by a number, a slice, a list or an array of indices or "
                f"of True and False. Received: {rows!r:.80}"
            )
        columns = {f.name: getattr(self, f.name)[rows] for f in fields(self) if f.name != "labels"}
        return replace(self, **columns)

    def __iter__(self) -> Iterator[Detection]:
        return (self._face(i) for i in range(len(self)))

    def _face(self, row: int) -> Detection:
        if not -len(self) <= row < len(self):
            raise IndexError(f"No face has the number {row}: {many(len(self), 'face')} found.")
        x1, y1, x2, y2 = (float(v) for v in self.boxes[row])
        probabilities = [float(p) for p in self.probabilities[row]]
        track = int(self.track_ids[row])
        return Detection(
            box=(x1, y1, x2, y2),
            label=self.labels[int(np.argmax(probabilities))],
            score=float(self.scores[row]),
            face_score=float(self.face_scores[row]),
            probabilities=dict(zip(self.labels, probabilities, strict=True)),
            track_id=None if track < 0 else track,
        )

    @property
    def label_indices(self) -> npt.NDArray[np.intp]:
        """(N,), column of the most probable label of each face."""
        return np.asarray(self.probabilities.argmax(axis=1), dtype=np.intp)

    @property
    def label_names(self) -> list[str]:
        """The most probable label of each face."""
        return [self.labels[i] for i in self.label_indices]

    def above(self, threshold: float) -> Detections:
        """The faces whose score is at least ``threshold``."""
        return self[self.scores >= threshold]

    def counts(self) -> dict[str, int]:
        """Number of faces per label, every label of the bundle included."""
        names = self.label_names
        return {label: names.count(label) for label in self.labels}

    @property
    def share_compliant(self) -> float | None:
        """Share of faces that wear a mask as they should, or None without a face."""
        return self.counts().get(WITH_MASK, 0) / len(self) if len(self) else None
