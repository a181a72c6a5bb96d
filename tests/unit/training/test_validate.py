from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from app.evaluation.protocol import Cases, Score
from app.evaluation.ragged import grouped
from app.training.evaluate import validate


def people(*targets: int) -> Cases:
    """One person for each target, with item 1 as the past; the model knows two items."""
    rows = np.arange(len(targets))
    ones = grouped(rows, np.ones(len(rows), np.int32), len(rows))
    weights = grouped(rows, np.ones(len(rows), np.float32), len(rows))
    return Cases(ones, weights, ones, grouped(rows, np.array(targets, np.int32), len(rows)), 2)


def always(*scores: float) -> Score:
    def score(item_idx: NDArray[np.int32], _: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.tile(np.array([-1e9, *scores], np.float32), (len(item_idx), 1))

    return score


def test_loss_is_the_mean_over_people_of_whom_the_model_knows_a_target() -> None:
    loss, _ = validate(always(0.0, 0.0), people(2, 3))
    assert loss == pytest.approx(math.log(2))


def test_there_is_no_loss_where_the_model_knows_no_target() -> None:
    assert validate(always(0.0, 0.0), people(3, 3))[0] is None


@pytest.mark.parametrize("score", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_is_not_dropped(score: float) -> None:
    loss, _ = validate(always(0.0, score), people(2, 3))
    assert loss is not None
    assert not math.isfinite(loss)
