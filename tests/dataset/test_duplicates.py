"""Finding copies: made ones of one photograph, and the ones that the report's set is full of."""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image as PillowImage

from masklens.cli import main
from masklens.dataset.audit import audit, kind_of, leak, sheet
from masklens.dataset.duplicates import Duplicates, find_duplicates, group
from masklens.dataset.features import extract
from masklens.dataset.scan import Dataset, load_dataset
from masklens.dataset.split import Parts, grouped_split, report_split
from masklens.errors import DatasetError
from masklens.finder import shipped_finder

Image = np.ndarray[Any, np.dtype[np.uint8]]


def turned(image: Image, angle: float) -> Image:
    height, width = image.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), angle, 1)
    return np.asarray(cv2.warpAffine(image, matrix, (width, height)), np.uint8)


def noisy(image: Image, amount: float = 25) -> Image:
    noise = np.random.default_rng(0).normal(0, amount, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


def masked(image: Image) -> Image:
    """A light-blue patch where the mask of the report's data set sits."""
    finder = shipped_finder(1, long_side=320)
    _, _, nose, right, left = finder.find(image).landmarks[0]
    result = image.copy()
    centre = (nose + right + left) / 3
    size = 1.1 * np.linalg.norm(left - right)
    top, bottom = (centre - size).astype(int), (centre + size).astype(int)
    cv2.rectangle(result, (top[0], int(nose[1]) - 10), tuple(bottom.tolist()), (190, 220, 240), -1)
    return result


COPIES = {
    "jpeg": lambda image: image,
    "small": lambda image: cv2.resize(image, (120, 120), interpolation=cv2.INTER_AREA),
    "turned": lambda image: turned(image, 17),
    "quarter": lambda image: np.rot90(image),
    "upside_down": lambda image: np.rot90(image, 2),
    "mirrored": lambda image: image[:, ::-1],
    "mirrored_turned": lambda image: turned(image[:, ::-1].copy(), -12),
    "blurred": lambda image: cv2.GaussianBlur(image, (0, 0), 4),
    "noisy": noisy,
    "cropped": lambda image: image[20:400, 60:430],
    "dark": lambda image: (image * 0.5).astype(np.uint8),
    "masked": masked,
    "masked_turned": lambda image: turned(masked(image), 10),
}


@pytest.fixture(scope="module")
def copies(portrait: Image, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """One photograph in many forms, and five other pictures."""
    root = tmp_path_factory.mktemp("copies")
    for label in ("with_mask", "without_mask"):
        (root / label).mkdir()
    PillowImage.fromarray(portrait).save(root / "without_mask" / "source.png")
    (root / "without_mask" / "source_again.png").write_bytes(
        (root / "without_mask" / "source.png").read_bytes()
    )
    for name, change in COPIES.items():
        label = "with_mask" if "masked" in name else "without_mask"
        picture = PillowImage.fromarray(np.ascontiguousarray(change(portrait)))
        picture.save(root / label / f"{name}.jpg", quality=85)
    rng = np.random.default_rng(1)
    for number in range(3):
        shapes = np.full((300, 260, 3), 200, np.uint8)
        for _ in range(60):
            centre = tuple(rng.integers(0, 300, 2).tolist())
            colour = rng.integers(0, 255, 3).tolist()
            cv2.circle(shapes, centre, int(rng.integers(5, 40)), colour, -1)
        PillowImage.fromarray(shapes).save(root / "with_mask" / f"other{number}.png")
    for number, grey in enumerate((80, 160)):  # plain pictures are alike, but no copies
        plain = PillowImage.new("RGB", (100, 100), (grey,) * 3)
        plain.save(root / "without_mask" / f"plain{number}.png")
    (root / "without_mask" / "broken.jpg").write_bytes(b"no picture")
    return load_dataset(root)


@pytest.fixture(scope="module")
def found(copies: Dataset) -> Duplicates:
    return find_duplicates(copies)


def group_of(dataset: Dataset, duplicates: Duplicates, stem: str) -> int:
    index = next(i for i, p in enumerate(dataset.pictures) if p.path.stem == stem)
    return int(duplicates.groups[index])


@pytest.mark.parametrize("name", [*COPIES, "source_again"])
def test_copy_is_grouped_with_its_source(copies: Dataset, found: Duplicates, name: str) -> None:
    assert group_of(copies, found, name) == group_of(copies, found, "source")


def test_others_stay_alone(copies: Dataset, found: Duplicates) -> None:
    others = ["other0", "other1", "other2", "plain0", "plain1", "broken", "source"]
    assert len({group_of(copies, found, name) for name in others}) == len(others)
    assert [name for name, _ in found.unreadable] == ["without_mask/broken.jpg"]


def test_how_two_copies_differ(copies: Dataset, found: Duplicates) -> None:
    names = [p.path.stem for p in copies.pictures]
    duplicates = {frozenset((names[t.first], names[t.second])): t for t in found.pairs}
    assert duplicates[frozenset(("source", "source_again"))].exact
    turned_by_17 = duplicates[frozenset(("source", "turned"))]
    assert abs(turned_by_17.angle) == pytest.approx(17, abs=1)
    assert duplicates[frozenset(("source", "mirrored"))].mirrored
    assert kind_of(duplicates[frozenset(("source", "cropped"))]) == "cropped or scaled"


def test_copies_without_local_features_are_found_by_their_pixels(tmp_path: Path) -> None:
    """Clouds of colour, as of faces far out of focus."""

    def cloud(seed: int) -> Image:
        few = np.random.default_rng(seed).integers(0, 255, (4, 4, 3), np.uint8)
        return np.asarray(cv2.resize(few, (200, 200), interpolation=cv2.INTER_CUBIC), np.uint8)

    first = cloud(0)
    forms = {
        "a": first,
        "small": cv2.resize(first, (90, 90)),
        "quarter": np.rot90(first),
        "mirrored": first[:, ::-1],
        "mirrored_quarter": np.rot90(first[:, ::-1]),
    }
    pictures = forms | {"other": cloud(1), "third": cloud(2)}
    for name, pixels in pictures.items():
        folder = tmp_path / ("without_mask" if name == "other" else "with_mask")
        folder.mkdir(exist_ok=True)
        PillowImage.fromarray(np.ascontiguousarray(pixels)).save(folder / f"{name}.png")
    dataset = load_dataset(tmp_path)
    found = find_duplicates(dataset)
    groups = {name: group_of(dataset, found, name) for name in pictures}
    assert len({groups[name] for name in forms}) == 1
    assert len(set(groups.values())) == 3
    names = [picture.path.stem for picture in dataset.pictures]
    mirrored = {names[pair.second]: pair.mirrored for pair in found.pairs if pair.first == 0}
    assert mirrored == {name: "mirrored" in name for name in forms if name != "a"}
    assert not any(pair.inliers for pair in found.pairs)


def test_mirrored_features_are_those_of_the_mirror_image(portrait: Image, tmp_path: Path) -> None:
    PillowImage.fromarray(portrait).save(tmp_path / "a.png")
    PillowImage.fromarray(np.ascontiguousarray(portrait[:, ::-1])).save(tmp_path / "b.png")
    finder = shipped_finder(1, long_side=320)
    computed = extract(tmp_path / "a.png", finder).mirrored
    detected = extract(tmp_path / "b.png", finder)
    cosines = computed.descriptors @ detected.descriptors.T
    assert np.median(cosines.max(axis=1)) > 0.98
    nearest = detected.points[cosines.argmax(axis=1)]
    assert np.median(np.abs(nearest - computed.points)) < 1


def test_the_strongest_features_come_first(tmp_path: Path) -> None:
    """Dots on grey, faint ones on the right; candidates are looked up by the first features."""
    picture = np.full((256, 256, 3), 128, np.uint8)
    signs = np.random.default_rng(0)
    for half, depth in ((0, 110), (128, 30)):
        for y in range(14, 256, 28):
            for x in range(14, 128, 28):
                shade = 128 + int(signs.choice([-1, 1])) * depth
                cv2.circle(picture, (half + x, y), 3, (shade,) * 3, -1, cv2.LINE_AA)
    PillowImage.fromarray(picture).save(tmp_path / "a.png")
    faint = extract(tmp_path / "a.png", shipped_finder(1, long_side=320)).points[:, 0] >= 128
    assert 20 < faint.sum() < len(faint) - 120
    assert np.array_equal(faint, np.sort(faint))


def test_groups_are_numbered_by_first_appearance() -> None:
    assert group(6, [(4, 1), (1, 5), (0, 3)]).tolist() == [0, 1, 2, 0, 1, 1]
    assert group(3, []).tolist() == [0, 1, 2]


def test_leak_counts_test_pictures_with_a_copy_in_training(copies: Dataset) -> None:
    report = audit(copies)
    assert len(report.groups) == 1
    assert report.across_labels == 1
    train = ["without_mask/source.png", "with_mask/other0.png"]
    test = ["without_mask/turned.jpg", "with_mask/masked.jpg", "with_mask/other1.png"]
    result = leak(report.groups, copies, Parts(train, test, {}), "mine")
    assert (result.train, result.test) == (2, 3)
    assert (result.with_twin, result.with_same_label) == (2, 1)
    assert result.share == pytest.approx(2 / 3)
    with pytest.raises(DatasetError, match="split mine names no pictures"):
        leak(report.groups, copies, Parts(["x"], test, {}), "mine")
    captions = [tile.caption for block in sheet(report) for tile in block.tiles]
    assert captions
    assert not any("/" in caption for caption in captions)  # their ends must not be cut for it


def test_command(copies: Dataset, tmp_path: Path) -> None:
    split = tmp_path / "split.csv"
    split.write_text(
        "file,label,group,split\n"
        "without_mask/source.png,without_mask,0,train\n"
        "without_mask/turned.jpg,without_mask,0,test\n"
        "without_mask/broken.jpg,without_mask,1,test\n"  # of which nothing is known
    )
    arguments = ["dataset", "audit", str(copies.source), "--split", str(split)]
    outputs = ["--sheet", str(tmp_path / "sheet.png"), "--json", str(tmp_path / "audit.json")]
    result = CliRunner().invoke(main, arguments + outputs)
    assert result.exit_code == 1, result.output  # broken.jpg
    assert "1 of 1 test pictures (100.0%) have a copy among the 1 training picture" in result.output
    assert "broken.jpg is not a picture" in result.output
    different = len(copies) - 1 - 15 + 1  # without the broken one; 15 of them are copies of one
    assert f"  {different} different photographs" in result.output
    assert (tmp_path / "sheet.png").is_file()
    content = json.loads((tmp_path / "audit.json").read_text())
    (only,) = content["groups"]
    assert len(only["files"]) == 15
    assert {"first", "second", "kind", "angle"} <= set(only["pairs"][0])
    assert content["leak"]["share"] == 1


def test_nothing_readable(tmp_path: Path) -> None:
    (tmp_path / "with_mask").mkdir()
    (tmp_path / "with_mask" / "a.jpg").write_bytes(b"x")
    with pytest.raises(DatasetError, match="None of the 1 pictures can be read"):
        find_duplicates(load_dataset(tmp_path))


@pytest.fixture(scope="module")
def report_data(shared_data: Path) -> Dataset:
    return load_dataset(shared_data / "data" / "prajna")


@pytest.fixture(scope="module")
def report_groups(report_data: Dataset) -> dict[str, int]:
    """The group of each file of the report's data set; takes half a minute on two cores."""
    groups = find_duplicates(report_data).groups
    return {p.name: int(g) for p, g in zip(report_data.pictures, groups, strict=True)}


@pytest.fixture(scope="module")
def seen() -> dict[str, Any]:
    """What was compared by eye."""
    file = Path(__file__).with_name("prajna_copies.json")
    content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return content


def test_fifty_pairs_labelled_by_eye(report_groups: dict[str, int], seen: dict[str, Any]) -> None:
    apart = [pair for pair in seen["pairs"] if len({report_groups[name] for name in pair}) > 1]
    assert len(seen["pairs"]) == 50
    assert len(apart) <= 1


@pytest.mark.parametrize("label", ["with_mask", "without_mask"])
def test_augmented_pictures_are_with_their_source(
    report_groups: dict[str, int], label: str
) -> None:
    names = [name for name in report_groups if name.startswith(f"{label}/")]
    sources = {report_groups[name] for name in names if "augmented" not in name}
    copies = [name for name in names if "augmented" in name]
    assert len(copies) == 278
    # The bar is 0.90; all 278 are found today.
    assert sum(report_groups[name] in sources for name in copies) / 278 >= 0.98


def test_groups_seen_to_be_different_stay_apart(
    report_groups: dict[str, int], seen: dict[str, Any]
) -> None:
    groups = [{report_groups[name] for name in names} for names in seen["groups"]]
    joined = sum(bool(a & b) for a, b in combinations(groups, 2))
    torn = sum(len(numbers) > 1 for numbers in groups)
    assert len(groups) == 200
    assert joined <= 4  # 2 % of 200
    assert torn <= 4


def test_what_both_splits_tear_apart(report_data: Dataset, report_groups: dict[str, int]) -> None:
    labels = [picture.annotations[0].label for picture in report_data.pictures]
    groups = list(report_groups.values())
    train, test = report_split(labels)
    trained = {groups[i] for i in train}
    assert len(test) == 276
    assert sum(groups[i] in trained for i in test) / 276 > 0.8
    parts = grouped_split(labels, groups)
    first, second = (
        {g for g, part in zip(groups, parts, strict=True) if part == name}
        for name in ("train", "test")
    )
    assert not first & second
