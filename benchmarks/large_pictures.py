"""Pictures far larger than the face finder's working size: what is lost, and what more costs.

    python benchmarks/large_pictures.py [--grid 2 3 4 6]

The photographs of ``scenes/val``, at most 720 px, are set side by side without scaling: a grid of 4
gives pictures of 2,880 px with 16 photographs each. For faces that fill a large picture, every
third photograph is also enlarged to 2,880 px. All are searched at the usual size; at that and at
twice that, as large pictures are by default; and, where ``masklens detect`` names a size that looks
closer, at that one, alone and with the usual one. Faces narrower than 16 px count neither way; a
face is found where a box above the default threshold overlaps it by an IoU of 0.35. Time is
processor time, one thread.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator

import cv2
import numpy as np
from common import machine, print_table, scenes
from mosaic import CELL, mosaic

from masklens import Detections, MaskDetector
from masklens.boxes import iou
from masklens.dataset.scan import load_dataset
from masklens.finder import shipped_finder
from masklens.io.pictures import read_picture
from masklens.labels import WITHOUT_MASK
from masklens.matching import match, widths
from masklens.pyramid import LARGE, closer_size

MIN_WIDTH = 16
BANDS = ((16, 32), (32, 64), (64, 512), (512, 1e9))
ENLARGED = 2880

Picture = tuple[np.ndarray, np.ndarray, np.ndarray]


def photographs() -> list[Picture]:
    """Pixels, boxes (n, 4) and which faces are masked, of each photograph."""
    data = load_dataset(scenes("val"))
    return [
        (
            read_picture(p.path),
            np.array([a.box for a in p.annotations], np.float32).reshape(-1, 4),
            np.array([a.label != WITHOUT_MASK for a in p.annotations], bool),
        )
        for p in data.pictures
    ]


def mosaics(pictures: list[Picture], grid: int) -> Iterator[Picture]:
    """The photographs in cells of 720 px, ``grid`` in a row and as many rows."""
    pictures = [pictures[i] for i in np.random.default_rng(0).permutation(len(pictures))]
    for start in range(0, len(pictures), grid * grid):
        images, boxes, masked = zip(*pictures[start : start + grid**2], strict=True)
        canvas, corners = mosaic(images, grid)
        moved = np.repeat(np.tile(np.float32(corners), 2), [len(its) for its in boxes], axis=0)
        yield canvas, np.concatenate(boxes) + moved, np.concatenate(masked)


def enlarged(pictures: list[Picture]) -> Iterator[Picture]:
    """Photographs, enlarged."""
    for image, boxes, masked in pictures:
        scale = np.float32(ENLARGED / max(image.shape[:2]))
        large = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
        yield large, boxes * scale, masked


def sizes_for(longer: int, usual: int) -> list[tuple[int, ...]]:
    """The usual size, the two of large pictures, and the larger one that ``detect`` recommends."""
    sizes = [(usual,), (usual, LARGE * usual)]
    if closer := closer_size(longer, usual):
        sizes += [(closer,), (usual, closer)]
    return sizes


def shares(found: list[Detections], truth: list[Picture]) -> list[str]:
    """Shares of faces found, and of boxes that are faces."""
    hits, faces, masked, right = [], [], [], []
    for detections, (_, boxes, is_masked) in zip(found, truth, strict=True):
        met = match(detections.boxes, iou(detections.boxes, boxes), boxes, 0.35, MIN_WIDTH)
        hits.append(np.isin(np.arange(len(boxes)), met.truth))
        faces.append(widths(boxes))
        masked.append(is_masked)
        right.append(met.truth[~met.ignored] >= 0)
    hit, width, wears = np.concatenate(hits), np.concatenate(faces), np.concatenate(masked)
    wanted = [wears & (width >= MIN_WIDTH), width >= MIN_WIDTH]
    wanted += [(width >= low) & (width < high) for low, high in BANDS]
    cells = [f"{hit[which].mean():.3f}" if which.any() else "–" for which in wanted]
    return [*cells, f"{np.concatenate(right).mean():.3f}"]


def search(pictures: list[Picture], sizes: tuple[int, ...]) -> tuple[list[Detections], float]:
    """What is found, and the seconds of processor time per picture."""
    detector = MaskDetector(long_side=sizes, threads=1)
    detector.detect(pictures[0][0])  # warm up
    start = time.process_time()
    found = [detector.detect(image) for image, _, _ in pictures]
    return found, (time.process_time() - start) / len(pictures)


def rows_of(name: str, pictures: list[Picture], searches: list[tuple[int, ...]]) -> list[list[str]]:
    """A row per search of the same pictures."""
    rows, usual = [], 0.0
    for sizes in searches:
        found, seconds = search(pictures, sizes)
        usual = usual or seconds
        cells = [*shares(found, pictures), f"{seconds * 1e3:.0f} ms", f"{seconds / usual:.1f}"]
        rows.append([name, f"{' and '.join(f'{size:,}' for size in sizes)} px", *cells])
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--grid", type=int, nargs="+", default=[2, 3, 4, 6], metavar="N")
    options = parser.parse_args()
    singles = photographs()
    usual = shipped_finder().long_side
    rows = rows_of("as they are", singles, [(usual,)])
    for grid in options.grid:
        longer = grid * CELL
        pictures = list(mosaics(singles, grid))
        rows += rows_of(f"{longer:,} px", pictures, sizes_for(longer, usual))
    pictures = list(enlarged(singles[::3]))
    rows += rows_of(f"enlarged, {ENLARGED:,} px", pictures, sizes_for(ENLARGED, usual))

    print(f"{len(singles)} photographs of scenes/val; {machine()}\n")
    head = ["pictures", "searched at", "masked found", "all found"]
    head += [f"{low}–{high} px" if high < 1e9 else f"≥ {low} px" for low, high in BANDS]
    print_table([*head, "boxes that are faces", "time", "× the usual"], rows)


if __name__ == "__main__":
    main()
