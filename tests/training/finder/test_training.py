"""Training the finder: who learns what, what is lost, what views show, and a small whole run."""

from __future__ import annotations

import csv
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow")

import tensorflow as tf

from masklens.bundle import Bundle
from masklens.dataset.scan import Annotation, Picture
from masklens.errors import BundleError, DatasetError, OutputError
from masklens.faces import Faces
from masklens.finder import CellFinder
from masklens.io.pictures import read_picture
from masklens.labels import LABELS, MASK_WORN_INCORRECTLY, WITH_MASK, WITHOUT_MASK
from masklens.training.assemble import read_finder
from masklens.training.finder import recipe as recipe_module
from masklens.training.finder.assign import assign
from masklens.training.finder.batch import collate
from masklens.training.finder.fit import FitSettings, cells, fit
from masklens.training.finder.loss import LossWeights, eiou, finder_loss
from masklens.training.finder.network import STRIDES, WIDTH, FinderPlan, finder_network
from masklens.training.finder.recipe import FinderRecipe, train_finder
from masklens.training.finder.scenes import Scene, make_scene
from masklens.training.finder.score import score
from masklens.training.finder.slim import deepen
from masklens.training.finder.views import ViewSettings, make_view
from masklens.training.run import TrainOptions, results_in

SIDE = 96
SMALL = FinderPlan(stem=8, stages=((8, 8),) * 5, neck=8)
COLOURS = {
    WITH_MASK: (40, 80, 250),
    WITHOUT_MASK: (250, 60, 40),
    MASK_WORN_INCORRECTLY: (40, 240, 60),
}


def square_scene(seed: int = 0, size: int = 200) -> Scene:
    """Two coloured squares; the colour is the label."""
    rng = np.random.default_rng(seed)
    image = rng.integers(90, 110, (size, size, 3)).astype(np.uint8)
    boxes, labels = [], []
    for x, y in ((20, 30), (120, 110)):
        side, label = int(rng.integers(30, 60)), int(rng.integers(3))
        image[y : y + side, x : x + side] = COLOURS[LABELS[label]]
        boxes.append([x, y, x + side, y + side])
        labels.append(label)
    points = np.full((2, 5, 2), np.nan, np.float32)
    return Scene(
        image, np.array(boxes, np.float32), np.array(labels), points, np.zeros((0, 4), np.float32)
    )


def maps_of(table: np.ndarray) -> list[np.ndarray]:
    """(A, WIDTH) of a view of SIDE -> the three maps."""
    maps, start = [], 0
    for stride in STRIDES:
        n = SIDE // stride
        maps.append(table[start : start + n * n].reshape(1, n, n, WIDTH))
        start += n * n
    return maps


def test_the_cells_of_a_face_learn_it_and_no_others() -> None:
    centres, strides = cells(SIDE)
    truth = np.array([[[16, 16, 48, 48], [0, 0, 0, 0]]], np.float32)
    real = np.array([[True, False]])
    # Every cell says a box of two strides around itself.
    boxes = np.hstack([centres - strides[:, None], centres + strides[:, None]])[None]
    plan = assign(np.full((1, len(centres)), 0.5, np.float32), boxes, truth, real, centres, strides)
    positive = plan.positive.numpy()[0]
    assert 1 <= positive.sum() <= 10
    assert np.all(abs(centres[positive] - 32) < 16)  # inside the face
    assert strides[positive].max() == 16  # boxes of 32 px are said at stride 16
    assert plan.iou.numpy()[0][positive].max() > 0.2
    assert np.all(plan.face.numpy()[0] == 0)


def test_a_cell_that_two_faces_want_learns_the_one_that_it_fits() -> None:
    centres, strides = cells(SIDE)
    truth = np.array([[[10, 10, 42, 42], [14, 10, 46, 42]]], np.float32)
    boxes = np.tile(truth[0, 1], (len(centres), 1))[None]
    scores = np.full((1, len(centres)), 0.5, np.float32)
    alone = assign(scores, boxes, truth, np.array([[False, True]]), centres, strides)
    both = assign(scores, boxes, truth, np.array([[True, True]]), centres, strides)
    learning = alone.positive.numpy()[0]
    assert learning.any()
    assert np.all(both.face.numpy()[0][learning] == 1)


def test_eiou_is_what_it_is_by_hand() -> None:
    a = np.array([[0, 0, 2, 2], [0, 0, 2, 2]], np.float32)
    b = np.array([[0, 0, 2, 2], [2, 0, 4, 2]], np.float32)
    # Apart by 2 in a hull of 4×2: 1 - 0 + 4 / 20 + 0.
    np.testing.assert_allclose(eiou(a, b), [0, 1.2], atol=1e-6)


def test_the_right_answer_costs_nothing_and_ignored_cells_never_do() -> None:
    centres, strides = cells(SIDE)
    truth = np.array([[[16, 16, 48, 48]]], np.float32)
    landmarks = np.full((1, 1, 10), np.nan, np.float32)
    real, labels = np.ones((1, 1), bool), np.array([[1]], np.int32)
    table = np.zeros((len(centres), WIDTH), np.float32)
    table[:, :2] = -12  # sure of no face
    corners = centres - strides[:, None] / 2
    table[:, 2:4] = (32 - corners) / strides[:, None]
    table[:, 4:6] = np.log(32 / strides)[:, None]
    table[:, 17] = 12
    boxes = np.tile(truth[0, 0], (1, len(centres), 1))
    learning = assign(
        np.full((1, len(centres)), 1e-5, np.float32), boxes, truth, real, centres, strides
    ).positive.numpy()[0]
    table[learning, :2] = 12
    ignored = np.zeros((1, len(centres)), bool)

    def loss() -> float:
        batch = tuple(map(tf.constant, (truth, labels, landmarks, real, ignored)))
        parts = finder_loss(maps_of(table), batch, centres, strides, LossWeights())
        return float(parts["loss"])

    assert loss() < 0.01
    stray = int(np.flatnonzero(~learning)[-1])
    table[stray, :2] = 6  # a face where there is none
    assert loss() > 0.1
    ignored[0, stray] = True
    assert loss() < 0.01


def test_boxes_follow_the_pixels_through_every_view() -> None:
    plain = replace(
        ViewSettings().degrade, small=0, light=0, hue=0, grey=0, blur=0, noise=0, jpeg=0
    )
    settings = ViewSettings(side=160, long_side=200, turned=0, painted=0, mosaic=0.5, degrade=plain)
    scenes = [square_scene(seed) for seed in range(4)]
    rng = np.random.default_rng(0)
    seen = 0
    for turn in range(40):
        view = make_view(scenes, turn % 4, settings, rng)
        assert view.image.shape == (160, 160, 3)
        for box, label in zip(view.boxes, view.labels, strict=True):
            x1, y1, x2, y2 = np.rint(box).astype(int)
            if min(x2 - x1, y2 - y1) < 12:
                continue
            inner = view.image[y1 + 3 : y2 - 3, x1 + 3 : x2 - 3].reshape(-1, 3)
            assert np.abs(np.median(inner, axis=0) - COLOURS[LABELS[label]]).max() < 12
            seen += 1
    assert seen > 20


def test_what_the_starting_finder_is_sure_of_becomes_an_ignored_region() -> None:
    bare = Picture(Path("a.jpg"), "a.jpg", ())
    points = np.zeros((2, 5, 2), np.float32)
    boxes = np.array([[10, 10, 30, 30], [50, 50, 60, 60]], np.float32)
    found = Faces(boxes, np.array([0.9, 0.2], np.float32), points)
    scene = make_scene(np.zeros((80, 80, 3), np.uint8), bare, found)
    np.testing.assert_allclose(scene.ignore, [[8, 8, 32, 32]])
    crowd = replace(bare, crowds=(Annotation(WITH_MASK, (40, 0, 80, 80)),))
    scene_of_crowd = make_scene(np.zeros((80, 80, 3), np.uint8), crowd, found)
    np.testing.assert_allclose(scene_of_crowd.ignore, [[8, 8, 32, 32], [40, 0, 80, 80]])
    centres, _ = cells(SIDE)
    view = replace(scene, image=np.zeros((SIDE, SIDE, 3), np.uint8))
    batch = collate([view], centres)
    inside = np.all((centres >= 8) & (centres <= 32), axis=1)
    assert np.array_equal(batch.ignored[0], inside)


def test_new_units_change_nothing_until_they_are_trained() -> None:
    network = finder_network(SMALL)
    deeper = deepen(network, replace(SMALL, stages=(*SMALL.stages[:4], (8, 8, 8)), head=2))
    image = np.random.default_rng(0).uniform(0, 255, (1, 64, 64, 3)).astype(np.float32)
    for before, after in zip(network(image), deeper(image), strict=True):
        np.testing.assert_allclose(before, after, atol=1e-4)


def test_score_counts_as_by_hand() -> None:
    image = np.zeros((100, 100, 3), np.uint8)
    boxes = np.array([[0, 0, 20, 20], [40, 40, 60, 60]], np.float32)
    points = np.full((2, 5, 2), np.nan, np.float32)
    scene = Scene(image, boxes, np.array([0, 1]), points, np.zeros((0, 4), np.float32))
    found = Faces(
        np.array([[40, 40, 60, 60], [70, 0, 99, 20], [0, 0, 20, 20]], np.float32),
        np.array([0.9, 0.8, 0.7], np.float32),
        np.zeros((3, 5, 2), np.float32),
    )
    result = score([found], [scene])
    # Right, wrong, right: 0.5 · 1 + 0.5 · 2/3.
    assert result["face_ap"] == pytest.approx(0.5 + 1 / 3)
    assert result["best_f1"] == pytest.approx(0.8)
    assert result["masked_recall"] == 1
    assert result["threshold"] == pytest.approx(0.7)
    # With equal scores no threshold shows the right two alone.
    alike = replace(found, scores=np.full(3, 0.7, np.float32))
    tied = score([alike], [scene])
    assert (tied["best_f1"], tied["masked_recall"]) == (pytest.approx(0.8), 1)
    first = replace(alike, boxes=found.boxes[[2, 0, 1]])
    assert score([first], [scene])["best_f1"] == pytest.approx(0.8)
    # The wrong one lies in a crowd.
    crowded = replace(scene, crowds=np.array([[70, 0, 100, 30]], np.float32))
    assert score([found], [crowded])["face_ap"] == pytest.approx(1)


def test_the_loss_falls_and_a_stopped_run_goes_on(tmp_path: Path) -> None:
    scenes = [square_scene(seed) for seed in range(8)]
    settings = FitSettings(
        epochs=8,
        batch=4,
        warmup=1,
        learning_rate=1e-3,
        views=ViewSettings(side=SIDE, long_side=200),
    )

    def run(network, epochs: int, **kwargs) -> int:
        return fit(
            network, scenes, replace(settings, epochs=epochs), checkpoints=tmp_path / "ck",
            history=tmp_path / "history.csv", **kwargs,
        )  # fmt: skip

    tf.keras.utils.set_random_seed(0)
    network = finder_network(SMALL)

    def stop(row: dict[str, float]) -> None:
        if row["epoch"] == 2:
            raise KeyboardInterrupt

    assert run(network, 8, after_epoch=stop) == 2
    assert run(finder_network(SMALL), 8, resume=True) == 8
    with (tmp_path / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows][-2:] == ["7", "8"]
    assert float(rows[-1]["loss"]) < float(rows[0]["loss"])


@pytest.fixture(scope="module")
def few(shared_data, tmp_path_factory) -> Path:
    """A COCO file of six training photographs, and of one that is damaged."""
    return some_photographs(shared_data, tmp_path_factory.mktemp("few"), 0)


@pytest.fixture(scope="module")
def others(shared_data, tmp_path_factory) -> Path:
    """One of six others, and of another that is damaged."""
    return some_photographs(shared_data, tmp_path_factory.mktemp("others"), 6)


def some_photographs(shared_data: Path, folder: Path, first: int) -> Path:
    root = shared_data / "data" / "scenes" / "train"
    whole = json.loads((root / "annotations.coco.json").read_text())
    images = whole["images"][first : first + 6]
    for image in images:
        image["file_name"] = str(root / "images" / image["file_name"])
    kept = {image["id"] for image in images}
    file = folder / "few.json"
    file.with_name("damaged.jpg").write_text(f"no picture {first}")
    images.append({"id": "damaged", "file_name": "damaged.jpg"})
    file.write_text(
        json.dumps(
            whole
            | {"images": images}
            | {"annotations": [a for a in whole["annotations"] if a["image_id"] in kept]}
        )
    )
    return file


def test_a_whole_run_on_real_photographs(
    shared_data, few: Path, others: Path, tmp_path: Path, monkeypatch
) -> None:
    decoded: Counter[Path] = Counter()
    monkeypatch.setattr(
        "masklens.dataset.readable.read_picture",
        lambda path: decoded.update([path]) or read_picture(path),
    )
    start = shared_data / "weights" / "face" / "yunet_n_dynamic.onnx"
    fast = FitSettings(batch=3, warmup=1, learning_rate=1e-5, views=ViewSettings(side=SIDE))
    options = TrainOptions(data=(few,), out=tmp_path / "run", calibrate_on=others, epochs=1)
    result = train_finder(options, start, FinderRecipe(fit=fast))
    run = result.folder
    assert len(decoded) == 14
    assert set(decoded.values()) == {1}
    assert [sentence.rpartition("/")[2].split()[0] for sentence in result.skipped] == [
        "damaged.jpg"
    ] * 2  # to train on, and to score on
    assert result.scores["face_ap"] > 0.5  # YuNet's knowledge is still there
    assert {p.name for p in run.iterdir()} >= {
        "finder.json", "finder.onnx", "finder.tflite", "history.csv", "curves.png", "run.json",
    }  # fmt: skip
    assert (run / "examples" / "epoch_001.jpg").stat().st_size > 5000
    everything = {*run.iterdir(), *(run / "examples").iterdir()}
    assert results_in(run) == everything - {run / "run.json", run / "examples"}
    section = read_finder(run)
    image = np.zeros((120, 160, 3), np.uint8)
    assert len(CellFinder(run / "finder.onnx", section).find(image)) == 0
    with pytest.raises(OutputError, match="--resume"):
        train_finder(options, start, FinderRecipe(fit=fast))

    card = Bundle.load().card
    assert read_finder(run).litert_shape == (1, 640, 640, 3)
    assert card.labels  # the finder's labels are the classifier's
    (run / "finder.tflite").unlink()
    with pytest.raises(BundleError, match=r"finder\.tflite"):
        read_finder(run)


def test_photographs_to_validate_on_that_are_trained_on_are_refused(
    shared_data, few: Path, tmp_path: Path
) -> None:
    start = shared_data / "weights" / "face" / "yunet_n_dynamic.onnx"
    options = TrainOptions(data=(few,), out=tmp_path / "run", calibrate_on=few)
    with pytest.raises(DatasetError, match=r"\.jpg, to validate on, is trained on as .*\.jpg"):
        train_finder(options, start)
    assert not (tmp_path / "run").exists()


def test_corrections_are_of_what_is_trained_on(shared_data, few: Path, tmp_path: Path) -> None:
    start = shared_data / "weights" / "face" / "yunet_n_dynamic.onnx"
    file = tmp_path / "corrections.json"
    file.write_text('{"pictures": {"elsewhere.jpg": []}}')
    options = TrainOptions(data=(few,), out=tmp_path / "run", corrections=(file,))
    with pytest.raises(DatasetError, match=r"elsewhere\.jpg, which is not among the data"):
        train_finder(options, start)
    assert not (tmp_path / "run").exists()


def test_a_start_that_is_no_yunet_leaves_no_run(shared_data, few: Path, tmp_path: Path) -> None:
    (tmp_path / "no.onnx").write_bytes(b"no network")
    options = TrainOptions(data=(few,), out=tmp_path / "run", epochs=1)
    with pytest.raises(BundleError, match=r"no\.onnx"):
        train_finder(options, tmp_path / "no.onnx")
    assert not (tmp_path / "run").exists()


def test_folders_of_portraits_are_refused(tmp_path: Path) -> None:
    (tmp_path / "data" / "with_mask").mkdir(parents=True)
    (tmp_path / "data" / "with_mask" / "a.jpg").write_bytes(b"")
    options = TrainOptions(data=(tmp_path / "data",), out=tmp_path / "run")
    with pytest.raises(DatasetError, match="boxed"):
        train_finder(options, tmp_path / "yunet.onnx")


def test_the_recipe_has_more_units_and_fewer_channels() -> None:
    plan = recipe_module.FinderRecipe(channels=40, deeper=1).plan()
    assert plan.stages == ((16, 40), (40, 64), (64, 64), (64, 64, 64), (64, 64, 64))
