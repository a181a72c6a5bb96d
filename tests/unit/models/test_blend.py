from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from models.blend import Mix, standard

TWO = Mix(
    np.array([[1.0, 0.5]], np.float32), np.array([[0.25, 2.0]], np.float32), np.array([0.75], np.float32)
)


def scores(seed: int, *, rows: int = 3, n_items: int = 6) -> np.ndarray:
    made = np.random.default_rng(seed).normal(size=(rows, n_items + 1)).astype(np.float32)
    made[:, 0] = -np.inf
    return made


def test_standard_scores_are_deviations_from_the_mean_over_the_items() -> None:
    level = standard(np.array([[-np.inf, 1.0, 2.0, 3.0]], np.float32))
    np.testing.assert_allclose(level, [[0.0, -np.sqrt(1.5), 0.0, np.sqrt(1.5)]], rtol=1e-6)


def test_standard_scores_of_equal_scores_are_zero() -> None:
    level = standard(np.array([[-np.inf, 1e9, 1e9 + 1, 1e9]], np.float32))
    assert not level.any()


def test_mix_weighs_new_items_and_those_of_the_history_apart() -> None:
    first, second = scores(1), scores(2)
    asked = np.array([[0, 2, 5], [0, 0, 0], [1, 1, 3]], np.int32)
    mixed = TWO.mix([first, second], asked)
    for row in range(3):
        for item in range(1, 7):
            one, two = standard(first)[row, item], standard(second)[row, item]
            had = item in asked[row]
            wanted = 0.25 * one + 2.0 * two + 0.75 if had else one + 0.5 * two
            assert mixed[row, item] == pytest.approx(wanted, rel=1e-5)
    assert np.isneginf(mixed[:, 0]).all()


def test_mix_takes_the_weights_of_the_historys_length() -> None:
    by_length = Mix(np.eye(2, dtype=np.float32), np.eye(2, dtype=np.float32), np.zeros(2, np.float32), (2,))
    first, second = scores(1, rows=2), scores(2, rows=2)
    mixed = by_length.mix([first, second], np.array([[0, 4], [3, 4]], np.int32))
    np.testing.assert_allclose(mixed[0, 1:], standard(first)[0, 1:], rtol=1e-6)
    np.testing.assert_allclose(mixed[1, 1:], standard(second)[1, 1:], rtol=1e-6)


def test_mix_is_the_same_after_json() -> None:
    again = Mix.from_json(TWO.to_json())
    asked = np.array([[0, 2, 5]], np.int32)
    both = [scores(1, rows=1), scores(2, rows=1)]
    np.testing.assert_array_equal(again.mix(both, asked), TWO.mix(both, asked))


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (replace(TWO, new=np.ones((1, 3), np.float32)), "do not fit its members"),
        (replace(TWO, edges=(4,)), "do not fit its members"),
        (replace(TWO, bonus=np.zeros(2, np.float32)), "bins"),
        (replace(TWO, had=np.array([[1.0, np.nan]], np.float32)), "not finite"),
    ],
)
def test_a_mix_that_does_not_hold_together_is_refused(broken: Mix, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        broken.check(2)
