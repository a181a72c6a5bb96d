"""The counted models, held against slow versions of their equations."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from app.training.build import plan, table
from models import content, ease, gfcf, itemknn, popularity, transitions
from models.base import Attributes, Interactions
from models.item_item import ItemItem
from models.rows import people_by_item
from tests.models import toys
from tests.models.contract import TableContract

TRANSITIONS = {
    "window": 1,
    "gap_power": 1.0,
    "backwards": 0.0,
    "row_power": 1.0,
    "recency": 1.0,
    "half_life_days": 1e9,
    "keep": 100,
    "prior": 0.0,
}


class TestPopularity(TableContract):
    model = "popularity"


class TestTransitions(TableContract):
    model = "transitions"


class TestItemKNN(TableContract):
    model = "itemknn"


class TestEASE(TableContract):
    model = "ease"


class TestGFCF(TableContract):
    model = "gfcf"


class TestContent(TableContract):
    model = "content"


def dense(made: ItemItem) -> np.ndarray:
    matrix = np.zeros((made.n_items + 1, made.n_items + 1))
    for row in range(made.n_items + 1):
        span = slice(made.indptr[row], made.indptr[row + 1])
        matrix[row, made.indices[span]] = made.data[span]
    return matrix


def test_popularity_halves_a_sale_each_half_life() -> None:
    facts = toys.interactions([[1, 2, 2]], n_items=2)
    made = popularity.fit(facts, half_life_days=1.0)
    np.testing.assert_allclose(made.popularity, [0, 8 / 8, 8 / 4 + 8 / 2])


def test_popularity_without_a_half_life_counts_people() -> None:
    made = popularity.fit(toys.interactions([[1, 1, 2], [1]], n_items=2), half_life_days=0.0)
    np.testing.assert_array_equal(made.popularity, [0, 2, 1])


def test_transitions_are_shares_of_what_followed() -> None:
    facts = toys.interactions([[1, 2, 3], [1, 2], [1, 3]], n_items=3)
    made = dense(transitions.fit(facts, **TRANSITIONS))
    np.testing.assert_allclose(made[1, 1:], [0, 2 / 3, 1 / 3], rtol=1e-6)
    np.testing.assert_allclose(made[2, 1:], [0, 0, 1], rtol=1e-6)


def test_transitions_inside_a_basket_count_both_ways() -> None:
    made = dense(transitions.fit(toys.interactions([[1, 2]], n_items=2, baskets=2), **TRANSITIONS))
    assert (made[1, 2], made[2, 1]) == (1.0, 1.0)


def test_transitions_never_cross_from_one_person_to_the_next() -> None:
    made = dense(transitions.fit(toys.interactions([[1], [2]], n_items=2), **TRANSITIONS))
    assert not made.any()


def test_skips_count_by_their_gap() -> None:
    made = dense(transitions.fit(toys.interactions([[1, 2, 3]], n_items=3), **{**TRANSITIONS, "window": 2}))
    np.testing.assert_allclose(made[1, 1:], [0, 2 / 3, 1 / 3], rtol=1e-6)


def test_a_wider_gap_loses_weight_by_its_power() -> None:
    made = transitions.fit(
        toys.interactions([[1, 2, 3]], n_items=3), **{**TRANSITIONS, "window": 2, "gap_power": 2.0}
    )
    np.testing.assert_allclose(dense(made)[1, 1:], [0, 4 / 5, 1 / 5], rtol=1e-6)


def test_the_way_back_counts_by_its_weight() -> None:
    made = transitions.fit(toys.interactions([[1, 2, 3]], n_items=3), **{**TRANSITIONS, "backwards": 0.25})
    np.testing.assert_allclose(dense(made)[2, 1:], [1 / 5, 0, 4 / 5], rtol=1e-6)
    np.testing.assert_allclose(dense(made)[3, 1:], [0, 1, 0], rtol=1e-6)


def test_a_row_power_below_one_lets_often_seen_items_say_more() -> None:
    facts = toys.interactions([[1, 2], [1, 2], [1, 3], [1, 3], [4, 5]], n_items=5)
    made = dense(transitions.fit(facts, **{**TRANSITIONS, "row_power": 0.5}))
    # A line counts 8; four transitions of 1 make a total of 32.
    np.testing.assert_allclose(made[1, 2], 16 / np.sqrt(32), rtol=1e-6)
    np.testing.assert_allclose(made[4, 5], 8 / np.sqrt(8), rtol=1e-6)


@pytest.mark.parametrize("at_once", [1.0, 9.0, 1e9])
def test_transitions_are_those_of_a_slow_count_however_they_are_cut(
    at_once: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transitions, "PAIRS_AT_ONCE", at_once)
    facts = toys.interactions(np.random.default_rng(5).integers(1, 7, (9, 8)).tolist(), n_items=6, baskets=3)
    wanted = np.zeros((7, 7))
    for one in range(len(facts)):
        for two in range(one + 1, min(one + 4, len(facts))):
            if facts.user[one] == facts.user[two]:
                i, j, gap = facts.item[one], facts.item[two], two - one
                basket = facts.time[one] == facts.time[two]
                wanted[i, j] += 8.0 * gap**-0.5 * (1.3 if basket else 1.0)
                wanted[j, i] += 8.0 * gap**-0.5 * (1.3 if basket else 0.3)
    wanted[1:] /= wanted[1:].sum(axis=1, keepdims=True)
    change = {"window": 3, "gap_power": 0.5, "backwards": 0.3}
    np.testing.assert_allclose(
        dense(transitions.fit(facts, **{**TRANSITIONS, **change})), wanted, rtol=1e-5, atol=1e-7
    )


KNN = {
    "neighbours": 10,
    "shrinkage": 1.0,
    "user_power": 0.0,
    "row_power": 0.5,
    "column_power": 0.5,
    "recency": 1.0,
    "prior": 0.0,
}


def test_itemknn_is_the_shrunk_cosine() -> None:
    facts = toys.interactions([[1, 2], [1, 2, 3], [1]], n_items=3)
    made = dense(itemknn.fit(facts, **KNN))
    np.testing.assert_allclose(made[1, 2], 2 / (np.sqrt(3 * 2) + 1), rtol=1e-6)
    np.testing.assert_allclose(made[2, 3], 1 / (np.sqrt(2) + 1), rtol=1e-6)


def test_itemknn_walks_from_an_item_to_its_people_and_on() -> None:
    facts = toys.interactions([[1, 2], [1, 2, 3], [1]], n_items=3)
    walk = {"user_power": 1.0, "row_power": 1.0, "column_power": 0.25, "shrinkage": 0.0}
    made = dense(itemknn.fit(facts, **{**KNN, **walk}))
    np.testing.assert_allclose(made[1, 2], (1 / 2 + 1 / 3) / (3 * 2**0.25), rtol=1e-6)
    np.testing.assert_allclose(made[3, 1], (1 / 3) / 3**0.25, rtol=1e-6)


EASE = {
    "regularisation": 5.0,
    "keep": 100,
    "max_items": 100,
    "neighbours": 100,
    "recency": 1.0,
    "prior": 0.0,
}


@pytest.mark.parametrize("max_items", [100, 1])
def test_ease_solves_the_ridge_regression_of_each_item_on_the_others(max_items: int) -> None:
    facts = toys.interactions(np.random.default_rng(1).integers(1, 9, (30, 4)).tolist(), n_items=8)
    made = dense(ease.fit(facts, **{**EASE, "max_items": max_items}))
    people = people_by_item(facts).toarray().astype(np.float64)
    for item in range(8):
        others = [j for j in range(8) if j != item]
        gram = people[:, others].T @ people[:, others] + 5.0 * np.eye(7)
        wanted = np.linalg.solve(gram, people[:, others].T @ people[:, item])
        np.testing.assert_allclose(made[1:, item + 1][others], wanted, rtol=1e-4, atol=1e-6)


def test_ease_on_neighbours_solves_for_the_most_alike_alone() -> None:
    rows = [[1, 2], [1, 2], [1, 2], [1, 3], [2, 3], [3, 4]]
    facts = toys.interactions(rows, n_items=4)
    made = dense(ease.fit(facts, **{**EASE, "max_items": 1, "neighbours": 1}))
    # Item 1 is regressed on item 2 alone: 3 people had both, 4 had item 2.
    np.testing.assert_allclose(made[1:, 1], [0, 3 / (4 + 5), 0, 0], rtol=1e-6)


@pytest.mark.parametrize("square", [3, 100])
def test_ease_inverts_in_squares_of_any_size(square: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ease, "SQUARE", square)
    people = people_by_item(toys.circles())
    dense_people = people.toarray().astype(np.float64)
    inverse = np.linalg.inv(dense_people.T @ dense_people + 2.0 * np.eye(12))
    wanted = -inverse / np.diag(inverse)
    np.fill_diagonal(wanted, 0)
    np.testing.assert_allclose(ease.weights_of(people, 2.0), wanted, rtol=1e-3, atol=1e-5)


GFCF = {
    "factors": 3,
    "low_pass": 0.5,
    "user_power": 0.5,
    "item_power": 0.5,
    "keep": 100,
    "recency": 1.0,
    "prior": 0.0,
}


def test_gfcf_filters_the_graph_as_the_paper_does() -> None:
    facts = toys.interactions(np.random.default_rng(2).integers(1, 9, (30, 4)).tolist(), n_items=8)
    people = people_by_item(facts).toarray().astype(np.float64)
    size = people.sum(axis=0)
    scaled = people / np.sqrt(people.sum(axis=1))[:, None] / np.sqrt(size)
    vectors = np.linalg.svd(scaled)[2][:3].T
    near = scaled.T @ scaled
    np.fill_diagonal(near, 0)
    wanted = near + 0.5 * (vectors / np.sqrt(size)[:, None]) @ (vectors * np.sqrt(size)[:, None]).T
    made = gfcf.fit(facts, **GFCF)
    scores = made.score(np.arange(1, 9, dtype=np.int32)[:, None], np.ones((8, 1), np.float32))
    np.testing.assert_allclose(scores[:, 1:], wanted, rtol=1e-3, atol=1e-4)


def test_gfcf_without_a_low_pass_has_no_factors() -> None:
    assert gfcf.fit(toys.circles(), **{**GFCF, "low_pass": 0.0}).reading is None


def test_gfcf_is_the_same_each_time() -> None:
    one, two = (gfcf.fit(toys.circles(), **GFCF) for _ in range(2))
    assert one.reading is not None
    assert two.reading is not None
    np.testing.assert_array_equal(one.reading, two.reading)


CONTENT = {
    "rarity_power": 1.0,
    "likeness_power": 1.0,
    "demand_power": 0.0,
    "keep": 10,
    "recency": 1.0,
    "prior": 0.0,
}


def described(rows: list[list[int]], *bought: list[int]) -> Interactions:
    """Purchases of items whose attribute numbers are given, item 1's first."""
    indptr = np.concatenate([[0, 0], np.cumsum([len(row) for row in rows])])
    names = [str(number) for number in range(1 + max(map(max, rows)))]
    attributes = Attributes(names, np.concatenate(rows).astype(np.int32), indptr)
    return replace(toys.interactions(list(bought), n_items=len(rows)), attributes=attributes)


def test_content_is_the_cosine_of_rare_attributes() -> None:
    made = dense(content.fit(described([[0, 1], [0, 1], [0, 2], [2]], [1, 2]), **CONTENT))
    common, rare = np.log(5 / 4), np.log(5 / 3)
    length = np.hypot(common, rare)
    like = np.array([1.0, common**2 / length**2])
    np.testing.assert_allclose(made[1, 2:4], like / np.linalg.norm(like), rtol=1e-5)
    assert made[1, 4] == 0


def test_content_knows_items_that_nobody_had() -> None:
    made = content.fit(described([[0], [0], [1]], [1, 3]), **CONTENT)
    scores = made.score(np.array([[1]], np.int32), np.ones((1, 1), np.float32))
    assert scores[0].argmax() == 2


def test_content_puts_the_more_sold_of_two_equals_first() -> None:
    facts = described([[0], [0], [0], [1]], [3, 1], [3, 4])
    made = dense(content.fit(facts, **{**CONTENT, "demand_power": 1.0}))
    np.testing.assert_allclose(made[1, 3] / made[1, 2], 3.0, rtol=1e-5)


def test_content_leaves_out_what_almost_all_items_have(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(content, "PAIRS_AN_ITEM", 2)
    made = dense(content.fit(described([[0, 1], [0, 1], [0], [0]], [1]), **CONTENT))
    assert made[1, 2] > 0
    assert not made[1:, 3].any()


def test_content_leaves_the_attributes_as_they_are() -> None:
    facts = described([[0, 1], [1, 0], [0, 1, 2]], [1, 2])
    assert facts.attributes is not None
    before = facts.attributes.indices.copy()
    content.fit(facts, **CONTENT)
    np.testing.assert_array_equal(facts.attributes.indices, before)


def test_content_without_attributes_is_demand() -> None:
    facts = toys.interactions([[1, 2], [2, 3]], n_items=3)
    scores = content.fit(facts, **CONTENT).score(np.array([[1]], np.int32), np.ones((1, 1), np.float32))
    assert scores[0].argmax() == 2


@pytest.mark.parametrize("model", ["itemknn", "ease", "gfcf", "content", "transitions"])
def test_a_table_fades_its_query_by_the_recency_of_the_fit(model: str) -> None:
    made = table(plan(model, {"recency": 0.25}), described([[0], [0, 1], [1]], [1, 2], [2, 3]))
    assert made.recency == 0.25


def test_a_query_is_the_weighted_sum_of_its_rows() -> None:
    made = transitions.fit(toys.interactions([[1, 2, 3], [1, 2], [1, 3]], n_items=3), **TRANSITIONS)
    scores = made.score(np.array([[0, 1, 2]], np.int32), np.array([[0, 2.0, 0.5]], np.float32))
    np.testing.assert_allclose(scores[0, 1:], 2.0 * dense(made)[1, 1:] + 0.5 * dense(made)[2, 1:], rtol=1e-6)


def test_recency_fades_whole_baskets() -> None:
    made = ItemItem(
        np.array([1, 1, 1], np.float32),
        np.array([1, 2, 3], np.int32),
        np.array([0, 0, 1, 2, 3]),
        np.zeros(4, np.float32),
        recency=0.5,
    )
    # Items 1 and 2 were one basket (equal weights), 3 came after it.
    scores = made.score(np.array([[1, 2, 3]], np.int32), np.array([[4.0, 4.0, 5.0]], np.float32))
    np.testing.assert_allclose(scores[0, 1:], [2.0, 2.0, 5.0])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"data": np.array([np.nan], np.float32)}, "not finite"),
        ({"indices": np.array([4], np.int32)}, "no item"),
        ({"indptr": np.array([0, 0, 1, 1])}, "do not fit"),
        ({"indptr": np.array([0, 0, 2, 1, 1])}, "do not fit"),
    ],
)
def test_a_table_that_cannot_be_asked_is_refused(change: dict[str, np.ndarray], words: str) -> None:
    parts = {
        "data": np.array([1.0], np.float32),
        "indices": np.array([2], np.int32),
        "indptr": np.array([0, 0, 1, 1, 1]),
        "popularity": np.zeros(4, np.float32),
    }
    ItemItem(**parts).check()
    with pytest.raises(ValueError, match=words):
        ItemItem(**{**parts, **change}).check()
