"""Intervals of 95 % around shares and means."""

from __future__ import annotations

import math

Z = 1.959963984540054


def wilson(successes: int, of: int) -> tuple[float, float] | None:
    """The interval of a share; None of nothing.

    Stays within 0 and 1, and keeps its width where nothing or everything was a success.

    Source: E. B. Wilson, Probable Inference, the Law of Succession, and Statistical Inference, JASA 22, 1927.

    >>> [round(bound, 4) for bound in wilson(5, 50)]
    [0.0435, 0.2136]
    """
    if of == 0:
        return None
    share, spread = successes / of, Z * Z / of
    middle = (share + spread / 2) / (1 + spread)
    half = Z / (1 + spread) * math.sqrt(share * (1 - share) / of + spread / (4 * of))
    # By rounding alone, a share of nothing or all could fall outside.
    return max(0.0, min(share, middle - half)), min(1.0, max(share, middle + half))


def mean_interval(total: float, squares: float, of: int) -> tuple[float, float] | None:
    """The interval of a mean by its normal approximation; None of fewer than two.

    Args:
        total: The sum.
        squares: The sum of squares.
        of: How many were added up.

    >>> [round(bound, 4) for bound in mean_interval(10.0, 100.0, 4)]
    [-2.3999, 7.3999]
    """
    if of < 2:
        return None
    mean = total / of
    variance = max(0.0, squares - total * mean) / (of - 1)
    half = Z * math.sqrt(variance / of)
    return mean - half, mean + half
