from __future__ import annotations

import numpy as np
import pytest

from app.pipeline.rerank import LIKENESS_WEIGHT, diversified, kind_vectors, likeness_vectors, pool_size
from tests.unit.pipeline.build import catalogue, item


def slow_mmr(vectors: np.ndarray, d: float, n: int, most: int) -> list[int]:
    joined: list[int] = []
    while len(joined) < min(most, len(vectors)):
        left = [p for p in range(len(vectors)) if p not in joined]

        def gain(p: int) -> float:
            alike = sum(float(vectors[p] @ vectors[q]) for q in joined) / n
            return (1 - d) / (p + 1) ** 0.5 - d * LIKENESS_WEIGHT * alike

        joined.append(max(left, key=lambda p: (gain(p), -p)))
    return joined


@pytest.mark.parametrize("d", [0.0, 0.3, 0.7, 1.0])
@pytest.mark.parametrize("most", [10, 30])
def test_diversified_equals_the_definition(d: float, most: int) -> None:
    vectors = np.random.default_rng(7).normal(size=(30, 4))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    assert diversified(vectors, d, n=10, most=most).tolist() == slow_mmr(vectors, d, 10, most)


def test_diversified_at_0_keeps_the_order_of_scores() -> None:
    assert diversified(np.ones((4, 1)), 0.0, n=4, most=4).tolist() == [0, 1, 2, 3]


def test_diversified_at_1_alternates_between_kinds() -> None:
    kinds = np.array([[1.0, 0.0]] * 3 + [[0.0, 1.0]] * 3)
    assert diversified(kinds, 1.0, n=2, most=2).tolist() == [0, 3]


def test_diversified_at_1_keeps_kinds_even_where_there_are_fewer_than_places() -> None:
    kinds = np.eye(3)[[0] * 10 + [1] * 10 + [2] * 10]
    joined = diversified(kinds, 1.0, n=9, most=9)
    assert joined[0] == 0
    assert np.bincount(joined // 10).tolist() == [3, 3, 3]


def test_diversified_of_an_empty_pool_is_empty() -> None:
    assert diversified(np.zeros((0, 2)), 0.5, n=5, most=5).tolist() == []


def test_kinds_are_alike_as_far_as_categories_and_brand_are_shared() -> None:
    snapshot = catalogue(
        item("a", categories=["x", "y"]),
        item("b", categories=["x", "y"]),
        item("c", categories=["x"]),
        item("d"),
        item("e"),
        item("f", categories=["x"], brand="x"),
        item("g", brand="x"),
    )
    vectors = kind_vectors(snapshot, np.arange(7))
    likeness = vectors @ vectors.T
    assert likeness[0].tolist() == pytest.approx([1.0, 1.0, 0.5**0.5, 0.0, 0.0, 0.5, 0.0])
    assert likeness[3].tolist() == [0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0]
    assert likeness[6].tolist() == pytest.approx([0.0, 0.0, 0.0, 0.0, 0.0, 0.5**0.5, 1.0])


def test_likeness_is_half_of_kinds_and_half_of_a_models_vectors() -> None:
    snapshot = catalogue(item("a", categories=["x"]), item("b", categories=["x"]), item("c", brand="z"))
    own = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    places = np.arange(3)
    vectors = likeness_vectors(snapshot, places, own)
    np.testing.assert_allclose(vectors @ vectors.T, [[1.0, 0.5, 0.0], [0.5, 1.0, 0.5], [0.0, 0.5, 1.0]])
    np.testing.assert_array_equal(likeness_vectors(snapshot, places, None), kind_vectors(snapshot, places))


def test_pool_is_the_list_itself_when_nothing_is_diversified() -> None:
    assert pool_size(10, 0.0) == 10
    assert pool_size(10, 0.1) == 65
    assert pool_size(1, 0.1) == 50
    assert pool_size(10, 1.0) == 200
    assert pool_size(100, 0.1) == pool_size(100, 1.0) == 500
