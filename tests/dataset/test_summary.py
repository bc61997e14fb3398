"""What the summary says of small made data sets, and of the report's."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image as PillowImage

from masklens.cli import main
from masklens.dataset import sheet
from masklens.dataset.scan import load_dataset
from masklens.dataset.sheet import Block, Tile, contain, cover, draw_sheets, save_sheets
from masklens.dataset.summary import Spread, summarise
from masklens.errors import OutputError


def paint(path: Path, width: int = 80, height: int = 60, value: int = 128) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    PillowImage.new("RGB", (width, height), (value, 90, 160)).save(path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four masked, one bare; sizes from 40×60 to 200×100."""
    for index, size in enumerate([(40, 60), (80, 60), (100, 100), (200, 100)]):
        paint(tmp_path / "data" / "with_mask" / f"{index}.png", *size)
    paint(tmp_path / "data" / "without_mask" / "0.png", 100, 80)
    return tmp_path / "data"


def test_numbers_and_warnings(folder: Path) -> None:
    summary = summarise(load_dataset(folder))
    assert summary.counts == {"with_mask": 4, "without_mask": 1}
    assert summary.widths == Spread(40, 100, 200)
    assert summary.heights == Spread(60, 80, 100)
    imbalance, tiny = summary.warnings
    assert "with_mask is 4.0 times as frequent as without_mask" in imbalance
    assert tiny == "1 picture is smaller than 48 px, such as with_mask/0.png."
    assert [(block.title, len(block.tiles)) for block in summary.sheet] == [
        ("with_mask", 4),
        ("without_mask", 1),
    ]


def test_labels_that_no_training_takes_are_told(folder: Path) -> None:
    """A folder with train/ and test/ in it looked like a data set with two labels."""
    (folder / "with_mask").rename(folder / "train")
    first, *_ = summarise(load_dataset(folder)).warnings
    assert "labels that are not known: ['train']" in first


def test_unreadable_files_are_named_and_the_rest_is_counted(folder: Path) -> None:
    whole = (folder / "with_mask" / "3.png").read_bytes()
    (folder / "with_mask" / "3.png").write_bytes(whole[: len(whole) // 2])
    (folder / "without_mask" / "text.jpg").write_text("no picture")
    steps: list[None] = []
    summary = summarise(load_dataset(folder), lambda: steps.append(None))
    assert [name for name, _ in summary.unreadable] == ["with_mask/3.png", "without_mask/text.jpg"]
    assert summary.pictures == 4
    assert len(steps) == 6


@pytest.mark.parametrize("name", ["a\0b.png", "\ud800.png"])
@pytest.mark.parametrize("command", [("summary",), ("audit", "--json", "out.json")])
def test_a_name_that_no_file_can_have_is_unreadable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, command: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    paint(tmp_path / "good.png")
    box = {"category_id": 1, "bbox": [9, 9, 30, 30]}
    content = {
        "images": [{"id": 1, "file_name": "good.png"}, {"id": 2, "file_name": name}],
        "annotations": [box | {"image_id": 1}, box | {"image_id": 2}],
        "categories": [{"id": 1, "name": "with_mask"}],
    }
    Path("c.json").write_text(json.dumps(content))
    result = CliRunner().invoke(main, ["dataset", *command, "c.json"])
    assert result.exit_code == 1, result.exception
    assert "Unreadable" in result.stderr


def test_only_unreadable_files(tmp_path: Path) -> None:
    (tmp_path / "with_mask").mkdir()
    (tmp_path / "with_mask" / "x.jpg").write_bytes(b"")
    summary = summarise(load_dataset(tmp_path))
    assert (summary.pictures, summary.widths, summary.sheet) == (0, None, ())
    assert summary.title() == f"{tmp_path}: 1 picture, 1 label"
    assert summary.warnings == (
        "Only one label occurs, with_mask: nothing can be learned from it.",
    )


def test_boxed_faces(tmp_path: Path) -> None:
    paint(tmp_path / "a.png", 200, 100)
    paint(tmp_path / "b.png", 200, 100)
    boxes = [[10, 10, 40, 50], [0, 0, 8, 9], [150, 60, 100, 30], [20, 20, 0, 40]]
    content = {
        "images": [{"id": i, "file_name": f"{n}.png"} for i, n in enumerate("ab")],
        "annotations": [
            {"image_id": 0, "category_id": i % 2, "bbox": b} for i, b in enumerate(boxes)
        ],
        "categories": [{"id": 0, "name": "with_mask"}, {"id": 1, "name": "without_mask"}],
    }
    file = tmp_path / "annotations.json"
    file.write_text(json.dumps(content))
    summary = summarise(load_dataset(file))
    assert summary.faces == {"with_mask": Spread(50, 75, 100), "without_mask": Spread(9, 24, 40)}
    assert summary.empty == 1
    assert summary.warnings == (
        "1 face is smaller than 16 px: too little to see a mask by.",
        "2 boxes are empty or outside the picture, such as one in a.png.",
    )
    assert summary.title() == f"{file}: 2 pictures, 4 faces, 2 labels"


@pytest.mark.parametrize(
    ("size", "warned"),
    [
        ({"width": 60, "height": 90}, False),
        ({"width": 90, "height": 60}, True),
        ({"width": 120, "height": 180}, True),
        ({"width": 90}, False),
        ({"width": 0, "height": 0}, False),
    ],
)
def test_pictures_that_were_annotated_at_another_size(tmp_path: Path, size, warned) -> None:
    """As on a telephone's picture that was not turned upright, or before it was made smaller."""
    exif = PillowImage.Exif()
    exif[274] = 6
    PillowImage.new("RGB", (90, 60), "grey").save(tmp_path / "a.jpg", exif=exif)
    content = {
        "images": [
            {"id": 1, "file_name": "a.jpg", **size},
            {"id": 2, "file_name": "gone.jpg", "width": 3, "height": 4},
        ],
        "annotations": [{"image_id": 1, "category_id": 1, "bbox": [5, 5, 40, 40]}],
        "categories": [{"id": 1, "name": "with_mask"}],
    }
    (tmp_path / "c.json").write_text(json.dumps(content))
    warnings = [w for w in summarise(load_dataset(tmp_path / "c.json")).warnings if "size" in w]
    expected = (
        f"1 picture was annotated at another size, such as a.jpg at {size.get('width')}×"
        f"{size.get('height')} px, which has 60×90, upright: the boxes lie elsewhere. Annotate the "
        "pictures as they are."
    )
    assert warnings == [expected] * warned


def test_a_box_of_any_size_becomes_a_tile(tmp_path: Path) -> None:
    """A point that was forgotten: cut as it stands, it would take hundreds of gigabytes."""
    paint(tmp_path / "a.png", 200, 100)
    content = {
        "images": [{"id": 1, "file_name": "a.png"}],
        "annotations": [{"image_id": 1, "category_id": 1, "bbox": [10, 10, 300_000, 50]}],
        "categories": [{"id": 1, "name": "with_mask"}],
    }
    (tmp_path / "c.json").write_text(json.dumps(content))
    summary = summarise(load_dataset(tmp_path / "c.json"))
    assert [len(block.tiles) for block in summary.sheet] == [1]
    assert "1 box is empty or outside the picture, such as one in a.png." in summary.warnings


def test_tiles_keep_or_fill() -> None:
    image = np.zeros((100, 50, 3), np.uint8)
    image[:, :, 0] = 255
    kept, filled = contain(image, 40), cover(image, 40)
    assert kept.shape == filled.shape == (40, 40, 3)
    assert (kept[:, 10:30] == (255, 0, 0)).all()
    assert (kept[:, :9] == kept[0, 0]).all()
    assert (filled == (255, 0, 0)).all()


def test_blocks_share_lines_and_break_into_pages(tmp_path: Path) -> None:
    tile = Tile(np.zeros((20, 20, 3), np.uint8), "a/very/long/name.jpg")
    blocks = [Block(f"block {n}", [tile] * size) for n, size in enumerate([2, 2, 3, 9, 1])]
    pages = draw_sheets("title", blocks, columns=5, rows=3)
    assert len(pages) == 2
    assert {page.width for page in pages} == {pages[0].width}
    written = save_sheets(tmp_path / "new" / "sheet.png", pages)
    assert [path.name for path in written] == ["sheet.png", "sheet-2.png"]
    with pytest.raises(OutputError, match=r"use \.png or \.jpg"):
        save_sheets(tmp_path / "sheet.txt", pages)
    assert not list(tmp_path.glob("*sheet*"))


@pytest.mark.parametrize("installed", [True, False])
def test_letters_beyond_ascii_are_drawn_or_written_plainly(
    monkeypatch: pytest.MonkeyPatch, installed: bool
) -> None:
    """Every letter of the font that is missing would be the same empty box."""
    if installed:
        pytest.importorskip("matplotlib")
    else:
        monkeypatch.setattr(sheet, "_font_file", lambda: None)
    sheet._font.cache_clear()

    def drawn(name: str) -> np.ndarray:
        tile = Tile(np.zeros((96, 96, 3), np.uint8), name)
        return np.asarray(draw_sheets(f"{name} 1", [Block(name, [tile], name)])[0])

    try:
        assert np.array_equal(drawn("Zoe"), drawn("Zoë")) is not installed
        assert not np.array_equal(drawn("Zoë"), drawn("Zoü"))
    finally:
        sheet._font.cache_clear()


def test_long_names_that_differ_at_either_end_are_told_apart() -> None:
    """Those of the report's data: the number stands at the start, or at the end."""

    def drawn(name: str) -> bytes:
        tile = Tile(np.zeros((96, 96, 3), np.uint8), name)
        return draw_sheets("title", [Block("block", [tile])])[0].tobytes()

    assert drawn("105-with-mask.jpg") != drawn("108-with-mask.jpg")
    assert drawn("augmented_image_174.jpg") != drawn("augmented_image_274.jpg")


def test_faces_that_are_annotated_twice_are_told(tmp_path: Path) -> None:
    paint(tmp_path / "a.png")
    box = {"image_id": 1, "category_id": 1, "bbox": [10, 10, 30, 30]}
    content = {
        "images": [{"id": 1, "file_name": "a.png"}],
        "annotations": [box, box, box | {"bbox": [40, 10, 30, 30]}],
        "categories": [{"id": 1, "name": "with_mask"}],
    }
    (tmp_path / "scenes.json").write_text(json.dumps(content))
    warnings = " ".join(summarise(load_dataset(tmp_path / "scenes.json")).warnings)
    assert "1 face is annotated more than once, in the same box, such as one in a.png" in warnings


def test_command(folder: Path, tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.png"
    result = CliRunner().invoke(main, ["dataset", "summary", str(folder), "--sheet", str(sheet)])
    assert result.exit_code == 0
    assert "with_mask 4 80.0%" in " ".join(result.output.split())
    assert "Warning: The labels are out of balance" in result.output
    assert PillowImage.open(sheet).width > 500

    (folder / "with_mask" / "bad.jpg").write_text("no picture")
    result = CliRunner().invoke(main, ["dataset", "summary", str(folder)])
    assert result.exit_code == 1
    assert "bad.jpg is not a picture" in result.output

    result = CliRunner().invoke(main, ["dataset", "summary", str(tmp_path / "none")])
    assert result.exit_code == 1
    assert result.output.startswith("Error: ")


def test_report_data(shared_data: Path) -> None:
    summary = summarise(load_dataset(shared_data / "data" / "prajna"))
    assert summary.counts == {"with_mask": 690, "without_mask": 686}
    assert summary.unreadable == ()
    assert summary.warnings == ()
