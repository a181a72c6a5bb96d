"""ELSA, held against its loss as it is written."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from scipy import sparse

from models import elsa
from models.item_item import ItemItem
from models.rows import people_by_item
from tests.models import toys
from tests.models.contract import N_ITEMS, TableContract

SIZES = {"factors": 4, "steps": 60, "batch_size": 16, "learning_rate": 0.1, "recency": 1.0, "prior": 0.0}


class TestELSA(TableContract):
    model = "elsa"
    parameters: ClassVar = {"factors": 8, "steps": 20}

    def test_an_item_never_recommends_itself(self) -> None:
        made = elsa.fit(toys.circles(n_items=N_ITEMS, length=6), **SIZES)
        scores = alone(made)
        np.testing.assert_allclose(np.diag(scores[:, 1:]), 0.0, atol=1e-6)
        assert np.abs(scores[:, 1:]).max() > 0.5


def alone(made: ItemItem) -> np.ndarray:
    """Scores of all items for each item as the whole history."""
    items = np.arange(1, made.n_items + 1, dtype=np.int32)[:, None]
    return made.score(items, np.ones_like(items, np.float32))


def loss_of(people: np.ndarray, vectors: np.ndarray) -> float:
    told = people @ (vectors @ vectors.T - np.eye(len(vectors)))
    apart = people / np.linalg.norm(people, axis=1, keepdims=True)
    apart = apart - told / np.linalg.norm(told, axis=1, keepdims=True)
    return float(np.square(apart).sum(axis=1).mean())


def some_people() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    people = (rng.random((7, 9)) < 0.4).astype(np.float64)
    people[:, :2] = 1.0
    vectors = rng.standard_normal((9, 4))
    return people, vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_the_loss_is_the_one_of_the_dense_matrix() -> None:
    people, vectors = some_people()
    loss, _ = elsa.loss_and_slope(sparse.csr_array(people), vectors)
    np.testing.assert_allclose(loss, loss_of(people, vectors), rtol=1e-9)


def test_the_slope_is_what_moving_each_number_says() -> None:
    people, vectors = some_people()
    _, slope = elsa.loss_and_slope(sparse.csr_array(people), vectors)
    wanted = np.zeros_like(vectors)
    for place in np.ndindex(*vectors.shape):
        more, less = vectors.copy(), vectors.copy()
        more[place] += 1e-5
        less[place] -= 1e-5
        wanted[place] = (loss_of(people, more) - loss_of(people, less)) / 2e-5
    np.testing.assert_allclose(slope, wanted, atol=1e-5)


def test_items_of_one_taste_stand_together() -> None:
    scores = alone(elsa.fit(toys.circles(), **SIZES))[:, 1:]
    np.fill_diagonal(scores, np.nan)
    assert np.nanmin(scores[:6, :6]) > np.nanmax(scores[:6, 6:])


def test_vectors_have_a_length_of_one() -> None:
    made = elsa.fit(toys.circles(), **SIZES)
    assert made.reading is not None
    np.testing.assert_allclose(np.linalg.norm(made.reading[1:], axis=1), 1.0, rtol=1e-5)
    assert not made.reading[0].any()


def test_the_fit_lowers_the_loss() -> None:
    people = people_by_item(toys.circles())
    sizes = {"factors": 4, "batch_size": 16, "learning_rate": 0.1}
    first, last = (
        loss_of(people.toarray(), elsa.item_vectors(people, steps=steps, **sizes)) for steps in (1, 60)
    )
    assert last < 0.5 * first


def test_people_of_one_item_teach_nothing_and_break_nothing() -> None:
    made = elsa.fit(toys.interactions([[1], [2], [2]], n_items=2), **SIZES)
    made.check()
    assert np.isfinite(alone(made)[:, 1:]).all()


def test_it_is_the_same_each_time() -> None:
    one, two = (elsa.fit(toys.circles(), **SIZES) for _ in range(2))
    np.testing.assert_array_equal(alone(one), alone(two))
