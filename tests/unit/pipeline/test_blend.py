from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.pipeline.blend import blended, shares, standardised, top


def slow_top(scores: list[float], mask: list[bool], k: int, rank: list[int]) -> list[int]:
    places = [p for p in range(len(scores)) if mask[p] and scores[p] > -np.inf]
    return sorted(places, key=lambda p: (-scores[p], rank[p]))[:k]


@settings(max_examples=40, deadline=None)
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
