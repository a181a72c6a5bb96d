"""What tables are made of, held against dense versions."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from models import rows
from models.rows import blocks, gram, people_by_item, strongest, without_diagonal
from tests.models import toys


def test_people_have_what_they_had_once_or_more() -> None:
    facts = toys.interactions([[2, 1, 2], [3]], n_items=4)
    np.testing.assert_array_equal(people_by_item(facts).toarray(), [[1, 1, 0, 0], [0, 0, 1, 0]])


def test_very_long_histories_keep_their_newest_items(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "LONGEST", 2)
    facts = toys.interactions([[1, 2, 3, 1], [4, 2]], n_items=4)
    np.testing.assert_array_equal(people_by_item(facts).toarray(), [[1, 0, 1, 0], [0, 1, 0, 1]])


def test_histories_are_cut_until_their_pairs_are_few_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "LONGEST", 8)
    monkeypatch.setattr(rows, "MOST_PRODUCTS", 10)
    made = people_by_item(toys.interactions([[1, 2, 3, 4, 5, 6], [1]], n_items=6))
    np.testing.assert_array_equal(made.sum(axis=1), [2, 1])


def test_blocks_hold_what_fits_and_leave_nothing_out() -> None:
    found = list(blocks(np.array([3.0, 3.0, 9.0, 1.0, 0.0]), at_once=6))
    assert found == [slice(0, 2), slice(2, 3), slice(3, 5)]


def test_no_rows_are_no_blocks() -> None:
    assert list(blocks(np.empty(0), at_once=6)) == []


@pytest.mark.parametrize("at_once", [1, 40, 10**9])
def test_the_gram_is_that_of_the_dense_matrix_however_it_is_cut(
    at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "PRODUCTS_AT_ONCE", at_once)
    people = people_by_item(toys.circles())
    dense = people.toarray()
    np.testing.assert_array_equal(gram(people, keep=100).toarray(), dense.T @ dense)
    alone = dense.T @ dense
    np.fill_diagonal(alone, 0)
    np.testing.assert_array_equal(gram(people, keep=100, rows=without_diagonal).toarray(), alone)


def test_strongest_leaves_short_rows_as_they_are() -> None:
    made = sparse.csr_array(np.array([[0.0, 1, 0], [0, 0, 0], [2, 0, -1]]))
    np.testing.assert_array_equal(strongest(made, keep=2).toarray(), made.toarray())


def test_strongest_agrees_with_a_sort() -> None:
    dense = np.random.default_rng(2).integers(-3, 4, (40, 20)).astype(np.float32)
    kept = strongest(sparse.csr_array(dense), keep=5).toarray()
    for line, found in zip(dense, kept, strict=True):
        order = np.lexsort((np.arange(20), -np.abs(line)))[:5]
        wanted = np.zeros(20)
        wanted[order] = line[order]
        np.testing.assert_array_equal(found, wanted)


def test_strongest_keeps_the_largest_and_the_first_of_equals() -> None:
    made = sparse.csr_array(np.array([[1.0, -3.0, 2.0, 2.0], [0, 0, 0, 1.0]]))
    np.testing.assert_array_equal(strongest(made, keep=2).toarray(), [[0, -3, 2, 0], [0, 0, 0, 1]])
