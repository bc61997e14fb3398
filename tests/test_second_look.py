"""Looking at doubtful crops twice: what is seen, how much it counts, and what it changes."""

from dataclasses import replace

import numpy as np
import pytest

from masklens.bundle import Bundle
from masklens.card import SecondLook
from masklens.classifier import MaskClassifier
from masklens.crop import crop_faces
from masklens.finder import shipped_finder
from masklens.second_look import second_views, second_weights


def test_the_weight_rises_steadily_with_the_doubt_between_labels():
    doubts = np.array([0.0, 0.1, 0.15, 0.2, 0.3, 0.5], np.float32)
    labels = np.stack([1 - doubts, doubts], axis=1)
    look = SecondLook(low=0.1, high=0.2)
    np.testing.assert_allclose(second_weights(labels, look), [0, 0, 0.25, 0.5, 0.5, 0.5], atol=1e-6)
    no_face = np.array([[0.02, 0.03, 0.04]], np.float32)
    assert second_weights(no_face, look) == 0


def test_a_second_view_is_the_middle_mirrored():
    crop = np.zeros((1, 16, 16, 3), np.uint8)
    crop[0, 4:8, 4:6] = 200  # left of the middle
    view = second_views(crop, cut=4)[0]
    assert view.shape == (16, 16, 3)
    assert view[2, 14].tolist() == [200, 200, 200]
    # Twice as large, bilinear.
    assert view[2, 10:14, 0].tolist() == view[9:5:-1, 14, 0].tolist() == [0, 50, 150, 200]
    assert not view[:, :8].any()
    np.testing.assert_array_equal(second_views(crop, cut=0)[0], crop[0, :, ::-1])


@pytest.fixture(scope="module")
def faces(portrait):
    """A sure face, a doubtful one, and the bundle that ships without a second look."""
    bundle = Bundle.load()
    bundle = replace(bundle, card=replace(bundle.card, second_look=None))
    found = shipped_finder().find(portrait)
    x1, y1, x2, y2 = found.boxes[0]
    odd = np.array([[x1 - (x2 - x1), y1, x2, y2 + (y2 - y1)]], np.float32)  # half beside it
    boxes = np.concatenate([found.boxes[:1], odd])
    return bundle, crop_faces(portrait, boxes, bundle.card.size, bundle.card.margin)


def test_doubtful_crops_are_the_mean_of_two_looks_and_others_stay(faces):
    bundle, crops = faces
    classifier = MaskClassifier(bundle)
    outputs, boxes = classifier.run(classifier.prepare(crops))
    doubts = outputs[:, :3].sum(axis=1) - outputs[:, :3].max(axis=1)
    assert doubts[0] < doubts[1]
    look = SecondLook(float(doubts[0]) + 1e-6, float(doubts[1]) - 1e-6, cut=8)
    twice = MaskClassifier(replace(bundle, card=replace(bundle.card, second_look=look)))

    views = second_views(crops, 8)
    second, _ = classifier.run(classifier.prepare(views))
    mean = (outputs[1] + second[1]) / 2

    once, result = classifier.predict(crops), twice.predict(crops)
    np.testing.assert_array_equal(result.probabilities[0], once.probabilities[0])
    np.testing.assert_allclose(result.boxes, boxes, atol=1e-5)
    expected = mean ** (1 / bundle.card.temperature)
    labels = expected[:3] / expected[:3].sum()
    np.testing.assert_allclose(result.probabilities[1], labels, atol=1e-4)
    assert np.abs(result.probabilities[1] - once.probabilities[1]).max() > 0.01
    single = twice.predict(crops, twice=False)
    np.testing.assert_array_equal(single.probabilities, once.probabilities)
