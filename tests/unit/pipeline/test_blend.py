from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.pipeline.blend import blended, on_scale, scale, shares, standardised, top


def slow_top(scores: list[float], mask: list[bool], k: int, rank: list[int]) -> list[int]:
    places = [p for p in range(len(scores)) if mask[p] and scores[p] > -np.inf]
    return sorted(places, key=lambda p: (-scores[p], rank[p]))[:k]


@settings(max_examples=40)
@given(
    st.lists(st.tuples(st.sampled_from([-np.inf, np.nan, 0.0, 1.0, 2.0, 3.0]), st.booleans()), max_size=30),
    st.integers(1, 12),
    st.randoms(use_true_random=False),
)
def test_top_equals_a_full_sort(rows: list[tuple[float, bool]], k: int, random: object) -> None:
    scores, mask = [row[0] for row in rows], [row[1] for row in rows]
    rank = list(range(len(rows)))
    random.shuffle(rank)  # type: ignore[attr-defined]  # hypothesis's own Random
    picked = top(np.array(scores), np.array(mask, dtype=bool), k, np.array(rank, dtype=np.int64))
    assert picked.tolist() == slow_top(scores, mask, k, rank)


@given(
    seed=st.integers(0, 2**32 - 1),
    size=st.integers(500, 3000),
    k=st.integers(1, 60),
    distinct=st.sampled_from([1, 7, 10_000]),
    silent=st.sampled_from([0.0, 0.5, 0.999]),
    dtype=st.sampled_from([np.float32, np.float64]),
)
def test_top_of_a_large_catalogue_is_that_of_a_sorted_list(
    *, seed: int, size: int, k: int, distinct: int, silent: float, dtype: type[np.floating]
) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, distinct, size).astype(dtype)
    scores[rng.random(size) < silent] = -np.inf
    scores[rng.random(size) < silent / 2] = np.nan
    mask, rank = rng.random(size) < 0.7, rng.permutation(size)
    given_scores, given_mask = scores.copy(), mask.copy()
    allowed = [n for n in range(size) if mask[n] and scores[n] > -np.inf]
    expected = sorted(allowed, key=lambda n: (-scores[n], rank[n]))[:k]
    assert top(scores, mask, k, rank).tolist() == expected
    assert np.array_equal(scores, given_scores, equal_nan=True), "left as they were"
    assert np.array_equal(mask, given_mask)


@given(values=st.lists(st.floats(-100, 100, width=32), min_size=1, max_size=50))
def test_z_scores_of_some_are_those_of_all(values: list[float]) -> None:
    scores = np.array([*values, -np.inf])
    found = on_scale(scores[:-1], *scale(scores))
    assert found.tolist() == standardised(scores)[:-1].tolist()


def test_scale_of_silence_is_nothing() -> None:
    assert scale(np.array([-np.inf, np.nan])) == (0.0, 0.0)


def test_standardised_scores_have_mean_0_and_deviation_1_and_keep_silence() -> None:
    values = standardised(np.array([1.0, 3.0, -np.inf]))
    assert values.tolist() == [-1.0, 1.0, -np.inf]


def test_standardised_equal_scores_are_0() -> None:
    assert standardised(np.array([5.0, 5.0])).tolist() == [0.0, 0.0]


def test_blended_adds_what_each_source_says_and_nothing_for_its_silence() -> None:
    one, other = np.array([1.0, 3.0, -np.inf, -np.inf]), np.array([-np.inf, 2.0, 4.0, -np.inf])
    assert blended([(1.0, one), (0.5, other)]).tolist() == [-1.0, 0.5, 0.5, -np.inf]


def test_shares_keep_order_between_0_and_1() -> None:
    values = shares(np.array([-500.0, -1.0, 0.0, 1.0, 500.0]))
    assert values.tolist() == sorted(values.tolist())
    assert values[2] == 0.5
    assert values.min() > 0
    assert values.max() == pytest.approx(1.0)
