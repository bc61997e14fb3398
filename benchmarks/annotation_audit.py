"""How far the annotation of scenes/val can be trusted: two blind readings of it beside the model.

    python benchmarks/annotation_audit.py [--bundle DIR]

``annotation_audit.json`` holds what two raters said of every annotated face that is at least 12 px
wide, without knowing the annotation or any model's answer. Where they could not tell, a face is
left out of their rows. The bars are judged on the annotation (``street.py``); this says what part
of a wrong label in a hundred is the annotation's. Agreement beyond chance is Cohen's kappa (1960,
"A Coefficient of Agreement for Nominal Scales", Educ. Psychol. Meas. 20, 37-46).
"""

from __future__ import annotations

import argparse
import json

import numpy as np
from common import ROOT, print_table, scenes

from masklens.bundle import Bundle
from masklens.dataset.scan import Dataset, load_dataset
from masklens.intervals import proportion
from masklens.labels import LABELS, MASK_WORN_INCORRECTLY, WITH_MASK, WITHOUT_MASK
from masklens.training.scoring import LABEL_MIN_WIDTH, classify_annotated

#: The file's letters; "?" and "." are no label.
LETTERS = {"m": WITH_MASK, "n": WITHOUT_MASK, "i": MASK_WORN_INCORRECTLY}
UNKNOWN = -1


def ratings(dataset: Dataset) -> np.ndarray:
    """What both raters said: (2, N), columns of LABELS, or UNKNOWN."""
    listed = json.loads((ROOT / "benchmarks" / "annotation_audit.json").read_text())["labels"]
    columns = {letter: LABELS.index(label) for letter, label in LETTERS.items()}
    both: list[list[int]] = []
    for picture in dataset.pictures:
        said = listed[picture.path.name]
        if {len(picture.annotations)} != {len(letters) for letters in said}:
            raise SystemExit(f"{picture.path} has not the faces that were audited.")
        both += [
            [columns.get(letter, UNKNOWN) for letter in pair] for pair in zip(*said, strict=True)
        ]
    return np.array(both).T


def kappa(a: np.ndarray, b: np.ndarray) -> float:
    """Agreement of two raters beyond chance, 1 at most."""
    expected = sum(np.mean(a == label) * np.mean(b == label) for label in range(len(LABELS)))
    return float((np.mean(a == b) - expected) / (1 - expected))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundle", help="default: the one that ships")
    bundle = Bundle.load(parser.parse_args().bundle)
    dataset = load_dataset(scenes("val"))
    probabilities, annotated, widths = classify_annotated(bundle, dataset)
    model = probabilities.argmax(axis=1)
    a, b = ratings(dataset)
    photograph = np.repeat(np.arange(len(dataset)), [len(p.annotations) for p in dataset.pictures])
    wide = widths >= LABEL_MIN_WIDTH
    agreed = np.where(a == b, a, UNKNOWN)

    def row(name: str, said: np.ndarray, truth: np.ndarray, which: np.ndarray) -> list[str]:
        use = wide & which & (said != UNKNOWN) & (truth != UNKNOWN)
        share = proportion(said[use] == truth[use], photograph[use])
        return [
            name,
            share.value_text,
            share.interval_text,
            share.count_text,
            f"{kappa(said[use], truth[use]):.3f}",
        ]

    every = np.ones(len(annotated), bool)
    print_table(
        ["the same label of three", "share", "95 %", "faces", "kappa"],
        [
            row("rater A and rater B", a, b, every),
            row("rater A and the annotation", a, annotated, every),
            row("rater B and the annotation", b, annotated, every),
            row("the annotation and both raters", annotated, agreed, every),
            row("the model and the annotation", model, annotated, every),
            row("… where both raters agree", model, annotated, agreed != UNKNOWN),
            row("the model and both raters", model, agreed, every),
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


if __name__ == "__main__":
    main()
