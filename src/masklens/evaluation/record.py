"""An evaluation as JSON values: every figure, and what is needed to get it again."""

from __future__ import annotations

import platform
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Any

import numpy as np

from masklens.curves import CalibrationRow
from masklens.evaluation.compare import Comparison
from masklens.evaluation.evaluate import Evaluation
from masklens.evaluation.subjects import Subject
from masklens.intervals import CONFIDENCE

FORMAT = 1

_PACKAGES = (
    "masklens", "faster-coco-eval", "matplotlib", "numpy", "onnxruntime", "opencv-python-headless",
    "pillow", "scikit-learn", "scipy",
)  # fmt: skip


@dataclass(frozen=True)
class Provenance:
    """Where figures come from.

    Attributes:
        command: as it was typed.
        seconds: that the judging took, all models together.
        data_sha256: over names, contents and annotations of the judged pictures.
    """

    command: str
    seconds: float
    data_sha256: str


def record(
    evaluation: Evaluation, provenance: Provenance, comparison: Comparison | None = None
) -> dict[str, Any]:
    """Everything that was measured, as JSON values."""
    dataset = evaluation.selection.dataset
    out: dict[str, Any] = {
        "format": FORMAT,
        "command": provenance.command,
        "confidence": CONFIDENCE,
        "model": subject_facts(evaluation.subject),
        "data": {
            "name": evaluation.data_name,
            "pictures": len(dataset),
            "faces": dataset.counts(),
            "groups": evaluation.selection.n_groups,
            "split": evaluation.selection.split,
            "sha256": provenance.data_sha256,
            "trained_on": evaluation.trained_on,
            "fitted_to": evaluation.fitted_to,
            "unreadable": list(evaluation.unreadable),
        },
        "options": asdict(evaluation.options),
        "labels": list(evaluation.labels),
        "scores": {
            key: {"title": m.title} | m.estimate.to_dict() for key, m in evaluation.measures.items()
        },
        "by_size": {
            title: {name: e.to_dict() for name, e in rows} for title, rows in evaluation.size_tables
        },
    }
    if evaluation.label_scores is not None:
        c = evaluation.label_scores
        out["confusion"] = {
            "rows": list(c.labels),
            "columns": [*c.labels, "no face found"],
            "counts": np.asarray(c.confusion).tolist(),
        }
        out["calibration"] = _calibration(c.calibration)
    if evaluation.scene_scores is not None:
        s = evaluation.scene_scores
        threshold, f1 = s.curve.best
        out["best_f1"] = {"threshold": round(threshold, 6), "f1": round(f1, 6)}
        out["score_calibration"] = _calibration(s.calibration)
    if comparison is not None:
        out["comparison"] = comparison.to_dict()
    out["seconds"] = round(provenance.seconds, 1)
    out["versions"] = versions()
    return out


def subject_facts(subject: Subject) -> dict[str, Any]:
    """Name, labels, threshold and hashes of a model."""
    out: dict[str, Any] = {
        "name": subject.name,
        "labels": list(subject.labels),
        "threshold": subject.threshold,
    }
    if subject.bundle is not None:
        out["files"] = {n: f.get("sha256") for n, f in subject.bundle.card.files.items()}
    if subject.predictions is not None:
        out["files"] = {subject.predictions[0].name: subject.predictions[1]}
    return out


def versions() -> dict[str, str]:
    """Versions of what takes part in the figures."""
    return {"python": platform.python_version()} | {name: version(name) for name in _PACKAGES}


def _calibration(rows: tuple[CalibrationRow, ...]) -> list[dict[str, Any]]:
    return [
        {"stated": round(said, 6), "right": e.hits, "items": e.total,
         "low": round(e.low, 6), "high": round(e.high, 6)}
        for said, e in rows
    ]  # fmt: skip
