"""How many requests a key may make in a minute, counted over all processes.

A count in Redis for each request would cost as much as a kept list. So a process takes its share of the
minute in blocks of one hundredth of the quota, and counts inside the block by itself: never more than the
quota is given out, and at most a block a process is left over.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from app.domain.errors import RateLimitedError, UnavailableError
from app.domain.ports import QuotaStore
from app.domain.types import ApiKey, KeyKind
from app.telemetry import Metrics

MINUTE_S = 60
BLOCKS = 100
NAMES_KEPT = 20_000


@dataclass(slots=True)
class _Minute:
    """What is known of a name's current minute.

    Attributes:
        number: Of the minute, since 1970.
        left: Requests of the block that are not used yet.
        spent: No more are to be had before the next minute.
    """

    number: int
    left: int = 0
    spent: bool = False


class Quotas:
    """Lets requests through, or not.

    Args:
        store: Counts over all processes.
        fallback: Counts in this process, for when the store cannot be asked. Keys of browsers and servers go
            on under it; those of administrators, which open everything, do not.
        per_minute: By kind of key; None: without a limit. A browser's counts for each address on its own.
        metrics: Counts refusals.
        now: Seconds since 1970.
    """

    def __init__(
        self,
        *,
        store: QuotaStore,
        fallback: QuotaStore,
        per_minute: Mapping[KeyKind, int | None],
        metrics: Metrics,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._store, self._fallback = store, fallback
        self._per_minute = per_minute
        self._metrics = metrics
        self._now = now
        self._minutes: OrderedDict[str, _Minute] = OrderedDict()
        self._taking: dict[str, asyncio.Task[None]] = {}

    async def spend(self, key: ApiKey, address: str) -> None:
        """Count a request.

        Raises:
            RateLimitedError: The minute's quota is used up.
            UnavailableError: An administrator's cannot be counted now.
        """
        try:
            while not self.spend_at_hand(key, address):
                await asyncio.shield(self._taken(key, _name(key, address)))
        except RateLimitedError:
            # Here alone: others let this say what they have found.
            self._metrics.rate_limited.labels(key.kind.value).inc()
            raise

    def spend_at_hand(self, key: ApiKey, address: str) -> bool:
        """Count a request if this process has the right to let it through; False: `spend` must ask.

        Raises:
            RateLimitedError: The minute's quota is used up.
        """
        limit = self._per_minute.get(key.kind)
        if limit is None:
            return True
        now = self._now()
        minute = self._minutes.get(_name(key, address))
        if minute is None or minute.number != int(now // MINUTE_S):
            return False
        if minute.left > 0:
            minute.left -= 1
            return True
        if minute.spent:
            left_s = max(1, -int(-(MINUTE_S - now % MINUTE_S) // 1))
            raise RateLimitedError(
                "The key's requests of this minute are used up.", retry_after_s=left_s, quota=limit
            )
        return False

    def ask_for_more(self, key: ApiKey, address: str) -> None:
        """Begin to get what `spend_at_hand` lacked, without waiting for it."""
        # An error is told to whoever calls `spend`.
        self._taken(key, _name(key, address)).add_done_callback(
            lambda task: task.cancelled() or task.exception()
        )

    def _taken(self, key: ApiKey, name: str) -> asyncio.Task[None]:
        """The taking of a block that is under way, or a new one: all who wait share it."""
        task = self._taking.get(name)
        if task is None:
            task = self._taking[name] = asyncio.create_task(self._take(key, name), name="quotas.take")
        return task

    async def start(self) -> None:
        """Nothing to begin."""

    async def stop(self) -> None:
        """Leave no question behind."""
        for task in tuple(self._taking.values()):
            task.cancel()

    async def _take(self, key: ApiKey, name: str) -> None:
        try:
            await self._take_block(key, name)
        finally:
            # At once: whoever finds a taking that has ended asks it again for ever, and nothing else runs.
            del self._taking[name]

    async def _take_block(self, key: ApiKey, name: str) -> None:
        """Get a block of this minute, or learn that there is none."""
        limit, number = self._per_minute[key.kind], int(self._now() // MINUTE_S)
        assert limit is not None  # noqa: S101  # the caller has looked
        block, counter = max(1, limit // BLOCKS), f"{name}|{number}"
        count = await self._store.add(counter, block, ttl_s=2 * MINUTE_S)
        if count is None:
            if key.kind is KeyKind.ADM:
                raise UnavailableError("The key's rate limit cannot be checked now.")
            self._metrics.degraded.labels("quotas", "store down").inc()
            count = await self._fallback.add(counter, block, ttl_s=2 * MINUTE_S) or 0
        given = min(block, max(0, limit - (count - block)))
        minute = self._minutes.get(name)
        if minute is None or minute.number != number:
            minute = self._minutes[name] = _Minute(number)
        minute.left += given
        minute.spent = given == 0
        self._minutes.move_to_end(name)
        while len(self._minutes) > NAMES_KEPT:
            self._minutes.popitem(last=False)


def _name(key: ApiKey, address: str) -> str:
    return f"{key.key_id}|{address}" if key.kind is KeyKind.PUB else key.key_id
