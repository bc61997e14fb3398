"""What a model answered to labelled faces, and bringing answers and truth to common labels."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np

from masklens.errors import DatasetError
from masklens.intervals import Array, Bools, Ints
from masklens.labels import LABELS, MASK_WORN_INCORRECTLY, WITHOUT_MASK


@dataclass(frozen=True, eq=False)
class Answers:
    """One model's answers to N labelled faces.

    Attributes:
        labels: the L labels that indices and columns refer to.
        truth: (N,), index of the true label.
        predicted: (N,), index of the answer; -1 where no face was found.
        probabilities: (N, L), rows sum to 1; NaN where no face was found.
        groups: (N,), number of the group each face belongs to, from 0 to n_groups - 1.
        widths: (N,), width of the face (or of the picture) in pixels.
        pictures: (N,), number of the picture in the data set.
        boxes: (N, 4), xyxy pixels of what was classified; NaN where no face was found.
        n_groups: number of groups.
        bare: (N,), whether the face wears no mask at all; not changed by folding labels.
    """

    labels: tuple[str, ...]
    truth: Ints
    predicted: Ints
    probabilities: Array
    groups: Ints
    widths: Array
    pictures: Ints
    boxes: Array
    n_groups: int
    bare: Bools

    def __len__(self) -> int:
        return len(self.truth)

    @property
    def found(self) -> Bools:
        """(N,), whether there is an answer at all."""
        return np.asarray(self.predicted >= 0)

    @property
    def right(self) -> Bools:
        """(N,), whether the answer is the true label."""
        return np.asarray(self.predicted == self.truth)

    @property
    def confidence(self) -> Array:
        """(N,), probability of the label that was answered; NaN without an answer."""
        rows = np.arange(len(self))
        return np.where(self.found, self.probabilities[rows, self.predicted], np.nan)

    def select(self, rows: Bools) -> Answers:
        """The answers of some rows; groups keep their numbers."""
        kept = {"labels", "n_groups"}
        names = [field.name for field in fields(self) if field.name not in kept]
        return replace(self, **{name: getattr(self, name)[rows] for name in names})

    def fold(self, labels: tuple[str, ...]) -> Answers:
        """The same answers in fewer labels: ``mask_worn_incorrectly`` becomes ``without_mask``.

        The answer stays the most probable of the model's own labels, so that folding never changes
        what a user would be told.
        """
        if labels == self.labels:
            return self
        columns = fold_map(self.labels, labels)
        merged = np.zeros((len(self), len(labels)))
        for column, target in enumerate(columns):
            merged[:, target] += self.probabilities[:, column]
        predicted = np.where(self.found, columns[self.predicted], -1)
        return replace(
            self,
            labels=labels,
            truth=columns[self.truth],
            predicted=predicted,
            probabilities=merged,
        )


def fold_map(labels: tuple[str, ...], target: tuple[str, ...]) -> Ints:
    """For each of ``labels`` its place in ``target``.

    ``mask_worn_incorrectly`` goes to ``without_mask`` where the target lacks it.
    """
    places = []
    for label in labels:
        name = WITHOUT_MASK if label not in target and label == MASK_WORN_INCORRECTLY else label
        places.append(target.index(name))
    return np.asarray(places, dtype=np.intp)


def common_labels(data: tuple[str, ...], model: tuple[str, ...], name: str) -> tuple[str, ...]:
    """The labels in which a model can be judged on a data set.

    Badly worn masks count as none when the data or the model do not know them.

    Args:
        data: labels that occur in the data.
        model: labels that the model gives.
        name: of the data, for the error.

    Raises:
        DatasetError: the data has labels the model cannot give.
    """
    foldable = set(data) - {MASK_WORN_INCORRECTLY}
    if MASK_WORN_INCORRECTLY in data and MASK_WORN_INCORRECTLY not in model:
        foldable |= {WITHOUT_MASK}
    if strangers := sorted(foldable - set(model)):
        raise DatasetError(
            f"{name} has labels that the model does not know: {strangers}. The model knows "
            f"{list(model)}; rename or leave out the others."
        )
    three = MASK_WORN_INCORRECTLY in data and MASK_WORN_INCORRECTLY in model
    return tuple(
        label for label in LABELS if label in model and (label != MASK_WORN_INCORRECTLY or three)
    )
