"""The report's look at its own data: near-duplicates, and pictures that training has seen."""

from __future__ import annotations

from masklens.dataset.audit import Audit, audit
from masklens.evaluation.bars import Bar, search_bar
from masklens.evaluation.selection import Selection


def audit_data(selection: Selection, bar: Bar) -> Audit:
    """Look for near-duplicates: among the judged pictures, or in all that they are split from.

    With a split the audit says how many judged pictures have a copy in the training part.
    """
    dataset = selection.dataset if selection.split is None else selection.whole
    with search_bar(len(dataset), bar) as progress:
        return audit(dataset, selection.split, progress, selection.duplicates)
