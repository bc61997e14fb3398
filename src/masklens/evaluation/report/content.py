"""What the report says: from an outcome to a document of text, tables and figures."""

from __future__ import annotations

import math
from collections.abc import Sequence

from masklens.dataset.audit import Audit
from masklens.evaluation.classification import BOXED, LabelScores
from masklens.evaluation.compare import Comparison
from masklens.evaluation.evaluate import Evaluation
from masklens.evaluation.journey import Outcome
from masklens.evaluation.measures import Measure
from masklens.evaluation.record import subject_facts, versions
from masklens.evaluation.report import figures
from masklens.evaluation.report.blocks import Document
from masklens.evaluation.report.explain import Explainer
from masklens.evaluation.report.mistakes import Gallery
from masklens.evaluation.report.wording import audit_sentences, method_terms, summary_sentence
from masklens.evaluation.scenes import SceneScores
from masklens.intervals import Estimate
from masklens.plural import many

#: Keys of the figures that stand out, best known first; the first four that exist are shown.
_KEYS = ("masked_recall_35", "f1_two_class", "boxed.accuracy", "accuracy", "balanced_accuracy",
         "mcc", "face_precision", "map50")  # fmt: skip

_SCENE_COLUMNS = (("found", "found at all"), ("recall", "recall"), ("precision", "precision"))
_LABEL_COLUMNS = (
    ("recall", "recall"), ("precision", "precision"), ("f1", "F1"),
    ("roc_auc", "area under ROC"), ("pr_auc", "area under PR"),
)  # fmt: skip


def build(
    outcome: Outcome,
    mistakes: Sequence[Gallery],
    explainer: Explainer | None,
    audit: Audit | None,
) -> Document:
    """Put the report together."""
    e = outcome.evaluation
    document = Document(
        f"How well {e.subject.name} finds masks: {e.data_name}",
        f"{many(len(e.selection.dataset), 'picture')}. Every figure stands with its 95 % interval.",
    )
    _summary(document, e)
    _data(document, e, audit)
    if e.scene_scores is not None:
        _pipeline(document, e)
    if e.label_scores is not None:
        _labels(document, e)
    if outcome.comparison is not None and outcome.rival is not None:
        _comparison(document, outcome.comparison, outcome.rival)
    _mistakes(document, mistakes, explainer)
    document.heading("How the figures were obtained")
    document.terms(method_terms(e, outcome.comparison is not None))
    _provenance(document, outcome)
    return document


def with_interval(estimate: Estimate) -> str:
    """Value and interval, such as 0.915 (0.887–0.937); a dash where there is no value."""
    if math.isnan(estimate.value):
        return "–"
    if math.isnan(estimate.low):
        return f"{estimate.value:.3f}"
    return f"{estimate.value:.3f} ({estimate.low:.3f}–{estimate.high:.3f})"


def _summary(document: Document, e: Evaluation) -> None:
    measures = [e.measures[key] for key in _KEYS if key in e.measures][:4]
    document.key([(m.estimate.value_text, m.estimate.interval_text, m.title) for m in measures])
    document.text(" ".join(filter(None, (summary_sentence(e), e.warning))))


def _data(document: Document, e: Evaluation, audit: Audit | None) -> None:
    dataset, counts = e.selection.dataset, e.selection.dataset.counts()
    document.heading("The pictures")
    total = sum(counts.values())
    noun = "faces" if dataset.boxed else "pictures"
    document.table(
        f"Labelled {noun} of {e.data_name}.",
        ("label", noun, "share"),
        [(label, f"{n:,}", f"{n / total:.1%}") for label, n in counts.items()]
        + [("all", f"{total:,}", "")],
    )
    document.text(" ".join([e.treatment, *audit_sentences(e, audit)]))
    if e.unreadable:
        document.text(
            f"{many(len(e.unreadable), 'picture')} could not be read and had to be left out: "
            + " ".join(e.unreadable[:5])
        )


_HEAD = ("", "value", "95 % interval", "n")


def _rows(measures: Sequence[Measure]) -> list[tuple[str, ...]]:
    return [_row(m.title, m.estimate) for m in measures]


def _row(name: str, e: Estimate) -> tuple[str, ...]:
    return name, e.value_text, e.interval_text, e.count_text


def _matrix(
    e: Evaluation, prefix: str, columns: Sequence[tuple[str, str]]
) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """One row per label, one column per measure."""
    used = [c for c in columns if any(f"{prefix}{name}.{c[0]}" in e.measures for name in e.labels)]
    rows = []
    for label in e.labels:
        cells = [e.measures.get(f"{prefix}{label}.{key}") for key, _ in used]
        if any(cells):
            rows.append((label, *(with_interval(m.estimate) if m else "–" for m in cells)))
    return ("", *(title for _, title in used)), rows


def _pipeline(document: Document, e: Evaluation) -> None:
    scores = e.scene_scores
    assert scores is not None
    document.heading("The whole pipeline on photographs")
    document.table(
        f"Finding, cutting and labelling together, boxes shown from score {scores.threshold:.2f}.",
        _HEAD,
        _rows(scores.sections[0].measures),
    )
    head, rows = _matrix(e, "", _SCENE_COLUMNS)
    document.table(
        "Each label at the same threshold (IoU 0.5). Found at all: a box met the face, whatever "
        "it was called. Recall: and it was called right. In brackets the 95 % interval.",
        head,
        rows,
    )
    names = ["faces", *(label for label in e.labels if f"ap.{label}" in e.measures)]
    document.table(
        "Average precision: the area under the precision-recall curve over all thresholds, for a "
        "box overlap (IoU) of 0.5, and as the mean over 0.5, 0.55, … 0.95.",
        ("", "IoU 0.5", "IoU 0.5–0.95"),
        [
            ("any face" if n == "faces" else n, *(
                with_interval(e.measures[f"{k}.{n}"].estimate) for k in ("ap50", "ap")))
            for n in names
        ] + [("mean over labels", *(
            with_interval(e.measures[k].estimate) for k in ("map50", "map")))],
    )  # fmt: skip
    _pipeline_figures(document, scores)


def _pipeline_figures(document: Document, scores: SceneScores) -> None:
    document.figure(
        "Share of the annotated faces that a shown box met (IoU 0.35), by width of the face in "
        "pixels, with 95 % intervals. n counts the masked faces.",
        figures.sizes(
            [("masked faces", scores.masked_sizes), ("all faces", scores.sizes)],
            "width of the face",
        ),
        "Faces found by size",
        74,
    )
    document.figure(
        "Left: precision over recall when the threshold falls from 1 to 0 (IoU 0.5); a box counts "
        "for the label it gives, for “any face” the label does not matter. Right: precision, "
        "recall and F1 of boxes that lie right and carry the right label of two, over the "
        f"threshold. The best F1 on these very pictures is {scores.curve.best[1]:.3f}, at "
        f"{scores.curve.best[0]:.2f}; a threshold chosen on them would look better than it is.",
        figures.thresholds(scores.precision_recall, scores.curve, scores.threshold),
        "Precision-recall curves, and precision, recall and F1 over the threshold",
    )
    if scores.calibration:
        document.figure(
            "Left: of the boxes with about the same score, the share that are a face with the "
            "label they give. On the dotted line a score means what it says. Right: number of "
            "boxes, on a logarithmic axis. All boxes are counted, shown or not.",
            figures.calibration(scores.calibration, "boxes", "score"),
            "Calibration of the score",
        )


def _labels(document: Document, e: Evaluation) -> None:
    scores = e.label_scores
    assert scores is not None
    boxed = e.selection.dataset.boxed
    document.heading("The classifier alone" if boxed else "Labels")
    if boxed:
        document.text(
            "Here the annotated boxes are cut out and labelled, so that the face finder plays no "
            "part: the figures called “boxed”."
        )
    document.table(
        f"All labels together, {len(e.answers or ()):,} {'faces' if boxed else 'pictures'}.",
        _HEAD,
        _rows(scores.sections[0].measures),
    )
    head, rows = _matrix(e, BOXED if boxed else "", _LABEL_COLUMNS)
    caption = "Each label against the others. In brackets the 95 % interval."
    if e.searched:
        caption += " The areas are of the faces that were found."
    document.table(caption, head, rows)
    _label_figures(document, scores)
    what = "face" if boxed else "picture"
    document.table(
        f"Accuracy by width of the {what} in pixels.",
        _HEAD,
        [_row(name, estimate) for name, estimate in scores.sizes],
    )


def _label_figures(document: Document, scores: LabelScores) -> None:
    document.figure(
        "What was answered to each true label: number, and share of the row.",
        figures.confusion(scores.confusion, scores.labels),
        "Confusion matrix",
        64,
    )
    if scores.roc:
        document.figure(
            "Each label against the others. Left: recall against false alarms (ROC curve). Right: "
            "precision against recall. In the legends the areas; 1 is perfect.",
            figures.roc_and_precision_recall(scores.roc, scores.precision_recall),
            "ROC and precision-recall curves",
        )
    if scores.calibration:
        document.figure(
            "Left: of the answers given with about the same probability, the share that was right, "
            "with 95 % intervals. Right: number of answers, on a logarithmic axis.",
            figures.calibration(scores.calibration, "answers", "probability of the answer"),
            "Calibration of the answers",
        )


def _comparison(document: Document, comparison: Comparison, rival: Evaluation) -> None:
    document.heading(f"{comparison.b} against {comparison.a}")
    document.text(
        f"A is {comparison.a}, B is {comparison.b}. Both answered to the same pictures; "
        "differences are B minus A in points (hundredths), with intervals from a bootstrap that "
        "draws the same pictures for both."
    )
    if rival.warning:  # the other model's stands beside its headline
        document.text(rival.warning)
    document.table(
        "Both models, and what can be said about the difference.",
        ("", "A", "B", "verdict"),
        [
            (d.a.title, d.a.estimate.value_text, d.b.estimate.value_text, d.verdict)
            for d in comparison.differences
        ],
    )
    if comparison.label_test is not None:
        test = comparison.label_test
        document.text(f"Sign-flip test ({test.what}): {test.verdict}")
    document.figure(
        "Differences with their 95 % intervals. Blue: B is better; red: B is worse; grey: the "
        "interval holds zero. Of equal models up to one such interval in twenty leaves zero out by "
        "chance: trust a measure chosen beforehand rather than the one that differs most.",
        figures.differences(comparison),
        "Differences between the models",
    )


def _mistakes(document: Document, mistakes: Sequence[Gallery], explainer: Explainer | None) -> None:
    if not mistakes:
        return
    document.heading("The worst mistakes")
    if explainer is not None:
        document.text(
            "On the right of a pair is what the classifier saw, cut around the box shown. "
            + explainer.sentence
        )
    for gallery in mistakes:
        shown = len(gallery.shown)
        count = f"{shown} of {gallery.total:,}" if shown < gallery.total else f"all {shown}"
        document.gallery(
            f"{gallery.title} ({count}). {gallery.note}",
            [(item.jpeg, item.name, item.text) for item in gallery.shown],
            single=all(item.width == item.height for item in gallery.shown),
        )


def _provenance(document: Document, outcome: Outcome) -> None:
    e, p = outcome.evaluation, outcome.provenance
    document.heading("To get these figures again")
    document.code(p.command)
    rows = [("pictures and labels", p.data_sha256)]
    subjects = [e.subject] + ([outcome.rival.subject] if outcome.rival else [])
    for subject in subjects:
        rows += [(f"{subject.name}: {n}", str(h)) for n, h in
                 subject_facts(subject)["files"].items()]  # fmt: skip
    document.table("sha256 of what went in.", ("", "sha256"), rows)
    if e.subject.bundle is None:
        how = "predictions as they stand"
    elif not (e.selection.dataset.boxed or e.searched):
        how = "whole pictures"
    else:
        how = f"face finder {e.options.finder or 'of the bundle'}"
        if e.options.long_side is not None:
            how += f" at {' and '.join(map(str, e.options.long_side))} px"
    document.text(
        f"{how[0].upper()}{how[1:]}; {e.options.resamples:,} resamples of {e.selection.n_groups:,} "
        f"groups; {p.seconds:.0f} s for the answers and scores. "
        + ", ".join(f"{name} {v}" for name, v in versions().items())
        + "."
    )
