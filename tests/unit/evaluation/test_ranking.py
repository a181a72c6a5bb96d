"""Lists in batches against a slow sort, and ties that nobody can win by."""

from __future__ import annotations

import numpy as np
import pytest

from app.evaluation.metrics import hit_rate
from app.evaluation.protocol import Cases, lists_of, run
from app.evaluation.ragged import ragged
from app.evaluation.ranking import drawn, found_in, hide, top_lists


def rows(*values: list[int]) -> object:
    return ragged([np.array(row, np.int32) for row in values], np.dtype(np.int32))


def slow_list(scores: np.ndarray, places: int, row: int) -> list[int]:
    def key(item: int) -> tuple[float, int]:
        return -float(scores[item]), int(drawn(np.array([row]), np.array([item]))[0])

    usable = [item for item in range(1, len(scores)) if np.isfinite(scores[item])]
    best = sorted(usable, key=key)[:places]
    return best + [0] * (places - len(best))


@pytest.mark.parametrize("levels", [1, 2, 5, 10_000])
def test_lists_are_those_of_a_full_sort_whatever_ties(levels: int) -> None:
    rng = np.random.default_rng(levels)
    scores = rng.integers(0, levels, (12, 90)).astype(np.float32)
    scores[3, 10:80] = -np.inf
    scores[4, :] = np.nan
    found = top_lists(scores, 15, first_row=7)
    assert found.tolist() == [slow_list(line, 15, 7 + at) for at, line in enumerate(scores)]


def test_lists_do_not_depend_on_how_people_are_batched() -> None:
    scores = np.random.default_rng(0).integers(0, 3, (10, 40)).astype(np.float32)
    halves = np.concatenate([top_lists(scores[:4], 8), top_lists(scores[4:], 8, first_row=4)])
    np.testing.assert_array_equal(top_lists(scores, 8), halves)


def test_lists_are_padded_where_there_are_fewer_items() -> None:
    assert top_lists(np.array([[0, 2, 1]], np.float32), 4).tolist() == [[1, 2, 0, 0]]


def test_nothing_is_shown_for_no_place_or_no_item() -> None:
    assert top_lists(np.zeros((2, 5), np.float32), 0).shape == (2, 0)
    assert top_lists(np.zeros((2, 1), np.float32), 3).tolist() == [[0, 0, 0]] * 2


def test_hide_takes_each_persons_items_out_and_passes_over_unknown_ones() -> None:
    scores = np.ones((2, 4), np.float32)
    hide(scores, rows([9], [1, 3], [2, 8]), range(1, 3))
    assert np.isneginf(scores).tolist() == [[False, True, False, True], [False, False, True, False]]


def test_found_in_holds_each_list_against_its_own_persons_targets() -> None:
    targets = rows([1, 2], [3], [4])
    lists = np.array([[4, 0], [2, 3]], np.int32)
    assert found_in(lists, targets, np.array([2, 0])).tolist() == [[True, False], [True, False]]


def collapsed(n_items: int, targets: np.ndarray) -> Cases:
    people = len(targets)
    nothing = rows(*[[] for _ in range(people)])
    weight = ragged([np.empty(0, np.float32)] * people, np.dtype(np.float32))
    return Cases(nothing, weight, nothing, rows(*[[target] for target in targets]), n_items)


@pytest.mark.parametrize("favourite", [1, 77, 200])
def test_a_model_that_says_the_same_of_everything_is_worth_chance(favourite: int) -> None:
    # Everybody wants one item: wherever it stands in the numbering, a list of 10 in 200 rarely holds it.
    people = collapsed(200, np.full(4000, favourite))
    found = run(lambda item_idx, _: np.zeros((len(item_idx), 201), np.float32), people, places=10)["all"]
    share = float(hit_rate(found.hits, found.relevant, k=10).mean())
    assert share == pytest.approx(10 / 200, abs=4 * np.sqrt(0.05 * 0.95 / 4000))


def test_a_model_that_ties_its_head_wins_no_more_than_its_share_of_the_tie() -> None:
    # The best 40 items tie, the target among them: a list of 10 holds it for a quarter of the people.
    people = collapsed(200, np.full(4000, 3))
    row = np.where(np.arange(201) <= 40, 1.0, 0.0).astype(np.float32)
    found = run(lambda item_idx, _: np.tile(row, (len(item_idx), 1)), people, places=10)["all"]
    share = float(hit_rate(found.hits, found.relevant, k=10).mean())
    assert share == pytest.approx(0.25, abs=4 * np.sqrt(0.25 * 0.75 / 4000))


def test_a_reading_that_is_not_asked_for_is_not_ranked() -> None:
    people = collapsed(5, np.array([1, 2]))
    found = lists_of(
        lambda item_idx, _: np.zeros((len(item_idx), 6), np.float32), people, readings=("all",), places=3
    )
    assert list(found) == ["all"]
