"""The published table: the record it is held to, the slice before it."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from app.domain.weights import DEFAULT_WEIGHTS
from app.evaluation.splits import TimeSplit
from app.training.benchmark import CUT, VALIDATION_DAYS, Shop
from app.training.preprocess import days_of, prepare
from tests.unit.training.build import START, log

ROOT = Path(__file__).resolve().parents[3]
ON_RECORD = {
    "popularity": (0.034, 0.080),
    "popularity_decayed": (0.081, 0.145),
    "first_order": (0.067, 0.186),
    "ease": (0.100, 0.273),
}
"""NDCG@10 over items new to the customer, and over all."""


@pytest.fixture(scope="module")
def results() -> dict[str, Any]:
    body: dict[str, Any] = json.loads((ROOT / "benchmarks/results/quality/online_retail.json").read_text())
    return body


@pytest.mark.parametrize("name", ON_RECORD)
def test_baselines_agree_with_the_record_within_5_per_cent(results: dict[str, Any], name: str) -> None:
    found = results["models"][name]["test_mean"]
    ours = (found["unseen.ndcg@10"], found["all.ndcg@10"])
    assert ours == pytest.approx(ON_RECORD[name], rel=0.05)


def test_earlier_shop_ends_at_the_cut_and_measures_its_last_weeks() -> None:
    since, now = (CUT - START) / timedelta(days=1), CUT + timedelta(days=9)
    lines = [("u", f"i{days}", "purchase", since + days) for days in (-60, -40, -20, 0, 1)]
    cut = days_of(CUT)
    split = TimeSplit(cut - VALIDATION_DAYS, cut, float("inf"))
    earlier = Shop(prepare(log(*lines), DEFAULT_WEIGHTS, now=now), split).earlier()
    assert earlier.split == TimeSplit(cut - 2 * VALIDATION_DAYS, cut - VALIDATION_DAYS, cut)
    people = earlier.people(max_length=9)
    assert earlier.interactions.n_items == 2
    assert [len(people), int(people.targets.lengths.sum())] == [1, 1]
