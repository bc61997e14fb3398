"""Finding and labelling faces in photographs: what is found, and how long it takes.

    python benchmarks/detect_pictures.py [--pictures N]

On ``scenes/val`` with the defaults: the share of masked faces found, the share of found faces with
the right label of two (badly worn counts as without a mask), the time per picture against the sum
of the bare ONNX sessions' times on the same tensors and what these take in as many threads, and
against the notebook's way (a Haar cascade on a picture 800 pixels wide, then ``model.predict`` of
a MobileNetV2 at 224 pixels), all in the same run. The notebook's way needs the extra ``train`` and
OpenCV 4; its network is untrained, which takes the same time.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
from common import haar_cascade, machine, notebook_faces, notebook_model, print_table, scenes

from masklens import MaskDetector
from masklens.boxes import iou
from masklens.crop import crop_faces
from masklens.dataset.scan import Dataset, load_dataset
from masklens.detector import BATCH, in_parallel
from masklens.intervals import proportion
from masklens.io.pictures import read_picture
from masklens.labels import WITH_MASK, WITHOUT_MASK

MIN_WIDTH = 16  # pixels; narrower faces are left out of the bars


def found_and_right(data: Dataset, found: list[tuple[np.ndarray, list[str]]]) -> list[list[str]]:
    """Rows of the accuracy table: each annotated face takes the best box at IoU 0.35."""
    faces: list[tuple[int, bool, bool, bool]] = []  # photograph, masked, found, label right
    for number, (picture, (boxes, labels)) in enumerate(zip(data.pictures, found, strict=True)):
        truths = [a for a in picture.annotations if a.box and a.box[2] - a.box[0] >= MIN_WIDTH]
        overlaps = iou(np.array([a.box for a in truths]).reshape(-1, 4), boxes.reshape(-1, 4))
        for truth, row in zip(truths, overlaps, strict=True):
            is_found = row.size > 0 and row.max() >= 0.35
            said = is_found and labels[int(row.argmax())] == WITH_MASK
            is_right = said == (truth.label == WITH_MASK)
            faces.append((number, truth.label != WITHOUT_MASK, is_found, is_right))
    photograph, *columns = np.array(faces, int).T
    masked, met, right = (column > 0 for column in columns)
    rows = []
    for name, part, of, bar in (
        ("masked faces found", met, masked, "≥ 0.88"),
        ("all faces found", met, np.ones_like(met), ""),
        ("label of the found right (two classes)", right, met, "≥ 0.95"),
    ):
        share = proportion(part[of], photograph[of])
        between = f"{share.low:.3f}–{share.high:.3f}"
        rows.append([name, f"{share.value:.3f}", between, f"{share.hits}/{share.total}", bar])
    return rows


def time_detector(detector: MaskDetector, paths: list[Path]) -> tuple[float, list]:
    """Seconds for all pictures, from the files to the labels; and what was found."""
    from masklens.io.sources import read_frames

    pictures = {path: path.name for path in paths}
    frames = (frame.image for frame in read_frames(pictures, lambda *_: None))
    start = time.perf_counter()
    results = list(detector.detect_many(frames))
    return time.perf_counter() - start, results


def time_sessions(detector: MaskDetector, images: list[np.ndarray], workers: int) -> float:
    """Seconds that the two networks alone take on the tensors of the same pictures.

    The classifier runs in batches, as in ``detect_many``, and the finder in so many pictures at a
    time: with one worker it is the sum of the sessions' times.
    """
    card, classifier = detector.card, detector.classifier
    # No photograph is so large that it is searched at a second size.
    finder, *_ = getattr(detector.finder, "finders", [detector.finder])
    total = 0.0
    for first in range(0, len(images), BATCH):
        part = images[first : first + BATCH]
        tensors = [finder.prepare(image)[0] for image in part]
        start = time.perf_counter()
        list(in_parallel(finder.run, tensors, workers))
        total += time.perf_counter() - start
        boxes = [finder.find(image).boxes for image in part]
        crops = [crop_faces(i, b, card.size, card.margin) for i, b in zip(part, boxes, strict=True)]
        tensor = classifier.prepare(np.concatenate(crops))
        start = time.perf_counter()
        for row in range(0, len(tensor), BATCH):
            classifier.run(tensor[row : row + BATCH])
        total += time.perf_counter() - start
    return total


def time_notebook(
    cascade: cv2.CascadeClassifier, paths: list[Path]
) -> tuple[float, list[tuple[np.ndarray, list[str]]]]:
    """Seconds for the notebook's way, and the boxes it finds."""
    model, found = notebook_model(), []
    start = time.perf_counter()
    for path in paths:
        boxes, faces = notebook_faces(cascade, cv2.imread(str(path)), 800)
        for face in faces:
            model.predict(face[None], verbose=0)
        found.append((boxes, [WITH_MASK] * len(boxes)))
    return time.perf_counter() - start, found


def cold_start(*arguments: str) -> float:
    """The median seconds of five runs of the command, each a new process."""
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "masklens", *arguments], check=True, capture_output=True
        )
        seconds.append(time.perf_counter() - start)
    return sorted(seconds)[2]


def peak_memory(arguments: list[str], paths: list[Path]) -> float:
    """MB that the command takes at most for all pictures.

    To be called first: the system counts a process as at least as large as its parent was.
    """
    subprocess.run(
        [sys.executable, "-m", "masklens", "detect", "-", *arguments],
        input="\n".join(map(str, paths)),
        text=True,
        check=True,
        capture_output=True,
    )
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=int, default=0, help="only the first N (0: all)")
    parser.add_argument("--bundle", default=None)
    parser.add_argument(
        "--long-side", type=int, help="search at so many pixels (default: the finder's)"
    )
    parser.add_argument("--no-notebook", action="store_true", help="leave the slow rival out")
    options = parser.parse_args()
    cascade = None if options.no_notebook else haar_cascade()

    data = load_dataset(scenes("val"))
    if options.pictures:
        data = Dataset(data.source, data.boxed, data.pictures[: options.pictures])
    paths = [picture.path for picture in data.pictures]
    arguments = ["--bundle", options.bundle] if options.bundle else []
    if options.long_side:
        arguments += ["--long-side", str(options.long_side)]
    peak = peak_memory(arguments, paths)
    images = [read_picture(path) for path in paths]
    detector = MaskDetector(options.bundle, long_side=options.long_side)
    list(detector.detect_many(images[:4]))  # warm up

    ours, sums, sessions = [], [], []
    for _ in range(3):  # in turn, so that a slow moment of the machine hits all
        seconds, results = time_detector(detector, paths)
        ours.append(seconds)
        sums.append(time_sessions(detector, images, 1))
        sessions.append(time_sessions(detector, images, detector.workers))
    found = [(d.boxes, d.label_names) for d in results]
    count = len(paths)

    print(f"{count} pictures of scenes/val, threshold {detector.threshold:.2f}; {machine()}\n")
    print_table(
        [f"faces ≥ {MIN_WIDTH} px, IoU 0.35", "share", "95 %", "n", "bar"],
        found_and_right(data, found),
    )
    ratios = [
        f"{sorted(a / b for a, b in zip(ours, bare, strict=True))[1]:.2f}"
        for bare in (sums, sessions)
    ]
    rows = [
        ["files to labels", f"{min(ours) / count * 1e3:.1f} ms", ""],
        ["bare sessions, sum of their times", f"{min(sums) / count * 1e3:.1f} ms", ""],
        ["ratio, median of 3 pairs", ratios[0], "≤ 1.2"],
        ["bare sessions, in as many threads", f"{min(sessions) / count * 1e3:.1f} ms", ""],
        ["ratio, median of 3 pairs", ratios[1], ""],
    ]
    if cascade:
        seconds, notebook = time_notebook(cascade, paths)
        rows += [
            ["the notebook's way", f"{seconds / count * 1e3:.0f} ms", ""],
            ["times faster", f"{seconds / sorted(ours)[1]:.1f}", "≥ 8"],
        ]
    rows += [
        ["masklens --help, cold", f"{cold_start('--help'):.2f} s", "< 0.4 s"],
        ["one picture, cold", f"{cold_start('detect', str(paths[0])):.2f} s", "< 1.5 s"],
        [f"{count} pictures, peak memory", f"{peak:.0f} MB", ""],
    ]
    print()
    print_table(["time per picture", "measured", "bar"], rows)
    if cascade:
        print("\nThe notebook's way finds:")
        print_table(["", "share", "95 %", "n", ""], found_and_right(data, notebook)[:2])


if __name__ == "__main__":
    main()
