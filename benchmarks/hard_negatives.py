"""How often bare faces with something before the mouth are called with_mask.

    python benchmarks/hard_negatives.py [--bundle DIR] [--count N] [--sheet FILE.png]

Painted ones: hands, scarves, microphones, beards, cups, phones and helmets, evenly, painted by
``masklens.dataset.synthesize`` with a fixed seed on the bare faces of ``scenes/val`` and on the
unaltered portraits of ``prajna/without_mask``. Real ones: the photographs listed in
``hard_negatives.json``; those of ``scenes/train`` have been seen in training, those of
``scenes/val`` have not. Each face is cut at its labelled box, portraits at the face finder's box.
Two controls: the same faces unpainted, and with a painted mask, which should be called with_mask.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from itertools import cycle, islice
from pathlib import Path

import numpy as np
from common import ROOT, data_root, print_table, scenes

from masklens.bundle import Bundle
from masklens.classifier import MaskClassifier
from masklens.crop import crop_face
from masklens.dataset.sheet import Block, Tile, draw_sheets, save_sheets
from masklens.dataset.synthesize import STYLES, paint
from masklens.dataset.synthesize.produce import BareFace, bare_faces
from masklens.finder import shipped_finder
from masklens.intervals import wilson
from masklens.io.pictures import read_picture
from masklens.labels import WITH_MASK, WITHOUT_MASK

KINDS = [style for style, label in STYLES.items() if label == WITHOUT_MASK]
MASKS = [style for style, label in STYLES.items() if label == WITH_MASK]
SEED = 20
BAR = 0.05
BAR_KINDS = ("hand", "scarf", "microphone", "beard")  # the bar was set for these


def listed() -> dict:
    """The faces that were picked by eye."""
    return json.loads((ROOT / "benchmarks" / "hard_negatives.json").read_text())


def bare(data: Path, portraits: int) -> list[BareFace]:
    """All usable bare faces of scenes/val, and as many portraits of prajna/without_mask."""
    finder = shipped_finder()

    def refuse(path: Path, error: Exception) -> None:
        raise SystemExit(f"{path}: {error}")

    val = bare_faces(scenes("val"), finder, SEED, refuse)
    prajna = (
        face
        for face in bare_faces(data / "prajna" / "without_mask", finder, SEED, refuse)
        if face.path.stem.isdigit()  # the others are rotated, blurred or noisy copies
    )
    masked = {(face["file"], tuple(face["box"])) for face in listed()["not_bare"]}
    clean = [f for f in val if (f.path.name, tuple(f.labelled.tolist())) not in masked]
    return [*clean, *islice(prajna, portraits)]


def painted(
    faces: list[BareFace], styles: list[str], count: int, size: int, margin: float
) -> dict[str, list[np.ndarray]]:
    """Crops (size, size, 3) per style, the styles in turn."""
    crops = defaultdict(list)
    for index, face in enumerate(islice(cycle(faces), count)):
        style = styles[index % len(styles)]
        rng = np.random.default_rng([SEED, index])
        picture = paint(read_picture(face.path), face.landmarks, face.box, style, rng).image
        crops[style].append(crop_face(picture, face.labelled, size, margin))
    return {style: crops[style] for style in styles}


def real(data: Path, size: int, margin: float) -> dict[tuple[str, str], list[np.ndarray]]:
    """Crops of the listed photographs per split and kind."""
    crops = defaultdict(list)
    for face in listed()["faces"]:
        picture = read_picture(data / "scenes" / face["split"] / "images" / face["file"])
        crops[face["split"], face["kind"]].append(crop_face(picture, face["box"], size, margin))
    return crops


def row(classifier: MaskClassifier, name: str, crops: list[np.ndarray], bar: str = "") -> list[str]:
    """A row of the table: how many of the crops are called with_mask."""
    columns = classifier.predict(np.stack(crops)).probabilities.argmax(axis=1)
    hits = sum(classifier.card.labels[column] == WITH_MASK for column in columns)
    low, high = wilson(hits, len(crops))
    share = f"{hits / len(crops):.1%}"
    return [name, share, f"{low:.1%}–{high:.1%}", f"{hits}/{len(crops)}", bar]


def table(
    classifier: MaskClassifier, title: str, groups: dict[str, list[np.ndarray]]
) -> list[list[str]]:
    """A row per kind, one for the kinds of the bar, and one for all."""
    rows = [row(classifier, f"{title}: {kind}", crops) for kind, crops in groups.items()]
    for name, kinds in ((", ".join(BAR_KINDS), BAR_KINDS), ("all", tuple(groups))):
        crops = [crop for kind, crops in groups.items() if kind in kinds for crop in crops]
        rows.append(row(classifier, f"{title}: {name}", crops, f"≤ {BAR:.0%}"))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bundle", default=None, help="folder of a bundle (default: the shipped)")
    parser.add_argument("--count", type=int, default=240, help="painted hard negatives")
    parser.add_argument("--sheet", type=Path, help="contact sheet of the crops")
    options = parser.parse_args()

    data = data_root() / "data"
    classifier = MaskClassifier(Bundle.load(options.bundle))
    size, margin = classifier.card.size, classifier.card.margin
    faces = bare(data, portraits=options.count)
    print(f"{len(faces)} bare faces; bundle {classifier.card.name}\n")

    hard = painted(faces, KINDS, options.count, size, margin)
    photographs = real(data, size, margin)
    rows = table(classifier, "painted", hard)
    for split in ("train", "val"):
        kinds = {kind: crops for (s, kind), crops in photographs.items() if s == split}
        rows += table(classifier, f"real, {split}", kinds)
    plain = [crop_face(read_picture(f.path), f.labelled, size, margin) for f in faces]
    rows.append(row(classifier, "control: the same faces, bare", plain))
    masked = painted(faces, MASKS, len(faces), size, margin)
    rows.append(
        row(classifier, "control: painted masks", [c for crops in masked.values() for c in crops])
    )
    print_table(["faces", "called with_mask", "95 % (Wilson)", "n", "bar"], rows)
    if options.sheet:
        blocks = [Block(kind, [Tile(crop) for crop in crops]) for kind, crops in hard.items()]
        save_sheets(options.sheet, draw_sheets("painted hard negatives", blocks, columns=16))


if __name__ == "__main__":
    main()
