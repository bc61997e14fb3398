"""Which pictures are judged, and which of them belong together.

A split (:mod:`masklens.dataset.split`) selects a part of a data set and may name its groups of
near-duplicates. Without groups, every picture is one of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from masklens.dataset.duplicates import Duplicates, find_duplicates
from masklens.dataset.scan import Dataset, load_dataset
from masklens.dataset.split import GROUPED, Parts, named_parts
from masklens.errors import DatasetError
from masklens.evaluation.bars import Bar, no_bar, search_bar
from masklens.intervals import Ints


@dataclass(frozen=True, eq=False)
class Selection:
    """The pictures to judge.

    Attributes:
        dataset: only the selected pictures.
        groups: (P,), number of each picture's group, from 0.
        split: what selected them, as of :func:`masklens.dataset.split.named_parts`; or None.
        whole: what they were selected from.
        parts: what the split sets apart; None where everything is judged.
        duplicates: in ``whole``, where the split made them be looked for; else None.
    """

    dataset: Dataset
    groups: Ints
    split: str | None
    whole: Dataset
    parts: Parts | None = None
    duplicates: Duplicates | None = None

    @property
    def n_groups(self) -> int:
        """Number of groups."""
        return int(self.groups.max(initial=-1)) + 1

    @property
    def left_out(self) -> tuple[str, ...]:
        """Why pictures are in neither part of a "grouped" split: a sentence each."""
        return tuple(why for _, why in self.duplicates.unreadable) if self.duplicates else ()

    def without(self, unreadable: set[int]) -> Selection:
        """The same without some pictures; groups are renumbered.

        Raises:
            DatasetError: what is left cannot be judged.
        """
        if not unreadable:
            return self
        keep = [i for i in range(len(self.dataset)) if i not in unreadable]
        if not keep:
            raise DatasetError(f"No picture of {self.dataset.source} can be read.")
        pictures = tuple(self.dataset.pictures[i] for i in keep)
        dataset = Dataset(self.dataset.source, self.dataset.boxed, pictures)
        _refuse_one_label(dataset, self.split, "pictures that can be read")
        _, groups = np.unique(self.groups[keep], return_inverse=True)
        return replace(self, dataset=dataset, groups=groups)


def select(data: str | Path | Dataset, split: str | None = None, bar: Bar = no_bar) -> Selection:
    """Load a data set and select a part of it.

    Args:
        data: folder of classes, or COCO detection file; or the data set that was loaded from it.
        split: "report", "grouped", "MANIFEST.csv" or "MANIFEST.csv:PART"; None for everything.
        bar: over the search for near-duplicates, which "grouped" asks for.

    Raises:
        DatasetError: nothing to judge, or not what a judgement needs.
    """
    whole = data if isinstance(data, Dataset) else load_dataset(data)
    dataset, groups = whole, np.arange(len(whole))
    parts = duplicates = None
    if split == GROUPED:
        with search_bar(len(whole), bar) as progress:
            duplicates = find_duplicates(whole, progress=progress)
    if split is not None:
        parts = named_parts(whole, split, duplicates)
        dataset, groups = _part(whole, split, parts)
    _refuse_one_label(dataset, split)
    return Selection(dataset, groups, split, whole, parts, duplicates)


def _refuse_one_label(dataset: Dataset, split: str | None, what: str = "pictures") -> None:
    whole = str(dataset.source) if split is None else f"The test part of the split {split}"
    if not dataset.boxed and len(dataset.labels) < 2:
        raise DatasetError(
            f"{whole} has {what} of one label only ({dataset.labels[0]}); how well two "
            "labels are told apart cannot be measured on it. Add pictures of another label."
        )


def _part(dataset: Dataset, split: str, parts: Parts) -> tuple[Dataset, Ints]:
    """The judged part of a data set, and the group of each of its pictures."""
    wanted = set(parts.test)
    pictures = tuple(p for p in dataset.pictures if p.name in wanted)
    if not pictures:
        raise DatasetError(
            f"The split {split} names no picture of {dataset.source}: it lists {parts.test[0]}, "
            f"the data has {dataset.pictures[0].name}."
        )
    if missing := sorted(wanted - {p.name for p in pictures}):
        raise DatasetError(
            f"{dataset.source} lacks {len(missing)} of the {len(wanted)} pictures that the split "
            f"{split} lists, such as {missing[0]}."
        )
    # Without known groups every picture is one of its own.
    numbers = [parts.groups.get(p.name, i) for i, p in enumerate(pictures)]
    _, groups = np.unique(numbers, return_inverse=True)
    return Dataset(dataset.source, dataset.boxed, pictures), groups
