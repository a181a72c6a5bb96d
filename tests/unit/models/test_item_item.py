"""The served table, held against a loop over places."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models import item_item
from models.item_item import ItemItem

N_ITEMS = 30


def made(*, factors: int = 0, recency: float = 0.7, seed: int = 3) -> ItemItem:
    rng = np.random.default_rng(seed)
    lengths = np.concatenate([[0], rng.integers(0, 9, N_ITEMS)])
    columns = [np.sort(rng.choice(N_ITEMS, length, replace=False)) + 1 for length in lengths]
    table = ItemItem(
        rng.normal(size=lengths.sum()).astype(np.float32),
        np.concatenate(columns).astype(np.int32),
        np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        np.concatenate([[0], rng.random(N_ITEMS)]).astype(np.float32),
        recency=recency,
        prior=0.3,
    )
    if not factors:
        return table
    reading, writing = rng.normal(size=(2, N_ITEMS + 1, factors)).astype(np.float32)
    reading[0] = writing[0] = 0
    return replace(table, reading=reading, writing=writing)


def queries(*, rows: int = 20, width: int = 6, seed: int = 4) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    there = np.arange(width) >= rng.integers(0, width + 1, (rows, 1))
    items = np.where(there, rng.integers(1, N_ITEMS + 1, (rows, width)), 0)
    # Weights of three values only, so that neighbouring places often are one basket.
    weights = np.where(there, rng.integers(1, 4, (rows, width)) / 2, 0)
    return items.astype(np.int32), weights.astype(np.float32)


def slowly(table: ItemItem, items: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """One place after the other, newest first."""
    scores = np.tile(table.prior * table.popularity.astype(np.float64), (len(items), 1))
    for row in range(len(items)):
        fade, newer = 1.0, None
        for idx, weight in zip(items[row, ::-1], weights[row, ::-1], strict=True):
            if not idx:
                continue
            if newer is not None and weight != newer:
                fade *= table.recency
            newer = weight
            span = slice(table.indptr[idx], table.indptr[idx + 1])
            scores[row, table.indices[span]] += weight * fade * table.data[span]
            if table.reading is not None and table.writing is not None:
                scores[row] += weight * fade * (table.writing @ table.reading[idx])
    return scores[:, 1:]


@pytest.mark.parametrize("factors", [0, 5])
@pytest.mark.parametrize("recency", [1.0, 0.7, 0.0])
@pytest.mark.parametrize("at_once", [1, 7, 2**18])
def test_scores_are_those_of_a_loop_over_places(
    factors: int, recency: float, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(item_item, "AT_ONCE", at_once)
    table = made(factors=factors, recency=recency)
    scores = table.score(*queries())
    np.testing.assert_allclose(scores[:, 1:], slowly(table, *queries()), atol=1e-5)


def test_a_batch_scores_as_its_rows_do() -> None:
    table, (items, weights) = made(factors=4), queries()
    each = [table.score(items[[row]], weights[[row]]) for row in range(len(items))]
    np.testing.assert_allclose(table.score(items, weights), np.concatenate(each), atol=1e-5)


def test_a_query_of_no_places_scores_by_the_prior() -> None:
    table = made(factors=4)
    scores = table.score(np.zeros((2, 0), np.int32), np.zeros((2, 0), np.float32))
    np.testing.assert_allclose(scores[:, 1:], np.tile(0.3 * table.popularity[1:], (2, 1)))


def test_no_query_is_no_score() -> None:
    assert made().score(np.zeros((0, 3), np.int32), np.zeros((0, 3), np.float32)).shape == (0, N_ITEMS + 1)


def test_the_recency_can_be_changed_after_the_fit() -> None:
    changed = replace(made(recency=1.0), recency=0.7)
    np.testing.assert_array_equal(changed.score(*queries()), made(recency=0.7).score(*queries()))


def test_factors_are_kept_by_save_and_load(tmp_path: Path) -> None:
    table = made(factors=4)
    table.save(tmp_path / "table.npz")
    loaded = ItemItem.load(tmp_path / "table.npz")
    np.testing.assert_array_equal(loaded.score(*queries()), table.score(*queries()))


def test_a_file_without_factors_is_a_table_without_any(tmp_path: Path) -> None:
    made().save(tmp_path / "table.npz")
    with np.load(tmp_path / "table.npz") as arrays:
        assert set(arrays) == {"data", "indices", "indptr", "popularity", "recency", "prior"}
    assert ItemItem.load(tmp_path / "table.npz").reading is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"writing": None}, "factors"),
        ({"writing": np.zeros((N_ITEMS + 1, 3), np.float32)}, "factors"),
        ({"reading": np.zeros((N_ITEMS, 4), np.float32)}, "factors"),
        ({"writing": np.full((N_ITEMS + 1, 4), np.inf, np.float32)}, "not finite"),
    ],
)
def test_factors_that_cannot_be_asked_are_refused(change: dict[str, np.ndarray], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        replace(made(factors=4), **change).check()
