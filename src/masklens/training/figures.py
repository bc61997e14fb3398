"""The figures of a run: loss and accuracy by epoch, and the confusion matrix."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from masklens.io.atomic import write_bytes
from masklens.training.results import Predictions

_TRAIN, _TEST = "#1f77b4", "#d95f02"


def history_figure(history: Sequence[Mapping[str, float]]) -> Figure:
    """Loss and accuracy by epoch, on training and on test pictures, side by side.

    Args:
        history: a row per epoch: epoch, loss, accuracy, val_loss, val_accuracy.
    """
    figure = Figure(figsize=(10, 4), layout="constrained")
    loss, accuracy = figure.subplots(1, 2)
    _lines(loss, history, "loss")
    loss.set(title="Loss", ylabel="cross-entropy (nats per picture)")
    loss.set_ylim(bottom=0)
    _lines(accuracy, history, "accuracy")
    accuracy.set(title="Accuracy", ylabel="pictures labelled right")
    accuracy.yaxis.set_major_formatter(PercentFormatter(1.0))
    return figure


def _lines(axes: Axes, history: Sequence[Mapping[str, float]], name: str) -> None:
    epochs = [row["epoch"] for row in history]
    train = [row[name] for row in history]
    axes.plot(epochs, train, color=_TRAIN, label="training (augmented, with dropout)", marker=".")
    test = [row[f"val_{name}"] for row in history]
    axes.plot(epochs, test, color=_TEST, label="test", marker=".")
    _by_epoch(axes)


def _by_epoch(axes: Axes) -> None:
    """What all curves have in common. A single epoch has no room for a second whole number."""
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.grid(alpha=0.3)
    if axes.lines:
        axes.legend(frameon=False)


def finder_figure(history: Sequence[Mapping[str, float]]) -> Figure:
    """The losses of a face finder by epoch and, where they were measured, its scores.

    Args:
        history: a row per epoch: epoch, loss and its parts, perhaps face_ap and masked_recall.
    """
    figure = Figure(figsize=(10, 4), layout="constrained")
    losses, scores = figure.subplots(1, 2)
    epochs = [row["epoch"] for row in history]
    for name in ("loss", "objectness", "overlap", "box", "landmarks", "labels"):
        losses.plot(epochs, [row[name] for row in history], label=name, marker=".")
    losses.set(title="Training loss and its parts", ylabel="weighted loss per learning cell")
    losses.set_ylim(bottom=0)
    names = {"face_ap": "average precision, IoU 0.5", "masked_recall": "masked faces found"}
    for name, label in names.items():
        scored = [row for row in history if name in row]
        if scored:
            x, y = ([row[column] for row in scored] for column in ("epoch", name))
            scores.plot(x, y, label=label, marker=".")
    scores.set(title="Photographs that are not trained on", ylabel="share (0 to 1)")
    for axes in (losses, scores):
        _by_epoch(axes)
    return figure


def confusion_figure(predictions: Predictions) -> Figure:
    """The confusion matrix: number of pictures, and the share of their true label."""
    counts = predictions.confusion()
    shares = counts / counts.sum(axis=1, keepdims=True).clip(min=1)
    accuracy = predictions.accuracy()
    low, high = accuracy["interval_95"]
    side = 2.4 + 1.1 * len(predictions.labels)
    figure = Figure(figsize=(side + 1, side), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for (row, column), share in _cells(shares):
        axes.text(
            column,
            row,
            f"{counts[row, column]}\n{share:.1%}",
            ha="center",
            va="center",
            color="white" if share > 0.5 else "black",
        )
    ticks = range(len(predictions.labels))
    names = [label.replace("_", " ") for label in predictions.labels]
    axes.set_xticks(ticks, names)
    axes.set_yticks(ticks, names, rotation=90, va="center")
    axes.set(xlabel="predicted label", ylabel="true label")
    axes.set_title(
        f"{accuracy['correct']} of {accuracy['total']} test pictures right: "
        f"{accuracy['value']:.1%}\n(95 % interval {low:.1%} to {high:.1%})",
        fontsize=10,
    )
    bar = figure.colorbar(image, ax=axes, shrink=0.8, format=PercentFormatter(1.0))
    bar.set_label("share of the true label")
    return figure


def _cells(shares: Sequence[Sequence[float]]) -> list[tuple[tuple[int, int], float]]:
    return [((i, j), share) for i, row in enumerate(shares) for j, share in enumerate(row)]


def save_figure(path: Path, figure: Figure) -> None:
    """Write a figure as PNG, whole or not at all."""
    FigureCanvasAgg(figure)
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=130)
    write_bytes(path, content.getvalue())
