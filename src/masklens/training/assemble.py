"""A bundle from its parts: a classifier, a face finder, and photographs to fit the scores to."""

from __future__ import annotations

import dataclasses
import tempfile
from pathlib import Path
from typing import Any

from masklens.bundle import CARD_FILE, FINDER_CARD_FILE, Bundle, check_free, write_bundle
from masklens.card import FinderCard
from masklens.classifier import MaskClassifier
from masklens.dataset.readable import OnError, readable
from masklens.dataset.scan import load_dataset
from masklens.errors import BundleError, DatasetError, OutputError
from masklens.finder import CellFinder, bundle_finder, finder_card
from masklens.io.atomic import check_writable
from masklens.training.scoring import calibrate


def assemble(
    source: str | Path,
    scenes: Path,
    finder: Path | None,
    out: Path,
    *,
    to_ship: bool = False,
    on_error: OnError = lambda picture, error: None,
) -> tuple[Bundle, dict[str, Any]]:
    """Copy a bundle, give it a finder, and fit its scores to photographs.

    Args:
        source: folder of the bundle, or "default".
        scenes: COCO file of photographs that neither model was trained on.
        finder: run folder of a face finder, or a bundle that has one; None keeps what the bundle
            has.
        out: folder of the new bundle; it must not hold one.
        to_ship: leave out the Keras model of a street bundle, whose ONNX file leads back to it.
        on_error: called for each photograph that cannot be read; it is left out.

    Returns:
        The new bundle, and its scores on these photographs.

    Raises:
        BundleError: the bundle, or the finder's folder, is damaged, or holds no model that ONNX
            Runtime can run.
        DatasetError: no boxed faces, other labels than the bundle's, or too little found.
        OutputError: ``out`` holds a bundle or a file that would be replaced, or cannot be written.
    """
    dataset = load_dataset(scenes)
    if not dataset.boxed:
        raise DatasetError(f"{scenes} has no boxed faces to fit scores to: give a COCO file.")
    if (out / CARD_FILE).exists():
        raise OutputError(f"{out} holds a bundle already. Choose another --out.")
    bundle = Bundle.load(source)
    dataset.check_labels(bundle.card.labels)
    card, parts = bundle.card, bundle.paths()
    if to_ship and card.name == "street":
        parts = {name: path for name, path in parts.items() if path.suffix != ".keras"}
    if finder is not None:
        section = read_finder(finder)
        if card.finder is not None:
            parts = {n: p for n, p in parts.items() if Path(n).stem != Path(card.finder.file).stem}
        card = dataclasses.replace(card, finder=section)
        parts |= {name: finder / name for name in _finder_files(section)}
    # Here errors have the names that were given: what is run below lies in a temporary folder.
    MaskClassifier(bundle)
    if finder is not None:
        CellFinder(finder / section.file, section)
    else:
        bundle_finder(bundle)
    check_free(out, parts)
    check_writable(out / CARD_FILE)
    dataset = readable(dataset, on_error)
    with tempfile.TemporaryDirectory() as folder:  # out gets a bundle that is fitted, or none
        made, scores = calibrate(write_bundle(Path(folder), card, parts), dataset)
        return write_bundle(out, made.card, made.paths()), scores


def read_finder(run: Path) -> FinderCard:
    """The card's section from a run folder of a face finder, or from a bundle.

    Raises:
        BundleError: there is none, or a file that it names is missing.
    """
    section = finder_card(run)
    if section is None:
        raise BundleError(
            f"{run} holds no face finder (no {FINDER_CARD_FILE}). Give the folder "
            'that "masklens train-finder --out" wrote.'
        )
    for name in _finder_files(section):
        if not (run / name).is_file():
            raise BundleError(f"{run} has no {name}, which its card names.")
    return section


def _finder_files(section: FinderCard) -> list[str]:
    litert = [str(Path(section.file).with_suffix(".tflite"))] if section.litert_shape else []
    return [section.file, *litert]
