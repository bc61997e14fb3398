"""One loader for folders of classes and COCO files."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from masklens.dataset.scan import Annotation, load_dataset
from masklens.dataset.summary import summarise
from masklens.errors import DatasetError

COCO: dict[str, Any] = {
    "images": [
        {"id": 7, "file_name": "b.jpg", "width": 60, "height": 40},
        {"id": 3, "file_name": "a.jpg", "width": 60, "height": 40},
    ],
    "annotations": [
        {"id": 1, "image_id": 7, "category_id": 2, "bbox": [10, 5, 20, 30]},
        {"id": 2, "image_id": 7, "category_id": 1, "bbox": [0, 0, 4.5, 6]},
    ],
    "categories": [{"id": 1, "name": "without_mask"}, {"id": 2, "name": "With Mask"}],
}


def touch(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.fsencode(name))


def test_folder_of_classes(tmp_path: Path) -> None:
    touch(
        tmp_path,
        "without_mask/deep/er/2.PNG",
        "with_mask/1.jpg",
        "with_mask/notes.txt",
        ".cache/3.jpg",
        "4.jpg",
    )
    dataset = load_dataset(tmp_path)
    assert not dataset.boxed
    assert [p.name for p in dataset.pictures] == ["with_mask/1.jpg", "without_mask/deep/er/2.PNG"]
    assert dataset.counts() == {"with_mask": 1, "without_mask": 1}
    assert dataset.pictures[0].annotations == (Annotation("with_mask"),)
    assert dataset.short_name == tmp_path.name


@pytest.mark.parametrize(
    ("folder", "label"),
    [
        ("Mask", "with_mask"),
        ("no-mask", "without_mask"),
        ("mask weared incorrect", "mask_worn_incorrectly"),
        ("helmet", "helmet"),
    ],
)
def test_spellings_of_other_data_sets(tmp_path: Path, folder: str, label: str) -> None:
    touch(tmp_path, f"{folder}/1.jpg")
    assert load_dataset(tmp_path).labels == (label,)


def test_coco_file(tmp_path: Path) -> None:
    touch(tmp_path, "b.jpg")
    file = tmp_path / "scenes.json"
    file.write_text(json.dumps(COCO))
    dataset = load_dataset(file)
    assert dataset.boxed
    assert [p.name for p in dataset.pictures] == ["a.jpg", "b.jpg"]
    assert dataset.pictures[0].annotations == ()
    assert dataset.pictures[1].annotations == (
        Annotation("with_mask", (10, 5, 30, 35)),
        Annotation("without_mask", (0, 0, 4.5, 6)),
    )
    assert dataset.pictures[0].path == tmp_path / "a.jpg"
    assert dataset.labels == ("with_mask", "without_mask")
    assert dataset.short_name == tmp_path.name


def test_coco_pictures_may_lie_in_images(tmp_path: Path) -> None:
    touch(tmp_path, "images/b.jpg")
    (tmp_path / "x.json").write_text(json.dumps(COCO))
    assert load_dataset(tmp_path / "x.json").pictures[0].path == tmp_path / "images" / "a.jpg"


def test_a_coco_file_apart_from_its_pictures_is_refused(tmp_path: Path) -> None:
    """As CVAT packs them: annotations/instances_default.json, and the pictures in images/."""
    touch(tmp_path, "annotations/x.json", "images/a.jpg", "images/b.jpg")
    (tmp_path / "annotations" / "x.json").write_text(json.dumps(COCO))
    with pytest.raises(DatasetError, match=r"lists 2 pictures, and none .*annotations/b\.jpg"):
        load_dataset(tmp_path / "annotations" / "x.json")


@pytest.mark.parametrize("name", ["images/a.jpg", r"images\a.jpg"])
def test_coco_names_may_say_images_themselves(tmp_path: Path, name: str) -> None:
    """As Roboflow and CVAT write them: beside the file there is images/, and the names have it.

    With backslashes they are of a tool on Windows.
    """
    touch(tmp_path, "images/a.jpg")
    listed = COCO | {"images": [image | {"file_name": name} for image in COCO["images"]]}
    listed["images"] = listed["images"][:1]
    listed["annotations"] = [a for a in COCO["annotations"] if a["image_id"] == 7]
    (tmp_path / "x.json").write_text(json.dumps(listed))
    (picture,) = load_dataset(tmp_path / "x.json").pictures
    assert picture.path == tmp_path / "images" / "a.jpg"


def changed(**changes: Any) -> str:
    return json.dumps({key: value for key, value in (COCO | changes).items() if value is not None})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\xff\xd8\xff\xe0 a picture", "not a text file"),
        (b"not json", "not JSON"),
        (b"[" * 100_000, "nested too deeply"),
        (
            json.dumps(
                {
                    **COCO,
                    "annotations": [
                        {"image_id": 7, "category_id": 1, "bbox": [0, float("nan"), 1, 1]}
                    ],
                }
            ).encode(),
            "not finite",
        ),
        (
            changed(
                annotations=[{"image_id": 7, "category_id": 1, "bbox": [0, 0, 10**400, 1]}]
            ).encode(),
            "too large to convert",
        ),
        (
            changed(
                annotations=[{"image_id": 7, "category_id": 1, "bbox": [0, 0, 1e39, 1]}]
            ).encode(),
            "too large or not finite",
        ),
        (b"[]", "not a COCO detection file: it holds no JSON object"),
        (
            changed(annotations=[{"image_id": 7, "category_id": 1, "bbox": None}]).encode(),
            r"a box is not \[x, y, width, height\], None",
        ),
        (changed(categories=None).encode(), "KeyError 'categories'"),
        (changed(annotations=[]).encode(), "no annotation"),
        (
            changed(
                annotations=[{"image_id": 99, "category_id": 1, "bbox": [0, 0, 1, 1]}]
            ).encode(),
            "names picture 99 and category 1, and they are not both listed",
        ),
        (
            changed(annotations=[{"image_id": 7, "category_id": 1, "bbox": [0, 0, 1]}]).encode(),
            r"not \[x, y, width, height\], \[0, 0, 1\]",
        ),
        (changed(images=[COCO["images"][0]] * 2).encode(), "lists picture .* twice"),
        (
            changed(
                images=[COCO["images"][0], COCO["images"][0] | {"file_name": "z.jpg"}]
            ).encode(),
            "lists the picture id 7 twice",
        ),
        (
            changed(
                categories=[*COCO["categories"], COCO["categories"][0] | {"name": "no mask"}]
            ).encode(),
            r"lists the category id \d twice, so that it is not clear which label",
        ),
    ],
)
def test_bad_coco_file(tmp_path: Path, content: bytes, message: str) -> None:
    file = tmp_path / "bad.json"
    file.write_bytes(content)
    with pytest.raises(DatasetError, match=message):
        load_dataset(file)


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="does not exist"):
        load_dataset(tmp_path / "missing")
    with pytest.raises(DatasetError, match="no labelled pictures"):
        load_dataset(tmp_path)


def test_a_link_to_nothing_is_a_picture_that_cannot_be_read(tmp_path: Path) -> None:
    touch(tmp_path, "with_mask/1.jpg", "without_mask/2.jpg", "elsewhere.jpg")
    whole = load_dataset(tmp_path).sha256()
    (tmp_path / "with_mask" / "3.jpg").symlink_to("../elsewhere.jpg")
    (tmp_path / "with_mask" / "4.jpg").symlink_to("gone.jpg")
    (tmp_path / "with_mask" / "notes").symlink_to("gone.txt")
    dataset = load_dataset(tmp_path)
    assert [p.name for p in dataset.pictures][1:3] == ["with_mask/3.jpg", "with_mask/4.jpg"]
    assert dataset.counts() == {"with_mask": 3, "without_mask": 1}
    assert dataset.sha256() != whole  # and not refused: who trains on it goes on without it
    unreadable = dict(summarise(dataset).unreadable)
    assert "4.jpg is a link to gone.jpg, which does not exist." in unreadable["with_mask/4.jpg"]


def test_links_to_folders_are_followed_as_detect_follows_them(tmp_path: Path) -> None:
    touch(tmp_path, "data/with_mask/1.jpg", "data/without_mask/2.jpg", "later/3.jpg")
    (tmp_path / "data" / "with_mask" / "later").symlink_to(tmp_path / "later")
    (tmp_path / "data" / "with_mask" / "round").symlink_to(".")
    names = [picture.name for picture in load_dataset(tmp_path / "data").pictures]
    assert names == ["with_mask/1.jpg", "with_mask/later/3.jpg", "without_mask/2.jpg"]


def test_a_label_that_is_a_link_to_nothing(tmp_path: Path) -> None:
    touch(tmp_path, "with_mask/1.jpg")
    (tmp_path / "No Mask").symlink_to("gone")
    with pytest.raises(DatasetError, match=r"No Mask is a link to gone, which does not exist"):
        load_dataset(tmp_path)


def test_crowds_are_no_faces(tmp_path: Path) -> None:
    """What COCO marks with iscrowd is a region of many faces, and part of the data's identity."""
    file = tmp_path / "scenes.json"
    touch(tmp_path, "a.jpg", "b.jpg")
    hashes = set()
    for crowd in (0, 1):
        content = json.loads(json.dumps(COCO))
        content["annotations"][0]["iscrowd"] = crowd
        file.write_text(json.dumps(content))
        dataset = load_dataset(file)
        hashes.add(dataset.sha256())
        assert dataset.counts().get("with_mask", 0) == 1 - crowd
        assert dataset.pictures[1].crowd_boxes().tolist() == [[10, 5, 30, 35]] * crowd
        assert summarise(dataset).crowds == crowd
    assert len(hashes) == 2


def test_a_label_without_pictures_is_refused(tmp_path: Path) -> None:
    """A hidden folder, and one of no label, may be empty."""
    touch(tmp_path, "with_mask/1.jpg", "without_mask/._1.jpg")
    for name in (".cache", "notes"):
        (tmp_path / name).mkdir()
    with pytest.raises(DatasetError, match="without_mask has no pictures in it"):
        load_dataset(tmp_path)
    touch(tmp_path, "without_mask/1.jpg")
    assert len(load_dataset(tmp_path)) == 2


def test_hash_follows_content_name_and_label(tmp_path: Path) -> None:
    touch(tmp_path / "a", "with_mask/1.jpg", "without_mask/2.jpg")
    first = load_dataset(tmp_path / "a").sha256()
    touch(tmp_path / "b", "with_mask/1.jpg", "without_mask/2.jpg")
    assert load_dataset(tmp_path / "b").sha256() == first
    (tmp_path / "b" / "with_mask" / "1.jpg").write_bytes(b"other")
    assert load_dataset(tmp_path / "b").sha256() != first


def test_shared_scenes(shared_data: Path) -> None:
    dataset = load_dataset(shared_data / "data" / "scenes" / "val" / "annotations.coco.json")
    assert len(dataset) == 194
    assert dataset.counts() == {
        "with_mask": 466,
        "without_mask": 206,
        "mask_worn_incorrectly": 42,
    }
    assert all(picture.path.is_file() for picture in dataset.pictures)


def test_a_name_that_is_no_utf_8_has_a_hash(tmp_path: Path) -> None:
    """Names are bytes on Linux: evaluate ended in a traceback, when all was measured."""
    one, other = (os.fsdecode(name) for name in (b"\xff.jpg", b"\xfe.jpg"))
    touch(tmp_path, "without_mask/2.jpg", f"with_mask/{one}")
    first = load_dataset(tmp_path).sha256()
    (tmp_path / "with_mask" / one).rename(tmp_path / "with_mask" / other)
    assert load_dataset(tmp_path).sha256() != first


@pytest.mark.parametrize("name", ["gone.jpg", "a\0b.jpg", "\ud800.jpg"])
def test_a_picture_that_is_not_there_has_a_hash_too(tmp_path: Path, name: str) -> None:
    """It is left out where pictures are used; the hash of the data ended trainings and exports."""
    touch(tmp_path, "a.jpg")
    images = [COCO["images"][0] | {"file_name": name}, COCO["images"][1]]
    (tmp_path / "c.json").write_text(json.dumps(COCO | {"images": images}))
    without = load_dataset(tmp_path / "c.json").sha256()
    if name == "gone.jpg":
        (tmp_path / name).write_bytes(b"here again")
        assert load_dataset(tmp_path / "c.json").sha256() != without
