"""How far a fit goes: epochs that fit into its time, and the learning rate on the way."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping

from models.base import Value

DECAYS: Mapping[str, Callable[[float], float]] = {
    "none": lambda _: 1.0,
    "linear": lambda way: 1.0 - way,
    "cosine": lambda way: 0.5 * (1.0 + math.cos(math.pi * way)),
}
"""The learning rate's share over the way from 0 to 1."""


class Pace:
    """How many epochs there will be, and the learning rate on the way.

    Args:
        training: `learning_rate`, `warm_up` (the share of the way over which the rate rises) and `decay`.
        epochs: Passes at most.
        horizon: Epochs over which the rate decays.
        deadline_s: Seconds that all passes may take.
        clock: Seconds since any moment.
        began: When these seconds began; now, if nothing is said.
    """

    def __init__(
        self,
        training: Mapping[str, Value],
        *,
        epochs: int,
        horizon: int,
        deadline_s: float | None,
        clock: Callable[[], float] = time.monotonic,
        began: float | None = None,
    ) -> None:
        self._rate, self._warm_up = float(training["learning_rate"]), float(training.get("warm_up", 0.0))
        self._falls = DECAYS[str(training.get("decay", "none"))]
        self.epochs = self._most = epochs
        self._horizon = self._whole = horizon
        self._first_s = 0.0
        self._deadline_s, self._clock = deadline_s, clock
        self._started = clock() if began is None else began

    def rate(self, number: int, share: float) -> float:
        """The learning rate in an epoch of which a share is done."""
        way = min(1.0, (number - 1 + share) / self._horizon)
        if way < self._warm_up:
            return self._rate * max(way / self._warm_up, 0.02)
        return self._rate * self._falls((way - self._warm_up) / max(1.0 - self._warm_up, 1e-9))

    def is_late(self) -> bool:
        """Whether the time is used up."""
        return self._deadline_s is not None and self._clock() - self._started > self._deadline_s

    def look(self, done: int) -> None:
        """Plan fewer epochs where the pace so far says that not all fit into the time.

        The rate then decays over those. The first epoch traces the step too: it alone may plan too few, and
        the later ones may take that back. While all fit, the clock changes nothing, so a fit can be repeated.
        """
        if self._deadline_s is None:
            return
        took = self._clock() - self._started
        if done == 1:
            self._first_s = took
        each = took if done == 1 else (took - self._first_s) / (done - 1)
        fitting = done + int(max(self._deadline_s - took, 0.0) / max(each, 1e-9))
        self.epochs = max(min(fitting, self._most), done)
        self._horizon = self._whole if self.epochs == self._most else min(self._whole, self.epochs)
