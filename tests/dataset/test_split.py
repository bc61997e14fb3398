"""Splits that keep copies together, the manifest, and the report's own split."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image as PillowImage
from sklearn.model_selection import train_test_split

from masklens.cli import main
from masklens.dataset import scan
from masklens.dataset.scan import Annotation, Picture, load_dataset
from masklens.dataset.split import (
    Row,
    grouped_split,
    held_in,
    label_of,
    named_parts,
    parts_of,
    read_manifest,
    report_split,
    trained_on,
    write_manifest,
)
from masklens.errors import DatasetError

LABELS = ["with_mask"] * 120 + ["without_mask"] * 80
#: Groups of one to five pictures, some across the labels.
GROUPS = np.sort(np.random.default_rng(3).integers(0, 70, 200)).tolist()


def parts_by_group(parts: list[str]) -> dict[int, set[str]]:
    found: dict[int, set[str]] = {}
    for number, part in zip(GROUPS, parts, strict=True):
        found.setdefault(number, set()).add(part)
    return found


@pytest.mark.parametrize("test", [0.1, 0.2, 0.25, 0.3, 0.5])
def test_no_group_is_torn_and_shares_are_kept(test: float) -> None:
    parts = grouped_split(LABELS, GROUPS, test=test)
    assert all(len(names) == 1 for names in parts_by_group(parts).values())
    counts = Counter(zip(LABELS, parts, strict=True))
    for label in set(LABELS):
        total = counts[label, "train"] + counts[label, "test"]
        assert counts[label, "test"] / total == pytest.approx(test, abs=0.05)


def test_folds() -> None:
    parts = grouped_split(LABELS, GROUPS, folds=4)
    assert set(parts) == {"fold-1", "fold-2", "fold-3", "fold-4"}
    assert all(len(names) == 1 for names in parts_by_group(parts).values())
    assert all(40 <= count <= 60 for count in Counter(parts).values())


def test_seed_decides() -> None:
    assert grouped_split(LABELS, GROUPS, seed=1) == grouped_split(LABELS, GROUPS, seed=1)
    assert grouped_split(LABELS, GROUPS, seed=1) != grouped_split(LABELS, GROUPS, seed=2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"test": 0.01}, "between 0.05 and 0.95"),
        ({"test": 0.03}, "between 0.05 and 0.95. Received: 0.03"),  # made 0.05 once, unsaid
        ({"test": 0.97}, "between 0.05 and 0.95"),
        ({"test": float("nan")}, "between 0.05 and 0.95"),
        ({"folds": 1}, "At least 2 folds"),
        ({"folds": 60}, "60 parts need at least 60 different pictures.* --test 0.5 makes 2"),
    ],
)
def test_impossible_splits(options: dict[str, float], message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        grouped_split(LABELS, GROUPS, **options)


def test_the_reports_split_is_stratified_and_always_the_same() -> None:
    targets = np.array([0] * 690 + [1] * 686)
    train, test = report_split(targets)
    assert len(train) == 1100
    assert np.bincount(targets[test]).tolist() == [138, 138]
    assert not set(train) & set(test)
    _, seed_42 = train_test_split(np.arange(1376), test_size=0.2, stratify=targets, random_state=42)
    np.testing.assert_array_equal(test, seed_42)


def test_the_reports_split_needs_enough_pictures() -> None:
    with pytest.raises(DatasetError, match="Too few"):
        report_split(["a", "a", "a", "b"])


def test_the_reports_split_refuses_to_lose_a_label() -> None:
    """Shares are kept, and two in forty-two leave nothing for a test of nine."""
    with pytest.raises(
        DatasetError, match="leaves none of without_mask in the test part: it has 2"
    ):
        report_split(["with_mask"] * 40 + ["without_mask"] * 2)


def test_manifest_round_trip(tmp_path: Path) -> None:
    latin_1 = os.fsdecode("ü.jpg".encode("latin-1"))  # names of files are bytes
    rows = [
        Row("with_mask/a, b.jpg", "with_mask", 3, "train"),
        Row("ü.jpg", "x", 0, "test"),
        Row(latin_1, "x", 1, "test"),
    ]
    file = tmp_path / "new" / "split.csv"
    write_manifest(file, rows)
    assert file.read_bytes().startswith(b"file,label,group,split\n")
    assert read_manifest(file) == rows
    parts = parts_of(rows)
    assert (parts.train, parts.test) == (["with_mask/a, b.jpg"], ["ü.jpg", latin_1])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "lacks the columns"),
        ("file,label\na,b\n", r"lacks the columns \['group', 'split'\]"),
        ("file,label,group,split\n", "lists no picture"),
        ("file,label,group,split\na,b,first,test\n", "not a split manifest: invalid literal"),
        ("file,label,group,split\na,b\n", "not a split manifest: line 2 is too short"),
        ("file,label,group,split\na,b,1,test\nc,d,2\n", "line 3 is too short"),
        ("file,label,group,split\na,b,1,test\na,b,1,train\n", "lists a 2 times"),
        (b"\xff\xd8\xff\xe0", "not a split manifest"),
    ],
)
def test_bad_manifest(tmp_path: Path, content: str | bytes, message: str) -> None:
    file = tmp_path / "split.csv"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DatasetError, match=message):
        read_manifest(file)


def test_missing_manifest(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="Cannot read the split"):
        read_manifest(tmp_path / "none.csv")


def test_picture_with_several_faces_counts_for_the_rarest() -> None:
    counts = {"with_mask": 10, "mask_worn_incorrectly": 2}
    both = (Annotation("with_mask"), Annotation("mask_worn_incorrectly"))
    assert label_of(Picture(Path("a"), "a", both), counts) == "mask_worn_incorrectly"
    assert label_of(Picture(Path("a"), "a", ()), counts) == "no_face"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten different pictures of noise per label, each twice."""
    root = tmp_path_factory.mktemp("noise")
    rng = np.random.default_rng(5)
    for label in ("with_mask", "without_mask"):
        (root / label).mkdir()
        for number in range(10):
            small = rng.integers(0, 255, (12, 12, 3), dtype=np.uint8)
            picture = PillowImage.fromarray(small).resize(
                (160, 160), PillowImage.Resampling.BICUBIC
            )
            picture.save(root / label / f"{number}.png")
            picture.transpose(PillowImage.Transpose.FLIP_LEFT_RIGHT).save(
                root / label / f"{number}_copy.png"
            )
    return root


def test_command_and_named_parts(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "split.csv"
    result = CliRunner().invoke(main, ["dataset", "split", str(folder), "--out", str(file)])
    assert result.exit_code == 0, result.output
    rows = read_manifest(file)
    assert Counter((row.label, row.split) for row in rows) == {
        (label, split): count
        for label in ("with_mask", "without_mask")
        for split, count in (("train", 16), ("test", 4))
    }
    assert len({row.group for row in rows}) == 20

    dataset = load_dataset(folder)
    assert named_parts(dataset, str(file)) == named_parts(dataset, "grouped") == parts_of(rows)
    parts = named_parts(dataset, "report")
    assert (len(parts.train), len(parts.test), parts.groups) == (32, 8, {})


@pytest.mark.parametrize("command", ["split", "audit"])
def test_unreadable_pictures_show_in_the_exit_status(
    folder: Path, tmp_path: Path, command: str
) -> None:
    data = shutil.copytree(folder, tmp_path / "data")
    (data / "with_mask" / "0.png").write_bytes(b"no picture")
    option = "--out" if command == "split" else "--json"
    file = tmp_path / "result"
    result = CliRunner().invoke(main, ["dataset", command, str(data), option, str(file)])
    assert result.exit_code == 1, result.output
    assert "0.png" in result.output
    if command == "audit":
        assert file.stat().st_size > 0
        return
    listed = [row.file for row in read_manifest(file)]
    assert len(listed) == 39
    assert "with_mask/0.png" not in listed


def test_folds_as_named_parts(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "folds.csv"
    arguments = ["dataset", "split", str(folder), "--out", str(file), "--folds", "5"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    dataset = load_dataset(folder)
    parts = named_parts(dataset, f"{file}:fold-2")
    assert (len(parts.train), len(parts.test), len(parts.groups)) == (32, 8, 40)
    result = CliRunner().invoke(main, [*arguments, "--test", "0.4"])
    assert result.exit_code == 2
    assert "Use --test or --folds, not both" in result.output
    with pytest.raises(DatasetError, match=r'has no part "test", only .*Name a part: .*:fold-1'):
        named_parts(dataset, str(file))


def test_a_manifest_of_one_part_is_not_told_to_name_the_part_that_was_named(
    folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "m.csv").write_text(
        "file,label,group,split\nwith_mask/0.png,with_mask,0,test\n", encoding="utf-8"
    )
    with pytest.raises(DatasetError, match='of the part "test", so that none is left') as error:
        named_parts(load_dataset(folder), f"{tmp_path / 'm.csv'}:test")
    assert "Name a part" not in str(error.value)


def test_what_a_model_was_trained_on_is_told_by_all_of_it_or_its_four_fifths(folder: Path) -> None:
    """The street recipe notes the pictures that it trains on, the report's all that it is given."""
    whole = load_dataset(folder)
    part, rest = held_in(whole), held_in(whole, test=True)
    assert (len(whole), len(part), len(rest)) == (40, 32, 8)
    for known in (whole, part):
        assert trained_on(whole, [known.sha256()]) == known
    assert trained_on(whole, [rest.sha256()]) is None
    assert trained_on(rest, [part.sha256()]) is None
    assert trained_on(whole, []) is None


def test_no_file_is_hashed_twice(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """evaluate and export ask what the data is, and whether all or a part was trained on."""
    read: list[Path] = []

    def counted(path: Path) -> str:
        read.append(path)
        return path.as_posix()

    monkeypatch.setattr(scan, "file_sha256", counted)
    whole = load_dataset(folder)
    whole.sha256()
    assert trained_on(whole, ["another"]) is None
    assert len(read) == len(set(read)) == 40
