"""The bundle that ships: its files score on real faces what its proof says."""

import json

import numpy as np
import pytest

pytest.importorskip("tensorflow")

from masklens.bundle import Bundle
from masklens.classifier import MaskClassifier
from masklens.export.parity import labels_of
from masklens.export.samples import Crops, cut_crops
from masklens.export.table import read_rows
from masklens.training.finder import files as finder_files
from masklens.training.finder.network import finder_network
from masklens.training.finder.recipe import FinderRecipe
from masklens.training.street_files import restore_keras, restore_street, save_onnx
from tests.training.finder.weights import load_weights


@pytest.fixture(scope="module")
def crops(shared_data) -> Crops:
    crops = cut_crops(shared_data / "data/scenes/val/annotations.coco.json", Bundle.load().card)
    assert len(crops) >= 500
    return crops


def test_litert_scores_what_its_proof_says(crops):
    bundle = Bundle.load()
    (row,) = (r for r in read_rows(bundle.folder).values() if r["runtime"] == "litert")
    assert row["missed"] == []
    assert row["accuracy"]["total"] == len(crops)
    classifier = MaskClassifier(bundle, 1, runtime="litert")
    probabilities = classifier.run(classifier.prepare(crops.images))[0]
    accuracy = np.mean(labels_of(probabilities, bundle.card) == crops.targets)
    assert accuracy == pytest.approx(row["accuracy"]["value"], abs=0.005)


def test_onnx_gives_the_numbers_of_keras(crops):
    classifier = MaskClassifier(Bundle.load(), 1)
    tensor = classifier.prepare(crops.images[:200])
    theirs = restore_keras(Bundle.load())(tensor)
    ours = classifier.run(tensor)
    assert np.abs(ours[0] - theirs["probabilities"]).max() < 1e-4
    assert np.abs(ours[1] - theirs["box"]).max() < 1e-4


def test_the_classifier_is_written_again_byte_for_byte(tmp_path):
    bundle = Bundle.load()
    save_onnx(restore_street(bundle), tmp_path / "again.onnx")
    assert (tmp_path / "again.onnx").read_bytes() == bundle.path().read_bytes()


def test_the_finder_is_written_again_byte_for_byte(tmp_path):
    file = Bundle.load().path("finder.onnx")
    card = json.loads((file.parent / "card.json").read_text())
    plan = card["finder"]["training"]["network"]
    recipe = FinderRecipe(channels=plan["channels"], deeper=plan["deeper"])
    network = finder_network(recipe.plan())
    load_weights(network, file)
    finder_files.save_onnx(network, tmp_path / "again.onnx")
    assert (tmp_path / "again.onnx").read_bytes() == file.read_bytes()
