"""Cross-validation of the street recipe, and of how its classifier looks at faces.

    python benchmarks/street_folds.py --out FOLDER [--folds 4] [--epochs 5]

The photographs of ``scenes/train`` and ``scenes/val`` are dealt into parts, near-duplicates
together. For every part a network is trained on the other parts, the portraits and the crops, by
the street recipe with its first round only and fewer epochs, and judged at the annotated faces of
the part that it has not seen. So every face is judged once, ten times as many as ``scenes/val``
has, and ways to look at a crop (:mod:`masklens.second_look`) can be told apart. About 15 minutes
for each part on two cores; what is in FOLDER already is not trained again.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from common import data_root, print_table, scenes
from folds import deal

from masklens.bundle import CARD_FILE, Bundle
from masklens.card import SecondLook
from masklens.classifier import with_temperature
from masklens.dataset.scan import Dataset, load_dataset
from masklens.intervals import bootstrap, group_weights
from masklens.labels import LABELS, MASK_WORN_INCORRECTLY, WITH_MASK, WITHOUT_MASK
from masklens.training.calibration import fit_temperature
from masklens.training.run import RUN_FILE, TrainOptions
from masklens.training.scoring import LABEL_MIN_WIDTH, classify_annotated
from masklens.training.street import StreetRecipe, train

#: Ways to look at a face: the margin of the crop (None is the card's), and the second look, whose
#: answer counts half at 0.1 more doubt than it begins with.
WAYS: dict[str, tuple[float | None, SecondLook | None]] = {
    "one look": (None, None),
    "one look, margin 0.15": (0.15, None),
    "one look, margin 0.1": (0.1, None),
    "one look, margin 0.05": (0.05, None),
    "all twice, cut 16": (None, SecondLook(0.0, 1e-6, 16)),
    **{
        f"doubt above 0.12, cut {cut}": (None, SecondLook(0.12, 0.22, cut))
        for cut in (0, 4, 8, 12, 16, 20, 24)
    },
    **{
        f"doubt above {low}, cut 16": (None, SecondLook(low, low + 0.1, 16))
        for low in (0.05, 0.1, 0.15, 0.2)
    },
}
BARE, BADLY, MASKED = (LABELS.index(n) for n in (WITHOUT_MASK, MASK_WORN_INCORRECTLY, WITH_MASK))


@dataclass(frozen=True)
class Judged:
    """Every face that counts, by one way of looking: its photograph, its label, and the answer."""

    photographs: np.ndarray
    wanted: np.ndarray
    probabilities: np.ndarray

    @property
    def right(self) -> np.ndarray:
        return self.probabilities.argmax(axis=1) == self.wanted

    def f1_badly(self) -> float:
        said, true = self.probabilities.argmax(axis=1) == BADLY, self.wanted == BADLY
        return float(2 * (said & true).sum() / max(1, said.sum() + true.sum()))

    def surprise(self) -> np.ndarray:
        """Negative log-likelihood of each face, at the best temperature of all."""
        temperature = fit_temperature(self.probabilities, self.wanted)
        softened = with_temperature(self.probabilities, temperature)
        return -np.log(np.maximum(softened[np.arange(len(self.wanted)), self.wanted], 1e-12))


def trained(folder: Path, fit: Path, portraits: tuple[Path, ...], epochs: int) -> Bundle:
    """The network that has not seen a part."""
    run = folder / "run"
    if not (run / CARD_FILE).exists():
        options = TrainOptions(
            data=(fit, *portraits), out=run, epochs=epochs, resume=(run / RUN_FILE).exists()
        )
        train(options, recipe=replace(StreetRecipe(), polish=None))
    return Bundle.load(run)


def judge(
    parts: list[tuple[Bundle, Dataset]], margin: float | None, look: SecondLook | None
) -> Judged:
    """What the networks say of the parts that they have not seen."""
    columns = []
    for bundle, dataset in parts:
        card = bundle.card
        card = replace(card, margin=card.margin if margin is None else margin, second_look=look)
        answers = classify_annotated(replace(bundle, card=card), dataset)
        names = np.array([picture.name for picture, _ in dataset.faces()])
        large = answers[2] >= LABEL_MIN_WIDTH
        columns.append((names[large], answers[1][large], answers[0][large]))
    return Judged(*(np.concatenate(column) for column in zip(*columns, strict=True)))


def gain(of: np.ndarray, against: np.ndarray, photographs: np.ndarray, digits: int) -> str:
    """Difference of two sums over the same faces; its 95 % interval resamples photographs."""
    _, rows = np.unique(photographs, return_inverse=True)
    sums = np.bincount(rows, weights=of.astype(float) - against.astype(float))
    e = bootstrap(sums.sum(), lambda weights: weights @ sums, group_weights(len(sums)))
    return f"{e.value:+.{digits}f} ({e.low:+.{digits}f} to {e.high:+.{digits}f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder for parts and trainings")
    parser.add_argument("--folds", type=int, default=4)
    parser.add_argument("--epochs", type=int, default=5, help="the shipped classifier had 18 + 10")
    options = parser.parse_args()
    data = data_root() / "data"
    sources = [scenes("train"), scenes("val")]
    portraits = data / "crops", data / "prajna"
    parts = [
        (trained(folder, fit, portraits, options.epochs), load_dataset(held))
        for folder, fit, held in deal(sources, options.out, options.folds)
    ]
    plain, rows = judge(parts, None, None), []
    for name, (margin, look) in WAYS.items():
        judged = judge(parts, margin, look)
        bare = judged.wanted == BARE
        masked = int((judged.probabilities[bare].argmax(axis=1) == MASKED).sum())
        # Where the second answer counted, the first is not what came out.
        twice = float((judged.probabilities != plain.probabilities).any(axis=1).mean())
        surprise = judged.surprise()
        rows.append(
            [
                name,
                f"{judged.right.sum()}/{len(judged.right)}",
                gain(judged.right, plain.right, plain.photographs, 0),
                f"{judged.f1_badly():.3f}",
                f"{masked}/{bare.sum()}",
                f"{surprise.mean():.4f}",
                gain(surprise, plain.surprise(), plain.photographs, 1),
                f"{twice:.3f}" if look else "",
            ]
        )
        print(name, rows[-1][1], flush=True)
    print()
    print_table(
        [
            "way to look", "right", "more right", "F1 badly worn", "bare called with_mask",
            "negative log-likelihood", "change of its sum", "looked at twice",
        ],
        rows,
    )  # fmt: skip


if __name__ == "__main__":
    main()
