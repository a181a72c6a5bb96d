"""How fast what many people did is forgotten, for popular and for trending lists."""

from __future__ import annotations

from dataclasses import dataclass

HALF_LIVES = 6
"""A sale that many half-lives old counts one part in 64: older ones are not read."""
TRENDING_SPAN = 7.0
"""The half-life of an item's usual rate is so many times that of its recent one."""


@dataclass(frozen=True, slots=True)
class Fading:
    """What an old count is worth.

    Attributes:
        half_life_days: After so many days it is worth half.
        window_days: Counts of the last so many days, today included, are worth all and older ones nothing;
            None where the half-life alone says it.
    """

    half_life_days: float
    window_days: int | None = None


@dataclass(frozen=True, slots=True)
class CountsFading:
    """How the counts of both kinds of list fade.

    Attributes:
        popular: Of popular lists.
        trending: Of the recent rate that trending lists hold against the usual one.
    """

    popular: Fading
    trending: Fading

    @property
    def span_days(self) -> float:
        """Days back that counts are read."""
        usual = TRENDING_SPAN * self.trending.half_life_days
        half_lives = HALF_LIVES * max(self.popular.half_life_days, usual)
        # A window is held against the one before it.
        windows = max(self.popular.window_days or 0, 2 * (self.trending.window_days or 0))
        return max(half_lives, float(windows))


def fading_of(half_life_days: float) -> CountsFading:
    """As one half-life has it: the usual rate of trending fades as popular lists do."""
    return CountsFading(Fading(half_life_days), Fading(half_life_days / TRENDING_SPAN))


DEFAULT_FADING = fading_of(14.0)
