from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from app.domain.types import Query
from app.training.publish import compare, same_top


@dataclass
class Played:
    """A scorer whose scores for any query are these."""

    scores: list[float]
    version: str = "v"
    model: str = "m"
    source: str = "s"
    item_vectors: None = None
    item_ids: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.item_ids = [f"i{n}" for n in range(len(self.scores))]

    def score(self, queries: Sequence[Query]) -> np.ndarray:
        return np.array([[-np.inf, *self.scores]] * len(queries), np.float32)


def rows(*scores: float) -> np.ndarray:
    return np.array([scores], np.float32)


def test_same_top_bears_neighbours_in_either_order() -> None:
    assert same_top(rows(1.0, 0.5, 0.500001), rows(1.0, 0.500001, 0.5))


def test_same_top_sees_another_order() -> None:
    assert not same_top(rows(1.0, 0.5, 0.4), rows(1.0, 0.4, 0.5))


def test_same_top_looks_at_the_first_places_only() -> None:
    assert same_top(rows(3.0, 2.0, 1.0, 0.5), rows(3.0, 2.0, 0.5, 1.0), n=2)


def test_compare_gives_the_largest_difference() -> None:
    parity = compare(Played([1.0, 2.0, 3.0]), Played([1.0, 2.25, 3.0]))
    assert parity.max_difference == 0.25
    assert parity.same_top


def test_compare_sees_lists_that_differ() -> None:
    assert not compare(Played([1.0, 2.0]), Played([2.0, 1.0])).same_top
