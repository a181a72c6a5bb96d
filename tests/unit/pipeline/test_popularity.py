from __future__ import annotations

import numpy as np
import pytest

from app.domain.fading import Fading
from app.domain.weights import DEFAULT_WEIGHTS
from app.pipeline.candidates import popular_view, popular_view_over
from app.pipeline.popularity import daily_counts
from tests.unit.pipeline.build import FADING, NOW, catalogue, item

TODAY, TWO_WEEKS_AGO, LONG_AGO = "2026-11-24", "2026-11-10", "2026-08-01"


def test_decayed_counts_halve_every_half_life_and_weigh_events() -> None:
    counts = daily_counts(
        [
            ("a", "view_item", TODAY, 3),
            ("a", "purchase", TWO_WEEKS_AGO, 2),
            ("b", "purchase", TODAY, 1),
            ("b", "refund", TODAY, 5),
            ("c", "search", TODAY, 9),
        ],
        DEFAULT_WEIGHTS,
    )
    assert counts.item_ids == ("a", "b", "c")
    assert counts.popular(NOW, FADING.popular).tolist() == pytest.approx([3 * 1 + 2 * 8 / 2, 8, 0])
    assert counts.met.tolist() == [5, 6, 9]


def test_counts_within_a_window_leave_older_days_out() -> None:
    counts = daily_counts(
        [("a", "view_item", TODAY, 3), ("a", "view_item", "2026-11-17", 5)], DEFAULT_WEIGHTS
    )
    assert counts.popular(NOW, Fading(1.0, window_days=7)).tolist() == [3.0]
    assert counts.popular(NOW, Fading(1.0, window_days=8)).tolist() == [8.0]


def test_trending_prefers_what_rises_to_what_is_merely_big() -> None:
    steady = [("big", "view_item", f"2026-11-{day:02}", 50) for day in range(1, 25)]
    rising = [("new", "view_item", f"2026-11-{day:02}", 30) for day in (23, 24)]
    gone = [("old", "view_item", LONG_AGO, 500)]
    counts = daily_counts([*steady, *rising, *gone], DEFAULT_WEIGHTS)
    trend = dict(zip(counts.item_ids, counts.trending(NOW, FADING.trending).tolist(), strict=True))
    assert trend["new"] > trend["big"] > trend["old"] == 0.0


def test_counts_of_nothing_are_empty() -> None:
    counts = daily_counts([], DEFAULT_WEIGHTS)
    assert counts.popular(NOW, FADING.popular).tolist() == []
    assert counts.trending(NOW, FADING.trending).tolist() == []


def test_popular_view_follows_a_catalogue_that_grows() -> None:
    counts = daily_counts([("a", "view_item", TODAY, 1), ("late", "purchase", TODAY, 1)], DEFAULT_WEIGHTS)
    small = catalogue("z", "a")
    view = popular_view(counts, NOW, FADING, small)
    assert view.scores("popular", small, None).tolist() == [-np.inf, 1.0]
    grown = small.with_changes([item("late")], revision=2)
    over = popular_view_over(view, grown)
    assert over.scores("popular", grown, None).tolist() == [-np.inf, 1.0, 8.0]
    assert popular_view_over(over, small).scores("popular", small, None).tolist() == [-np.inf, 1.0]
    other = catalogue("late", "x")
    assert popular_view_over(view, other).scores("popular", other, None).tolist() == [8.0, -np.inf]
