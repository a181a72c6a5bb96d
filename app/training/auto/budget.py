"""The seconds that a recipe has, and how they are shared out."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from app.training.task import Member

TABLES_SHARE = 0.4
"""Of all seconds, refits included, that counted tables may take; nearly all where no network would fit."""
BLEND_SHARE = 0.1
SHARE_OF_LEFT = 0.75
"""What the next network may have of the seconds that are left: the best come first, and few need it all."""
LEAST_FIT_S = 10.0
NETWORK_REFIT = 0.8
"""What a network's refit takes beside the fit with validation."""


@dataclass(slots=True)
class Budget:
    """The seconds that there are, and what of them is promised.

    Attributes:
        total_s: All fitting and choosing, refits included.
        refits: How often the chosen members are fitted again within it.
        clock: Seconds since any moment.
        refit_s: One refit of all that was fitted so far.
        longest_s: What one fit of a table took at most.
    """

    total_s: float
    refits: int
    clock: Callable[[], float] = time.monotonic
    started: float = field(init=False)
    refit_s: float = 0.0
    longest_s: float = 0.0

    def __post_init__(self) -> None:
        """Begin now."""
        self.started = self.clock()

    @property
    def used_s(self) -> float:
        """Seconds since the start."""
        return self.clock() - self.started

    @property
    def promised_s(self) -> float:
        """Seconds that the refits will take."""
        return self.refits * self.refit_s

    def promise(self, member: Member) -> None:
        """Keep seconds for the refits of a member, the one that its fit took as the measure."""
        self.refit_s += member.seconds * (1.0 if member.network is None else NETWORK_REFIT)

    def has_time_for_table(self) -> bool:
        """Whether one more fit of a table, as long as the longest so far, would stay in their share.

        They are tried with the quickest first, so the next one may well take as long.
        """
        ahead = self.longest_s * (1 + self.refits)
        return self.used_s + self.promised_s + ahead <= self._tables_share() * self.total_s

    def _tables_share(self) -> float:
        network = LEAST_FIT_S * (1.0 + self.refits * NETWORK_REFIT) / SHARE_OF_LEFT
        fits = self.total_s * (1.0 - TABLES_SHARE - BLEND_SHARE) >= network
        return TABLES_SHARE if fits else 1.0 - BLEND_SHARE

    def for_network(self) -> float:
        """Seconds that the next network's fit may take."""
        left = self.total_s * (1.0 - BLEND_SHARE) - self.used_s - self.promised_s
        return SHARE_OF_LEFT * left / (1.0 + self.refits * NETWORK_REFIT)

    def is_gathering_over(self) -> bool:
        """Whether the time to ask the members is over, and that to search their weights begins."""
        return self.used_s + self.promised_s >= self.total_s * (1.0 - BLEND_SHARE / 2)

    def is_over(self) -> bool:
        """Whether nothing is left but what the refits take."""
        return self.used_s + self.promised_s >= self.total_s
