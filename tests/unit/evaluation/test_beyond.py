"""Calibration and kinds against hand-computed values, diversity against a loop."""

from __future__ import annotations

import numpy as np
import pytest

from app.evaluation import beyond
from app.evaluation.ragged import ragged
from models.base import Attributes

KINDS = np.array([[0, 0], [1, 0], [0, 1], [0.5, 0.5]], np.float32)


def history(*people: list[int]) -> object:
    return ragged([np.array(row, np.int32) for row in people], np.dtype(np.int32))


def test_calibration_of_a_list_in_proportion_is_zero() -> None:
    assert beyond.calibration(np.array([[1, 2]], np.int32), history([3, 3]), KINDS) == pytest.approx(
        0, abs=1e-6
    )


def test_calibration_of_a_one_sided_list_is_by_hand() -> None:
    # Had half and half; shown the first kind alone: q~ = (.995, .005).
    wanted = 0.5 * np.log2(0.5 / 0.995) + 0.5 * np.log2(0.5 / 0.005)
    found = beyond.calibration(np.array([[1, 1]], np.int32), history([3]), KINDS)
    assert found == pytest.approx(wanted, rel=1e-5)


def test_calibration_is_the_mean_over_people_with_a_history_and_a_list() -> None:
    lists = np.array([[1, 0], [1, 0], [0, 0]], np.int32)
    found = beyond.calibration(lists, history([1], [], [1]), KINDS)
    assert found == pytest.approx(0, abs=1e-6)


def test_groups_are_the_items_attributes_in_shares() -> None:
    attributes = Attributes(["a", "b"], np.array([0, 0, 1], np.int32), np.array([0, 0, 1, 3, 3]))
    found = beyond.groups(np.array([0.0, 5, 3, 1]), attributes)
    assert found.tolist() == [[0, 0, 0], [1, 0, 0], [0.5, 0.5, 0], [0, 0, 1]]


def test_groups_without_attributes_are_bins_of_equal_sales() -> None:
    found = beyond.groups(np.array([0.0, 50, 30, 20]), None)
    assert found.argmax(axis=1)[1:].tolist() == [0, 5, 8]
    assert found.sum(axis=1).tolist() == [0, 1, 1, 1]


def test_diversity_agrees_with_all_pairs_one_by_one() -> None:
    rng = np.random.default_rng(3)
    facts = beyond.catalogue(rng.integers(0, 50, 900), rng.integers(1, 21, 900).astype(np.int32), n_items=20)
    lists = rng.integers(0, 21, (30, 5)).astype(np.int32)
    each = []
    for row in lists:
        shown = row[row > 0]
        pairs = [
            float(facts.sketch[a] @ facts.sketch[b])
            for at, a in enumerate(shown)
            for other, b in enumerate(shown)
            if at != other
        ]
        if pairs:
            each.append(1 - np.mean(pairs))
    assert beyond.diversity(lists, facts) == pytest.approx(np.mean(each), abs=1e-5)


def test_sketch_is_the_sum_of_the_items_people_whatever_the_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(4)
    user, item = rng.integers(0, 40, 500), rng.integers(1, 11, 500).astype(np.int32)
    whole = beyond.catalogue(user, item, n_items=10)
    monkeypatch.setattr(beyond, "AT_ONCE", 7)
    np.testing.assert_allclose(beyond.catalogue(user, item, n_items=10).sketch, whole.sketch, atol=1e-5)
