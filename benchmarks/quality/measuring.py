"""What a fitted model's lists are worth, and how fast it answers."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.evaluation import beyond, metrics
from app.evaluation.protocol import Cases, Score, lists_of, pad_left
from app.evaluation.ranking import found_in
from benchmarks.quality.learning import SHAPES
from models.base import Interactions

COLD_HISTORY = 5
"""A user with fewer items is a cold one."""
COLD_SALES = 5
"""An item with fewer training lines is a cold one."""
QUERIES = 200
Figures = dict[str, float]

KEYS: Mapping[str, tuple[tuple[str, str, int], ...]] = {
    protocol: tuple((f"{short}@{k}", name, k) for k in ks for short, name in kinds)
    for protocol, ks, kinds in (
        ("leave-one-out", (5, 10, 20), (("hr", "hit_rate"), ("ndcg", "ndcg"), ("mrr", "mrr"))),
        ("sessions", (5, 10, 20), (("hr", "hit_rate"), ("mrr", "mrr"), ("ndcg", "ndcg"))),
        ("split", (20, 50), (("recall", "recall"), ("ndcg", "ndcg"), ("hr", "hit_rate"))),
    )
}
"""Key of `result.json`, name in `app.evaluation.metrics`, places."""


@dataclass(frozen=True, slots=True)
class Ranked:
    """Everybody's lists.

    Attributes:
        lists: int32 (people, places), 0 for no item.
        hits: bool, the same shape.
        relevant: int64 (people,), all targets, also those that a mask keeps from being hit.
    """

    lists: NDArray[np.int32]
    hits: NDArray[np.bool_]
    relevant: NDArray[np.int64]


def rank(score: Score, cases: Cases, protocol: str) -> Ranked:
    """Ask for the list of every person in the protocol's one reading.

    Nobody is left out: a target that the history hides, or that no model can know, is a miss.
    """
    reading, places = SHAPES[protocol].reading, max(k for _, _, k in KEYS[protocol])
    lists = lists_of(score, cases, readings=(reading,), places=places)[reading]
    hits = found_in(lists, cases.targets, np.arange(len(cases)))
    return Ranked(lists, hits, cases.targets.lengths)


def figures(ranked: Ranked, protocol: str) -> Figures:
    """Means over people, by their key; 0 without people."""
    found = {}
    for key, name, k in KEYS[protocol]:
        each = metrics.METRICS[name](ranked.hits, ranked.relevant, k=k)
        found[key] = float(each.mean()) if len(each) else 0.0
    return found


def some(ranked: Ranked, chosen: NDArray[np.bool_]) -> Ranked:
    """The chosen people's."""
    return Ranked(ranked.lists[chosen], ranked.hits[chosen], ranked.relevant[chosen])


def beyond_accuracy(ranked: Ranked, cases: Cases, lines: Interactions, protocol: str) -> dict[str, object]:
    """Coverage, novelty, diversity, popularity bias and calibration of the lists' first k places; cold ones.

    Args:
        ranked: The lists.
        cases: Whose they are.
        lines: What the model was fitted on.
        protocol: Its name; k is the places that its choices are made by.
    """
    k = SHAPES[protocol].k
    items = beyond.catalogue(lines.user, lines.item, n_items=lines.n_items)
    groups = beyond.groups(items.popularity, lines.attributes)
    lists = ranked.lists[:, :k]
    return {
        f"coverage@{k}": beyond.coverage(lists, items),
        f"novelty@{k}": beyond.novelty(lists, items),
        f"diversity@{k}": beyond.diversity(lists, items),
        f"popularity_bias@{k}": beyond.popularity_bias(lists, cases.targets.values, items),
        f"calibration@{k}": beyond.calibration(lists, cases.item_idx, groups),
        "calibrated_over": "attributes" if lines.attributes is not None else "popularity",
        "cold_users": _cold_users(ranked, cases, protocol),
        **_cold_items(ranked, cases, lines, protocol),
    }


def _cold_users(ranked: Ranked, cases: Cases, protocol: str) -> dict[str, float | int]:
    cold = cases.seen.lengths < COLD_HISTORY
    return {
        "items_below": COLD_HISTORY,
        "people": int(cold.sum()),
        **figures(some(ranked, cold), protocol),
    }


def _cold_items(
    ranked: Ranked, cases: Cases, lines: Interactions, protocol: str
) -> dict[str, dict[str, float | int]]:
    """People all of whose targets are cold, and those all of whose targets have no training line at all."""
    sold = np.bincount(lines.item, minlength=lines.n_items + 1)
    known = cases.targets.values <= lines.n_items
    sales = np.where(known, sold[np.where(known, cases.targets.values, 0)], 0)
    owner = np.repeat(np.arange(len(cases)), cases.targets.lengths)
    most = np.zeros(len(cases), np.int64)
    np.maximum.at(most, owner, sales)
    parts = {"cold_items": (most > 0) & (most < COLD_SALES), "new_items": most == 0}
    return {
        name: {"people": int(chosen.sum()), **figures(some(ranked, chosen), protocol)}
        for name, chosen in parts.items()
    }


def query_ms(score: Score, cases: Cases) -> float:
    """Median milliseconds of a single query, over people spread over the cases."""
    rows = np.unique(np.linspace(0, len(cases) - 1, min(QUERIES, len(cases))).astype(np.int64))
    asked = [pad_left(cases.item_idx, cases.weight, range(row, row + 1)) for row in rows]
    score(*asked[0])
    took = []
    for item_idx, weight in asked:
        started = time.perf_counter()
        score(item_idx, weight)
        took.append(time.perf_counter() - started)
    return float(np.median(took) * 1000.0)
