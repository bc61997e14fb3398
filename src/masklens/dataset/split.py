"""Splitting a data set into training and test parts, or folds, without tearing duplicates apart.

Groups of copies (:mod:`masklens.dataset.duplicates`) stay on one side, the labels keep their
shares, and the same seed gives the same split. The result is a manifest, a CSV file with the
columns ``file,label,group,split``, that ``train`` and ``evaluate`` read.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from masklens.dataset.duplicates import Duplicates, Progress, find_duplicates
from masklens.dataset.scan import Dataset, Picture
from masklens.errors import DatasetError, MissingExtraError
from masklens.io.atomic import write_bytes
from masklens.limits import TEST_SHARES
from masklens.plural import many

COLUMNS = ("file", "label", "group", "split")
TRAIN, TEST = "train", "test"
#: Bytes in names of files that are no UTF-8 are written, and read back, as they are.
_AS_THEY_ARE = "surrogateescape"
GROUPED = "grouped"  # the name of the split that is made by looking for duplicates

Indices = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Row:
    """One picture in a manifest; ``split`` is "train" or "test", or else "fold-1" and so on."""

    file: str
    label: str
    group: int
    split: str


@dataclass(frozen=True, slots=True)
class Parts:
    """What a split sets apart.

    Attributes:
        train, test: names of the pictures.
        groups: name of a picture -> number of its group of near-duplicates; nothing where they are
            not known.
    """

    train: list[str]
    test: list[str]
    groups: dict[str, int]

    def sha256(self) -> str:
        """A hash over the names: by it a bundle knows which part its training set aside."""
        text = "\n\n".join("\n".join(names) for names in (self.train, self.test))
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def report_split(labels: Sequence[Any] | npt.NDArray[Any]) -> tuple[Indices, Indices]:
    """The original report's split: one in five for the test, by label, seed 42, groups ignored.

    Args:
        labels: (N,), in the order of the sorted file names.

    Returns:
        Indices of the training and of the test pictures.

    Raises:
        DatasetError: too few pictures to set some of each label aside.
    """
    labels = np.asarray(labels)
    counts = np.unique(labels, return_counts=True)[1]
    if len(counts) == 0 or counts.min() < 2 or len(labels) * 0.2 < len(counts):
        raise DatasetError(
            "Too few pictures to set 20 % aside for the test: at least 5 of each label are "
            f"needed. Received: {many(len(labels), 'picture')}, "
            f"{counts.min() if len(counts) else 0} of the rarest label."
        )
    train, test = _sklearn().train_test_split(
        np.arange(len(labels)), test_size=0.20, stratify=labels, random_state=42
    )
    for part, name in ((train, "training"), (test, "test")):
        if missing := sorted(set(labels) - set(labels[part])):
            raise DatasetError(
                f"One picture in five for the test leaves none of {missing[0]} in the {name} part: "
                f"it has {np.sum(labels == missing[0])} of {len(labels)} pictures. Add some, or "
                "make a split with more in the test: masklens dataset split --test."
            )
    return train, test


def grouped_split(
    labels: Sequence[str],
    groups: Sequence[int] | npt.NDArray[np.intp],
    *,
    test: float = 0.2,
    folds: int | None = None,
    seed: int = 42,
) -> list[str]:
    """Name each picture's part so that no group is torn and the labels keep their shares.

    Args:
        labels: (N,).
        groups: (N,), pictures with the same number stay together.
        test: share of the test part, 0.05…0.95; the nearest fraction with a denominator up to 20.
        folds: make this many folds instead of a training and a test part.
        seed: of the order in which groups are dealt out.

    Returns:
        (N,), the names of the parts.

    Raises:
        DatasetError: too few groups of a label for so many parts.
    """
    if not folds and not TEST_SHARES[0] <= test <= TEST_SHARES[1]:
        least, most = TEST_SHARES
        raise DatasetError(f"The test share must lie between {least} and {most}. Received: {test}.")
    share = Fraction(test).limit_denominator(20)
    parts = folds or share.denominator
    if folds is not None and folds < 2:
        raise DatasetError(f"At least 2 folds are needed. Received: {folds}.")
    groups_of = {label: set[int]() for label in labels}
    for label, number in zip(labels, groups, strict=True):
        groups_of[label].add(int(number))
    rarest = min(groups_of, key=lambda label: len(groups_of[label]))
    if (different := len(groups_of[rarest])) < parts:
        fewer = ", or ask for fewer parts: masklens dataset split --test 0.5 makes 2"
        raise DatasetError(
            f"{parts} parts need at least {parts} different pictures of each label, but "
            f"{rarest} has {different} (copies counted once). "
            f"Add some{fewer if different > 1 else ''}."
        )
    splitter = _sklearn().StratifiedGroupKFold(n_splits=parts, shuffle=True, random_state=seed)
    fold_of = np.empty(len(labels), dtype=np.intp)
    dealt = splitter.split(np.zeros(len(labels)), np.asarray(labels), np.asarray(groups))
    for number, (_, members) in enumerate(dealt):
        fold_of[members] = number
    if folds:
        return [f"fold-{number + 1}" for number in fold_of]
    return [TEST if number < share.numerator else TRAIN for number in fold_of]


def split_dataset(
    dataset: Dataset,
    *,
    test: float = 0.2,
    folds: int | None = None,
    seed: int = 42,
    progress: Progress | None = None,
    duplicates: Duplicates | None = None,
) -> tuple[list[Row], tuple[tuple[str, str], ...]]:
    """Look for duplicates in a data set and split it by them.

    Args:
        dataset: to split.
        test, folds, seed: see :func:`grouped_split`.
        progress: see :func:`masklens.dataset.duplicates.find_duplicates`.
        duplicates: what it would find, where that is known already.

    Returns:
        The rows of the manifest, in the order of the pictures, and (name, reason) of the files that
        cannot be read, which are left out.
    """
    duplicates = duplicates or find_duplicates(dataset, progress=progress)
    broken = {name for name, _ in duplicates.unreadable}
    kept = [
        (picture, int(number))
        for picture, number in zip(dataset.pictures, duplicates.groups, strict=True)
        if picture.name not in broken
    ]
    counts = dataset.counts()
    labels = [label_of(picture, counts) for picture, _ in kept]
    groups = [number for _, number in kept]
    names = grouped_split(labels, groups, test=test, folds=folds, seed=seed)
    return [
        Row(picture.name, label, number, name)
        for (picture, number), label, name in zip(kept, labels, names, strict=True)
    ], duplicates.unreadable


def label_of(picture: Picture, counts: dict[str, int]) -> str:
    """The label that a picture is dealt out by: the rarest of its faces', or "no_face"."""
    labels = {annotation.label for annotation in picture.annotations}
    return min(labels, key=lambda label: (counts[label], label), default="no_face")


def write_manifest(file: Path, rows: Iterable[Row]) -> None:
    """Write a manifest, whole or not at all.

    Raises:
        OutputError: the file system refused.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows((row.file, row.label, row.group, row.split) for row in rows)
    write_bytes(file, text.getvalue().encode("utf-8", _AS_THEY_ARE))


def read_manifest(file: Path) -> list[Row]:
    """Read a manifest; columns may stand in any order, further ones are passed over.

    Raises:
        DatasetError: no such file, no manifest, or a picture listed twice.
    """
    try:
        with file.open(newline="", encoding="utf-8-sig", errors=_AS_THEY_ARE) as stream:
            reader = csv.DictReader(stream)
            missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
            if missing:
                raise DatasetError(
                    f"{file} is not a split manifest: it lacks the columns {missing}. "
                    'Make one with "masklens dataset split".'
                )
            rows = []
            for r in reader:
                if None in (r[name] for name in COLUMNS):
                    raise ValueError(f"line {reader.line_num} is too short")
                rows.append(Row(r["file"], r["label"], int(r["group"]), r["split"]))
    except OSError as error:
        raise DatasetError(
            f"Cannot read the split {file}: {error.strerror}. A split is report, grouped or the "
            "path of a manifest."
        ) from error
    except (csv.Error, TypeError, ValueError) as error:
        raise DatasetError(f"{file} is not a split manifest: {error}.") from error
    if not rows:
        raise DatasetError(f"{file} lists no picture.")
    name, times = Counter(row.file for row in rows).most_common(1)[0]
    if times > 1:
        raise DatasetError(f"{file} lists {name} {times} times.")
    return rows


def parts_of(rows: Iterable[Row], test: str = TEST) -> Parts:
    """The part of that name for the test, and everything else for training."""
    rows = list(rows)
    return Parts(
        [row.file for row in rows if row.split != test],
        [row.file for row in rows if row.split == test],
        {row.file: row.group for row in rows},
    )


def manifest_file(split: str | None) -> Path | None:
    """The manifest of a split as :func:`named_parts` takes it; None where there is no file."""
    return None if split in (None, "report", GROUPED) else _manifest_and_part(str(split))[0]


def _manifest_and_part(split: str) -> tuple[Path, str]:
    """What FILE.csv:PART names; the part is "test" in FILE.csv alone."""
    path, colon, part = split.rpartition(":")
    if not colon or part.endswith(".csv"):  # C:\split.csv has a colon too
        return Path(split), TEST
    return Path(path), part


def named_parts(dataset: Dataset, split: str, duplicates: Duplicates | None = None) -> Parts:
    """The pictures for training and for the test.

    Args:
        dataset: whose pictures are split.
        split: "report" (:func:`report_split`), "grouped" (:func:`split_dataset` with its defaults),
            or a manifest: FILE.csv, or FILE.csv:fold-2 to test on that fold.
        duplicates: see :func:`split_dataset`.

    Raises:
        DatasetError: no such split.
    """
    if split == "report":
        counts = dataset.counts()
        train, test = report_split([label_of(picture, counts) for picture in dataset.pictures])
        names = [picture.name for picture in dataset.pictures]
        return Parts([names[i] for i in train], [names[i] for i in test], {})
    if split == GROUPED:
        return parts_of(split_dataset(dataset, duplicates=duplicates)[0])
    path, part = _manifest_and_part(split)
    rows = read_manifest(path)
    present = sorted({row.split for row in rows})
    if part not in present:
        raise DatasetError(
            f'{path} has no part "{part}", only {present}. Name a part: {path}:{present[0]}.'
        )
    if len(present) < 2:
        raise DatasetError(
            f'All pictures in {path} are of the part "{part}", so that none is left to train on. '
            "Name those of the training part in it too, as masklens dataset split does."
        )
    return parts_of(rows, part)


def held_in(dataset: Dataset, *, test: bool = False) -> Dataset:
    """The four fifths of a folder of classes that the street recipe trains on, or the other fifth.

    As the report's recipe splits, see :func:`report_split`; COCO files stay whole.
    """
    if dataset.boxed:
        return dataset
    parts = named_parts(dataset, "report")
    names = set(parts.test if test else parts.train)
    return replace(dataset, pictures=tuple(p for p in dataset.pictures if p.name in names))


def trained_on(dataset: Dataset, known: Collection[str]) -> Dataset | None:
    """What a model was given of these pictures: all, the four fifths that are held in, or nothing.

    Args:
        dataset: all of it.
        known: what the model's card says, :attr:`masklens.card.ModelCard.training_data`.
    """
    if not known:
        return None
    if dataset.sha256() in known:
        return dataset
    try:
        part = held_in(dataset)
    except DatasetError:  # too few for a fifth: none was trained on
        return None
    return part if part.sha256() in known else None


def check_apart(datasets: Sequence[Dataset], others: Dataset, purpose: str) -> None:
    """Refuse photographs that are trained on: they would flatter every score.

    Args:
        datasets: to train on.
        others: that can be read.
        purpose: of the others: "to calibrate on".

    Raises:
        DatasetError: a file of the others is in the data, by whatever name.
    """
    trained = {picture.content: picture.path for d in datasets for picture in d.pictures}
    for picture in others.pictures:
        if picture.content in trained:
            raise DatasetError(
                f"{picture.path}, {purpose}, is trained on as {trained[picture.content]}. Give "
                "photographs that are not in the data."
            )


def _sklearn() -> Any:
    try:
        import sklearn.model_selection
    except ImportError as error:
        raise MissingExtraError("Splitting a data set", "train") from error
    return sklearn.model_selection
