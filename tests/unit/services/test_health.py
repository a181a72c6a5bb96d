import asyncio

import pytest

from app.adapters.memory_cache import MemoryListCache
from app.domain.errors import StorageUnavailableError
from app.services.health import Health, State


class Items:
    """An item store that answers, fails or hangs."""

    def __init__(self) -> None:
        self.asked = 0
        self.mode = "up"
        self.released = asyncio.Event()

    async def revision(self) -> int:
        self.asked += 1
        if self.mode == "down":
            raise StorageUnavailableError("no")
        if self.mode == "hung":
            await self.released.wait()
        return 1


class Cache(MemoryListCache):
    """A cache that can be down."""

    up = True

    async def ping(self) -> bool:
        return self.up


class Models:
    """No model yet."""

    current = None
    missing: tuple[str, ...] = ()


@pytest.fixture
def items():
    return Items()


@pytest.fixture
def cache():
    return Cache(ttl_s=1, entries=1)


class Ingest:
    """Events are stored."""

    trouble: str | None = None


@pytest.fixture
def ingest():
    return Ingest()


@pytest.fixture
async def health(items, cache, ingest):
    made = Health(items=items, cache=cache, models=Models(), ingest=ingest, timeout_s=0.05)
    yield made
    await made.stop()


async def test_everything_up_is_ready(health):
    ready = await health.ready()
    assert (ready.serving, ready.status) == (True, "ready")
    assert {name: part.state for name, part in ready.dependencies.items()} == {
        "database": State.OK,
        "cache": State.OK,
        "model": State.NONE,
        "ingest": State.OK,
    }


async def test_cache_that_is_down_degrades(health, cache):
    cache.up = False
    ready = await health.ready()
    assert (ready.serving, ready.status, ready.dependencies["cache"].state) == (True, "degraded", State.DOWN)


async def test_events_that_cannot_be_stored_degrade(health, ingest):
    ingest.trouble = "The database's disk is nearly full."
    ready = await health.ready()
    assert (ready.serving, ready.status) == (True, "degraded")
    assert ready.dependencies["ingest"].detail == ingest.trouble


async def test_database_that_hangs_is_down_in_bounded_time_and_asked_once(health, items):
    await health.ready()
    items.mode = "hung"
    asked = items.asked
    for _ in range(5):
        ready = await health.ready()
        assert (ready.serving, ready.status) == (True, "degraded")
        assert ready.dependencies["database"].detail == "does not answer"
    assert items.asked == asked + 1
    items.mode = "up"
    items.released.set()
    await asyncio.sleep(0)
    assert (await health.ready()).status == "ready"


async def test_database_never_seen_means_not_serving_until_it_is(health, items):
    items.mode = "down"
    ready = await health.ready()
    assert (ready.serving, ready.status) == (False, "unavailable")
    items.mode = "up"
    assert (await health.ready()).serving
    items.mode = "down"
    assert (await health.ready()).serving
