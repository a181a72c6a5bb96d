"""Whether two groups of people differ by more than chance: plain formulas, held against SciPy's in tests."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from app.domain.intervals import Z


class Difference(NamedTuple):
    """Of a figure from the control's.

    Attributes:
        value: The figure less the control's.
        low: Of the 95 % interval; `high` likewise.
        p_value: How likely so large a difference, either way, would be if there were none.
    """

    value: float
    low: float
    high: float
    p_value: float


class Mean(NamedTuple):
    """Sums of a figure over people.

    Attributes:
        total: The sum.
        squares: The sum of squares.
        of: How many people.
    """

    total: float
    squares: float
    of: int

    @property
    def value(self) -> float:
        """The mean."""
        return self.total / self.of

    @property
    def noise(self) -> float:
        """The variance of the mean."""
        return max(0.0, self.squares - self.total * self.value) / (self.of - 1) / self.of


def of_shares(successes: int, of: int, control: int, control_of: int) -> Difference | None:
    """Of two shares: the two-sided z-test with the shares pooled, and Wald's interval; None of nobody.

    >>> [round(part, 4) for part in of_shares(30, 100, 20, 100)]
    [0.1, -0.0192, 0.2192, 0.1025]
    """
    if not of or not control_of:
        return None
    share, other = successes / of, control / control_of
    pooled = (successes + control) / (of + control_of)
    under_chance = pooled * (1 - pooled) * (1 / of + 1 / control_of)
    own = share * (1 - share) / of + other * (1 - other) / control_of
    return _difference(share - other, own, under_chance)


def of_means(mean: Mean, control: Mean) -> Difference | None:
    """Of two means: Welch's test in its normal approximation; None of fewer than two people."""
    if mean.of < 2 or control.of < 2:
        return None
    noise = mean.noise + control.noise
    return _difference(mean.value - control.value, noise, noise)


def _difference(value: float, variance: float, under_chance: float) -> Difference:
    half = Z * math.sqrt(variance)
    if under_chance == 0:
        return Difference(value, value - half, value + half, 1.0 if value == 0 else 0.0)
    p_value = math.erfc(abs(value) / math.sqrt(2 * under_chance))
    return Difference(value, value - half, value + half, p_value)


def sample_ratio(people: Sequence[int], weights: Sequence[float]) -> float | None:
    """How likely a split as uneven would be under the weights: Pearson's chi-square; None of nobody.

    Source: A. Fabijan et al., Diagnosing Sample Ratio Mismatch in Online Controlled Experiments, KDD 2019.

    >>> round(sample_ratio([520, 480], [1, 1]), 4)
    0.2059
    """
    total, weight = sum(people), sum(weights)
    if not total:
        return None
    expected = [total * one / weight for one in weights]
    statistic = sum((seen - due) ** 2 / due for seen, due in zip(people, expected, strict=True))
    return chi_square_tail(statistic, len(people) - 1)


def chi_square_tail(statistic: float, degrees: int) -> float:
    """The upper tail of the chi-square distribution, of 1 degree of freedom and more.

    Two degrees more add x^(k/2) e^(-x/2) / (2^(k/2) Γ(k/2 + 1)), from those of 1 and 2.
    """
    half = statistic / 2
    at = 1 if degrees % 2 else 2
    tail = math.erfc(math.sqrt(half)) if at == 1 else math.exp(-half)
    for k in range(at, degrees, 2):
        tail += math.exp(-half) * half ** (k / 2) / math.gamma(k / 2 + 1)
    return min(1.0, tail)
