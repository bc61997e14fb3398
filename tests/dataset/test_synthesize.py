"""The mask painter: what is painted where, with which label, and that it is the same every time."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image as PillowImage

from masklens.bundle import Bundle
from masklens.classifier import MaskClassifier
from masklens.cli import main
from masklens.crop import FloatArray, Image
from masklens.dataset.scan import Dataset, load_dataset
from masklens.dataset.synthesize import STYLES, paint, produce
from masklens.dataset.synthesize.canvas import TALL, Board
from masklens.dataset.synthesize.garments import WAYS
from masklens.dataset.synthesize.geometry import CHIN, face_frame
from masklens.dataset.synthesize.masks import draw_mask
from masklens.dataset.synthesize.produce import BareFace, bare_faces, choose_styles, paintings
from masklens.dataset.synthesize.textures import PRINTS, print_tile
from masklens.errors import DatasetError, InputError
from masklens.faces import Faces
from masklens.finder import shipped_finder
from masklens.io.pictures import read_picture
from masklens.labels import LABELS, MASK_WORN_INCORRECTLY, WITH_MASK, WITHOUT_MASK
from tests.conftest import ROOT

MASKS = [style for style, label in STYLES.items() if label == WITH_MASK]
REACH_THE_EYES = ("hand", "phone", "over_eyes", "over_face", "forehead", "helmet")
#: A frontal face of a 240×240 picture: eyes 60 pixels apart.
LANDMARKS = np.array([[90, 90], [150, 90], [120, 124], [97, 150], [143, 150]], np.float32)
BOX = np.array([56, 30, 184, 196], np.float32)


@pytest.fixture
def face() -> Image:
    """A plain face: an ellipse of skin on grey, with a little noise."""
    rng = np.random.default_rng(1)
    image = np.full((240, 240, 3), 120, np.uint8)
    cv2.ellipse(image, (120, 112), (64, 84), 0, 0, 360, (205, 160, 135), -1, cv2.LINE_AA)
    noisy = image + rng.normal(0, 2, image.shape)
    return np.clip(noisy, 0, 255).astype(np.uint8)


def change(before: Image, after: Image) -> FloatArray:
    """How much each pixel changed: (H, W), the largest of the three channels."""
    return np.abs(before.astype(np.float32) - after.astype(np.float32)).max(axis=2)


def around(points: FloatArray, change: FloatArray, radius: int) -> FloatArray:
    """Mean change in a square around each point."""
    means = []
    for x, y in np.round(points).astype(int):
        means.append(change[y - radius : y + radius + 1, x - radius : x + radius + 1].mean())
    return np.array(means)


def turned(image: Image, angle: float) -> tuple[Image, FloatArray, FloatArray]:
    """The face rolled by degrees around the picture's middle: picture, landmarks, box."""
    matrix = cv2.getRotationMatrix2D((120, 120), angle, 1)
    rolled = cv2.warpAffine(image, matrix, (240, 240), borderMode=cv2.BORDER_REPLICATE)
    points = (LANDMARKS @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)
    corners = BOX[[0, 1, 2, 1, 0, 3, 2, 3]].reshape(4, 2) @ matrix[:, :2].T + matrix[:, 2]
    box = np.concatenate([corners.min(axis=0), corners.max(axis=0)]).astype(np.float32)
    return np.asarray(rolled, np.uint8), points, box


def test_every_label_has_styles() -> None:
    assert set(STYLES.values()) == set(LABELS)
    assert STYLES["nose_out"] == STYLES["under_chin"] == MASK_WORN_INCORRECTLY
    assert STYLES["hand"] == STYLES["scarf"] == WITHOUT_MASK


@pytest.mark.parametrize("style", STYLES)
def test_paints_a_copy_with_the_label_of_the_style(face: Image, style: str) -> None:
    before = face.copy()
    painted = paint(face, LANDMARKS, BOX, style, np.random.default_rng(3))
    assert (painted.label, painted.style) == (STYLES[style], style)
    assert painted.image.shape == face.shape
    assert painted.image.dtype == np.uint8
    assert np.array_equal(face, before)
    assert (change(face, painted.image) > 12).sum() > 300


@pytest.mark.parametrize("style", STYLES)
def test_the_seed_decides(face: Image, style: str) -> None:
    first, second, other = (
        paint(face, LANDMARKS, BOX, style, np.random.default_rng(seed)).image for seed in (5, 5, 6)
    )
    assert np.array_equal(first, second)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("style", [s for s in STYLES if s not in REACH_THE_EYES])
@pytest.mark.parametrize("seed", range(4))
def test_eyes_and_forehead_stay(face: Image, style: str, seed: int) -> None:
    painted = paint(face, LANDMARKS, BOX, style, np.random.default_rng(seed)).image
    changed = change(face, painted)
    assert changed[:64].max() == 0
    assert around(LANDMARKS[:2], changed, 5).max() < 1


@pytest.mark.parametrize("style", MASKS)
@pytest.mark.parametrize("seed", range(6))
def test_a_mask_worn_right_covers_nose_mouth_and_chin(face: Image, style: str, seed: int) -> None:
    changed = change(face, paint(face, LANDMARKS, BOX, style, np.random.default_rng(seed)).image)
    chin = np.array([[120, 180]], np.float32)
    spots = np.concatenate([LANDMARKS[2:3], [[120, 150]], chin])
    assert around(spots, changed, 4).min() > 4


@pytest.mark.parametrize("seed", range(12))
def test_nose_out_shows_the_nose_and_covers_the_mouth(face: Image, seed: int) -> None:
    rng = np.random.default_rng(seed)
    changed = change(face, paint(face, LANDMARKS, BOX, "nose_out", rng).image)
    assert around(LANDMARKS[2:3], changed, 5).max() < 1
    assert around(np.array([[120, 152]], np.float32), changed, 4).min() > 4


@pytest.mark.parametrize("style", ["nose_out", "one_ear"])
@pytest.mark.parametrize("seed", range(6))
def test_below_the_nose_a_mask_hides_no_nostril(face: Image, style: str, seed: int) -> None:
    changed = change(face, paint(face, LANDMARKS, BOX, style, np.random.default_rng(seed)).image)
    assert around(LANDMARKS[2:3], changed, 6).max() < 1
    assert changed[150:].max() > 12


@pytest.mark.parametrize("seed", range(6))
def test_over_the_eyes_leaves_nose_and_mouth(face: Image, seed: int) -> None:
    rng = np.random.default_rng(seed)
    changed = change(face, paint(face, LANDMARKS, BOX, "over_eyes", rng).image)
    assert around(LANDMARKS[:2], changed, 4).min() > 4
    assert around(LANDMARKS[2:], changed, 4).max() < 1


@pytest.mark.parametrize("seed", range(6))
def test_over_the_face_hides_eyes_and_nose(face: Image, seed: int) -> None:
    rng = np.random.default_rng(seed)
    changed = change(face, paint(face, LANDMARKS, BOX, "over_face", rng).image)
    assert around(LANDMARKS[:3], changed, 4).min() > 4


@pytest.mark.parametrize("seed", range(6))
def test_above_the_mouth_a_mask_hides_the_nose_alone(face: Image, seed: int) -> None:
    rng = np.random.default_rng(seed)
    changed = change(face, paint(face, LANDMARKS, BOX, "mouth_out", rng).image)
    assert around(LANDMARKS[2:3], changed, 4).min() > 4
    assert around(np.array([[120, 152]], np.float32), changed, 3).max() < 1


@pytest.mark.parametrize("wear", WAYS)
def test_the_bands_of_a_cup_begin_at_the_cup(face: Image, wear: str) -> None:
    """What is painted hangs together, however it is worn."""
    for seed in range(6):
        board = Board(face, face_frame(LANDMARKS, BOX), np.random.default_rng(seed), TALL)
        draw_mask(board, "n95_cup", wear)
        pieces, _ = cv2.connectedComponents((board.coverage > 0.55).astype(np.uint8))
        assert pieces == 2, seed  # the mask with its straps, and what is around them


def test_a_helmet_covers_the_crown(face: Image) -> None:
    image = cv2.copyMakeBorder(face, 100, 0, 0, 0, cv2.BORDER_REPLICATE)
    landmarks = LANDMARKS + np.array([0, 100], np.float32)
    box = BOX + np.array([0, 100, 0, 100], np.float32)
    # As far above the eyes as the chin lies below; the mouth is 60 pixels below.
    crown = np.array([[120, 190 - CHIN * 60]], np.float32)
    for seed in range(6):
        painted = paint(image, landmarks, box, "helmet", np.random.default_rng(seed))
        assert around(crown, change(image, painted.image), 2).min() > 10


@pytest.mark.parametrize("style", ["forehead", "helmet"])
@pytest.mark.parametrize("seed", range(6))
def test_on_the_forehead_it_leaves_the_face(face: Image, style: str, seed: int) -> None:
    changed = change(face, paint(face, LANDMARKS, BOX, style, np.random.default_rng(seed)).image)
    assert around(LANDMARKS, changed, 4).max() < 1
    assert around(np.array([[120, 54]], np.float32), changed, 4).min() > 4


@pytest.mark.parametrize("style", ["under_chin", "below_lip", "scarf"])
@pytest.mark.parametrize("seed", range(12))
def test_the_mouth_stays_free(face: Image, style: str, seed: int) -> None:
    changed = change(face, paint(face, LANDMARKS, BOX, style, np.random.default_rng(seed)).image)
    assert around(LANDMARKS[2:], changed, 4).max() < 1
    assert changed[165:].max() > 12


@pytest.mark.parametrize("seed", range(6))
def test_a_beard_leaves_the_lips(face: Image, seed: int) -> None:
    changed = change(face, paint(face, LANDMARKS, BOX, "beard", np.random.default_rng(seed)).image)
    assert around(np.array([[120, 150]], np.float32), changed, 2).max() < 1
    assert around(np.array([[120, 178]], np.float32), changed, 5).min() > 3


@pytest.mark.parametrize("kind", PRINTS)
def test_prints_cover_a_part_of_the_cloth(kind: str) -> None:
    base = np.full(3, 0.5, np.float32)
    for seed in range(5):
        tile = print_tile(np.random.default_rng(seed), kind, base)
        printed = (np.abs(tile - base).max(axis=2) > 0.02).mean()
        assert 0.01 < printed < 1


@pytest.mark.parametrize("angle", [-35, 50, 90, 180])
def test_follows_a_rolled_head(face: Image, angle: float) -> None:
    rolled, points, box = turned(face, angle)
    painted = paint(rolled, points, box, "surgical", np.random.default_rng(2)).image
    changed = change(rolled, painted)
    assert around(points[2:], changed, 3).min() > 4
    assert around(points[:2], changed, 3).max() < 1


@pytest.mark.parametrize("nose", [-24, 24])
def test_the_far_side_is_compressed_under_yaw(face: Image, nose: float) -> None:
    points = LANDMARKS.copy()
    points[2, 0] += nose
    points[3:, 0] += nose / 3
    frame = face_frame(points, BOX)
    assert np.sign(frame.yaw) == np.sign(nose)
    middle, far, near = (frame.point(x * np.sign(nose), 0.8)[0] for x in (0, 0.8, -0.8))
    assert abs(far - middle) < 0.6 * abs(near - middle)


def test_the_head_model_meets_the_landmarks() -> None:
    frame = face_frame(LANDMARKS, BOX)
    for height, (x, y) in [(0.57, LANDMARKS[2]), (1.0, [120, 150])]:
        px, py = frame.matrix @ [*frame.point(0, height), 1]
        assert (px, py) == pytest.approx((x, y), abs=1.0)
    chin = frame.matrix @ [*frame.point(0, CHIN), 1]
    assert chin[1] == pytest.approx(BOX[3], abs=8)


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("shift", [(-100, 0), (100, 90), (0, 120), (-60, -80)])
def test_near_and_beyond_the_border(face: Image, style: str, shift: tuple[int, int]) -> None:
    landmarks = LANDMARKS + np.float32(shift)
    box = BOX + np.float32([*shift, *shift])
    painted = paint(face, landmarks, box, style, np.random.default_rng(0))
    assert painted.image.shape == face.shape


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("scale", [0.12, 0.3, 4.0])
def test_small_and_large_faces(face: Image, style: str, scale: float) -> None:
    small = cv2.resize(face, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    painted = paint(small, LANDMARKS * scale, BOX * scale, style, np.random.default_rng(0)).image
    assert change(small, painted).max() > 10


def test_a_picture_without_colour_stays_so(face: Image) -> None:
    grey = np.repeat(cv2.cvtColor(face, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2)
    painted = paint(grey, LANDMARKS, BOX, "cloth", np.random.default_rng(1)).image
    assert np.ptp(painted.astype(int), axis=2).max() <= 1


def test_paint_follows_the_light(face: Image) -> None:
    dark = (face * 0.3).astype(np.uint8)
    bright, dim = (
        paint(image, LANDMARKS, BOX, "surgical", np.random.default_rng(0)).image[140:160, 110:130]
        for image in (face, dark)
    )
    assert dim.mean() < 0.6 * bright.mean()


@pytest.mark.parametrize(
    ("landmarks", "box", "message"),
    [
        (LANDMARKS[:4], BOX, r"Received: \(4, 2\)"),
        (LANDMARKS, BOX[:3], r"and \(3,\)"),
        (LANDMARKS * np.float32(np.nan), BOX, "not finite"),
        (LANDMARKS * 0.05, BOX * 0.05, "too small"),
        (LANDMARKS[[3, 4, 2, 1, 0]], BOX, "no face"),  # mouth above mirrored eyes
    ],
)
def test_landmarks_that_cannot_be_used(
    face: Image, landmarks: FloatArray, box: FloatArray, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        paint(face, landmarks, box, "surgical", np.random.default_rng(0))


def test_pictures_and_styles_that_cannot_be_used(face: Image) -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(InputError, match=r"Received: uint8 \(240, 240\)"):
        paint(face[..., 0], LANDMARKS, BOX, "surgical", rng)
    with pytest.raises(InputError, match="Received: float64"):
        paint(face / 255, LANDMARKS, BOX, "surgical", rng)
    with pytest.raises(InputError, match='no style "snorkel"'):
        paint(face, LANDMARKS, BOX, "snorkel", rng)


def test_choose_styles() -> None:
    assert choose_styles() == list(STYLES)
    assert choose_styles(labels=[WITH_MASK]) == MASKS
    assert choose_styles(["cup", "hand"]) == ["hand", "cup"]
    with pytest.raises(InputError, match="snorkel"):
        choose_styles(["snorkel"])
    with pytest.raises(InputError, match="helmet"):
        choose_styles(labels=["helmet"])
    with pytest.raises(InputError, match="None of the styles cup shows with_mask"):
        choose_styles(["cup"], [WITH_MASK])


def test_only_bare_faces_of_a_labelled_folder(tmp_path: Path, portrait: Image) -> None:
    for label in ("with_mask", "no mask"):
        (tmp_path / label).mkdir()
        PillowImage.fromarray(portrait).save(tmp_path / label / f"{label}.jpg")
    found = list(bare_faces(tmp_path, shipped_finder(1), 0, lambda path, error: None))
    assert [face.path.name for face in found] == ["no mask.jpg"]
    (tmp_path / "no mask" / "no mask.jpg").unlink()
    (tmp_path / "no mask").rmdir()
    with pytest.raises(DatasetError, match="no face labelled without_mask"):
        list(bare_faces(tmp_path, shipped_finder(1), 0, lambda path, error: None))


def test_a_chest_is_no_face(tmp_path: Path, portrait: Image, portrait_file: Path) -> None:
    """A finder that takes a chest for a face, as the one that ships sometimes does."""
    found = shipped_finder(1).find(portrait)
    down = np.array([0, 190], np.float32)

    class Fooled:
        def find(self, image: Image) -> Faces:
            return Faces(
                np.concatenate([found.boxes[:1], found.boxes[:1] + np.tile(down, 2)]),
                np.array([0.9, 0.8], np.float32),
                np.concatenate([found.landmarks[:1], found.landmarks[:1] + down]),
            )

    source, classifier = produce.list_originals(portrait_file), MaskClassifier(Bundle.load())
    faces = list(bare_faces(source, Fooled(), 0, lambda path, error: None, classifier))
    assert [face.box.tolist() for face in faces] == [found.boxes[0].tolist()]
    made: list[produce.Painting] = []
    counts = produce.synthesize(
        source, ["surgical", "cup"], Fooled(), classifier, made.append, on_error=print
    )
    assert counts == {"surgical": 1}
    assert [painting.style for painting in made] == ["surgical"]


def test_only_bare_faces_of_a_coco_file(tmp_path: Path, portrait_file: Path) -> None:
    x1, y1, x2, y2 = (float(v) for v in shipped_finder(1).find(_read(portrait_file)).boxes[0])
    coco = {
        "images": [{"id": 1, "file_name": str(portrait_file)}],
        "categories": [{"id": 1, "name": "without_mask"}, {"id": 2, "name": "with_mask"}],
        "annotations": [
            {"image_id": 1, "category_id": 1, "bbox": [x1, y1, x2 - x1, y2 - y1]},
        ],
    }
    file = tmp_path / "scenes.json"
    for category, expected in ((1, 1), (2, None)):
        coco["annotations"][0]["category_id"] = category
        file.write_text(json.dumps(coco))
        if expected:
            assert len(list(bare_faces(file, shipped_finder(1), 0, lambda p, e: None))) == expected
        else:
            with pytest.raises(DatasetError):
                list(bare_faces(file, shipped_finder(1), 0, lambda p, e: None))


def test_paintings_use_faces_again(portrait_file: Path) -> None:
    faces = list(bare_faces(portrait_file, shipped_finder(1), 0, lambda path, error: None))
    made = list(paintings(faces, ["hand", "cup"], seed=1, count=5))
    assert [p.style for p in made] == ["hand", "cup", "hand", "cup", "hand"]
    assert len({p.name for p in made}) == 5
    assert not np.array_equal(made[0].image, made[2].image)
    assert [p.style for p in paintings(faces, ["hand", "cup"], seed=1)] == ["hand"]
    for painting in made:
        x1, y1, x2, y2 = painting.box
        height, width = painting.image.shape[:2]
        assert 0 <= x1 < x2 <= width
        assert 0 <= y1 < y2 <= height


def test_the_command_writes_a_data_set(tmp_path: Path, portrait_file: Path) -> None:
    out, sheet = tmp_path / "out", tmp_path / "sheet.png"
    arguments = ["dataset", "synthesize", str(portrait_file), "--count", str(len(STYLES))]
    result = CliRunner().invoke(main, [*arguments, "--out", str(out), "--sheet", str(sheet)])
    assert result.exit_code == 0, result.output
    assert f"{len(STYLES)} faces painted" in result.output
    folders, boxes = load_dataset(out), load_dataset(out / "annotations.coco.json")
    assert folders.counts() == boxes.counts()
    assert sum(folders.counts().values()) == len(STYLES)
    assert PillowImage.open(sheet).width > 500


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Give --out DIR, --sheet FILE, or both"),
        (["--out", "out", "--styles", "snorkel"], "snorkel"),
        (["--out", "out", "--classes", "helmet"], "helmet"),
    ],
)
def test_the_command_explains(portrait_file: Path, arguments: list[str], message: str) -> None:
    result = CliRunner().invoke(main, ["dataset", "synthesize", str(portrait_file), *arguments])
    assert result.exit_code in (1, 2)
    assert message in result.output


def test_the_command_replaces_nothing_that_it_reads(tmp_path: Path, portrait_file: Path) -> None:
    """The picture as its own sheet, the COCO file of the data set, a folder of its labels."""
    picture = tmp_path / "data" / "without_mask" / "a.jpg"
    picture.parent.mkdir(parents=True)
    picture.write_bytes(portrait_file.read_bytes())
    coco = tmp_path / "data" / "annotations.coco.json"
    content = {
        "images": [{"id": 1, "file_name": "without_mask/a.jpg"}],
        "annotations": [{"image_id": 1, "category_id": 1, "bbox": [182, 76, 85, 98]}],
        "categories": [{"id": 1, "name": "without_mask"}],
    }
    coco.write_text(json.dumps(content))
    for arguments, message in (
        ([picture, "--sheet", picture], "--sheet would replace"),
        ([picture.parent, "--sheet", picture], "--sheet would replace"),
        ([coco, "--out", coco.parent], "--out would replace"),
        ([coco.parent, "--out", picture.parent], "whose sub-folders are labels"),
    ):
        result = CliRunner().invoke(main, ["dataset", "synthesize", *map(str, arguments)])
        assert result.exit_code == 2, result.output
        assert message in result.output
    assert picture.read_bytes() == portrait_file.read_bytes()
    assert json.loads(coco.read_text()) == content
    assert [p.name for p in picture.parent.iterdir()] == ["a.jpg"]


def test_paintings_of_an_earlier_run_are_not_painted_on(
    tmp_path: Path, portrait_file: Path
) -> None:
    (tmp_path / "a.jpg").write_bytes(portrait_file.read_bytes())
    for again in ([], ["--overwrite"]):
        arguments = [str(tmp_path), "--out", str(tmp_path / "painted"), "--styles", "cup", *again]
        result = CliRunner().invoke(main, ["dataset", "synthesize", *arguments])
        assert result.exit_code == 0, result.output
        assert "1 face painted" in result.output


def test_paintings_of_an_earlier_run_are_replaced_when_asked(
    tmp_path: Path, portrait_file: Path
) -> None:
    def run(source: Path, *more: str) -> Result:
        arguments = ["dataset", "synthesize", str(source), "--out", str(out), *more]
        return CliRunner().invoke(main, arguments)

    def files() -> list[str]:
        found = (path for path in out.rglob("*") if path.is_file())
        return sorted(path.relative_to(out).as_posix() for path in found)

    out = tmp_path / "out"
    assert run(portrait_file, "--count", "3").exit_code == 0
    earlier = files()
    assert len(earlier) == 4
    own = out / "without_mask" / "holiday-hand-2.jpg"
    own.parent.mkdir(exist_ok=True)
    own.write_bytes(b"of the user")

    refused = run(portrait_file, "--styles", "cup")
    assert refused.exit_code == 1
    assert "holds paintings" in refused.output
    assert "--overwrite" in refused.output
    assert set(files()) == {*earlier, "without_mask/holiday-hand-2.jpg"}

    PillowImage.new("RGB", (200, 200)).save(tmp_path / "lawn.png")
    assert run(tmp_path / "lawn.png", "--overwrite").exit_code == 1
    assert len(files()) == 5, "nothing was painted, so nothing is thrown away"

    assert run(portrait_file, "--styles", "cup", "--overwrite").exit_code == 0
    assert files() == [
        "annotations.coco.json",
        "without_mask/astronaut-cup-00000.jpg",
        "without_mask/holiday-hand-2.jpg",
    ]
    assert own.read_bytes() == b"of the user"
    assert len(load_dataset(out / "annotations.coco.json")) == 1

    # A run that was interrupted left no COCO file; what is read is never thrown away.
    (out / "annotations.coco.json").unlink()
    assert run(portrait_file).exit_code == 1
    source = run(out / "without_mask", "--overwrite")
    assert source.exit_code == 1
    assert "astronaut-cup-00000.jpg is read" in source.output
    assert len(files()) == 2


def test_a_source_is_looked_through_once(
    tmp_path: Path, portrait_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for label in ("with_mask", "no mask"):
        (tmp_path / "data" / label).mkdir(parents=True)
        (tmp_path / "data" / label / "a.jpg").write_bytes(portrait_file.read_bytes())
    listed = []

    def load(source: Path) -> Dataset:
        listed.append(source)
        return load_dataset(source)

    monkeypatch.setattr(produce, "load_dataset", load)
    arguments = [str(tmp_path / "data"), "--out", str(tmp_path / "out"), "--styles", "cup"]
    result = CliRunner().invoke(main, ["dataset", "synthesize", *arguments])
    assert result.exit_code == 0, result.output
    assert listed == [tmp_path / "data"]


def test_a_mask_outside_of_the_picture_is_not_painted(tmp_path: Path, portrait_file: Path) -> None:
    faces = list(bare_faces(portrait_file, shipped_finder(1), 0, lambda path, error: None))
    with PillowImage.open(portrait_file) as portrait:
        brows = int(faces[0].landmarks[:2, 1].min() - 0.12 * (faces[0].box[3] - faces[0].box[1]))
        portrait.crop((0, brows, *portrait.size)).save(tmp_path / "low.png")
    box, points = faces[0].box - [0, brows, 0, brows], faces[0].landmarks - [0, brows]
    low = [BareFace(tmp_path / "low.png", box.astype(np.float32), points.astype(np.float32), box)]
    image = read_picture(tmp_path / "low.png")
    for style, inside in (("forehead", False), ("nose_out", True)):
        made = paint(image, low[0].landmarks, low[0].box, style, np.random.default_rng(0))
        assert (made.shown > 0.5) == inside
    styles = [p.style for p in paintings(low, ["forehead", "nose_out"], seed=0, count=2)]
    assert styles == ["nose_out", "nose_out"]
    assert not list(paintings(low, ["forehead"], seed=0, count=3))


def test_the_command_without_a_face(tmp_path: Path) -> None:
    PillowImage.new("RGB", (200, 200), (90, 120, 90)).save(tmp_path / "lawn.png")
    result = CliRunner().invoke(
        main, ["dataset", "synthesize", str(tmp_path), "--out", str(tmp_path / "out")]
    )
    assert result.exit_code == 1
    assert "No face was found" in result.output
    assert not (tmp_path / "out").exists()


def test_real_photographs(shared_data: Path) -> None:
    """Every style on real faces, turned and rolled as people are."""
    source = shared_data / "data" / "scenes" / "val" / "annotations.coco.json"
    faces = bare_faces(source, shipped_finder(1), 0, lambda path, error: None)
    made = list(paintings(faces, list(STYLES), seed=0, count=32))
    assert {p.style for p in made} == set(STYLES)


def test_the_listed_hard_cases_are_bare_faces_of_the_data(shared_data: Path) -> None:
    listed = json.loads((ROOT / "benchmarks" / "hard_negatives.json").read_text())
    faces = listed["faces"] + listed["not_bare"]
    assert len(listed["faces"]) >= 40
    for split in ("train", "val"):
        data = load_dataset(shared_data / "data" / "scenes" / split / "annotations.coco.json")
        known = {
            (picture.path.name, *np.round(a.box, 1))
            for picture, a in data.faces()
            if a.label == WITHOUT_MASK and a.box
        }
        for face in faces:
            if face["split"] == split:
                assert (face["file"], *np.round(face["box"], 1)) in known


def test_the_help_names_every_style() -> None:
    text = CliRunner().invoke(main, ["dataset", "synthesize", "--help"]).output
    for style in STYLES:
        assert style in text


def _read(path: Path) -> Image:
    return np.asarray(PillowImage.open(path).convert("RGB"))
