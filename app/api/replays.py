"""`Idempotency-Key`: the same request sent again is answered again, not done again.

Kept in this process, for a while. That covers what such keys are for, a client that repeats a call whose
answer it did not see; across processes the database's own rules hold (one job at a time, one live version).
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, field
from time import monotonic

from starlette.responses import Response

MAX_KEPT = 1000
KEPT_S = 3600.0


@dataclass(slots=True)
class Remembered:
    """One key's request, and its answer once there is one."""

    fingerprint: bytes
    since: float
    answer: Response | None = None
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


class Replays:
    """What has been answered under which key; the oldest are forgotten first."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, str, str], Remembered] = OrderedDict()

    def place(self, *, key_id: str, address: str, given: str, fingerprint: bytes) -> Remembered:
        """The place of this caller's key at this address, new or known."""
        now = monotonic()
        while self._kept and (len(self._kept) > MAX_KEPT or self._oldest_is_past(now)):
            self._kept.popitem(last=False)
        return self._kept.setdefault((key_id, address, given), Remembered(fingerprint, now))

    def _oldest_is_past(self, now: float) -> bool:
        return next(iter(self._kept.values())).since + KEPT_S < now
