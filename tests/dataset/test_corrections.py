"""Labels and boxes that somebody put right beside an annotation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from masklens.dataset.corrections import corrected, load_corrections
from masklens.dataset.scan import Annotation, Dataset, Picture
from masklens.errors import DatasetError
from masklens.labels import MASK_WORN_INCORRECTLY, WITH_MASK, WITHOUT_MASK

FACES = (
    Annotation(WITH_MASK, (10, 10, 50, 60)),
    Annotation(WITHOUT_MASK, (80, 10, 120, 60)),
)


@pytest.fixture
def scenes(tmp_path: Path) -> Dataset:
    pictures = tuple(Picture(tmp_path / name, name, FACES) for name in ("a.jpg", "b.jpg"))
    return Dataset(tmp_path / "scenes.json", boxed=True, pictures=pictures)


def written(folder: Path, content: Any) -> Path:
    file = folder / "corrections.json"
    file.write_text(json.dumps(content))
    return file


def entry(x: float, y: float, width: float, height: float, label: str) -> dict[str, Any]:
    return {"bbox": [x, y, width, height], "label": label}


def test_labels_change_faces_come_and_doubtful_places_count_for_nothing(
    scenes: Dataset, tmp_path: Path
) -> None:
    entries = [
        entry(10.5, 10, 40, 50, "Mask worn incorrectly"),  # the first face, half a pixel off
        entry(80, 10, 40, 50, "ignore"),
        entry(200, 20, 30, 36, "without_mask"),
        entry(300, 20, 30, 36, "ignore"),
    ]
    file = written(tmp_path, {"pictures": {"a.jpg": entries}})
    [dataset] = corrected([scenes], load_corrections(file))
    assert dataset.pictures[0].annotations == (
        Annotation(MASK_WORN_INCORRECTLY, (10, 10, 50, 60)),
        Annotation(WITHOUT_MASK, (200, 20, 230, 56)),
    )
    places = [crowd.box for crowd in dataset.pictures[0].crowds]
    assert places == [(80, 10, 120, 60), (300, 20, 330, 56)]
    assert dataset.pictures[1] == scenes.pictures[1]


def test_a_face_beside_another_is_one_more(scenes: Dataset, tmp_path: Path) -> None:
    file = written(tmp_path, {"pictures": {"b.jpg": [entry(14, 10, 40, 50, "without_mask")]}})
    [dataset] = corrected([scenes], load_corrections(file))
    assert dataset.counts() == {WITH_MASK: 2, WITHOUT_MASK: 3}


def test_folders_of_classes_stay_as_they_are(scenes: Dataset, tmp_path: Path) -> None:
    portraits = (Picture(tmp_path / "1.jpg", "with_mask/1.jpg", (Annotation(WITH_MASK),)),)
    folder = Dataset(tmp_path / "crops", boxed=False, pictures=portraits)
    file = written(tmp_path, {"pictures": {"a.jpg": [entry(80, 10, 40, 50, "ignore")]}})
    dataset, same = corrected([scenes, folder], load_corrections(file))
    assert same == folder
    assert dataset.counts() == {WITH_MASK: 2, WITHOUT_MASK: 1}


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["c.jpg"], r"name c.jpg, which is in no COCO file of the data\."),
        (["c.jpg", "d.jpg", "a.jpg"], "no COCO file of the data, nor is 1 more"),
        (["c.jpg", "d.jpg", "e.jpg"], "no COCO file of the data, nor are 2 more"),
    ],
)
def test_corrections_of_other_photographs_are_refused(
    names: list[str], message: str, scenes: Dataset, tmp_path: Path
) -> None:
    place = entry(80, 10, 40, 50, "ignore")
    file = written(tmp_path, {"pictures": {name: [place] for name in names}})
    with pytest.raises(DatasetError, match=message):
        corrected([scenes], load_corrections(file))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ([], "TypeError"),
        ({}, "KeyError 'pictures'"),
        ({"pictures": []}, "AttributeError"),
        ({"pictures": {"a.jpg": [entry(1, 1, 9, 9, "helmet")]}}, "is not known, 'helmet'"),
        ({"pictures": {"a.jpg": [{"bbox": [1, 1, 9, 9]}]}}, "KeyError 'label'"),
        ({"pictures": {"a.jpg": [{"bbox": [1, 1, 9], "label": "ignore"}]}}, r"\[1, 1, 9\]"),
        ({"pictures": {"a.jpg": [entry(1, 1, 1e12, 9, "ignore")]}}, "too large"),
        ({"pictures": {"a.jpg": [entry(1, 1, 0, 9, "ignore")]}}, "without area"),
    ],
)
def test_a_malformed_file_is_told(content: Any, reason: str, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=f"not a file of corrections: .*{reason}.* Expected"):
        load_corrections(written(tmp_path, content))


def test_a_file_that_is_no_text_or_not_there(tmp_path: Path) -> None:
    picture = tmp_path / "picture.json"
    picture.write_bytes(b"\xff\xd8\xff\xe0")
    with pytest.raises(DatasetError, match="not a file of corrections"):
        load_corrections(picture)
    with pytest.raises(DatasetError, match=r"Cannot read .*: No such file"):
        load_corrections(tmp_path / "gone.json")
