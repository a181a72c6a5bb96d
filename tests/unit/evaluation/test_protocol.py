from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from app.evaluation import beyond, protocol
from app.evaluation.protocol import Cases, top_n
from app.evaluation.ragged import ragged

N_ITEMS = 5


def cases(*people: tuple[list[int], list[int]]) -> Cases:
    """People as (history, targets)."""
    history = ragged([np.array(past, np.int32) for past, _ in people], np.dtype(np.int32))
    weight = ragged([np.ones(len(past), np.float32) for past, _ in people], np.dtype(np.float32))
    seen = ragged([np.unique(np.array(past, np.int32)) for past, _ in people], np.dtype(np.int32))
    targets = ragged([np.array(after, np.int32) for _, after in people], np.dtype(np.int32))
    return Cases(history, weight, seen, targets, N_ITEMS)


def constant(*scores: float) -> protocol.Score:
    row = np.array([0.0, *scores], np.float32)
    return lambda item_idx, _: np.tile(row, (len(item_idx), 1))


def catalogue() -> beyond.Catalogue:
    return beyond.catalogue(np.array([0, 0, 1, 2]), np.array([1, 2, 1, 1], np.int32), n_items=N_ITEMS)


def test_top_n_is_by_score_and_then_by_number() -> None:
    scores = np.array([9.0, 1.0, 3.0, 3.0, 0.0, 3.0], np.float32)
    assert top_n(scores, 4).tolist() == [2, 3, 5, 1]


def test_top_n_agrees_with_a_full_sort() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        scores = rng.integers(0, 6, 40).astype(np.float32)
        wanted = sorted(range(1, 40), key=lambda item: (-scores[item], item))[:10]
        assert top_n(scores, 10).tolist() == wanted


def test_top_n_never_shows_what_has_no_finite_score() -> None:
    scores = np.array([0.0, np.nan, -np.inf, 1.0, np.inf], np.float32)
    assert top_n(scores, 4).tolist() == [3]


def test_a_model_that_says_the_same_of_everything_wins_nothing_but_by_number() -> None:
    # Targets at the end of the numbering: ties must not be broken in their favour.
    report = protocol.evaluate(constant(0, 0, 0, 0, 0), cases(([1], [5])), catalogue(), ks=(2,))
    assert report["all"]["hit_rate@2"] == 0.0


def test_unseen_leaves_a_persons_own_items_out_of_list_and_targets() -> None:
    people = cases(([1, 2], [1, 3]))
    found = protocol.run(constant(5, 4, 3, 2, 1), people, places=3)
    assert found["all"].lists.tolist() == [[1, 2, 3]]
    assert found["all"].relevant.tolist() == [2]
    assert found["unseen"].lists.tolist() == [[3, 4, 5]]
    assert found["unseen"].relevant.tolist() == [1]
    assert found["unseen"].hits.tolist() == [[True, False, False]]


def test_people_who_only_buy_again_are_left_out_of_unseen() -> None:
    found = protocol.run(constant(5, 4, 3, 2, 1), cases(([1], [1]), ([1], [2])), places=3)
    assert found["unseen"].rows.tolist() == [1]
    assert found["all"].rows.tolist() == [0, 1]


def test_new_people_are_told_apart() -> None:
    report = protocol.evaluate(constant(5, 4, 3, 2, 1), cases(([2], [3]), ([], [1])), catalogue(), ks=(1,))
    assert report["all"]["people"] == 1
    assert report["all"]["accuracy"] == 0.0
    assert report["new_users"]["all"] == pytest.approx(
        {
            "people": 1,
            "accuracy": 1,
            "precision@1": 1,
            "recall@1": 1,
            "f1@1": 1,
            "hit_rate@1": 1,
            "ndcg@1": 1,
            "mrr@1": 1,
            "map@1": 1,
        }
    )


def test_items_that_no_model_can_know_are_missed_targets() -> None:
    report = protocol.evaluate(constant(5, 4, 3, 2, 1), cases(([2], [1, 6])), catalogue(), ks=(5,))
    assert report["all"]["recall@5"] == 0.5
    assert report["new_items"] == {"targets": 2, "unknown": 1, "share": 0.5}


def test_headline_is_the_mean_of_both_readings() -> None:
    assert protocol.headline({"unseen": {"ndcg@10": 0.1}, "all": {"ndcg@10": 0.3}}) == pytest.approx(0.2)


def test_histories_are_padded_on_the_left() -> None:
    people = cases(([1, 2, 3], [4]), ([], [4]), ([5], [4]))
    items, weights = protocol.pad_left(people.item_idx, people.weight, range(3))
    assert items.tolist() == [[1, 2, 3], [0, 0, 0], [0, 0, 5]]
    assert weights.tolist() == [[1, 1, 1], [0, 0, 0], [0, 0, 1]]


def test_coverage_is_the_share_of_items_shown() -> None:
    assert beyond.coverage(np.array([[1, 2], [2, 0]], np.int32), catalogue()) == pytest.approx(2 / 5)


def test_novelty_is_higher_for_what_few_had() -> None:
    common, rare = np.array([[1]], np.int32), np.array([[5]], np.int32)
    # Sales 3, 1, 0, 0, 0 and one more each: item 1 has 4 of 9.
    assert beyond.novelty(common, catalogue()) == pytest.approx(-np.log2(4 / 9))
    assert beyond.novelty(rare, catalogue()) > beyond.novelty(common, catalogue())


def test_diversity_is_zero_among_items_of_the_same_people_and_higher_elsewhere() -> None:
    users = np.arange(200)
    facts = beyond.catalogue(
        np.concatenate([users, users, users + 200]), np.repeat([1, 2, 3], 200).astype(np.int32), n_items=3
    )
    alike, apart = np.array([[1, 2]], np.int32), np.array([[1, 3]], np.int32)
    assert beyond.diversity(alike, facts) == pytest.approx(0.0, abs=1e-6)
    assert beyond.diversity(apart, facts) > 0.6


def test_popularity_bias_is_above_zero_where_lists_are_more_popular_than_choices() -> None:
    lists, chosen = np.array([[1, 2]], np.int32), np.array([3, 4, 99], np.int32)
    assert beyond.popularity_bias(lists, chosen, catalogue()) > 0.5
    assert beyond.popularity_bias(lists, np.array([1, 2], np.int32), catalogue()) == pytest.approx(0.0)


def test_cold_people_and_cold_items_are_told_apart() -> None:
    # Item 1 stands with 3 people, so every item is a cold one; the second has a long history.
    people = cases(([2], [1]), ([1, 2, 3, 4, 5], [3]), ([], [1]))
    report = protocol.evaluate(constant(5, 4, 3, 2, 1), people, catalogue(), ks=(1,))
    assert report["cold_users"]["all"]["people"] == 1
    assert report["cold_users"]["all"]["hit_rate@1"] == 1.0
    assert report["cold_items"]["all"]["people"] == 2
    assert report["cold_items"]["all"]["hit_rate@1"] == 0.5


def test_items_that_enough_people_had_are_not_cold() -> None:
    sold = beyond.catalogue(np.arange(5), np.full(5, 1, np.int32), n_items=N_ITEMS)
    report = protocol.evaluate(constant(5, 4, 3, 2, 1), cases(([2], [1, 6]), ([2], [6])), sold, ks=(1,))
    assert report["cold_items"]["all"]["people"] == 1


def test_lists_in_proportion_to_histories_are_calibrated() -> None:
    # Two items, each a kind of its own; the list is the first one.
    sold = beyond.catalogue(np.arange(10), np.repeat([1, 2], 5).astype(np.int32), n_items=2)
    said = {}
    for had in (1, 2):
        people = replace(cases(([had], [1])), n_items=2)
        said[had] = protocol.evaluate(constant(1, -np.inf), people, sold)["all"]["calibration@10"]
    assert said[1] == pytest.approx(0.0, abs=1e-6)
    assert said[2] > 1.0
