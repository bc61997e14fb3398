"""Two models' answers in one, so that they can be exchanged group by group.

What a sign-flip test needs (:func:`masklens.intervals.sign_flip`): every measure of the one model
minus that of the other, with their answers exchanged in any of the groups. The answers of both lie
side by side, those of the second in groups of their own, and group weights choose whose count.
"""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np
from scipy import stats

from masklens.evaluation.answers import Answers
from masklens.evaluation.classification import score
from masklens.evaluation.evaluate import Evaluation
from masklens.evaluation.measures import Section
from masklens.evaluation.pairing import Boxes, Scenes
from masklens.evaluation.scenes import score_scenes
from masklens.intervals import Array, Statistic


def exchanges(a: Evaluation, b: Evaluation) -> dict[str, Statistic]:
    """B minus A of each measure that both have, as a function of signs.

    Args:
        a, b: of the same selection, in the same labels.

    Returns:
        Key -> function of signs (R, G), -1 where the models are exchanged, that gives (R,).
    """
    # Only the statistics are wanted, no intervals.
    once = np.ones((1, 2 * a.selection.n_groups), np.uint8)
    sections: list[Section] = []
    if a.scenes is not None and b.scenes is not None:
        both = _both_scenes(a.scenes, b.scenes)
        sections += score_scenes(both, once, a.options.min_face).sections
    if a.answers is not None and b.answers is not None:
        both_answers, boxed = _both_answers(a.answers, b.answers), a.selection.dataset.boxed
        sections += score(both_answers, once, boxed=boxed, searched=a.searched).sections
    return {m.key: _difference(m.statistic) for section in sections for m in section.measures}


def _difference(statistic: Statistic) -> Statistic:
    def of_signs(signs: Array) -> Array:
        kept = (1 + signs) / 2
        first, second = np.hstack([kept, 1 - kept]), np.hstack([1 - kept, kept])
        return statistic(second) - statistic(first)

    return of_signs


def _both_answers(a: Answers, b: Answers) -> Answers:
    columns: dict[str, Any] = {
        field.name: np.concatenate([getattr(a, field.name), getattr(b, field.name)])
        for field in fields(Answers)
        if field.name not in ("labels", "groups", "n_groups")
    }
    groups = np.concatenate([a.groups, a.n_groups + b.groups])
    return replace(a, **columns, groups=groups, n_groups=2 * a.n_groups)


def _both_scenes(a: Scenes, b: Scenes) -> Scenes:
    # The pictures take turns: among equal scores the first picture comes first, whoever's it is.
    pairs = zip(_on_common_scale(a), _on_common_scale(b), strict=True)
    pictures = tuple(picture for pair in pairs for picture in pair)
    groups = np.stack([a.groups, a.n_groups + b.groups], axis=1).ravel()
    return Scenes(a.labels, pictures, groups, threshold=0.5)


def _on_common_scale(scenes: Scenes) -> list[Boxes]:
    """The pictures with scores that go by rank alone: 0.5 and more for the boxes that are shown.

    Average precision and F1 know no more of scores than their order and the threshold; one model's
    scores may all be higher than the other's.
    """
    scores = np.concatenate([picture.scores for picture in scenes.pictures])
    ranks = stats.rankdata(-scores, method="max")
    shown = max(np.sum(scores >= scenes.threshold), 0.5)  # half a box: the first is not shown
    ends = np.cumsum([len(picture.scores) for picture in scenes.pictures])
    parts = np.split(shown / (shown + ranks), ends[:-1])
    return [replace(p, scores=part) for p, part in zip(scenes.pictures, parts, strict=True)]
