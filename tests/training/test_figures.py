import pytest

from masklens.training.figures import finder_figure, history_figure

PARTS = ("loss", "objectness", "overlap", "box", "landmarks", "labels", "face_ap", "masked_recall")


@pytest.mark.parametrize("epochs", [1, 2, 3, 30])
@pytest.mark.parametrize(
    ("draw", "names"),
    [(history_figure, ("loss", "accuracy", "val_loss", "val_accuracy")), (finder_figure, PARTS)],
)
def test_curves_are_marked_at_whole_epochs(draw, names, epochs):
    history = [
        {"epoch": epoch, **dict.fromkeys(names, 1 / epoch)} for epoch in range(1, epochs + 1)
    ]
    for axes in draw(history).axes:
        low, high = axes.get_xlim()
        ticks = [tick for tick in axes.get_xticks() if low <= tick <= high]
        assert ticks
        assert all(tick == round(tick) for tick in ticks)
