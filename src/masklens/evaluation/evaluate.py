"""One model on one data set, from files to scores."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from masklens.dataset.split import trained_on
from masklens.errors import DatasetError
from masklens.evaluation.answers import Answers, common_labels
from masklens.evaluation.assemble import boxed_answers, portrait_answers, scenes_of
from masklens.evaluation.bars import Progress
from masklens.evaluation.classification import FACE_EDGES, LabelScores, score
from masklens.evaluation.measures import Measure, Section
from masklens.evaluation.pairing import Scenes
from masklens.evaluation.run import WHOLE, Options, Run, run
from masklens.evaluation.scenes import LOOSE_IOU, SceneScores, score_scenes
from masklens.evaluation.selection import Selection
from masklens.evaluation.subjects import Subject
from masklens.intervals import Estimate, group_weights
from masklens.matching import widths

SizeRows = tuple[tuple[str, Estimate], ...]


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What one model scored on one data set.

    Attributes:
        subject, selection, options: what was judged, on what, and how; ``selection`` is without
            the pictures that could not be read.
        run: the bare answers.
        labels: that it was judged in.
        unreadable: why pictures were left out, a sentence each.
        answers: to portraits or annotated boxes; None for predictions on scenes.
        label_scores: scores of ``answers``.
        scenes, scene_scores: None for portraits.
        trained_on: the model was trained on the judged pictures, or some of them, as its card says.
        fitted_to: its scores and thresholds were fitted to them.
    """

    subject: Subject
    selection: Selection
    options: Options
    run: Run
    labels: tuple[str, ...]
    unreadable: tuple[str, ...] = ()
    answers: Answers | None = None
    label_scores: LabelScores | None = None
    scenes: Scenes | None = None
    scene_scores: SceneScores | None = None
    trained_on: bool = False
    fitted_to: bool = False

    @property
    def searched(self) -> bool:
        """Whether the judged pictures are portraits in which the face is looked for first."""
        return not self.selection.dataset.boxed and self.options.faces != WHOLE

    @property
    def sections(self) -> tuple[Section, ...]:
        """Every table of measures, the headline first."""
        parts: list[Section] = []
        if self.scene_scores is not None:
            parts += self.scene_scores.sections
        if self.label_scores is not None:
            parts += self.label_scores.sections
        return tuple(parts)

    @property
    def data_name(self) -> str:
        """What the pictures are called: the data set, and the part of it."""
        name = self.selection.dataset.short_name
        return f"{name} ({self.selection.split})" if self.selection.split else name

    @property
    def conditions(self) -> str:
        """Sentences: what was left out, how the pictures were treated, and who had seen them."""
        return " ".join(filter(None, (self.treatment, self.warning)))

    @property
    def warning(self) -> str:
        """A sentence where the model was trained on or fitted to what is judged, else nothing."""
        if self.trained_on:
            return (
                f"{self.subject.name} was trained on these pictures, or on some of them, so that "
                "the scores are too good: judge it on others, or with --split on what its training "
                "set aside."
            )
        if self.fitted_to:
            return (
                f"The scores and thresholds of {self.subject.name} were fitted to these pictures, "
                "so that F1, Brier score and calibration errors are a little too good."
            )
        return ""

    @property
    def treatment(self) -> str:
        """Sentences: what was left out, and how the pictures were treated."""
        o = self.options
        if self.selection.dataset.boxed:
            text = f"Annotated faces narrower than {o.min_face:g} px count neither way"
            if o.min_face > FACE_EDGES[0]:
                text += f"; what is told by width begins at {FACE_EDGES[0]} px"
            text += "."
            if crowds := sum(len(p.crowds) for p in self.selection.dataset.pictures):
                text += f" Nor does what lies in regions marked as crowds: {crowds}."
            if self.answers is None:
                return text
            return f"{text} The classifier alone is judged from {o.min_box:g} px."
        if self.searched:
            return "In each picture the face is found first; a picture without one counts as wrong."
        return "Each picture is classified as a whole."

    @property
    def size_tables(self) -> tuple[tuple[str, SizeRows], ...]:
        """Scores by size: title and rows."""
        tables: list[tuple[str, SizeRows]] = []
        if self.scene_scores is not None:
            tables += [
                (f"Masked faces found, IoU {LOOSE_IOU}, by width", self.scene_scores.masked_sizes),
                (f"All faces found, IoU {LOOSE_IOU}, by width", self.scene_scores.sizes),
            ]
        if self.label_scores is not None:
            what = "face" if self.selection.dataset.boxed else "picture"
            tables.append((f"Accuracy by width of the {what}", self.label_scores.sizes))
        return tuple(tables)

    @property
    def measures(self) -> dict[str, Measure]:
        """Every measure by its key."""
        return {m.key: m for section in self.sections for m in section.measures}


def evaluate(
    subject: Subject,
    selection: Selection,
    options: Options,
    progress: Progress = lambda: None,
) -> Evaluation:
    """Judge a model on a data set, in all labels that both know.

    Args:
        subject: the model.
        selection: the pictures.
        options: how.
        progress: called after each picture.

    Raises:
        DatasetError: model and data do not fit each other, a box lies outside its picture, or no
            annotated face is wide enough to count.
        InputError: predictions that do not fit the pictures.
    """
    data = f"The data set {selection.dataset.short_name}"
    labels = common_labels(selection.dataset.labels, subject.labels, data)  # before any work
    answered = run(subject, selection, options, progress)
    reasons = [why for _, why in sorted(answered.unreadable.items())]
    judged = selection.without(set(answered.unreadable))
    return judge(
        Evaluation(
            subject,
            judged,
            options,
            answered,
            labels,
            unreadable=(*selection.left_out, *reasons),
            trained_on=_trained_on(subject, selection),
            fitted_to=_fitted_to(subject, judged),
        )
    )


def _trained_on(subject: Subject, selection: Selection) -> bool:
    """Whether the card says so of what is judged, or of some of it."""
    if subject.bundle is None:
        return False
    card, parts = subject.bundle.card, selection.parts
    seen = trained_on(selection.whole, card.training_data)
    if seen is None or parts is None:
        return seen is not None
    if len(seen) == len(selection.whole) and not seen.boxed:
        # The report's recipe was given all, and set a part of it aside: which, its card says.
        here = parts.sha256()
        return bool(card.training.get("split_sha256", here) != here)
    names = {picture.name for picture in seen.pictures}
    return any(picture.name in names for picture in selection.dataset.pictures)


def _fitted_to(subject: Subject, selection: Selection) -> bool:
    """Whether the card says so of what is judged."""
    fitted = subject.bundle.card.scores.get("data_sha256") if subject.bundle else None
    return fitted is not None and fitted == selection.dataset.sha256()


def judge(evaluation: Evaluation, labels: tuple[str, ...] | None = None) -> Evaluation:
    """Score the answers of an evaluation, perhaps again in fewer labels; nothing is run.

    Raises:
        DatasetError: no annotated face is wide enough to count.
    """
    e = evaluation if labels is None else replace(evaluation, labels=labels)
    weights = group_weights(e.selection.n_groups, e.options.resamples)
    if not e.selection.dataset.boxed:
        answers = portrait_answers(e.selection, e.subject, e.run, e.options.faces).fold(e.labels)
        return replace(
            e, answers=answers, label_scores=score(answers, weights, searched=e.searched)
        )
    scenes = scenes_of(e.selection, e.subject, e.run).fold(e.labels)
    if not any(np.any(widths(p.truth) >= e.options.min_face) for p in scenes.pictures):
        raise DatasetError(
            f"No annotated face of {e.selection.dataset.source} is {e.options.min_face:g} pixels "
            "wide or wider, so there is nothing to judge. Lower --min-face."
        )
    scores = score_scenes(scenes, weights, e.options.min_face)
    e = replace(e, scenes=scenes, scene_scores=scores)
    if e.run.crops is None:
        return e
    answers = boxed_answers(e.selection, e.subject, e.run, e.options.min_box).fold(e.labels)
    if len(np.unique(answers.truth)) < 2:
        return e
    # Two labels at least: with fewer there is nothing to tell apart.
    return replace(e, answers=answers, label_scores=score(answers, weights, boxed=True))
