"""Labels and boxes that somebody put right beside an annotation."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from masklens.boxes import iou
from masklens.dataset.corrections import IGNORE, SAME_BOX, corrected, load_corrections
from masklens.dataset.scan import Annotation, Dataset, Picture, load_dataset
from masklens.errors import DatasetError
from masklens.labels import MASK_WORN_INCORRECTLY, WITH_MASK, WITHOUT_MASK
from tests.conftest import ROOT

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
    [dataset] = corrected([scenes], load_corrections(file), [scenes])
    assert dataset.pictures[0].annotations == (
        Annotation(MASK_WORN_INCORRECTLY, (10, 10, 50, 60)),
        Annotation(WITHOUT_MASK, (200, 20, 230, 56)),
    )
    places = [crowd.box for crowd in dataset.pictures[0].crowds]
    assert places == [(80, 10, 120, 60), (300, 20, 330, 56)]
    assert dataset.pictures[1] == scenes.pictures[1]


def test_a_face_beside_another_is_one_more(scenes: Dataset, tmp_path: Path) -> None:
    file = written(tmp_path, {"pictures": {"b.jpg": [entry(14, 10, 40, 50, "without_mask")]}})
    [dataset] = corrected([scenes], load_corrections(file), [scenes])
    assert dataset.counts() == {WITH_MASK: 2, WITHOUT_MASK: 3}


def portraits(root: Path, count: int) -> Dataset:
    names = [f"with_mask/{number}.jpg" for number in range(count)]
    pictures = tuple(Picture(root / name, name, (Annotation(WITH_MASK),)) for name in names)
    return Dataset(root, boxed=False, pictures=pictures)


def test_portraits_get_another_label_or_are_left_out(scenes: Dataset, tmp_path: Path) -> None:
    whole = portraits(tmp_path / "crops", 5)
    held_in = replace(whole, pictures=whole.pictures[:3])
    pictures = {
        "with_mask/0.jpg": [{"label": "mask_worn_incorrectly"}],
        "with_mask/1.jpg": [{"label": "ignore"}],
        "with_mask/4.jpg": [{"label": "ignore"}],  # not trained on anyway
        "a.jpg": [entry(80, 10, 40, 50, "ignore")],
    }
    file = written(tmp_path, {"pictures": pictures})
    boxed, folder = corrected([scenes, held_in], load_corrections(file), [scenes, whole])
    assert boxed.counts() == {WITH_MASK: 2, WITHOUT_MASK: 1}
    labels = {picture.name: picture.annotations[0].label for picture in folder.pictures}
    assert labels == {"with_mask/0.jpg": MASK_WORN_INCORRECTLY, "with_mask/2.jpg": WITH_MASK}


@pytest.mark.parametrize(
    ("name", "one", "message"),
    [
        ("a.jpg", {"label": "ignore"}, "must all have a bbox: it is a picture with boxed faces"),
        ("with_mask/0.jpg", entry(1, 1, 9, 9, "ignore"), "must not have a bbox"),
    ],
)
def test_a_box_belongs_to_boxed_faces_only(
    name: str, one: dict[str, Any], message: str, scenes: Dataset, tmp_path: Path
) -> None:
    data = [scenes, portraits(tmp_path / "crops", 1)]
    file = written(tmp_path, {"pictures": {name: [one]}})
    with pytest.raises(DatasetError, match=message):
        corrected(data, load_corrections(file), data)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["c.jpg"], r"name c.jpg, which is not among the data\."),
        (["c.jpg", "d.jpg", "a.jpg"], "not among the data, nor is 1 more"),
        (["c.jpg", "d.jpg", "e.jpg"], "not among the data, nor are 2 more"),
    ],
)
def test_corrections_of_other_photographs_are_refused(
    names: list[str], message: str, scenes: Dataset, tmp_path: Path
) -> None:
    place = entry(80, 10, 40, 50, "ignore")
    file = written(tmp_path, {"pictures": {name: [place] for name in names}})
    with pytest.raises(DatasetError, match=message):
        corrected([scenes], load_corrections(file), [scenes])


def test_one_name_for_two_pictures_is_refused(scenes: Dataset, tmp_path: Path) -> None:
    file = written(tmp_path, {"pictures": {"a.jpg": [entry(80, 10, 40, 50, "ignore")]}})
    others = replace(scenes, source=tmp_path / "others.json")
    with pytest.raises(DatasetError, match=r"a\.jpg, and there are two of that name"):
        corrected([scenes, others], load_corrections(file), [scenes, others])


def test_two_files_may_speak_of_one_picture(tmp_path: Path) -> None:
    first = written(tmp_path, {"pictures": {"a.jpg": [entry(80, 10, 40, 50, "ignore")]}})
    first = first.rename(tmp_path / "first.json")
    second = written(tmp_path, {"pictures": {"a.jpg": [entry(1, 1, 9, 9, "with_mask")]}})
    labels = [entry.label for entry in load_corrections(first, second)["a.jpg"]]
    assert labels == ["ignore", WITH_MASK]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ([], "TypeError"),
        ({}, "KeyError 'pictures'"),
        ({"pictures": []}, "AttributeError"),
        ({"pictures": {"a.jpg": [entry(1, 1, 9, 9, "helmet")]}}, "is not known, 'helmet'"),
        ({"pictures": {"a.jpg": [{"bbox": [1, 1, 9, 9]}]}}, "KeyError 'label'"),
        ({"pictures": {"a.jpg": [entry(1, 1, 9, 9, "")]}}, "is not known, ''"),
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


def test_the_corrections_of_the_photographs_box_no_face_twice_and_say_nothing_in_vain(
    shared_data: Path,
) -> None:
    files = [ROOT / "scripts" / f"{name}_corrections.json" for name in ("scenes_train", "crops")]
    corrections = load_corrections(*files)
    scenes = load_dataset(shared_data / "data" / "scenes" / "train" / "annotations.coco.json")
    crops = load_dataset(shared_data / "data" / "crops")
    [after] = corrected([scenes], corrections, [scenes, crops])
    for old, new in zip(scenes.pictures, after.pictures, strict=True):
        entries = corrections.get(new.name, ())
        boxed = np.array([face.box for face in old.annotations], np.float32).reshape(-1, 4)
        of_them = iou(np.array([e.box for e in entries], np.float32).reshape(-1, 4), boxed)
        closest = of_them.max(axis=1, initial=0)
        assert ((closest >= SAME_BOX) | (closest < 0.3)).all(), new.name
        labels = {face.box: face.label for face in old.annotations}
        for entry, row in zip(entries, of_them, strict=True):
            if row.max(initial=0) >= SAME_BOX and entry.label != IGNORE:
                assert labels[old.annotations[row.argmax()].box] != entry.label, new.name
