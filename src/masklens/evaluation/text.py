"""The scores as a compact table for the terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from masklens.evaluation.compare import Comparison
from masklens.evaluation.evaluate import Evaluation
from masklens.intervals import Estimate
from masklens.plural import many

#: Measures whose comparison is also said in a sentence.
_SAID = ("masked_recall_35", "f1_two_class", "map50", "accuracy", "boxed.accuracy")


def evaluation_lines(evaluation: Evaluation) -> list[str]:
    """What was judged, and every table: value, 95 % interval, and counts of proportions."""
    dataset, subject = evaluation.selection.dataset, evaluation.subject
    counts = ", ".join(f"{n:,} {label}" for label, n in dataset.counts().items())
    found = dataset.boxed or evaluation.searched
    lines = [
        f"{subject.name} on {evaluation.data_name}: {many(len(dataset), 'picture')}, {counts}",
        (f"Shown from score {subject.threshold:.2f}. " if found else "") + evaluation.conditions,
    ]
    width = max(len(m.title) for s in evaluation.sections for m in s.measures) + 2
    for section in evaluation.sections:
        if section.measures:
            rows = [(m.title, m.estimate) for m in section.measures]
            lines += ["", *_table(section.title, width, rows)]
    for title, sizes in evaluation.size_tables:
        lines += ["", *_table(title, width, sizes)]
    if evaluation.scene_scores is not None:
        threshold, f1 = evaluation.scene_scores.curve.best
        lines += [
            "",
            f"The best end-to-end F1 (two classes) is {f1:.3f}, at score {threshold:.2f}.",
        ]
    if evaluation.unreadable:
        left_out = many(len(evaluation.unreadable), "picture")
        lines += ["", f"{left_out} could not be read and had to be left out:"]
        lines += [f"  {reason}" for reason in evaluation.unreadable[:10]]
    return lines


def _table(title: str, width: int, rows: Sequence[tuple[str, Estimate]]) -> list[str]:
    cells = [(title, "value", "95 % interval", "n")]
    cells += [(f"  {name}", e.value_text, e.interval_text, e.count_text) for name, e in rows]
    return [
        f"{name:<{width}}  {value:>6}  {interval:<15} {count:>15}".rstrip()
        for name, value, interval, count in cells
    ]


def comparison_lines(comparison: Comparison) -> list[str]:
    """Both values of every measure, the difference with its interval, and the verdicts."""
    width = max(len(d.a.title) for d in comparison.differences) + 2
    lines = [f"A: {comparison.a}", f"B: {comparison.b}", ""]
    lines.append(f"{'B minus A, in points':<{width}}  {'A':>6} {'B':>6}  {'B−A':>6}  95 % interval")
    lines += [
        f"  {d.a.title:<{width - 2}}  "
        f"{d.a.estimate.value_text:>6} {d.b.estimate.value_text:>6}  "
        f"{d.change_text:>6}  {d.interval_text:<16} {d.word}".rstrip()
        for d in comparison.differences
    ]
    lines.append("")
    sentences = [d.verdict + "." for d in comparison.differences if d.a.key in _SAID]
    if comparison.label_test is not None:
        test = comparison.label_test
        sentences.append(f"Sign-flip test ({test.what}): {test.verdict}")
    for sentence in sentences:
        lines += textwrap.wrap(sentence, 96, initial_indent="  ", subsequent_indent="    ")
    return lines
