"""Pictures of a run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure


def draw(curve: Sequence[dict[str, float]], path: Path) -> None:
    """Throughput and p99 of kept lists by the number of connections that ask."""
    figure = Figure(figsize=(8, 4), layout="constrained")
    left = figure.subplots()
    right = left.twinx()
    asked = [row["connections"] for row in curve]
    left.plot(asked, [row["rate"] for row in curve], marker="o", color="tab:blue")
    right.plot(asked, [row["p99_ms"] for row in curve], marker="s", color="tab:red")
    left.set_xscale("log", base=2)
    left.set(xlabel="connections", ylabel="kept lists a second (blue)", title="Kept lists, one process")
    right.set_ylabel("p99, ms (red)")
    left.set_ylim(bottom=0)
    right.set_ylim(bottom=0)
    figure.savefig(path, dpi=120)
