from __future__ import annotations

import numpy as np
import pytest

from app.pipeline.rerank import category_vectors, diversified, pool_size
from tests.unit.pipeline.build import catalogue, item


def slow_mmr(scores: list[float], vectors: np.ndarray, n: int, d: float) -> list[int]:
    low, high = min(scores), max(scores)
    relevance = [(s - low) / (high - low) if high > low else 1.0 for s in scores]
    picked: list[int] = [max(range(len(scores)), key=lambda p: (relevance[p], -p))]
    while len(picked) < min(n, len(scores)):
        left = [p for p in range(len(scores)) if p not in picked]

        def gain(p: int) -> float:
            likeness = [float(vectors[p] @ vectors[q]) for q in picked]
            return (1 - d) * relevance[p] - d * (max(likeness) + sum(likeness) / len(likeness))

        picked.append(max(left, key=lambda p: (gain(p), -p)))
    return picked


@pytest.mark.parametrize("d", [0.0, 0.3, 0.7, 1.0])
def test_diversified_equals_the_definition(d: float) -> None:
    random = np.random.default_rng(7)
    vectors = random.normal(size=(30, 4))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    scores = np.sort(random.normal(size=30))[::-1]
    assert diversified(scores, vectors, 10, d).tolist() == slow_mmr(scores.tolist(), vectors, 10, d)


def test_diversified_at_0_keeps_the_order_of_scores() -> None:
    scores, vectors = np.array([3.0, 2.0, 2.0, 1.0]), np.eye(4)
    assert diversified(scores, vectors, 4, 0.0).tolist() == [0, 1, 2, 3]


def test_diversified_at_1_alternates_between_kinds() -> None:
    kinds = np.array([[1.0, 0.0]] * 3 + [[0.0, 1.0]] * 3)
    picked = diversified(np.array([6.0, 5.0, 4.0, 3.0, 2.0, 1.0]), kinds, 2, 1.0)
    assert picked.tolist() == [0, 3]


def test_diversified_at_1_keeps_kinds_even_where_there_are_fewer_than_places() -> None:
    kinds = np.eye(3)[[0] * 10 + [1] * 10 + [2] * 10]
    picked = diversified(np.arange(30.0)[::-1], kinds, 9, 1.0)
    assert picked[0] == 0
    assert np.bincount(picked // 10).tolist() == [3, 3, 3]


def test_diversified_of_an_empty_pool_is_empty() -> None:
    assert diversified(np.zeros(0), np.zeros((0, 2)), 5, 0.5).tolist() == []


def test_category_vectors_are_alike_as_far_as_categories_are_shared() -> None:
    snapshot = catalogue(
        item("a", categories=["x", "y"]),
        item("b", categories=["x", "y"]),
        item("c", categories=["x"]),
        item("d"),
    )
    vectors = category_vectors(snapshot, np.array([0, 1, 2, 3]))
    likeness = vectors @ vectors.T
    assert likeness[0].tolist() == pytest.approx([1.0, 1.0, 0.5**0.5, 0.0])
    assert likeness[3].tolist() == [0.0, 0.0, 0.0, 1.0]


def test_pool_is_the_list_itself_when_nothing_is_diversified() -> None:
    assert pool_size(10, 0.0) == 10
    assert pool_size(10, 0.1) == 65
    assert pool_size(1, 0.1) == 50
    assert pool_size(10, 1.0) == 200
    assert pool_size(100, 0.1) == pool_size(100, 1.0) == 500
