from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from app.domain.significance import Mean, chi_square_tail, of_means, of_shares, sample_ratio


@pytest.mark.parametrize(
    ("degrees", "statistic"), [(k, x) for k in range(1, 8) for x in (0.0, 0.3, 4.2, 31.0)]
)
def test_chi_square_tail_is_scipy_s(degrees: int, statistic: float) -> None:
    assert chi_square_tail(statistic, degrees) == pytest.approx(stats.chi2.sf(statistic, degrees), rel=1e-9)


@pytest.mark.parametrize(("people", "weights"), [([480, 520], [1, 1]), ([100, 230, 70], [1, 2, 0.5])])
def test_sample_ratio_is_scipy_s(people: list[int], weights: list[float]) -> None:
    expected = np.array(weights) / sum(weights) * sum(people)
    assert sample_ratio(people, weights) == pytest.approx(stats.chisquare(people, expected).pvalue)
    assert sample_ratio([0, 0], [1, 1]) is None


def test_difference_of_shares_is_the_chi_square_test_of_two_by_two() -> None:
    found = of_shares(45, 400, 30, 500)
    assert found is not None
    table = [[45, 355], [30, 470]]
    assert found.p_value == pytest.approx(stats.chi2_contingency(table, correction=False).pvalue)
    assert found.value == pytest.approx(45 / 400 - 30 / 500)
    assert found.low < found.value < found.high
    assert of_shares(1, 0, 1, 5) is None
    assert of_shares(5, 5, 5, 5) == (0.0, 0.0, 0.0, 1.0)


def test_difference_of_means_is_welch_s() -> None:
    draws = np.random.default_rng(1)
    one, other = draws.exponential(3.0, 900), draws.exponential(2.6, 700)

    def mean(values: np.ndarray) -> Mean:
        return Mean(float(values.sum()), float((values**2).sum()), len(values))

    found = of_means(mean(one), mean(other))
    assert found is not None
    welch = stats.ttest_ind(one, other, equal_var=False)
    assert found.p_value == pytest.approx(welch.pvalue, abs=0.002)
    interval = welch.confidence_interval()
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high), abs=0.002)
    assert of_means(mean(one[:1]), mean(other)) is None
