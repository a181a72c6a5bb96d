"""A fit's curves as a picture."""

from __future__ import annotations

from pathlib import Path

from app.training.fit import History


def draw(history: History, path: Path, *, title: str) -> None:
    """Training against validation loss, and the validation metric, as a PNG.

    Args:
        history: Of the fit with a validation slice; may be empty.
        path: The file.
        title: Above the picture.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415 (half a second)
    from matplotlib.figure import Figure  # noqa: PLC0415

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    figure.suptitle(title)
    numbers = [epoch.number for epoch in history.epochs]
    for name, values, style in (
        ("training loss", [epoch.loss for epoch in history.epochs], "C0-o"),
        ("validation loss", [epoch.val_loss for epoch in history.epochs], "C1-o"),
    ):
        left.plot(
            numbers, [float("nan") if value is None else value for value in values], style, label=name, ms=3
        )
    metric = [epoch.metric for epoch in history.epochs]
    right.plot(numbers, [float("nan") if value is None else value for value in metric], "C2-o", ms=3)
    right.set_ylabel("validation NDCG@10")
    left.set_ylabel("loss")
    for axes in (left, right):
        axes.set_xlabel("epoch")
        axes.grid(alpha=0.3)
        if history.best_epoch:
            axes.axvline(history.best_epoch, color="0.5", linestyle=":", label="kept")
    left.legend(fontsize=8)
    figure.savefig(path, dpi=110, metadata={"Software": None})
