"""A circuit breaker: after failures in a row a dependency is left alone for a while."""

from __future__ import annotations

import time
from collections.abc import Callable


class Breaker:
    """Closed while calls succeed; open after `failures` in a row; then one trial at a time.

    Args:
        failures: Failures in a row that open it.
        open_s: Seconds it stays open before a trial is let through.
        apart_s: Failures closer together count once: many calls may have waited for the same answer.
        monotonic: Seconds that never go back.
    """

    __slots__ = ("_apart_s", "_counted_at", "_failed", "_failures", "_monotonic", "_open_s", "_open_until")

    def __init__(
        self,
        *,
        failures: int,
        open_s: float,
        apart_s: float = 0.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._failures = failures
        self._open_s = open_s
        self._monotonic = monotonic
        self._failed = 0
        self._open_until = 0.0
        self._apart_s = apart_s
        self._counted_at = -apart_s

    @property
    def is_open(self) -> bool:
        """Whether calls are held back now, trials aside."""
        return self._failed >= self._failures

    def allows(self) -> bool:
        """Whether to call now. While open, True once every `open_s`: that call is the trial."""
        if not self.is_open:
            return True
        now = self._monotonic()
        if now < self._open_until:
            return False
        self._open_until = now + self._open_s
        return True

    def succeeded(self) -> None:
        """A call worked."""
        self._failed = 0

    def failed(self) -> bool:
        """A call did not work. True where this opened the breaker."""
        now = self._monotonic()
        self._open_until = now + self._open_s
        if now - self._counted_at < self._apart_s:
            return False
        self._counted_at = now
        self._failed += 1
        return self._failed == self._failures
