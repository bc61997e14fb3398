import csv
import errno
import json
import os
import resource
import sys
import tracemalloc
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from PIL import Image as PillowImage

from masklens.errors import InputError, OutputError
from masklens.io import atomic
from masklens.io.frames import Frame
from masklens.io.writers import (
    CocoWriter,
    CsvWriter,
    JsonWriter,
    PictureWriter,
    free_path,
)
from masklens.labels import LABELS
from tests.conftest import ROOT
from tests.io.test_draw import detections


def frame(name="in/photo.jpg", index=0, relative="photo.jpg"):
    return Frame(np.full((60, 80, 3), 128, np.uint8), name, relative, index)


FOUND = detections([[10, 20, 30.5, 50], [40, 5, 60, 30]], label=2)


def test_json_has_the_documented_form(tmp_path):
    target = tmp_path / "deep" / "r.json"
    with JsonWriter(target) as writer:
        writer.write(frame(), FOUND)
        writer.write(frame("empty.jpg", 1), detections([]))
    records = json.loads(target.read_text())
    schema = json.loads((ROOT / "docs" / "detections.schema.json").read_text())
    jsonschema.validate(records, schema)
    assert records[0]["width"] == 80
    assert records[0]["faces"][0]["box"] == [10, 20, 20.5, 30]
    assert records[0]["faces"][0]["label"] == "mask_worn_incorrectly"
    assert records[1]["faces"] == []
    records[0]["faces"][0]["label"] = "masked"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(records, schema)


def test_csv_of_a_name_with_line_breaks(tmp_path):
    target = tmp_path / "r.csv"
    names = ["a\nb.jpg", "a\rb.jpg", 'a\r\n",b.jpg']
    with CsvWriter(target) as writer:
        for name in names:
            writer.write(frame(name), detections([[10, 20, 30, 50]]))
    with target.open(newline="") as file:
        assert [row["file"] for row in csv.DictReader(file)] == names


def test_csv(tmp_path):
    target = tmp_path / "r.csv"
    with CsvWriter(target) as writer:
        writer.write(frame('a "quoted", name.jpg'), FOUND)
    rows = list(csv.DictReader(target.open()))
    assert len(rows) == 2
    assert rows[0]["file"] == 'a "quoted", name.jpg'
    assert float(rows[0]["w"]) == 20.5
    assert float(rows[1]["p_mask_worn_incorrectly"]) == 1


@pytest.mark.parametrize("name", ["r.json", "r.jsonl"])
def test_where_nothing_can_be_written_is_said_before_the_work(tmp_path, name):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="is a file"), JsonWriter(tmp_path / "file" / name):
        pytest.fail("the work began")


def test_coco_with_and_without_a_file_of_ids(tmp_path):
    target = tmp_path / "r.json"
    with CocoWriter(target) as writer:
        writer.write(frame(index=1), detections([]))  # the one before it could not be read
        writer.write(frame(index=4), FOUND)
    results = json.loads(target.read_text())
    assert results[0] == {
        "image_id": 2,
        "category_id": 3,
        "bbox": [10, 20, 20.5, 30],
        "score": pytest.approx(0.97),
    }
    ids = tmp_path / "ids.json"
    names = ["with_mask", "without_mask", "mask_worn_incorrectly"]
    ids.write_text(
        json.dumps(
            {
                "images": [{"id": 77, "file_name": "photo.jpg"}],
                "categories": [{"id": 10 + i, "name": n} for i, n in enumerate(names)],
            }
        )
    )
    with CocoWriter(target, ids) as writer:
        writer.write(frame(), FOUND)
    results = json.loads(target.read_text())
    assert {(r["image_id"], r["category_id"]) for r in results} == {(77, 12)}
    with pytest.raises(InputError, match="not among"), CocoWriter(target, ids) as writer:
        writer.write(frame("other.jpg"), FOUND)


@pytest.mark.parametrize("content", ["{", "[]", '{"images": [], "categories": []}'])
def test_ids_from_something_else(tmp_path, content):
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(InputError):
        CocoWriter(tmp_path / "r.json", tmp_path / "x.json")


def coco_file(path, names, labels=LABELS):
    images = [{"id": 70 + i, "file_name": name} for i, name in enumerate(names)]
    categories = [{"id": i, "name": label} for i, label in enumerate(labels)]
    path.write_text(json.dumps({"images": images, "categories": categories}))
    return path


def test_labels_in_the_spelling_of_others(tmp_path):
    """As masklens evaluate reads them: Kaggle's set is one of the best known."""
    names = ["without_mask", "mask_weared_incorrect", "with_mask", "Dog", "dog"]
    ids = coco_file(tmp_path / "ids.json", ["photo.jpg"], names)
    target = tmp_path / "r.json"
    with CocoWriter(target, ids) as writer:
        writer.write(frame(), FOUND)
    assert [r["category_id"] for r in json.loads(target.read_text())] == [1, 1]


def test_two_spellings_of_one_label_would_be_guessed(tmp_path):
    ids = coco_file(tmp_path / "ids.json", ["photo.jpg"], [*LABELS[1:], "mask", "face_mask"])
    with pytest.raises(InputError, match="two categories that stand for with_mask"):
        CocoWriter(tmp_path / "r.json", ids)


def test_ids_of_a_table_and_a_second_spelling(tmp_path):
    """Pandas writes 71.0, and sets that were merged have the same label twice."""
    ids = coco_file(tmp_path / "ids.json", ["photo.jpg"], [*LABELS, "mask_weared_incorrect"])
    ids.write_text(ids.read_text().replace("70", "71.0"))
    target = tmp_path / "r.json"
    with CocoWriter(target, ids) as writer:
        writer.write(frame(), FOUND)
    assert {r["image_id"] for r in json.loads(target.read_text())} == {71}


@pytest.mark.parametrize("kind", ["images", "categories"])
@pytest.mark.parametrize("number", ["Infinity", "1.7", "true", '"7"', "null"])
def test_ids_that_are_no_whole_numbers(tmp_path, kind, number):
    ids = coco_file(tmp_path / "ids.json", ["photo.jpg"])
    content = json.loads(ids.read_text())
    content[kind][0]["id"] = "here"
    ids.write_text(json.dumps(content).replace('"here"', number))
    with pytest.raises(InputError, match="an id is no whole number"):
        CocoWriter(tmp_path / "r.json", ids)


@pytest.mark.parametrize(
    ("listed", "names"),
    [
        pytest.param(
            ["monday/1.jpg", "tuesday/1.jpg", "2.jpg"],
            ["in/tuesday/1.jpg", "in/monday/1.jpg", "elsewhere/2.jpg"],
            id="posix",
        ),
        pytest.param(
            ["monday\\1.jpg", "tuesday\\1.jpg", "in\\2.jpg"],
            ["in/tuesday/1.jpg", "C:\\in\\monday\\1.jpg", "2.jpg"],
            id="tool of windows",
        ),
    ],
)
def test_ids_of_equal_names_in_several_folders(tmp_path, listed, names):
    """Cameras begin to count anew in every folder."""
    ids = coco_file(tmp_path / "ids.json", listed)
    target = tmp_path / "r.json"
    with CocoWriter(target, ids) as writer:
        for index, name in enumerate(names):
            writer.write(frame(name, index), FOUND)
    assert [r["image_id"] for r in json.loads(target.read_text())] == [71, 71, 70, 70, 72, 72]


@pytest.mark.parametrize(
    ("listed", "names", "message"),
    [
        (["1.jpg"], ["monday/1.jpg", "tuesday/1.jpg"], "both called"),
        (["monday/1.jpg", "tuesday/1.jpg"], ["friday/1.jpg"], "not among"),
        (["1.jpg", "1.jpg"], ["in/1.jpg"], "listed 2 times"),
        (["1.jpg"], ["in/1.jpg", "in/2.jpg"], "2.jpg is not among"),
    ],
)
def test_ids_that_would_be_guessed(tmp_path, listed, names, message):
    """It is said before the work, and the old results stay."""
    ids = coco_file(tmp_path / "ids.json", listed)
    with pytest.raises(InputError, match=message):
        CocoWriter(tmp_path / "r.json", ids, names)


@pytest.mark.parametrize("name", ["panorama.tif", "panorama.JPG", "panorama.webp"])
def test_a_picture_that_is_too_long_for_its_format(tmp_path, name):
    long = Frame(np.zeros((2, 65_600, 3), np.uint8), f"in/{name}", 0, name)
    with PictureWriter(tmp_path) as writer:
        writer.write(long, detections([]))
    with PillowImage.open(tmp_path / "panorama.png") as picture:
        assert picture.size == (65_600, 2)


def test_equal_names_get_numbers_and_folders_stay(tmp_path):
    with PictureWriter(tmp_path / "out") as writer:
        writer.write(frame("a/x.jpg", relative="x.jpg"), FOUND)
        writer.write(frame("b/x.jpg", relative="x.jpg"), FOUND)
        writer.write(frame("c/x.gif", relative="x.gif"), FOUND)
        writer.write(frame("d/sub/x.png", relative="sub/x.png"), FOUND)
    found = sorted(p.relative_to(tmp_path / "out").as_posix() for p in tmp_path.rglob("*.*"))
    assert found == ["sub/x.png", "x-2.jpg", "x-3.jpg", "x.jpg"]


def test_names_that_are_equal_to_a_mac_get_numbers(tmp_path, monkeypatch):
    """IMG_1.JPG of a camera and img_1.jpg of a phone: the second would replace the first there."""
    monkeypatch.setattr(sys, "platform", "darwin")
    with PictureWriter(tmp_path) as writer:
        for index, name in enumerate(["IMG_1.JPG", "img_1.jpg"]):
            writer.write(frame(f"{index}/{name}", relative=name), FOUND)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["IMG_1.JPG", "img_1-2.jpg"]


def test_a_source_is_never_overwritten(tmp_path):
    source = tmp_path / "x.png"
    source.write_bytes(b"precious")
    with PictureWriter(tmp_path) as writer:
        writer.write(frame(str(source), relative="x.png"), FOUND)
    assert source.read_bytes() == b"precious"
    assert (tmp_path / "x-2.png").exists()


def test_another_source_is_not_overwritten_either(tmp_path):
    sources = [tmp_path / name for name in ("x.gif", "x.jpg", "x-2.jpg", "y.png")]
    for source in sources:
        source.write_bytes(b"precious")
    (tmp_path / "z.png").symlink_to("y.png")
    taken = atomic.real_paths(sources)
    with PictureWriter(tmp_path, taken) as writer:
        writer.write(frame(str(tmp_path / "x.gif"), relative="x.gif"), FOUND)
        writer.write(frame(str(tmp_path / "x.jpg"), relative="x.jpg"), FOUND)
        writer.write(frame("elsewhere/z.png", relative="z.png"), FOUND)
    assert {source.read_bytes() for source in sources} == {b"precious"}
    made = sorted({path.name for path in tmp_path.iterdir()} - {path.name for path in sources})
    assert made == ["x-3.jpg", "x-4.jpg", "z-2.png", "z.png"]


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
def test_an_earlier_result_is_replaced_and_the_file_of_another_is_not(tmp_path, suffix):
    name, strange = f"x{suffix}", tmp_path / f"x-2{suffix}"
    PillowImage.new("RGB", (9, 9)).save(strange)
    before = strange.read_bytes()
    for size in (20, 30):
        image = np.zeros((size, size, 3), np.uint8)
        with PictureWriter(tmp_path) as writer:
            writer.write(Frame(image, f"a/{name}", name), detections([]))
            writer.write(Frame(image, f"b/{name}", name), detections([]))
        made = {path.stem: PillowImage.open(path).size[0] for path in tmp_path.iterdir()}
        assert made == {"x": size, "x-2": 9, "x-3": size}
    assert strange.read_bytes() == before


@pytest.mark.parametrize("content", [b"", b"notes", b"\xff\xd8\xff\xe1\x00\x10Exif\x00\x00II*\x00"])
def test_what_is_no_picture_is_not_replaced_either(tmp_path, content):
    (tmp_path / "x.jpg").write_bytes(content)
    with PictureWriter(tmp_path) as writer:
        writer.write(frame("a/x.jpg", relative="x.jpg"), FOUND)
    assert (tmp_path / "x.jpg").read_bytes() == content
    assert (tmp_path / "x-2.jpg").exists()


@pytest.mark.skipif(os.name != "posix", reason="named pipes of POSIX")
def test_what_is_no_file_stays_as_well(tmp_path):
    """Links to nothing are not written through to wherever they lead."""
    (tmp_path / "folder.jpg").mkdir()
    (tmp_path / "link.jpg").symlink_to(tmp_path / "elsewhere.jpg")
    os.mkfifo(tmp_path / "pipe.jpg")
    with PictureWriter(tmp_path) as writer:
        for name in ("folder.jpg", "link.jpg", "pipe.jpg"):
            writer.write(frame(f"in/{name}", relative=name), FOUND)
    made = sorted(path.name for path in tmp_path.iterdir() if path.is_file())
    assert made == ["folder-2.jpg", "link-2.jpg", "pipe-2.jpg"]


@pytest.mark.parametrize(
    "stem",
    ["写" * 83, "写" * 83 + "xx", "x" * 251, "\udcff" * 251],
    ids=["253 bytes", "255 bytes", "ASCII", "no UTF-8"],
)
@pytest.mark.parametrize("suffix", [".jpg", ".gif"])
def test_names_as_long_as_the_system_allows(tmp_path, stem, suffix):
    with PictureWriter(tmp_path) as writer:
        for _ in range(10):
            writer.write(frame(f"in/{stem}{suffix}", relative=f"{stem}{suffix}"), FOUND)
        names = [path.stem for path in tmp_path.iterdir()]
    assert len(names) == 10
    assert stem in names
    assert sum(name.endswith("-10") for name in names) == 1


def test_a_copy_whose_suffix_is_longer_than_that_of_its_source(tmp_path):
    name = Path("x" * 252 + ".ts").with_suffix(".mp4")  # 256 bytes
    assert free_path(tmp_path, name, set()).name == "x" * 251 + ".mp4"


def test_nowhere_writes_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for kind in (JsonWriter, CsvWriter, CocoWriter, PictureWriter):
        with kind(None) as writer:
            writer.write(frame(), FOUND)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("error", [KeyboardInterrupt(), InputError("cut off")])
@pytest.mark.parametrize(("kind", "name"), [(JsonWriter, "r.json"), (CsvWriter, "r.csv")])
def test_an_interruption_keeps_what_was_done(tmp_path, kind, name, error):
    target = tmp_path / name
    with pytest.raises(type(error)), kind(target) as writer:
        writer.write(frame(), FOUND)
        raise error
    if kind is JsonWriter:
        assert len(json.loads(target.read_text())) == 1
    else:
        assert len(list(csv.DictReader(target.open()))) == len(FOUND)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (JsonWriter, "r.json"),
        (JsonWriter, "r.jsonl"),
        (CsvWriter, "r.csv"),
        (CocoWriter, "r.coco.json"),
    ],
)
def test_what_ends_before_the_first_frame_leaves_the_old_results(tmp_path, kind, name):
    target = tmp_path / name
    target.write_text("old")
    with pytest.raises(InputError), kind(target):
        raise InputError("The bundle is missing.")
    with pytest.raises(KeyboardInterrupt), kind(target):
        raise KeyboardInterrupt
    assert target.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == [name]
    with kind(target):
        pass  # all went well, and no picture could be read: nothing is the result
    assert "old" not in target.read_text()


@pytest.mark.parametrize(("kind", "name"), [(JsonWriter, "r.json"), (CsvWriter, "r.csv")])
@pytest.mark.parametrize("frames", [1, 400])
def test_disk_full_leaves_the_old_file_and_no_rest(tmp_path, kind, name, frames):
    """With one frame the end is refused, with 400 one of them."""
    target = tmp_path / name
    target.write_text("old")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        with pytest.raises(OutputError, match="File too large"), kind(target) as writer:
            for index in range(frames):
                writer.write(frame(index=index), FOUND)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert target.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(("kind", "name"), [(JsonWriter, "r.json"), (CsvWriter, "r.csv")])
def test_tables_of_long_films_do_not_stay_in_memory(tmp_path, kind, name):
    def memory():
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        with kind(tmp_path / name) as writer:
            writer.write(frame(), FOUND)
            before = memory()
            for index in range(400):
                writer.write(frame(index=index), FOUND)
            grown = memory() - before
    finally:
        tracemalloc.stop()
    assert grown < (tmp_path / name).stat().st_size / 2, grown


def test_json_looks_as_if_written_at_once(tmp_path):
    for count in (0, 1, 3):
        target = tmp_path / f"{count}.json"
        with JsonWriter(target) as writer:
            for index in range(count):
                writer.write(frame("in/Jürgen\n.jpg", index), FOUND)
        text = target.read_text(encoding="utf-8")
        assert text == json.dumps(json.loads(text), indent=2, ensure_ascii=False) + "\n"
        assert len(json.loads(text)) == count


def test_csv_of_pictures_and_films_together(tmp_path):
    target = tmp_path / "r.csv"
    with CsvWriter(target, videos=True) as writer:
        writer.write(frame(), FOUND)
        moving = frame("walk.mp4", 7)
        moving.time = 0.28
        writer.write(moving, FOUND)
    rows = list(csv.DictReader(target.open()))
    assert [row["frame"] for row in rows] == ["", "", "7", "7"]
    assert rows[2]["time"] == "0.28"


def test_disk_full_in_the_middle_of_a_picture(tmp_path, monkeypatch):
    def half(self, content):
        with self.open("wb") as file:
            file.write(content[: len(content) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(atomic.Path, "write_bytes", half)
    with (
        pytest.raises(OutputError, match=r"photo\.jpg: No space left"),
        PictureWriter(tmp_path / "out") as writer,
    ):
        writer.write(frame(), FOUND)
    assert list((tmp_path / "out").iterdir()) == []


def test_a_folder_in_the_way(tmp_path):
    (tmp_path / "r.json").mkdir()
    with pytest.raises(OutputError, match=r"r\.json"), JsonWriter(tmp_path / "r.json"):
        pass
