"""What a key may spend in a minute, alone and with other processes."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from app.adapters.memory_quotas import MemoryQuotaStore
from app.domain.errors import RateLimitedError, UnavailableError
from app.domain.types import ApiKey, KeyKind
from app.services.quotas import BLOCKS, Quotas
from app.telemetry import Metrics

HERE = "10.0.0.1"


class Time:
    """Seconds that a test moves."""

    def __init__(self) -> None:
        self.now = 6000.0

    def __call__(self) -> float:
        return self.now


class DeadStore:
    """Never knows."""

    async def add(self, name: str, amount: int, *, ttl_s: float) -> int | None:
        await asyncio.sleep(0)
        return None


def key(kind: KeyKind = KeyKind.SEC) -> ApiKey:
    return ApiKey(key_id=f"id-{kind}", kind=kind, scopes=frozenset(), digest=b"")


def quotas(limit: int | None, *, store: Any = None, time: Time | None = None) -> Quotas:
    return Quotas(
        store=store or MemoryQuotaStore(),
        fallback=MemoryQuotaStore(),
        per_minute=dict.fromkeys(KeyKind, limit),
        metrics=Metrics(),
        now=time or Time(),
    )


async def let_through(which: Quotas, asked: int, *, of: ApiKey | None = None, address: str = HERE) -> int:
    """How many of so many requests at once are let through."""
    found = await asyncio.gather(
        *(which.spend(of or key(), address) for _ in range(asked)), return_exceptions=True
    )
    assert all(one is None or isinstance(one, RateLimitedError) for one in found)
    return found.count(None)


@pytest.mark.parametrize("limit", [1, 7, 100, 1234])
async def test_quota_is_let_through_and_no_more(limit: int) -> None:
    assert await let_through(quotas(limit), 2 * limit) == limit


class GateStore(MemoryQuotaStore):
    """Answers when a test opens it."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = asyncio.Event()

    async def add(self, name: str, amount: int, *, ttl_s: float) -> int | None:
        await self.gate.wait()
        return await super().add(name, amount, ttl_s=ttl_s)


async def test_requests_that_come_just_as_a_block_arrives_and_is_too_small_take_the_next() -> None:
    store = GateStore()
    which = quotas(BLOCKS, store=store)  # blocks of one request
    first = asyncio.create_task(which.spend(key(), HERE))
    for _ in range(3):
        await asyncio.sleep(0)
    store.gate.set()
    # Behind the taking in the loop's order, and before anything that follows from its end.
    late = [asyncio.create_task(which.spend(key(), HERE)) for _ in range(5)]
    await asyncio.gather(first, *late)


async def test_next_minute_brings_a_new_quota() -> None:
    time = Time()
    which = quotas(5, time=time)
    assert await let_through(which, 9) == 5
    time.now += 60
    assert await let_through(which, 9) == 5


async def test_processes_share_one_quota_to_within_a_block() -> None:
    store, limit = MemoryQuotaStore(), 10_000
    both = [quotas(limit, store=store) for _ in range(2)]
    counts = [0, 0]
    for _ in range(60):
        for number, one in enumerate(both):
            counts[number] += await let_through(one, 120)
    assert limit - 2 * (limit // BLOCKS) <= sum(counts) <= limit


async def test_refusal_says_when_to_come_again() -> None:
    time = Time()
    time.now += 48.5
    which = quotas(1, time=time)
    await which.spend(key(), HERE)
    with pytest.raises(RateLimitedError) as refused:
        await which.spend(key(), HERE)
    assert (refused.value.retry_after_s, refused.value.quota) == (12, 1)


async def test_browsers_quota_is_an_address_s_and_a_servers_is_not() -> None:
    which = quotas(3)
    assert await let_through(which, 5, of=key(KeyKind.PUB)) == 3
    assert await let_through(which, 5, of=key(KeyKind.PUB), address="10.0.0.2") == 3
    assert await let_through(which, 5, of=key(KeyKind.SEC)) == 3
    assert await let_through(which, 5, of=key(KeyKind.SEC), address="10.0.0.2") == 0


@pytest.mark.parametrize("kind", [KeyKind.PUB, KeyKind.SEC])
async def test_store_that_is_away_leaves_a_quota_in_each_process(kind: KeyKind) -> None:
    assert await let_through(quotas(50, store=DeadStore()), 90, of=key(kind)) == 50


async def test_store_that_is_away_stops_administrators() -> None:
    with pytest.raises(UnavailableError):
        await quotas(50, store=DeadStore()).spend(key(KeyKind.ADM), HERE)


async def test_no_limit_is_none() -> None:
    assert await let_through(quotas(None, store=DeadStore()), 10, of=key(KeyKind.ADM)) == 10
