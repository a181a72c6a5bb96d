"""How many requests a process can work on at once, told by how long its loop takes to come round."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import monotonic

LATE_S = 0.03
EVERY_S = 0.1
LEAST = 64
_FALL, _RISE = 0.7, 1.05


class MovingLimit:
    """Falls while the loop is late all the time, and grows back when it is not.

    The requests of a process take turns on one loop: with too many, each waits long between two of its turns,
    whatever it does there. A fixed limit that suits a fast machine lets a slow one do everything too late. A
    database that is slow does not make the loop late, and so costs no place. As in CoDel (RFC 8289) what
    counts is the shortest of an interval's delays, which a burst leaves short.

    Args:
        most: Where it begins, and its highest.
        least: Its lowest: as many lists as may wait for the scoring thread; fewer would be refused in vain.
        late_s: The shortest round of an interval that is too long.
        every_s: An interval's length.
    """

    def __init__(
        self,
        most: int,
        *,
        least: int = LEAST,
        late_s: float = LATE_S,
        every_s: float = EVERY_S,
        now: Callable[[], float] = monotonic,
    ) -> None:
        self._most, self._least = float(most), float(min(least, most))
        self._late_s, self._every_s, self._now = late_s, every_s, now
        self._shortest = float("inf")
        self._until = 0.0
        self.current = float(most)
        """Requests that may be in the works now."""

    def feel(self) -> None:
        """Begin to measure one round; called by each request as it comes."""
        asyncio.get_running_loop().call_soon(self.came_round, self._now())

    def came_round(self, since: float) -> None:
        """The loop has come round since that moment."""
        now = self._now()
        self._shortest = min(self._shortest, now - since)
        if now < self._until:
            return
        if self._shortest > self._late_s:
            self.current = max(self._least, _FALL * self.current)
        else:
            self.current = min(self._most, _RISE * self.current)
        self._shortest, self._until = float("inf"), now + self._every_s
