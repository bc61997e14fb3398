"""The sentences of the report that depend on what was measured."""

from __future__ import annotations

import math

from masklens.dataset.audit import Audit
from masklens.evaluation.evaluate import Evaluation
from masklens.evaluation.measures import Measure
from masklens.labels import MASK_WORN_INCORRECTLY

_INTERVALS = (
    "95 % interval",
    "If the pictures were drawn anew many times, an interval made this way would hold the true "
    "figure about 95 times in 100. Shares have Wilson's interval. Faces of one photograph, or of "
    "near-duplicates, resemble each other; where they come in groups the sample counts as smaller, "
    "by the design effect (Rao and Scott 1992). With few or no errors that effect cannot be seen; "
    "there the interval is as wide as for a faultless share of the groups. Other figures have a "
    "percentile bootstrap interval over groups, 2,000 resamples (500 for average precision). Where "
    "nearly everything is right, or wrong, the bootstrap knows hardly any spread either; its ends "
    "are never nearer to 1 and 0 than those of a faultless share of the groups that have a face of "
    "the label, of the rarest one for means over labels.",
)

_SCENE_TERMS = (
    ("IoU", "Intersection over union: the area that two boxes share, divided by the area they "
     "cover together. 1 is the same box, 0 no overlap."),
    ("matching", "Shown boxes choose, best score first, the free annotated face they overlap most, "
     "as in the COCO evaluation."),
    ("masked face", "A face with anything over it that its label calls a mask, worn well or "
     "badly."),
    ("precision, recall, F1", "Precision is the share of shown boxes that are right, recall the "
     "share of annotated faces that were met. F1 is their harmonic mean. End-to-end, a box is "
     "right when it overlaps the face by IoU 0.5 and its label is right; with two classes, badly "
     "worn counts as no mask."),
    ("average precision", "Area under the precision-recall curve in COCO's definition (101 recall "
     "levels), computed by faster-coco-eval. Where nobody boxed a face, as in crowds, a box on "
     "it counts as wrong: the figure is then a floor."),
)  # fmt: skip
_LABEL_TERMS = (
    ("accuracy, balanced accuracy", "Share of right answers; and the mean over labels of the share "
     "right within each, which does not reward guessing the commonest."),
    ("Matthews correlation", "Correlation of answer and truth over the whole confusion matrix: 1 "
     "perfect, 0 no better than chance (Matthews 1975; Gorodkin 2004 for more than two labels)."),
    ("Brier score", "Mean squared error of the probabilities, summed over labels: 0 best, 2 worst "
     "(Brier 1950)."),
    ("area under ROC curve", "The chance that a face of the label gets a higher probability for it "
     "than a face of another label."),
)  # fmt: skip
_CALIBRATION = (
    "calibration error",
    "Mean gap between the probability a model states and the share that turns out right, over 15 "
    "equal bins (Guo et al. 2017). Chance pushes it up where pictures are few. The lower end of "
    "its interval makes up for that, and is 0 where probabilities that hold would often show as "
    "large an error (sign-flip test over groups, p from 0.05 on). Two models' errors are not "
    "compared.",
)
_COMPARISON = (
    "sign-flip test",
    "If two models are equal, either could have given the answers in each group (Fisher 1935). The "
    "test exchanges them in every way where few groups differ, else in 1,000 ways drawn at random "
    "(10,000 for right and wrong labels), and asks how often the difference is as large as it is. "
    "With one face per group and labels that are right or wrong it is McNemar's exact test. Where "
    "it shows no difference (p from 0.05 on; always with fewer than six groups that differ), the "
    "interval reaches zero.",
)


def method_terms(e: Evaluation, compared: bool) -> list[tuple[str, str]]:
    """The terms that the report uses, each with what it means."""
    terms = [_INTERVALS]
    if e.scene_scores is not None:
        terms += _SCENE_TERMS
    if e.label_scores is not None:
        terms += _LABEL_TERMS
    terms.append(_CALIBRATION)
    if compared:
        terms.append(_COMPARISON)
    return terms


def summary_sentence(e: Evaluation) -> str:
    """The main result in a sentence or two."""
    m = e.measures
    parts = []
    if "masked_recall_35" in m:
        masked = f"of the masked faces at least {e.options.min_face:g} px wide, {{}} are found"
        shares = [
            text.format(_percent(m[key]))
            for key, text in (
                ("masked_recall_35", masked),
                ("label_right", "of all faces found, {} carry the right label of two"),
            )
            if not math.isnan(m[key].estimate.value)  # there may be none to take a share of
        ]
        parts += ["; ".join(shares) + "."] if shares else []
        parts.append(f"Found and labelled together, F1 is {_plain(m['f1_two_class'])}.")
    for key, text in (
        ("boxed.accuracy", "On the annotated boxes alone the classifier answers {} right."),
        ("accuracy", "{} of the pictures get the right label."),
    ):
        if key in m:
            parts.append(text.format(_percent(m[key])))
    if MASK_WORN_INCORRECTLY in e.selection.dataset.labels and (
        MASK_WORN_INCORRECTLY not in e.labels
    ):
        parts.append("The model knows no badly worn masks; here they count as none.")
    elif MASK_WORN_INCORRECTLY in e.subject.labels and MASK_WORN_INCORRECTLY not in e.labels:
        parts.append("The data know no badly worn masks; where the model says so, it counts as "
                     "no mask.")  # fmt: skip
    text = " ".join(parts)
    return text[0].upper() + text[1:]


def _percent(measure: Measure) -> str:
    x = measure.estimate
    return f"{x.value:.1%} (95 % interval {100 * x.low:.1f} to {100 * x.high:.1f})"


def _plain(measure: Measure) -> str:
    x = measure.estimate
    return f"{x.value:.3f} ({x.low:.3f} to {x.high:.3f})"


def audit_sentences(e: Evaluation, audit: Audit | None) -> list[str]:
    """What the look at the data found."""
    sentences = []
    count, groups = len(e.selection.dataset), e.selection.n_groups
    if e.selection.split is not None:
        text = f"The pictures are the test part of the split {e.selection.split}"
        if groups < count:
            text += f", in {groups:,} groups of near-duplicates; intervals go by groups"
        sentences.append(text + ".")
    if audit is None:
        return sentences
    if audit.leak is not None:
        leak = audit.leak
        text = (
            f"Of these {leak.test:,} pictures {leak.with_twin:,} ({leak.share:.1%}) have a "
            "near-duplicate in the training part"
        )
        if leak.with_twin:
            text += (
                f", {leak.with_same_label:,} of them with the same label: a model trained there "
                "has seen them, and the scores are too good to that extent"
            )
        sentences.append(text + ".")
    sentences.append(_copies(e, audit))
    return sentences


def _copies(e: Evaluation, audit: Audit) -> str:
    where = "here" if e.selection.split is None else "in the whole data set"
    if not audit.groups:
        return f"No picture is a near-duplicate of another one {where}."
    kinds = ", ".join(f"{n:,} {kind}" for kind, n in audit.kinds.items())
    first, second = (p.name for p in audit.groups[0].pictures[:2])
    text = (
        f"{audit.copies:,} of the {audit.pictures:,} pictures are near-duplicates of another one "
        f"{where} (pairs: {kinds}), up to {len(audit.groups[0].pictures)} in a group, such as "
        f"{first} and {second}."
    )
    if not e.selection.dataset.boxed and audit.across_labels:
        text += f" {audit.across_labels:,} groups hold pictures of different labels."
    names = [picture.name for picture in e.selection.dataset.pictures]
    counted_as = dict(zip(names, e.selection.groups.tolist(), strict=True))
    of_copies = ({counted_as.get(p.name) for p in group.pictures} for group in audit.groups)
    if any(len(numbers - {None}) > 1 for numbers in of_copies):
        text += (
            " Those that are judged count as independent, so that the intervals are too narrow; a "
            "split manifest (masklens dataset split) names the groups."
        )
    return text
