"""Windows that are read otherwise than they happened."""

from __future__ import annotations

import numpy as np
import pytest

from app.training.augment import WAYS, viewed
from app.training.batches import View, padded_left, places_of, sequence_batches
from tests.models.toys import interactions

STARTS, STOPS = np.array([0, 10, 13, 14]), np.array([10, 13, 14, 34])


def view(way: str, *, share: float = 1.0, seed: int = 3) -> View:
    return viewed(STARTS, STOPS, way=way, share=share, rng=np.random.default_rng(seed))


@pytest.mark.parametrize(("way", "share"), [("none", 1.0), ("all", 0.0)])
def test_nothing_is_changed_where_nothing_is_asked_for(way: str, share: float) -> None:
    lines, there = padded_left(STARTS, STOPS)
    found = view(way, share=share)
    np.testing.assert_array_equal(found.read, lines)
    np.testing.assert_array_equal(found.is_read, there)
    np.testing.assert_array_equal(found.is_asked, there)


def test_crop_keeps_a_run_of_each_window() -> None:
    found = view("crop")
    for row, (start, stop, kept) in enumerate(zip(STARTS, STOPS, (6, 2, 1, 12), strict=True)):
        lines = found.read[row][found.is_read[row]]
        assert len(lines) == kept
        assert (np.diff(lines) == 1).all()
        assert start <= lines[0]
        assert lines[-1] < stop


def test_mask_leaves_places_out_and_asks_nothing_there() -> None:
    found = viewed(
        np.zeros(500, np.int64), np.full(500, 20), way="mask", share=1.0, rng=np.random.default_rng(0)
    )
    _, there = padded_left(np.zeros(500, np.int64), np.full(500, 20))
    assert found.is_read[there].mean() == pytest.approx(0.7, abs=0.02)
    assert not found.is_read[~there].any()
    np.testing.assert_array_equal(found.is_asked, found.is_read)


def test_reorder_shuffles_a_run_and_asks_at_its_end_alone() -> None:
    found = view("reorder")
    lines, there = padded_left(STARTS, STOPS)
    np.testing.assert_array_equal(found.lines, lines)
    np.testing.assert_array_equal(np.sort(found.read, axis=1), np.sort(lines, axis=1))
    np.testing.assert_array_equal(found.is_read, there)
    for row, size in ((0, 6), (3, 12)):
        quiet = np.flatnonzero(there[row] & ~found.is_asked[row])
        assert len(quiet) == size - 1
        inside = np.arange(quiet[0], quiet[0] + size)
        assert sorted(found.read[row, inside]) == lines[row, inside].tolist()
        outside = np.setdiff1d(np.arange(lines.shape[1]), inside)
        np.testing.assert_array_equal(found.read[row, outside], lines[row, outside])
    assert (found.read != lines).any()


def test_all_draws_one_way_for_each_window() -> None:
    rows = 300
    found = viewed(
        np.zeros(rows, np.int64), np.full(rows, 20), way="all", share=1.0, rng=np.random.default_rng(1)
    )
    cropped = found.is_read.sum(axis=1) == 12
    reordered = (found.read != found.lines).any(axis=1)
    assert 60 < cropped.sum() < 150
    assert 60 < reordered.sum() < 150
    assert not (cropped & reordered).any()


def test_the_same_seed_gives_the_same_windows() -> None:
    for way in WAYS:
        np.testing.assert_array_equal(view(way).read, view(way).read)
        np.testing.assert_array_equal(view(way).is_read, view(way).is_read)


def test_batches_ask_at_a_shuffled_run_s_end_what_came_after_it() -> None:
    facts = interactions([list(range(1, 21))], n_items=20)
    weight = np.ones(len(facts), np.float32)
    [batch] = sequence_batches(
        places_of(facts),
        weight,
        max_length=20,
        batch_size=4,
        look_ahead=1,
        rng=np.random.default_rng(0),
        view_of=lambda starts, stops: viewed(
            starts, stops, way="reorder", share=1.0, rng=np.random.default_rng(5)
        ),
    )
    read, target = batch["item_idx"][0], batch["target_idx"][0]
    for place in np.flatnonzero(batch["target_weight"][0]):
        assert target[place] == read[: place + 1].max() + 1
    assert (np.diff(read[read > 0]) != 1).any()
