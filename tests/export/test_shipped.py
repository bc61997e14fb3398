"""The bundle that ships: its files still score on real faces what its proof says."""

import numpy as np
import pytest

from masklens.bundle import Bundle
from masklens.classifier import MaskClassifier
from masklens.export.parity import labels_of
from masklens.export.samples import cut_crops
from masklens.export.table import read_rows


@pytest.mark.parametrize("runtime", ["onnx", "litert"])
def test_the_shipped_files_score_what_their_proof_says(runtime, shared_data):
    bundle = Bundle.load()
    rows = [r for r in read_rows(bundle.folder).values() if r["runtime"] == runtime]
    if not rows:
        pytest.skip(f"the shipped bundle has no proof for {runtime}")
    (row,) = rows
    assert row["missed"] == []
    crops = cut_crops(shared_data / "data/scenes/val/annotations.coco.json", bundle.card)
    assert len(crops) >= 500
    classifier = MaskClassifier(bundle, 1, runtime=runtime)
    probabilities = classifier.run(classifier.prepare(crops.images))[0]
    accuracy = np.mean(labels_of(probabilities, bundle.card) == crops.targets)
    assert accuracy == pytest.approx(row["accuracy"]["value"], abs=0.005)
