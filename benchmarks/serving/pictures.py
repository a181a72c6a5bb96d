"""Pictures of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

Rows = Sequence[Mapping[str, Any]]


def draw(body: Mapping[str, Rows], path: Path) -> None:
    """Rate and p99 by connections, rate and p99 by offered load, and one list's time by catalogue size."""
    figure = Figure(figsize=(12, 8), layout="constrained")
    by_connections, by_size, kept, live = figure.subplots(2, 2).flat
    _connections(by_connections, body["curve"])
    _sizes(by_size, body["sizes"])
    _offered(kept, [row for row in body["offered"] if row["lists"] == "kept"], "Kept lists")
    _offered(live, [row for row in body["offered"] if row["lists"] == "live"], "Lists made live")
    figure.savefig(path, dpi=120)


def _connections(axes: Axes, rows: Rows) -> None:
    _rate_and_p99(axes, rows, "connections")
    axes.set_xscale("log", base=2)
    axes.set(xlabel="connections", title="Kept lists, one process, asked as fast as it answers")


def _offered(axes: Axes, rows: Rows, what: str) -> None:
    right = _rate_and_p99(axes, rows, "offered")
    right.set_yscale("log")
    axes.set(xlabel="requests a second offered", title=f"{what}, one process, 12,000 items")


def _sizes(axes: Axes, rows: Rows) -> None:
    items = [row["items"] for row in rows]
    for name, label in (("p50_ms", "p50"), ("p99_ms", "p99"), ("model_p50_ms", "the model's part, p50")):
        axes.plot(items, [row[name] for row in rows], marker="o", label=label)
    axes.set(xscale="log", yscale="log", xlabel="items", ylabel="ms", title="One list, in its thread")
    axes.legend()


def _rate_and_p99(axes: Axes, rows: Rows, by: str) -> Axes:
    right = axes.twinx()
    asked = [row[by] for row in rows]
    axes.plot(asked, [row["rate"] for row in rows], marker="o", color="tab:blue")
    right.plot(asked, [row["p99_ms"] for row in rows], marker="s", color="tab:red")
    axes.set_ylabel("answered a second (blue)")
    right.set_ylabel("p99, ms (red)")
    axes.set_ylim(bottom=0)
    return right
