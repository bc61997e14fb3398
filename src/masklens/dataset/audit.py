"""The leak check: which pictures are copies of each other, and how many a split tears apart.

:func:`audit` turns a data set into an :class:`Audit`: groups of copies, how they differ, and the
share of test pictures that have a copy in the training part. It can be drawn and written as JSON.
"""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from masklens.dataset.duplicates import Duplicate, Duplicates, Progress, find_duplicates
from masklens.dataset.scan import Dataset, Picture
from masklens.dataset.sheet import Block, Tile, contain
from masklens.dataset.split import GROUPED, Parts, named_parts
from masklens.errors import DatasetError
from masklens.io.draw import SHORT_NAMES
from masklens.io.pictures import read_picture

_TURNED = 2.0  # degrees
_SCALED = 0.05  # of the size
_TILE = 96


@dataclass(frozen=True, slots=True)
class Group:
    """Copies of one photograph, in order of their names; at least two."""

    pictures: tuple[Picture, ...]
    pairs: tuple[Duplicate, ...]

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels that occur in it."""
        return tuple(sorted({a.label for p in self.pictures for a in p.annotations}))


@dataclass(frozen=True, slots=True)
class Leak:
    """What a split tears apart.

    Attributes:
        split: as it was named.
        train, test: number of pictures.
        with_twin: test pictures that have a copy in the training part.
        with_same_label: those whose copy has the same label.
    """

    split: str
    train: int
    test: int
    with_twin: int
    with_same_label: int

    @property
    def share(self) -> float:
        """Share of test pictures with a copy in the training part, 0…1."""
        return self.with_twin / self.test if self.test else 0.0


@dataclass(frozen=True, slots=True)
class Audit:
    """What the check found.

    Attributes:
        name: the folder or file.
        pictures: in the data set.
        groups: largest first.
        kinds: pairs by how they differ, see :func:`kind_of`.
        leak: None if no split was named.
        unreadable: (name, reason).
    """

    name: str
    pictures: int
    groups: tuple[Group, ...]
    kinds: dict[str, int]
    leak: Leak | None
    unreadable: tuple[tuple[str, str], ...]

    @property
    def copies(self) -> int:
        """Pictures that have a copy."""
        return sum(len(group.pictures) for group in self.groups)

    @property
    def photographs(self) -> int:
        """Different ones, among the pictures that can be read."""
        return self.pictures - len(self.unreadable) - self.copies + len(self.groups)

    @property
    def across_labels(self) -> int:
        """Groups with pictures of more than one label."""
        return sum(len(group.labels) > 1 for group in self.groups)

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        names = {t: (a, b) for group in self.groups for t, a, b in _named(group)}
        return {
            "data": self.name,
            "pictures": self.pictures,
            "pictures_with_a_copy": self.copies,
            "groups_across_labels": self.across_labels,
            "pairs_by_kind": self.kinds,
            "leak": dataclasses.asdict(self.leak) | {"share": self.leak.share}
            if self.leak
            else None,
            "groups": [
                {
                    "files": [picture.name for picture in group.pictures],
                    "labels": list(group.labels),
                    "pairs": [_pair(pair, *names[pair]) for pair in group.pairs],
                }
                for group in self.groups
            ],
            "unreadable": [{"file": name, "reason": reason} for name, reason in self.unreadable],
        }


def audit(
    dataset: Dataset,
    split: str | None = None,
    progress: Progress | None = None,
    duplicates: Duplicates | None = None,
) -> Audit:
    """Look for copies in a data set, and for copies that a split tears apart.

    Args:
        dataset: folders of classes or a COCO file.
        split: "report" or a manifest, see :func:`masklens.dataset.split.named_parts`.
        progress: see :func:`masklens.dataset.duplicates.find_duplicates`.
        duplicates: what it would find, where that is known already.
    """
    if split == GROUPED:
        duplicates = duplicates or find_duplicates(dataset, progress=progress)
    # A split that cannot be had is refused before the long search.
    parts = None if split is None else named_parts(dataset, split, duplicates=duplicates)
    duplicates = duplicates or find_duplicates(dataset, progress=progress)
    members: dict[int, list[int]] = {}
    for place, number in enumerate(duplicates.groups.tolist()):
        members.setdefault(number, []).append(place)
    pairs: dict[int, list[Duplicate]] = {}
    for pair in duplicates.pairs:
        pairs.setdefault(int(duplicates.groups[pair.first]), []).append(pair)
    groups = [
        Group(tuple(dataset.pictures[place] for place in places), tuple(pairs[number]))
        for number, places in members.items()
        if len(places) > 1
    ]
    broken = [name for name, _ in duplicates.unreadable]
    return Audit(
        name=str(dataset.source),
        pictures=len(dataset),
        groups=tuple(sorted(groups, key=lambda g: -len(g.pictures))),
        kinds=dict(Counter(kind_of(pair) for pair in duplicates.pairs).most_common()),
        leak=None if parts is None else leak(groups, dataset, parts, str(split), broken),
        unreadable=duplicates.unreadable,
    )


def leak(
    groups: Sequence[Group],
    dataset: Dataset,
    parts: Parts,
    split: str = "",
    unreadable: Collection[str] = (),
) -> Leak:
    """Count the test pictures that have a copy in the training part.

    Args:
        groups: of copies.
        dataset: that is split.
        parts: that it is split into.
        split: as it was named.
        unreadable: names of pictures that count in neither part.

    Raises:
        DatasetError: the split names none of the data set's pictures for one of its parts.
    """
    names = {picture.name for picture in dataset.pictures}.difference(unreadable)
    train, test = names.intersection(parts.train), names.intersection(parts.test)
    if not train or not test:
        raise DatasetError(f"The split {split} names no pictures of {dataset.source}.")
    with_twin = same_label = 0
    for group in groups:
        trained = [picture for picture in group.pictures if picture.name in train]
        labels = {a.label for picture in trained for a in picture.annotations}
        for picture in group.pictures:
            if trained and picture.name in test:
                with_twin += 1
                same_label += any(a.label in labels for a in picture.annotations)
    return Leak(split, len(train), len(test), with_twin, same_label)


def kind_of(pair: Duplicate) -> str:
    """How two copies differ, in a word: the first that applies."""
    if pair.exact:
        return "same file"
    if pair.mirrored:
        return "mirrored"
    if abs(pair.angle) > _TURNED:
        return "turned"
    if abs(math.log(pair.scale)) > _SCALED:
        return "cropped or scaled"
    return "near copy"


def sheet(report: Audit) -> list[Block]:
    """A block per group for the contact sheet; at least one group is needed."""
    return [
        Block(
            f"{number}",
            [Tile(contain(read_picture(p.path), _TILE), p.path.name) for p in group.pictures],
            " and ".join(SHORT_NAMES.get(label, label) for label in group.labels),
        )
        for number, group in enumerate(report.groups, start=1)
    ]


def _named(group: Group) -> list[tuple[Duplicate, str, str]]:
    """Each pair with its two names; places are in the order of the pictures' names."""
    places = sorted({place for pair in group.pairs for place in (pair.first, pair.second)})
    name_of = dict(zip(places, (picture.name for picture in group.pictures), strict=True))
    return [(pair, name_of[pair.first], name_of[pair.second]) for pair in group.pairs]


def _pair(pair: Duplicate, first: str, second: str) -> dict[str, Any]:
    return {
        "first": first,
        "second": second,
        "kind": kind_of(pair),
        "mirrored": pair.mirrored,
        "angle": round(pair.angle, 1),
        "scale": round(pair.scale, 3),
        "inliers": pair.inliers,
        "correlation": round(pair.correlation, 3),
    }
