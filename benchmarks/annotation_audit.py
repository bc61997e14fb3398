"""How far the annotation of scenes/val can be trusted: blind readings of it beside the model.

    python benchmarks/annotation_audit.py [--bundle DIR]

``annotation_audit.json`` holds what two raters said of every annotated face that is at least 12 px
wide, and two more of boxes that ``MaskDetector`` shows, without knowing the annotation or any
model's answer. The bars are judged on the annotation (``street.py``); this says which part of what
is wrong there is the annotation's. Where a rater could not tell, a face is left out of the rater's
rows. Agreement beyond chance is Cohen's kappa (1960, "A Coefficient of Agreement for Nominal
Scales", Educ. Psychol. Meas. 20, 37-46).
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from typing import Any

import numpy as np
from common import ROOT, data_root, print_table, scenes

from masklens.boxes import iou
from masklens.bundle import Bundle
from masklens.dataset.corrections import corrected, load_corrections
from masklens.dataset.scan import Dataset, load_dataset
from masklens.dataset.split import held_in
from masklens.intervals import proportion
from masklens.labels import LABELS, MASK_WORN_INCORRECTLY, WITH_MASK, WITHOUT_MASK
from masklens.matching import match
from masklens.training.scoring import (
    DETECTION_MIN_WIDTH,
    LABEL_MIN_WIDTH,
    classify_annotated,
    detect_all,
    true_boxes,
)

#: The file's letters; "?" and "." are no label.
LETTERS = {"m": WITH_MASK, "n": WITHOUT_MASK, "i": MASK_WORN_INCORRECTLY}
UNKNOWN = -1
#: What the audit of the training photographs changed, as scripts/retrain takes it.
TRAINING_CORRECTIONS = [
    ROOT / "scripts" / f"{name}_corrections.json" for name in ("scenes_train", "crops")
]
#: A box is the one that was audited from this overlap (IoU) on.
SAME_BOX = 0.9
#: Overlap with an annotated box from which a shown one is right, as in street.py.
MIN_IOU = 0.5
#: What two raters can make of a box.
VERDICTS = ("label right", "another label", "no face", "not told, or not the same")


def ratings(dataset: Dataset, listed: dict[str, list[str]]) -> np.ndarray:
    """What both raters said of the annotated faces: (2, N), columns of LABELS, or UNKNOWN."""
    columns = {letter: LABELS.index(label) for letter, label in LETTERS.items()}
    both: list[list[int]] = []
    for picture in dataset.pictures:
        said = listed[picture.path.name]
        if {len(picture.annotations)} != {len(letters) for letters in said}:
            raise SystemExit(f"{picture.path} has not the faces that were audited.")
        pairs = zip(*said, strict=True)
        both += [[columns.get(letter, UNKNOWN) for letter in pair] for pair in pairs]
    return np.array(both).T


def kappa(a: np.ndarray, b: np.ndarray) -> float:
    """Agreement of two raters beyond chance, 1 at most."""
    expected = sum(np.mean(a == label) * np.mean(b == label) for label in range(len(LABELS)))
    return float((np.mean(a == b) - expected) / (1 - expected))


def labels(bundle: Bundle, dataset: Dataset, listed: dict[str, list[str]]) -> None:
    """Print how often annotation, raters and model agree on the annotated faces."""
    probabilities, annotated, widths = classify_annotated(bundle, dataset)
    model = probabilities.argmax(axis=1)
    a, b = ratings(dataset, listed)
    agreed = np.where(a == b, a, UNKNOWN)
    wide = widths >= LABEL_MIN_WIDTH
    photograph = np.repeat(np.arange(len(dataset)), [len(p.annotations) for p in dataset.pictures])

    def row(name: str, said: np.ndarray, truth: np.ndarray, which: np.ndarray) -> list[str]:
        use = which & (said != UNKNOWN) & (truth != UNKNOWN)
        share = proportion(said[use] == truth[use], photograph[use])
        beyond = f"{kappa(said[use], truth[use]):.3f}"
        return [name, share.value_text, share.interval_text, share.count_text, beyond]

    print_table(
        ["the same label of three", "share", "95 %", "faces", "kappa"],
        [
            row("rater A and rater B", a, b, wide),
            row("rater A and the annotation", a, annotated, wide),
            row("rater B and the annotation", b, annotated, wide),
            row("the annotation and both raters", annotated, agreed, wide),
            row("the model and the annotation", model, annotated, wide),
            row("… where both raters agree", model, annotated, wide & (agreed != UNKNOWN)),
            row("the model and both raters", model, agreed, wide),
        ],
    )
    bare = wide & (agreed == LABELS.index(WITHOUT_MASK))
    called = proportion(model[bare] == LABELS.index(WITH_MASK), photograph[bare])
    print(
        f"\nBare faces, to both raters, called with_mask: {called.value_text} "
        f"({called.interval_text}), {called.count_text}"
    )
    print("\nFaces of which both raters say another thing than the annotation\n")
    names = [dataset.pictures[p].path.name for p in photograph]
    rows = [
        [names[i], f"{widths[i]:.0f}", *(LABELS[said[i]] for said in (annotated, agreed, model))]
        for i in np.flatnonzero(wide & (agreed != UNKNOWN) & (agreed != annotated))
    ]
    print_table(["photograph", "width, px", "annotated", "both raters", "model"], rows)


def boxes(bundle: Bundle, dataset: Dataset, listed: list[list[Any]]) -> None:
    """Print what the raters said of boxes that are shown, right and wrong by the annotation."""
    shown: Counter[bool] = Counter()
    said: Counter[tuple[bool, str]] = Counter()
    for picture, found in zip(dataset.pictures, detect_all(bundle, dataset), strict=True):
        rated = [(box, letters) for name, box, letters in listed if name == picture.path.name]
        known = iou(found.boxes, np.array([box for box, _ in rated], np.float32).reshape(-1, 4))
        truth = true_boxes(picture)
        met = match(
            found.boxes,
            iou(found.boxes, truth),
            truth,
            MIN_IOU,
            DETECTION_MIN_WIDTH,
            picture.crowd_boxes(),
        )
        for row, (face, overlaps) in enumerate(zip(found, known, strict=True)):
            if face.score < bundle.card.threshold() or met.ignored[row]:
                continue
            masked, annotated = face.label == WITH_MASK, int(met.truth[row])
            right = annotated >= 0 and (picture.annotations[annotated].label == WITH_MASK) == masked
            shown[right] += 1
            if overlaps.max(initial=0) >= SAME_BOX:
                letters = rated[int(overlaps.argmax())][1]
                said[right, _verdict(letters, masked)] += 1
    print("\nBoxes that are shown, and what both raters see in them\n")
    print_table(
        ["by the annotation (IoU 0.5, label of two)", "boxes", "rated", *VERDICTS],
        [
            [name, str(shown[right]), str(sum(counts)), *map(str, counts)]
            for name, right in (("right", True), ("wrong", False))
            for counts in [[said[right, verdict] for verdict in VERDICTS]]
        ],
    )
    total, mended = shown.total(), shown[True] + said[False, VERDICTS[0]]
    print(
        f"\nPrecision by the annotation {shown[True]}/{total} = {shown[True] / total:.3f}; with "
        f"those boxes that both raters find right {mended}/{total} = {mended / total:.3f}"
    )


def _verdict(letters: str, masked: bool) -> str:
    """One of VERDICTS on a box that is said to show somebody with a mask, or not."""
    (said,) = set(letters) if len(set(letters)) == 1 else "?"
    if said == "?":
        return VERDICTS[3]
    if said == "x":
        return VERDICTS[2]
    return VERDICTS[0] if (LETTERS[said] == WITH_MASK) == masked else VERDICTS[1]


def training() -> None:
    """Print what the audit of the training pictures changed for the next training."""
    crops = data_root() / "data" / "crops"
    before = [load_dataset(scenes("train")), held_in(load_dataset(crops))]
    after = corrected(before, load_corrections(*TRAINING_CORRECTIONS), before)
    for name, old, new in zip(("scenes/train", "crops"), before, after, strict=True):
        said = {(p.name, face.box): face.label for p, face in old.faces()}
        added = Counter(face.label for p, face in new.faces() if (p.name, face.box) not in said)
        changed = Counter(
            face.label
            for p, face in new.faces()
            if said.get((p.name, face.box), face.label) != face.label
        )
        print(f"\nThe annotation of {name}, as it is trained on\n")
        counts = (old.counts(), changed, added, new.counts())
        print_table(
            ["label", "annotated", "changed to it", "added", "in all"],
            [[label, *(f"{count.get(label, 0):,}" for count in counts)] for label in LABELS],
        )
        lost = sum(old.counts().values()) + added.total() - sum(new.counts().values())
        places = sum(len(picture.crowds) for picture in new.pictures) if new.boxed else lost
        print(f"\nNot used: {places}, {lost} of them annotated faces.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundle", help="default: the one that ships")
    bundle = Bundle.load(parser.parse_args().bundle)
    audit = json.loads((ROOT / "benchmarks" / "annotation_audit.json").read_text())
    dataset = load_dataset(scenes("val"))
    labels(bundle, dataset, audit["labels"])
    boxes(bundle, dataset, audit["boxes"])
    training()


if __name__ == "__main__":
    main()
