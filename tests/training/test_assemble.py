"""Calibrating a bundle on photographs that do not fit it."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

pytest.importorskip("scipy")

from masklens.bundle import Bundle, write_bundle
from masklens.errors import DatasetError
from masklens.intervals import wilson
from masklens.labels import LABELS
from masklens.training.assemble import assemble
from masklens.training.scoring import Judged, _precise_note

#: Of the face in the portrait.
FACE = [182, 76, 85, 98]


def scenes(folder: Path, picture: Path | None, box: list[int], label: str, times: int = 1) -> Path:
    """A COCO file with one face in one picture, perhaps more than once; None is a plain one."""
    name = "plain.png" if picture is None else str(picture)
    PillowImage.new("RGB", (512, 512), "grey").save(folder / "plain.png")
    content = {
        "images": [{"id": 1, "file_name": name}],
        "annotations": [{"image_id": 1, "category_id": 7, "bbox": box}] * times,
        "categories": [{"id": 7, "name": label}],
    }
    file = folder / "scenes.json"
    file.write_text(json.dumps(content))
    return file


@pytest.mark.parametrize(
    ("plain", "box", "label", "message"),
    [
        (False, FACE, "helmet", r"labels that are not known: \['helmet'\]"),
        (False, [182, 76, -85, 98], LABELS[1], "outside, or without area"),
        (False, [1182, 76, 85, 98], LABELS[1], "outside, or without area"),
        (False, [182, 76, 300_000, 98], LABELS[1], "outside, or without area"),
        (False, [182, 76, 10, 12], LABELS[1], "No annotated face .* is 12 pixels wide .* has 10"),
        (True, FACE, LABELS[1], "found none of the faces"),
        (False, [300, 300, 85, 98], LABELS[1], "found none of the faces"),
    ],
)
def test_what_cannot_be_fitted_leaves_no_bundle(
    tmp_path: Path, portrait_file: Path, plain: bool, box: list[int], label: str, message: str
) -> None:
    file = scenes(tmp_path, None if plain else portrait_file, box, label)
    with pytest.raises(DatasetError, match=message):
        assemble("default", file, None, tmp_path / "new")
    assert list((tmp_path / "new").glob("*")) == []


def test_faces_of_one_photograph_count_as_one_in_the_cards_interval(
    tmp_path: Path, portrait_file: Path
) -> None:
    file = scenes(tmp_path, portrait_file, FACE, LABELS[1], times=6)
    bundle, _ = assemble("default", file, None, tmp_path / "new")
    accuracy = bundle.card.scores["accuracy"]
    assert (accuracy["correct"], accuracy["total"]) == (6, 6)
    assert accuracy["interval_95"] == pytest.approx(wilson(1, 1))


def test_labels_count_in_the_order_of_the_card(tmp_path: Path, portrait_file: Path) -> None:
    """Not in that of all three labels: a bundle may have them in another, or only two of them."""
    shipped = Bundle.load()
    card = dataclasses.replace(shipped.card, labels=(LABELS[1], LABELS[0], LABELS[2]))
    write_bundle(tmp_path / "other", card, shipped.paths())
    file = scenes(tmp_path, portrait_file, FACE, LABELS[1])
    _, scores = assemble(tmp_path / "other", file, None, tmp_path / "new")
    assert scores["accuracy"]["value"] == 1
    assert scores["bare_called_masked"] == 0


def test_the_card_says_only_what_was_seen(tmp_path: Path, portrait_file: Path) -> None:
    """One badly worn mask: nothing is known of bare faces, and no precision of a single box."""
    file = scenes(tmp_path, portrait_file, FACE, LABELS[2])
    bundle, scores = assemble("default", file, None, tmp_path / "new")
    assert scores["bare_called_masked"] is None

    def no_json(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    json.loads((bundle.folder / "card.json").read_text(), parse_constant=no_json)


def test_a_precision_that_is_not_reached_is_not_claimed(
    tmp_path: Path, portrait_file: Path
) -> None:
    """The same portrait twice, and only one has its face annotated."""
    file = scenes(tmp_path, portrait_file, FACE, LABELS[1])
    shutil.copy(portrait_file, tmp_path / "again.jpg")
    content = json.loads(file.read_text())
    content["images"].append({"id": 2, "file_name": "again.jpg"})
    file.write_text(json.dumps(content))
    bundle, _ = assemble("default", file, None, tmp_path / "new")
    assert bundle.card.threshold_notes["precise"].startswith("precision 0.95 is not reached")
    assert bundle.card.threshold_notes["precise"].endswith("; this shows 0.50")


def test_a_precision_that_is_just_missed_is_not_rounded_to_the_one_that_was_wanted() -> None:
    scores, right = np.ones(19, np.float32), np.arange(19) < 18
    note = _precise_note(Judged(scores, scores, scores, right, right, 19), 0.5, "canteen")
    assert note == "precision 0.95 is not reached on canteen; this shows 0.94"


def test_pictures_that_cannot_be_read_are_left_out_and_named(
    tmp_path: Path, portrait_file: Path
) -> None:
    file = scenes(tmp_path, portrait_file, FACE, LABELS[1])
    (tmp_path / "broken.jpg").write_text("no picture")
    content = json.loads(file.read_text())
    content["images"].append({"id": 2, "file_name": "broken.jpg"})
    content["annotations"].append({"image_id": 2, "category_id": 7, "bbox": FACE})
    file.write_text(json.dumps(content))
    reasons: list[str] = []
    _, scores = assemble(
        "default", file, None, tmp_path / "new", on_error=lambda _, why: reasons.append(str(why))
    )
    assert scores["accuracy"]["total"] == 1
    assert [reason.rpartition("/")[2] for reason in reasons] == [
        "broken.jpg is not a picture that can be read."
    ]


def test_a_picture_that_is_damaged_leaves_no_bundle(tmp_path: Path) -> None:
    (tmp_path / "damaged.jpg").write_bytes(b"no picture")
    file = scenes(tmp_path, tmp_path / "damaged.jpg", FACE, LABELS[1])
    with pytest.raises(DatasetError, match=r"No picture of .* can be read"):
        assemble("default", file, None, tmp_path / "new")
    assert list((tmp_path / "new").glob("*")) == []
