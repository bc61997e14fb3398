"""Answers and scenes made by hand, for the tests of this folder."""

from dataclasses import replace

import numpy as np

from masklens.evaluation.answers import Answers
from masklens.evaluation.pairing import Boxes, Scenes
from masklens.labels import LABELS


def make_answers(truth, predicted, labels=LABELS, confidence=0.8, groups=None, widths=None):
    """Answers with one confidence; -1 stands for no face found."""
    truth, predicted = np.asarray(truth), np.asarray(predicted)
    count, size = len(truth), len(labels)
    probabilities = np.full((count, size), (1 - confidence) / (size - 1))
    found = predicted >= 0
    probabilities[np.arange(count), predicted] = confidence
    probabilities[~found] = np.nan
    groups = np.arange(count) if groups is None else np.asarray(groups)
    return Answers(
        labels=labels,
        truth=truth,
        predicted=predicted,
        probabilities=probabilities,
        groups=groups,
        widths=np.full(count, 40.0) if widths is None else np.asarray(widths, float),
        pictures=np.arange(count),
        boxes=np.tile([0.0, 0.0, 40.0, 40.0], (count, 1)),
        n_groups=int(groups.max()) + 1,
        bare=truth == 1,
    )


def random_answers(seed=0, count=200, labels=LABELS, missing=0.0):
    rng = np.random.default_rng(seed)
    truth = rng.integers(len(labels), size=count)
    probabilities = rng.dirichlet(np.ones(len(labels)), size=count)
    probabilities[np.arange(count), truth] += rng.random(count)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    predicted = probabilities.argmax(axis=1)
    lost = rng.random(count) < missing
    predicted[lost], probabilities[lost] = -1, np.nan
    groups = np.sort(rng.integers(count // 3, size=count))
    _, groups = np.unique(groups, return_inverse=True)
    return Answers(
        labels=labels,
        truth=truth,
        predicted=predicted,
        probabilities=probabilities,
        groups=groups,
        widths=rng.uniform(8, 120, count),
        pictures=groups,
        boxes=np.zeros((count, 4)),
        n_groups=int(groups.max()) + 1,
        bare=truth == 1,
    )


def make_boxes(found=(), truth=()):
    """Boxes of one picture: found as (x, y, w, h, label, score), truth as (x, y, w, h, label)."""
    found = sorted(found, key=lambda row: -row[5])
    f = np.array([row[:4] for row in found], float).reshape(-1, 4)
    t = np.array([row[:4] for row in truth], float).reshape(-1, 4)
    labels = np.array([row[4] for row in truth], int)
    return Boxes(
        found=np.hstack([f[:, :2], f[:, :2] + f[:, 2:]]),
        scores=np.array([row[5] for row in found], float),
        found_labels=np.array([row[4] for row in found], int),
        truth=np.hstack([t[:, :2], t[:, :2] + t[:, 2:]]),
        truth_labels=labels,
        masked=labels != 1,
    )


def make_scenes(*pictures, threshold=0.5):
    boxes = tuple(make_boxes(*picture) for picture in pictures)
    return Scenes(LABELS, boxes, np.arange(len(boxes)), threshold)


def random_scenes(seed=0, pictures=30, threshold=0.3):
    """Faces of many sizes, boxes near them and beside them, some with the wrong label."""
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(pictures):
        truth, found = [], []
        for _ in range(rng.integers(0, 8)):
            x, y = rng.uniform(0, 500, 2)
            w = rng.uniform(6, 80)
            h = w * rng.uniform(1, 1.4)
            label = int(rng.integers(3))
            truth.append((x, y, w, h, label))
            for _ in range(rng.integers(0, 3)):
                dx, dy, dw = rng.normal(0, 0.12, 3) * w
                said = label if rng.random() < 0.8 else int(rng.integers(3))
                found.append((x + dx, y + dy, max(2, w + dw), h, said, rng.random() ** 0.5))
        for _ in range(rng.integers(0, 3)):
            x, y, w = rng.uniform(5, 500, 3) * (1, 1, 0.1)
            found.append((x, y, w, w, int(rng.integers(3)), round(rng.random() * 0.7, 2)))
        made.append(make_boxes(found, truth))
    return Scenes(LABELS, tuple(made), np.arange(pictures), threshold)


def crowded(scenes, seed=0):
    """The same with up to two crowds in each picture, some with a label that is no face's."""
    rng = np.random.default_rng(seed)
    made = []
    for picture in scenes.pictures:
        count = int(rng.integers(3))
        corners = rng.uniform(0, 400, (count, 2))
        regions = np.hstack([corners, corners + rng.uniform(50, 250, (count, 2))])
        made.append(replace(picture, crowds=regions, crowd_labels=rng.integers(-1, 3, count)))
    return replace(scenes, pictures=tuple(made))
