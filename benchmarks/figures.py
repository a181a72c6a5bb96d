"""What the pages and the terminal show of a result file: data sets, their columns, a cell of each kind."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.evaluation.report import figure
from benchmarks.quality.published import DATA_SETS, Published

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks/results/quality"
Body = Mapping[str, Any]
NONE = "-"


@dataclass(frozen=True, slots=True)
class Data:
    """A data set of the published runs.

    Attributes:
        name: Stem of its result file.
        title: In the tables.
        page: Where its whole table stands, beside the models' pages.
        known_as: Its name in `published.DATA_SETS`.
        headline: Keys of its two figures, and their titles.
        judged: Keys whose mean orders the models.
        beyond: Key by column of the second table; a path with dots.
    """

    name: str
    title: str
    page: str
    known_as: str
    headline: Mapping[str, str]
    judged: Sequence[str]
    beyond: Mapping[str, str]

    def rank(self, figures: Mapping[str, float]) -> float:
        """What orders a model among the others, 0 where it has no such figure."""
        return sum(figures.get(key, 0.0) for key in self.judged) / len(self.judged)

    def read(self, results: Path = RESULTS) -> Body | None:
        """Its result file; None where there is none yet."""
        path = results / f"{self.name}.json"
        if not path.exists():
            return None
        body: Body = json.loads(path.read_text(encoding="utf-8"))
        return body


def _beyond(k: int, cold: str) -> dict[str, str]:
    return {
        "coverage": f"beyond.coverage@{k}",
        "novelty, bits": f"beyond.novelty@{k}",
        "diversity": f"beyond.diversity@{k}",
        "popularity bias": f"beyond.popularity_bias@{k}",
        "calibration": f"beyond.calibration@{k}",
        "cold users": f"beyond.cold_users.{cold}",
        "cold items": f"beyond.cold_items.{cold}",
    }


DATA = (
    Data(
        "beauty",
        "Amazon Beauty",
        "beauty.md",
        "Amazon Beauty, 5-core",
        {"hr@10": "HR@10", "ndcg@10": "NDCG@10"},
        ["ndcg@10"],
        _beyond(10, "ndcg@10"),
    ),
    Data(
        "diginetica",
        "Diginetica",
        "diginetica.md",
        "Diginetica",
        {"hr@20": "P@20", "mrr@20": "MRR@20"},
        ["mrr@20"],
        _beyond(20, "mrr@20"),
    ),
    Data(
        "online_retail",
        "Online Retail",
        "online_retail.md",
        "Online Retail",
        {"unseen.ndcg@10": "NDCG@10 new to them", "all.ndcg@10": "NDCG@10 all"},
        ["unseen.ndcg@10", "all.ndcg@10"],
        {
            "coverage": "test.all.coverage@10",
            "novelty, bits": "test.all.novelty@10",
            "diversity": "test.all.diversity@10",
            "popularity bias": "test.all.popularity_bias@10",
            "calibration": "test.all.calibration@10",
            "cold users": "test.cold_users.all.ndcg@10",
            "cold items": "test.cold_items.all.ndcg@10",
        },
    ),
)
ARCHITECTURES: Mapping[str, Sequence[str]] = {
    "gru4rec": ("GRU4Rec",),
    "caser": ("Caser",),
    "sasrec": ("SASRec", "SASRec, sampled softmax", "eSASRec"),
    "itemknn": ("item-kNN",),
}
"""Names in papers of what a model of ours is, or comes nearest to."""
TITLES = {
    "popularity_decayed": "popularity, 14-day half-life",
    "first_order": "first-order transitions",
    "markov": "first-order Markov table",
}


def data_set(name: str) -> Data:
    """The data set of that name."""
    [found] = [data for data in DATA if data.name == name]
    return found


def measured(body: Body) -> list[tuple[str, Body]]:
    """Models with figures, by name."""
    return [(name, model) for name, model in body["models"].items() if model.get("seeds")]


def published(body: Body) -> Sequence[Published]:
    """What papers say of the data."""
    return next((one.rows for one in DATA_SETS if one.name == body["dataset"]), ())


def titled(name: str) -> str:
    """A model in a table."""
    return TITLES.get(name, f"`{name}`")


def with_spread(model: Body, key: str) -> str:
    """The mean of a test figure and, of several seeds, its spread."""
    spread = f" ± {figure(model['test_spread'][key], digits=4)}" if len(model["seeds"]) > 1 else ""
    return figure(model["test_mean"][key], digits=4) + spread


def cost_of(model: Body, key: str, digits: int) -> str:
    """A mean cost; a dash where it was not measured."""
    return f"{model[key]:,.{digits}f}" if key in model else NONE


def averaged(model: Body, path: str, *, digits: int = 3) -> str:
    """A figure of the second table, the mean over seeds; shares without their leading zero."""
    values = [value for seed in model["seeds"] if (value := _at(seed, path)) is not None]
    if not values:
        return NONE
    mean = sum(values) / len(values)
    if "novelty" in path or "calibration" in path:
        return f"{mean:.2f}"
    return f"{mean:+.2f}" if "bias" in path else figure(mean, digits=digits)


def _at(seed: Body, path: str) -> float | None:
    """`test` keeps flat keys with dots; `beyond` is nested."""
    first, _, rest = path.partition(".")
    found: Any = seed.get(first, {})
    if first == "test":
        nobody = found.get(f"{rest.rpartition('.')[0]}.people") == 0
        return None if nobody else found.get(rest)
    for word in rest.split("."):
        # A mean over nobody says nothing.
        lost = not isinstance(found, Mapping) or found.get("people") == 0
        found = None if lost else found.get(word)
    return found
