"""What is claimed of serving, and whether it held."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Target:
    """What a figure is held to.

    Attributes:
        name: Of the claim.
        unit: Of its value: `x` is a ratio to the baseline.
        target: The figure it must reach.
        stretch: The one it should.
        at_most: Whether less is better.
    """

    name: str
    unit: str
    target: float
    stretch: float
    at_most: bool = False


HIT = Target("kept list, all checks on, to a bare hello", "x", 0.70, 0.85)
HIT_USUAL = Target("kept list to FastAPI, response model and redis-py's pool", "x", 5, 8)
LIVE = Target("list made live, 12k items, to a null handler", "x", 0.18, 0.30)
TOGETHER_12K = Target("lists made together to one by one, 12k items", "x", 1.3, 1.7)
TOGETHER_100K = Target("lists made together to one by one, 100k items", "x", 2, 3)
MEMORY = Target("memory of an API process to one with TensorFlow inside", "x", 0.30, 0.20, at_most=True)
MEMORY_MB = Target("memory of an API process, 12k items", "MB", 160, 130, at_most=True)
START_S = Target("start to ready, 12k items", "s", 3, 2, at_most=True)
INGEST_ONE_SQLITE = Target("durable ingestion, 1 event a request, SQLite, to a direct insert", "x", 4, 6)
INGEST_MANY_SQLITE = Target("durable ingestion, 100 events a request, SQLite", "x", 1.8, 3)
INGEST_ONE_POSTGRESQL = Target("durable ingestion, 1 event a request, PostgreSQL", "x", 5, 8)
INGEST_MANY_POSTGRESQL = Target("durable ingestion, 100 events a request, PostgreSQL", "x", 2, 5)
FRESH_MS = Target("event to a changed list, p99", "ms", 50, 20, at_most=True)


@dataclass(frozen=True, slots=True)
class Claim:
    """One line of the table.

    Attributes:
        value: In the target's unit.
        baseline: What it is compared with, in words and figures; None without one.
        detail: The figures behind it.
    """

    of: Target
    value: float
    baseline: str | None
    detail: dict[str, Any]

    @property
    def holds(self) -> bool:
        """Whether the target is reached."""
        return self.value <= self.of.target if self.of.at_most else self.value >= self.of.target

    def body(self) -> dict[str, Any]:
        """As `result.json` has it."""
        told = asdict(self.of)
        return {
            "name": told["name"],
            "value": round(self.value, 3),
            "unit": told["unit"],
            "baseline": self.baseline,
            "ratio": round(self.value, 3) if self.of.unit == "x" else None,
            "target": told["target"],
            "stretch": told["stretch"],
            "at_most": told["at_most"],
            "holds": self.holds,
            "detail": self.detail,
        }


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """The median over the rounds of what both did in the same one."""
    return statistics.median(one / other for one, other in zip(ours, theirs, strict=True))
