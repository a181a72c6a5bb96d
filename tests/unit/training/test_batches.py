from __future__ import annotations

import numpy as np

from app.training import batches
from app.training.batches import (
    bag_batches,
    in_buckets,
    later_lines,
    negatives_of,
    padded_left,
    places_of,
    sequence_batches,
    windows,
)
from tests.models import toys


def rng() -> np.random.Generator:
    return np.random.default_rng(4)


def test_padding_is_on_the_left_to_a_multiple_of_four() -> None:
    lines, there = padded_left(np.array([0, 3]), np.array([3, 4]))
    assert there.shape == (2, 4)
    assert lines[0, 1:].tolist() == [0, 1, 2]
    assert lines[1, 3:].tolist() == [3]
    assert there.sum(axis=1).tolist() == [3, 1]


def test_windows_cover_each_line_once_and_end_with_the_newest() -> None:
    places = places_of(toys.interactions([list(range(1, 8)), [1, 2]], n_items=8))
    starts, stops = windows(places, 3)
    covered = sorted(line for start, stop in zip(starts, stops, strict=True) for line in range(start, stop))
    assert covered == list(range(9))
    assert (4, 7) in set(zip(starts.tolist(), stops.tolist(), strict=True))


def test_later_lines_stay_with_their_person_and_within_reach() -> None:
    places = places_of(toys.interactions([[1, 2, 3, 4], [5, 6]], n_items=6))
    for _ in range(20):
        later = later_lines(places, 2, rng())
        assert later[[3, 5]].tolist() == [-1, -1]
        assert all(0 < later[line] - line <= 2 for line in (0, 1, 2, 4))
        assert (later[:3] <= 3).all()


def test_look_ahead_of_one_is_the_next_line() -> None:
    places = places_of(toys.interactions([[1, 2, 3]], n_items=3))
    (batch,) = sequence_batches(
        places, np.array([1, 2, 3], np.float32), max_length=5, batch_size=4, look_ahead=1, rng=rng()
    )
    assert batch["item_idx"][0, -3:].tolist() == [1, 2, 3]
    assert batch["target_idx"][0, -3:].tolist() == [2, 3, 0]
    assert batch["target_weight"][0, -3:].tolist() == [2, 3, 0]


def test_buckets_hold_similar_lengths_and_every_row_once() -> None:
    lengths = np.array([3, 90, 5, 88, 4, 91])
    rows = list(in_buckets(lengths, 3, rng()))
    assert sorted(np.concatenate(rows).tolist()) == list(range(6))
    assert {tuple(sorted(row.tolist())) for row in rows} == {(0, 2, 4), (1, 3, 5)}


def test_a_bags_targets_are_its_items_and_add_up_to_one() -> None:
    places = places_of(toys.interactions([[1, 2, 2]], n_items=3))
    (batch,) = bag_batches(
        places, np.array([1, 1, 2], np.float32), max_length=9, batch_size=4, future_share=0.0, rng=rng()
    )
    np.testing.assert_array_equal(batch["item_idx"], batch["target_idx"])
    np.testing.assert_allclose(batch["target_weight"][0, -3:], [0.25, 0.25, 0.5])


def test_a_cut_bag_predicts_what_came_after() -> None:
    places = places_of(toys.interactions([[1, 2, 3, 4, 5]], n_items=5))
    for _ in range(10):
        (batch,) = bag_batches(
            places, np.ones(5, np.float32), max_length=9, batch_size=4, future_share=1.0, rng=rng()
        )
        read, wanted = batch["item_idx"][batch["item_idx"] > 0], batch["target_idx"][batch["target_idx"] > 0]
        assert len(read) > 0
        assert len(wanted) > 0
        assert np.concatenate([read, wanted]).tolist() == [1, 2, 3, 4, 5]


def test_negatives_follow_popularity_to_the_power_and_reach_every_item() -> None:
    facts = toys.interactions([[1] * 15 + [2]], n_items=4)
    negatives = negatives_of(facts, count=3)
    wanted = np.array([0, 16, 2, 1, 1]) ** 0.75
    np.testing.assert_allclose(negatives.share, wanted / wanted.sum())
    drawn = np.concatenate([negatives.draw(np.random.default_rng(seed)) for seed in range(300)])
    assert set(drawn.tolist()) == {1, 2, 3, 4}
    np.testing.assert_allclose(negatives.log_q[1:], np.log(3 * negatives.share[1:]), rtol=1e-5)


def test_more_negatives_than_items_ask_for_the_full_softmax() -> None:
    assert negatives_of(toys.interactions([[1, 2]], n_items=2), count=2).count == 0


def test_recency_is_in_units_of_the_mean_and_halves() -> None:
    facts = toys.interactions([[1, 2]], n_items=2)
    np.testing.assert_allclose(batches.recency(facts, 1.0), [0.25, 0.5])
