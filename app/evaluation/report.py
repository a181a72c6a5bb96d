"""Figures as tables: rows for a terminal, lines of Markdown for the docs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Row = tuple[str, dict[str, float | int]]

BASELINE_TITLES: Mapping[str, str] = {
    "popularity": "popularity",
    "popularity_decayed": "popularity, 14-day half-life",
    "transitions": "transitions",
    "first_order": "first-order transitions",
}
METRICS: Sequence[tuple[str, str, str]] = (
    ("unseen", "ndcg@10", "NDCG@10 new to them"),
    ("all", "ndcg@10", "NDCG@10 all"),
    ("all", "accuracy", "top item right"),
    ("all", "precision@10", "precision@10"),
    ("all", "recall@10", "recall@10"),
    ("all", "f1@10", "F1@10"),
    ("all", "hit_rate@10", "hit rate@10"),
    ("all", "mrr@10", "MRR@10"),
    ("all", "map@10", "MAP@10"),
    ("all", "coverage@10", "coverage@10"),
)


def row(report: Mapping[str, Any]) -> dict[str, float | int]:
    """The columns of `METRICS` from what `protocol.evaluate` gave."""
    return {title: report[reading][name] for reading, name, title in METRICS}


def beside_baselines(metrics: Mapping[str, Any]) -> list[Row]:
    """A training's figures as rows: the baselines, then the model.

    Args:
        metrics: What `metrics.json` holds.
    """
    rows = [(BASELINE_TITLES.get(name, name), row(report)) for name, report in metrics["baselines"].items()]
    return [*rows, (str(metrics["model"]), row(metrics["test"]))]


def markdown(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; the first column is text, the others numbers."""
    rule = ["---", *("---:" for _ in columns[1:])]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (columns, rule, *rows))


def figure(value: float, *, digits: int = 3) -> str:
    """A share without its leading zero, as papers print them.

    >>> figure(0.0338), figure(1.0), figure(-0.05)
    ('.034', '1.000', '-.050')
    """
    return f"{value:.{digits}f}".replace("0.", ".", 1) if abs(value) < 1 else f"{value:.{digits}f}"
