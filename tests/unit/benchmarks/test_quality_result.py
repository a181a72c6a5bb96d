"""Means over seeds that measured different things."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.quality.result import summarised


def _seed(number: int, validation: dict[str, float]) -> dict[str, Any]:
    return {"seed": number, "validation": validation, "test": {"ndcg@10": 0.1 * number}, "fit_s": 2.0}


def test_a_seed_without_a_curve_leaves_the_others_as_they_are() -> None:
    made = summarised([_seed(1, {"ndcg@10": 0.2}), _seed(2, {})])

    assert made["validation_mean"] == {}
    assert made["test_mean"]["ndcg@10"] == pytest.approx(0.15)
    assert made["test_spread"]["ndcg@10"] == pytest.approx(0.0707, abs=1e-4)
    assert made["fit_s_mean"] == 2.0


def test_a_figure_that_an_older_seed_lacks_is_left_out_of_the_means() -> None:
    older, newer = _seed(1, {}), _seed(2, {})
    newer["test"] = {"calibration@10": 0.3, **newer["test"]}

    for seeds in ([older, newer], [newer, older]):
        assert summarised(seeds)["test_mean"] == {"ndcg@10": pytest.approx(0.15)}
