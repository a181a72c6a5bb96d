from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from models import ease, ease_trend
from models.base import Interactions
from models.ease_trend import faded_people
from models.item_item import ItemItem
from models.trend import trend
from tests.models import toys
from tests.models.contract import TableContract

EASE = {
    "regularisation": 5.0,
    "keep": 100,
    "max_items": 100,
    "neighbours": 100,
    "recency": 1.0,
    "prior": 0.0,
}
TREND = {**EASE, "age_half_life_days": 2.0, "trend_half_life_days": 1.0, "trend_power": 0.0}
FOR_EVER = 1e9


class TestEaseTrend(TableContract):
    model = "ease_trend"


def dense(made: ItemItem) -> np.ndarray:
    found = np.zeros((made.n_items + 1, made.n_items + 1))
    for row in range(made.n_items + 1):
        span = slice(made.indptr[row], made.indptr[row + 1])
        found[row, made.indices[span]] = made.data[span]
    return found


def some() -> Interactions:
    rows = np.random.default_rng(1).integers(1, 9, (30, 4)).tolist()
    return toys.interactions(rows, n_items=8)


def test_ease_with_trend_is_ease_without_ages_and_power() -> None:
    made = ease_trend.fit(some(), **{**TREND, "age_half_life_days": FOR_EVER})
    np.testing.assert_allclose(dense(made), dense(ease.fit(some(), **EASE)), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("max_items", [100, 1])
def test_ease_with_trend_regresses_faded_histories(max_items: int) -> None:
    facts = some()
    made = dense(ease_trend.fit(facts, **{**TREND, "max_items": max_items}))
    people = faded_people(facts, half_life_days=2.0).toarray().astype(np.float64)
    for item in range(8):
        others = [j for j in range(8) if j != item]
        gram = people[:, others].T @ people[:, others] + 5.0 * np.eye(7)
        wanted = np.linalg.solve(gram, people[:, others].T @ people[:, item])
        np.testing.assert_allclose(made[1:, item + 1][others], wanted, rtol=1e-4, atol=1e-6)


def test_ease_with_trend_weighs_each_column_by_the_items_trend() -> None:
    facts = some()
    plain, moved = (dense(ease_trend.fit(facts, **{**TREND, "trend_power": power})) for power in (0.0, 0.5))
    wanted = plain * np.sqrt(trend(facts, half_life_days=1.0))
    np.testing.assert_allclose(moved, wanted, rtol=1e-5, atol=1e-7)


def test_ease_with_trend_keeps_the_strongest_after_the_trend() -> None:
    # Item 3 sells now and item 2 did long ago, with as many people of item 1.
    facts = toys.interactions([[1, 2], [1, 2], [1, 3], [1, 3]], n_items=3)
    facts = replace(facts, time=np.array([0, 0, 0, 0, 0, 99, 0, 99.0]), now=100.0)
    settings = {**TREND, "age_half_life_days": FOR_EVER, "trend_power": 1.0, "keep": 1}
    made = ease_trend.fit(facts, **settings)
    assert made.indices[made.indptr[1] : made.indptr[2]].tolist() == [3]


def test_faded_people_count_the_newest_time_of_a_pair() -> None:
    facts = toys.interactions([[1, 2, 1], [2]], n_items=2)
    # now is 3: person 0 had item 1 a day ago and item 2 two days ago, person 1 item 2 three days ago.
    wanted = [[0.5, 0.25], [0.0, 0.125]]
    np.testing.assert_allclose(faded_people(facts, half_life_days=1.0).toarray(), wanted, rtol=1e-6)


def test_faded_people_leave_out_what_very_long_histories_leave_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.rows.LONGEST", 2)
    facts = toys.interactions([[3, 1, 2]], n_items=3)
    np.testing.assert_allclose(faded_people(facts, half_life_days=1.0).toarray(), [[0.25, 0.5, 0.0]])


def test_trend_is_the_recent_share_of_an_item_beside_that_of_all() -> None:
    facts = toys.interactions([[1, 2, 2]], n_items=3)
    ages, eight = np.array([3.0, 2.0, 1.0]), 8.0
    recent, longer = eight * 0.5**ages, eight * 0.5 ** (ages / 365)
    share = recent.sum() / longer.sum()
    wanted = [
        1.0,
        (recent[0] / share + eight) / (longer[0] + eight),
        (recent[1:].sum() / share + eight) / (longer[1:].sum() + eight),
        1.0,
    ]
    np.testing.assert_allclose(trend(facts, half_life_days=1.0), wanted, rtol=1e-5)


def test_trend_is_flat_without_times() -> None:
    facts = toys.interactions([[1, 2, 2], [3]], n_items=3)
    still = replace(facts, time=np.zeros(4), now=0.0)
    np.testing.assert_allclose(trend(still, half_life_days=7.0), np.ones(4), rtol=1e-6)


def test_trend_is_flat_without_lines() -> None:
    facts = toys.interactions([[1]], n_items=2)
    none = {name: getattr(facts, name)[:0] for name in ("user", "item", "time", "weight", "half_life")}
    np.testing.assert_array_equal(trend(replace(facts, **none), half_life_days=7.0), np.ones(3))


def test_trend_stays_a_number_after_years_without_a_line() -> None:
    facts = replace(toys.interactions([[1, 2]], n_items=2), now=1e7)
    assert np.isfinite(trend(facts, half_life_days=7.0)).all()
