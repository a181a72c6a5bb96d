"""Counters in Redis, shared by every process. Nothing here raises: a count that cannot be had is None."""

from __future__ import annotations

import asyncio
import hashlib

from redis.exceptions import RedisError

from app.adapters.redis_cache import TIMEOUT_S, client_of
from app.domain.breaker import Breaker
from app.telemetry import Metrics


class RedisQuotaStore:
    """Counts by name.

    Args:
        url: `redis://…`.
        tenant: Whose counters.
        metrics: Counts what went wrong.
        timeout_s: Seconds for one operation, connecting included.

    Raises:
        InvalidInputError: The address is not one of Redis.
    """

    def __init__(self, url: str, *, tenant: str, metrics: Metrics, timeout_s: float = TIMEOUT_S) -> None:
        self._redis = client_of(url, timeout_s)
        self._tenant, self._metrics, self._timeout_s = tenant, metrics, timeout_s
        self._breaker = Breaker(failures=5, open_s=0.5, apart_s=0.01)

    async def add(self, name: str, amount: int, *, ttl_s: float) -> int | None:
        """The count with `amount` added; it is forgotten after `ttl_s`. None where Redis does not answer."""
        if not self._breaker.allows():
            return None
        key = self._key(name)
        pipeline = self._redis.pipeline(transaction=True)
        # Its end is set with its beginning, and not put off by what comes later.
        pipeline.set(key, 0, ex=int(ttl_s), nx=True)
        pipeline.incrby(key, amount)
        try:
            async with asyncio.timeout(self._timeout_s):
                _, count = await pipeline.execute()
        except (RedisError, OSError, TimeoutError) as error:
            self._metrics.degraded.labels("quotas", type(error).__name__).inc()
            self._breaker.failed()
            return None
        self._breaker.succeeded()
        return int(count)

    def _key(self, name: str) -> str:
        """Names hold addresses and key ids, which never stand in keys."""
        digest = hashlib.blake2b(f"{self._tenant}\0{name}".encode(), digest_size=16).hexdigest()
        return f"recserve:q:{digest}"

    async def close(self) -> None:
        """End the connections."""
        await self._redis.aclose(close_connection_pool=True)
