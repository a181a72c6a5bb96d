from __future__ import annotations

import numpy as np
import pytest

from app.domain.intervals import Z, mean_interval, wilson


@pytest.mark.parametrize(("successes", "of"), [(0, 10), (10, 10), (3, 7), (1, 1000), (5, 50)])
def test_wilson_s_bounds_are_where_the_score_test_turns(successes: int, of: int) -> None:
    bounds = wilson(successes, of)
    assert bounds is not None
    for bound in bounds:
        if 1e-12 < bound < 1 - 1e-12:
            score = abs(successes / of - bound) / np.sqrt(bound * (1 - bound) / of)
            assert score == pytest.approx(Z)
    assert 0 <= bounds[0] <= successes / of <= bounds[1] <= 1
    assert bounds[1] > bounds[0]


def test_mean_interval_is_that_of_the_values() -> None:
    values = np.array([0.0, 0.0, 12.5, 3.0, 0.0, 80.0])
    found = mean_interval(values.sum(), (values**2).sum(), len(values))
    half = Z * values.std(ddof=1) / np.sqrt(len(values))
    assert found == pytest.approx((values.mean() - half, values.mean() + half))


def test_too_little_says_nothing() -> None:
    assert wilson(0, 0) is None
    assert mean_interval(5.0, 25.0, 1) is None
