"""The counters of quotas, in memory and in Redis alike."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from app.adapters.memory_quotas import MemoryQuotaStore
from app.adapters.redis_quotas import RedisQuotaStore
from app.domain.ports import QuotaStore
from app.telemetry import Metrics
from tests.servers import RedisServer
from tests.waiting import until


@pytest.fixture(params=["memory", "redis"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[QuotaStore]:
    if request.param == "memory":
        yield MemoryQuotaStore()
        return
    server: RedisServer = request.getfixturevalue("redis_server")
    shared = RedisQuotaStore(server.url(), tenant=request.node.name, metrics=Metrics(), timeout_s=5)
    yield shared
    await shared.close()


async def test_counts_add_up_by_name(store: QuotaStore) -> None:
    assert [await store.add("a", 3, ttl_s=60) for _ in range(3)] == [3, 6, 9]
    assert await store.add("b", 1, ttl_s=60) == 1


async def test_counts_of_many_at_once_are_all_different(store: QuotaStore) -> None:
    found = await asyncio.gather(*(store.add("a", 1, ttl_s=60) for _ in range(10)))
    assert sorted(count for count in found if count is not None) == list(range(1, 11))


async def test_counts_are_forgotten(store: QuotaStore) -> None:
    assert await store.add("a", 5, ttl_s=1) == 5

    async def forgotten() -> bool:
        return await store.add("a", 1, ttl_s=1) == 1

    await until(forgotten)


async def test_redis_that_is_gone_is_no_count_and_no_error() -> None:
    server = RedisServer()
    metrics = Metrics()
    store = RedisQuotaStore(server.url(), tenant="t", metrics=metrics)
    try:
        assert await store.add("a", 1, ttl_s=60) is None
        assert metrics.degraded.labels("quotas", "ConnectionError")._value.get() == 1
    finally:
        await store.close()
        server.close()
