"""Learning curves, and quality against what it costs, as PNG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

SIZE = (9.0, 3.8)
PARETO_SIZE = (11.0, 4.8)
DPI = 110
COSTS = {"fit_s_mean": "fitting and choosing, s", "query_ms_mean": "a query, ms"}
LEAST_COST = 1e-3
NEAR = 10
"""Points of distance up to which a name needs no line to its point."""
PLACES = [
    (dx * far, dy * far)
    for far in (NEAR, 17, 26, 38, 52, 70)
    for dx, dy in ((0, 1), (0, -1), (0.8, 0), (-0.8, 0), (0.7, 0.7), (-0.7, 0.7), (0.7, -0.7), (-0.7, -0.7))
]
"""Where a name may stand, in points from its own, the best first."""


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
        axes.set_xlim(0.5, len(history["loss"]) + 0.5)
        axes.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
        axes.set_ylabel(label)
        axes.grid(alpha=0.3)
        if history.get("best_epoch"):
            axes.axvline(history["best_epoch"], color="0.5", linestyle=":", label="kept")
    left.legend(fontsize=8)
    figure.savefig(path, dpi=DPI, metadata={"Software": None})


def draw_pareto(models: Mapping[str, Any], path: Path, *, title: str, metric: str) -> None:
    """Quality against training time and, where it was measured, the time of a query.

    The line joins what nothing beats.

    Args:
        models: Those with figures, as in `result.json`.
        path: The file.
        title: Above the picture.
        metric: Key of the figure that the protocol is judged by.
    """
    from matplotlib.ticker import LogFormatter  # noqa: PLC0415 (half a second)

    costs = {key: label for key, label in COSTS.items() if all(key in model for model in models.values())}
    figure, panels = _figure(title, len(costs), PARETO_SIZE)
    quality = {name: model["test_mean"][metric] for name, model in models.items()}
    placed = []
    for axes, (key, label) in zip(panels, costs.items(), strict=True):
        cost = {name: max(model[key], LEAST_COST) for name, model in models.items()}
        front = undominated(cost, quality)
        axes.step([cost[name] for name in front], [quality[name] for name in front], "0.8", where="post")
        for name, model in models.items():
            axes.errorbar(
                cost[name], quality[name], model["test_spread"][metric], fmt="o", ms=5,
                color="C3" if name == "auto" else "C0",
            )  # fmt: skip
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter(LogFormatter(labelOnlyBase=False, minor_thresholds=(1, 0.4)))
        axes.margins(x=0.15, y=0.1)
        axes.set_xlabel(label)
        axes.set_ylabel(f"test {metric.upper()}")
        axes.grid(alpha=0.3)
        placed.append((axes, cost))
    figure.draw_without_rendering()  # Only now is it known where the points lie.
    for axes, cost in placed:
        _label(axes, cost, quality)
    figure.savefig(path, dpi=DPI, metadata={"Software": None})


def undominated(cost: Mapping[str, float], quality: Mapping[str, float]) -> list[str]:
    """Models that no other beats at the same cost or less, by rising cost."""
    front: list[str] = []
    for name in sorted(cost, key=lambda each: (cost[each], -quality[each], each)):
        if not front or quality[name] > quality[front[-1]]:
            front.append(name)
    return front


def _label(axes: Any, cost: Mapping[str, float], quality: Mapping[str, float]) -> None:  # noqa: ANN401
    """Names beside the points, each at the nearest place that no point and no other name takes."""
    from matplotlib.text import Text  # noqa: PLC0415 (half a second)
    from matplotlib.transforms import Bbox  # noqa: PLC0415

    at = {name: axes.transData.transform((cost[name], quality[name])) for name in cost}
    renderer = axes.figure.canvas.get_renderer()
    taken = [Bbox.from_bounds(x - 4, y - 4, 8, 8) for x, y in at.values()]
    for name in sorted(cost, key=lambda each: (-quality[each], cost[each])):
        for dx, dy in PLACES:
            note = axes.annotate(
                name,
                (cost[name], quality[name]),
                textcoords="offset points",
                xytext=(dx, dy),
                ha="center" if dx == 0 else "left" if dx > 0 else "right",
                va="center",
                fontsize=8,
                arrowprops={"arrowstyle": "-", "color": "0.6", "lw": 0.6}
                if max(abs(dx), abs(dy)) > NEAR
                else None,
            )
            note.set_in_layout(False)
            note.update_positions(renderer)
            box = Text.get_window_extent(note, renderer)
            if (
                axes.bbox.contains(box.x0, box.y0)
                and axes.bbox.contains(box.x1, box.y1)
                and not box.count_overlaps(taken)
            ):
                break
            note.remove()
        else:
            continue
        taken.append(box)


def _figure(title: str, panels: int = 2, size: tuple[float, float] = SIZE) -> tuple[Any, Sequence[Any]]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415 (half a second)
    from matplotlib.figure import Figure  # noqa: PLC0415

    figure = Figure(figsize=size, dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title)
    return figure, figure.subplots(1, panels, squeeze=False)[0]
