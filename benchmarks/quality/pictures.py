"""Learning curves, and quality against what it costs, as PNG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

SIZE = (9.0, 3.8)
DPI = 110


def draw_curves(history: Mapping[str, Any], path: Path, *, title: str, metric: str) -> None:
    """Loss on training and validation, and the validation metric, by epoch.

    Args:
        history: Curves by name, as a fit's history tells them.
        path: The file.
        title: Above the picture.
        metric: What ``ndcg@10`` of the history holds: its k is the protocol's.
    """
    figure, (left, right) = _figure(title)
    epochs = range(1, len(history["loss"]) + 1)
    for name, key, color in (("training", "loss", "C0"), ("validation", "val_loss", "C1")):
        there = [(at, value) for at, value in zip(epochs, history[key], strict=False) if value is not None]
        if there:
            left.plot(*zip(*there, strict=True), color=color, marker="o", ms=3, label=name)
    there = [(at, value) for at, value in zip(epochs, history["ndcg@10"], strict=False) if value is not None]
    if there:
        right.plot(*zip(*there, strict=True), color="C2", marker="o", ms=3)
    for axes, label in ((left, "loss"), (right, f"validation {metric}")):
        axes.set_xlabel("epoch")
        axes.set_ylabel(label)
        axes.grid(alpha=0.3)
        if history.get("best_epoch"):
            axes.axvline(history["best_epoch"], color="0.5", linestyle=":", label="kept")
    left.legend(fontsize=8)
    figure.savefig(path, dpi=DPI, metadata={"Software": None})


def draw_pareto(models: Mapping[str, Any], path: Path, *, title: str, metric: str) -> None:
    """Quality against training time and against the time of a query; the line joins what nothing beats.

    Args:
        models: Those with figures, as in `result.json`.
        path: The file.
        title: Above the picture.
        metric: Key of the figure that the protocol is judged by.
    """
    figure, both = _figure(title)
    quality = {name: model["test_mean"][metric] for name, model in models.items()}
    for axes, key, label in (
        (both[0], "fit_s_mean", "fitting and choosing, s"),
        (both[1], "query_ms_mean", "a query, ms"),
    ):
        cost = {name: max(model[key], 1e-3) for name, model in models.items()}
        front = undominated(cost, quality)
        axes.step([cost[name] for name in front], [quality[name] for name in front], "0.6", where="post")
        for name, model in models.items():
            axes.errorbar(
                cost[name], quality[name], model["test_spread"][metric], fmt="o", ms=5,
                color="C3" if name == "auto" else "C0",
            )  # fmt: skip
        _label(axes, cost, quality)
        axes.set_xscale("log")
        axes.margins(x=0.28, y=0.14)
        axes.set_xlabel(label)
        axes.set_ylabel(f"test {metric}")
        axes.grid(alpha=0.3)
    figure.savefig(path, dpi=DPI, metadata={"Software": None})


def undominated(cost: Mapping[str, float], quality: Mapping[str, float]) -> list[str]:
    """Models that no other beats at the same cost or less, by rising cost."""
    front: list[str] = []
    for name in sorted(cost, key=lambda each: (cost[each], -quality[each], each)):
        if not front or quality[name] > quality[front[-1]]:
            front.append(name)
    return front


def _label(axes: Any, cost: Mapping[str, float], quality: Mapping[str, float]) -> None:  # noqa: ANN401
    """Names beside the points, above and below in turn, so that near ones do not cover each other."""
    for number, name in enumerate(sorted(cost, key=lambda each: (quality[each], cost[each]))):
        axes.annotate(
            name,
            (cost[name], quality[name]),
            textcoords="offset points",
            xytext=(0, 7 if number % 2 else -12),
            ha="center",
            fontsize=8,
        )


def _figure(title: str) -> tuple[Any, Sequence[Any]]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415 (half a second)
    from matplotlib.figure import Figure  # noqa: PLC0415

    figure = Figure(figsize=SIZE, layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title)
    return figure, figure.subplots(1, 2)
