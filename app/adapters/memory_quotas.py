"""Counters that live in the process."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

MOST = 50_000


class MemoryQuotaStore:
    """Counts by name, the oldest leaving first.

    Args:
        monotonic: Seconds that never go back.
    """

    def __init__(self, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._counts: OrderedDict[str, tuple[int, float]] = OrderedDict()

    async def add(self, name: str, amount: int, *, ttl_s: float) -> int | None:
        """The count with `amount` added; it is forgotten after `ttl_s`."""
        now = self._monotonic()
        count, ends_at = self._counts.get(name, (0, now + ttl_s))
        if ends_at <= now:
            count, ends_at = 0, now + ttl_s
        self._counts[name] = (count + amount, ends_at)
        while len(self._counts) > MOST:
            self._counts.popitem(last=False)
        return count + amount
