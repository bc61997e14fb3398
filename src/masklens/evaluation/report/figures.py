"""The report's figures, drawn with matplotlib and returned as SVG text.

Every figure says its units on its axes; colours are those of the annotated pictures, and lines
differ in dashes too, so that colour is never the only sign.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from masklens.curves import CALIBRATION_BINS, CalibrationRow, Sweep, bin_of
from masklens.evaluation.classification import Curve
from masklens.evaluation.compare import Comparison
from masklens.intervals import Array, Estimate, Ints
from masklens.io.draw import colour_of
from masklens.labels import LABELS

_INK, _SOFT, _BLUE = "#222222", "#8a8a8a", "#2b6cb0"
_DASHES = ("-", "--", "-.", ":")
_STYLE: Any = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 8.5,
    "axes.edgecolor": _SOFT,
    "axes.labelcolor": _INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.7,
    "axes.axisbelow": True,
    "grid.color": "#e4e4e4",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "lines.linewidth": 1.6,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "svg.fonttype": "path",
    "svg.hashsalt": "masklens",
}

#: Width of a figure across the text, in inches.
WIDTH = 6.3

SizeRows = Sequence[tuple[str, Estimate]]


def _panels(width: float, height: float, number: int = 1) -> tuple[Figure, list[Axes]]:
    """A figure of so many inches, and its panels beside each other."""
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, [figure.add_subplot(1, number, i + 1) for i in range(number)]


def _svg(figure: Figure) -> str:
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]


def colour(label: str) -> str:
    """A label's colour as matplotlib wants it; blue for what is no label."""
    if label not in LABELS:
        return _BLUE
    return "#{:02x}{:02x}{:02x}".format(*colour_of(label))


@mpl.rc_context(_STYLE)
def confusion(matrix: Ints, labels: Sequence[str]) -> str:
    """Confusion matrix: counts and shares of each row; shade follows the share."""
    columns = [*labels, "no face found"] if matrix[:, -1].any() else list(labels)
    counts = matrix[:, : len(columns)]
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure, (axes,) = _panels(0.9 + 1.25 * len(columns), 0.9 + 0.62 * len(labels))
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1.15, aspect="auto")
    for (row, column), share in np.ndenumerate(shares):
        axes.text(
            column,
            row,
            f"{counts[row, column]:,}\n{share:.1%}",
            ha="center",
            va="center",
            color="white" if share > 0.6 else _INK,
        )
    axes.set_xticks(range(len(columns)), [_broken(name) for name in columns])
    axes.set_yticks(range(len(labels)), [_broken(name) for name in labels])
    axes.set_xlabel("answer")
    axes.set_ylabel("truth")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return _svg(figure)


@mpl.rc_context(_STYLE)
def roc_and_precision_recall(roc: Sequence[Curve], pr: Sequence[Curve]) -> str:
    """Two panels: ROC curves and precision-recall curves, one line per label."""
    figure, (left, right) = _panels(WIDTH, 3.1, 2)
    for number, (a, b) in enumerate(zip(roc, pr, strict=True)):
        style: dict[str, Any] = {"color": colour(a.label), "ls": _DASHES[number % 4]}
        left.plot(a.x, a.y, label=f"{a.label}: {a.area.value:.3f}", **style)
        right.step(b.x, b.y, where="post", label=f"{b.label}: {b.area.value:.3f}", **style)
    left.plot([0, 1], [0, 1], color=_SOFT, lw=0.8, ls=":")
    left.set(xlabel="false alarms (share of the other labels)", ylabel="recall")
    right.set(xlabel="recall", ylabel="precision")
    for axes in (left, right):
        _unit(axes)
        axes.legend(loc="lower center", title="area", title_fontsize=8)
    return _svg(figure)


@mpl.rc_context(_STYLE)
def thresholds(
    lines: Sequence[tuple[str, Array, Array, Estimate]],
    curve: Sweep,
    threshold: float,
) -> str:
    """Precision over recall, per label and for any face; and what each threshold would give."""
    figure, (left, right) = _panels(WIDTH, 3.2, 2)
    for number, (name, recall, precision, area) in enumerate(lines):
        left.plot(
            recall,
            np.maximum.accumulate(precision[::-1])[::-1],
            color=colour(name),
            ls=_DASHES[number % 4],
            label=f"{'any face' if name == 'faces' else name}: {area.value:.3f}",
        )
    left.set(xlabel="recall", ylabel="precision")
    left.legend(loc="lower left", title="average precision", title_fontsize=8)
    for name, values, shade, dashes in (
        ("precision", curve.precision, "#6b7280", "-."),
        ("recall", curve.recall, "#c2772b", "--"),
        ("F1", curve.f1, _BLUE, "-"),
    ):
        right.plot(curve.thresholds, values, color=shade, ls=dashes, label=name)
    right.axvline(threshold, color=_INK, lw=0.9, label=f"shipped: {threshold:.2f}")
    score, f1 = curve.best
    right.plot(score, f1, "o", color=_BLUE, ms=5, label=f"best F1: {f1:.3f} at {score:.2f}")
    right.set(xlabel="threshold on the score", ylabel="share")
    for axes in (left, right):
        _unit(axes)
    # Its lines cross the whole panel: opaque, above them.
    right.legend(loc="lower left", frameon=True, framealpha=1, edgecolor="none")
    return _svg(figure)


@mpl.rc_context(_STYLE)
def calibration(rows: Sequence[CalibrationRow], what: str, axis: str) -> str:
    """Share that was right over what the model said, with 95 % intervals, and counts."""
    figure, (left, right) = _panels(WIDTH, 2.9, 2)
    said = np.array([row[0] for row in rows])
    true = np.array([share.value for _, share in rows])
    ends = np.array([[share.low, share.high] for _, share in rows])
    left.plot([0, 1], [0, 1], color=_SOFT, lw=0.8, ls=":", label="perfectly calibrated")
    left.errorbar(
        said, true, yerr=np.abs(ends.T - true), fmt="o", ms=4, color=_BLUE, lw=1, capsize=2,
        label="measured, 95 % interval",
    )  # fmt: skip
    left.set(xlabel=axis, ylabel="share that was right")
    _unit(left)
    # Of the figure: in the panel it would hide intervals, and reaching out of it, shrink it.
    figure.legend(loc="outside upper left", ncols=2)
    # A bar covers its bin; one item has a bar, too.
    places, width = (bin_of(said) + 0.5) / CALIBRATION_BINS, 0.9 / CALIBRATION_BINS
    right.bar(places, [share.total or 0 for _, share in rows], width=width, color=_BLUE)
    right.set_yscale("log")
    right.set(xlabel=axis, ylabel=what, xlim=(0, 1.02))
    right.set_ylim(bottom=0.5)
    right.grid(axis="y")
    return _svg(figure)


@mpl.rc_context(_STYLE)
def sizes(tables: Sequence[tuple[str, SizeRows]], axis: str) -> str:
    """A share per size band with its interval; several tables beside each other."""
    names = list(dict.fromkeys(name for _, rows in tables for name, _ in rows))
    figure, (axes,) = _panels(4.6, 2.8)
    for number, (title, rows) in enumerate(tables):
        shift = (number - (len(tables) - 1) / 2) * 0.18
        places = np.array([names.index(name) for name, _ in rows]) + shift
        values = np.array([e.value for _, e in rows])
        ends = np.array([[e.low, e.high] for _, e in rows])
        axes.errorbar(
            places, values, yerr=np.abs(ends.T - values), fmt="os^"[number % 3], ms=5, lw=1.1,
            capsize=2.5, color=(_BLUE, "#c2772b", _SOFT)[number % 3], label=title,
        )  # fmt: skip
    counts = dict(tables[0][1])
    ticks = [f"{n}\nn = {counts[n].total:,}" if n in counts else n for n in names]
    axes.set_xticks(range(len(names)), ticks)
    axes.set(xlabel=axis, ylabel="share", ylim=(0, 1.03), xlim=(-0.5, len(names) - 0.5))
    axes.grid(axis="y")
    if len(tables) > 1:
        axes.legend(loc="lower right")
    return _svg(figure)


@mpl.rc_context(_STYLE)
def differences(comparison: Comparison) -> str:
    """B minus A of every measure that has an interval, in points."""
    shown = [d for d in comparison.differences if not np.isnan(d.estimate.low)]
    figure, (axes,) = _panels(WIDTH, 0.7 + 0.2 * len(shown))
    for place, d in enumerate(reversed(shown)):
        e = d.estimate
        shade = (_BLUE if d.better else "#b3261e") if d.decided else _SOFT
        axes.plot([100 * e.low, 100 * e.high], [place, place], color=shade, lw=1.6)
        axes.plot(100 * e.value, place, "o", color=shade, ms=4)
    axes.axvline(0, color=_INK, lw=0.7)
    axes.set_yticks(range(len(shown)), [d.a.title for d in reversed(shown)], fontsize=7.5)
    axes.set(xlabel="B minus A, in points (hundredths)", ylim=(-0.7, len(shown) - 0.3))
    axes.grid(axis="x")
    return _svg(figure)


def _unit(axes: Axes) -> None:
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.04))
    axes.grid()


def _broken(label: str) -> str:
    """A long label on two lines."""
    return label.replace("mask_worn_incorrectly", "mask_worn_\nincorrectly")
