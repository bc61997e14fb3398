"""Cross-validation of the face finder: trained without a part of the photographs, judged on it.

    python benchmarks/finder_folds.py --out FOLDER [--folds 5] [--epochs 8] [--data SCENES.json]

Near-duplicates stay in one part. For every part ``masklens train-finder`` trains on the others, and
the tables of ``benchmarks/finder.py`` are printed for it, and in the end their means. About 15
minutes for each part on two cores; what is in FOLDER already is not trained again.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

import numpy as np
from common import data_root, print_table, scenes
from finder import HEAD, Row, accuracy_rows, ours, yunets
from folds import deal

from masklens.bundle import Bundle
from masklens.dataset.scan import load_dataset


def masklens(*arguments: object) -> None:
    subprocess.run([sys.executable, "-m", "masklens", *map(str, arguments)], check=True)


def means(parts: list[list[Row]]) -> list[Row]:
    """Mean and range over the parts of what the tables have in common."""
    values: dict[tuple[str, str], list[float]] = {}
    for rows in parts:
        for what, finder, value, *_ in rows:
            values.setdefault((what.split(",")[0].split(" (")[0], finder), []).append(float(value))
    return [
        [what, finder, f"{np.mean(found):.3f}", f"{min(found):.3f}–{max(found):.3f}"]
        for (what, finder), found in values.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder for parts and trainings")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=8, help="the shipped finder had 18")
    parser.add_argument("--data", type=Path, help="COCO file (default: scenes/train)")
    options = parser.parse_args()
    root = data_root()
    data = options.data or scenes("train")
    rivals, files = yunets(root)
    bundle, parts = Bundle.load(), []
    for folder, fit, held in deal([data], options.out, options.folds):
        run = folder / "run"
        if not (run / "finder.onnx").exists():
            how = ["--resume"] if (run / "run.json").exists() else []
            masklens(
                "train-finder", fit, "--start", files["YuNet-n"], "--epochs", options.epochs,
                "--out", run, *how,
            )  # fmt: skip
        finder = ours(bundle, run / "finder.onnx")
        dataset = load_dataset(held)
        parts.append(accuracy_rows(rivals | {"masklens": finder}, bundle, dataset))
        print(f"\n{folder.name}, {len(dataset.pictures)} pictures\n", flush=True)
        print_table(HEAD, parts[-1])
    print(f"\nMean over {len(parts)} parts\n")
    print_table(["what", "finder", "mean", "lowest and highest"], means(parts))


if __name__ == "__main__":
    main()
