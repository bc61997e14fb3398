"""The whole way of ``masklens evaluate``: models and data in, scores, comparison and files out."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path

from masklens.dataset.scan import Dataset
from masklens.evaluation.bars import Bar
from masklens.evaluation.compare import Comparison, compare
from masklens.evaluation.evaluate import Evaluation, evaluate
from masklens.evaluation.record import Provenance, record
from masklens.evaluation.run import Options
from masklens.evaluation.selection import select
from masklens.evaluation.subjects import load_subject
from masklens.io.atomic import write_json


@dataclass(frozen=True)
class Request:
    """What is asked for.

    Attributes:
        model: bundle folder, "default", or predictions file.
        data: what is to be judged on, whole.
        options: how to judge.
        split: "MANIFEST.csv:part", or None.
        threshold: None takes the bundle's own.
        against: a second bundle or predictions file, or None.
        against_threshold: None takes its own.
        command: as it was typed.
    """

    model: str
    data: Dataset
    options: Options
    split: str | None = None
    threshold: float | None = None
    against: str | None = None
    against_threshold: float | None = None
    command: str = "masklens evaluate"


@dataclass(frozen=True, eq=False)
class Outcome:
    """What was measured; ``rival`` and ``comparison`` are None for a single model."""

    evaluation: Evaluation
    rival: Evaluation | None
    comparison: Comparison | None
    provenance: Provenance

    def write_json(self, target: Path) -> None:
        """Every figure as JSON; see ``docs/evaluation.md``."""
        write_json(target, record(self.evaluation, self.provenance, self.comparison))


def judge_all(request: Request, bar: Bar) -> Outcome:
    """Judge one model, or two on the same pictures.

    Args:
        request: what is asked for.
        bar: over the search for near-duplicates, where the split asks for one, and over each
            model's work.
    """
    start = time.perf_counter()
    selection = select(request.data, request.split, bar)
    sources = [(request.model, request.threshold)]
    if request.against is not None:
        sources.append((request.against, request.against_threshold))
    subjects = [load_subject(*source) for source in sources]
    if request.against is not None and subjects[0].name == subjects[1].name:
        named = zip(subjects, sources, strict=True)
        subjects = [
            replace(subject, name=f"{subject.name} ({path})") for subject, (path, _) in named
        ]
    evaluations = []
    for subject in subjects:
        with bar(len(selection.dataset), subject.name) as progress:
            evaluations.append(evaluate(subject, selection, request.options, progress))
    first, second = evaluations[0], evaluations[1] if len(evaluations) > 1 else None
    comparison = None if second is None else compare(first, second)
    provenance = Provenance(
        request.command, time.perf_counter() - start, first.selection.dataset.sha256()
    )
    return Outcome(first, second, comparison, provenance)
