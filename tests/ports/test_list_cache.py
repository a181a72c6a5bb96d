"""The list cache's contract, held by the one in memory and the one in Redis alike."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from app.adapters.memory_cache import MemoryListCache
from app.adapters.redis_cache import RedisListCache
from app.domain.ports import ListCache
from app.telemetry import Metrics
from tests.servers import RedisServer

SUBJECTS = ("user:u1", "catalogue")


class Seconds:
    """A monotonic clock under the test's control."""

    def __init__(self) -> None:
        self.at = 0.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture(params=["memory", "redis"])
async def cache(request: pytest.FixtureRequest) -> AsyncIterator[ListCache]:
    if request.param == "memory":
        yield MemoryListCache(ttl_s=60, entries=100)
        return
    server: RedisServer = request.getfixturevalue("redis_server")
    # A tenant of its own: the server is shared. Patient: tests share two cores.
    shared = RedisListCache(server.url(), tenant=request.node.name, ttl_s=60, metrics=Metrics(), timeout_s=5)
    yield shared
    await shared.close()


async def kept(cache: ListCache, body: bytes = b"list", *, key: str = "k") -> None:
    token = (await cache.read(SUBJECTS, key)).token
    assert token is not None
    await cache.store(SUBJECTS, key, body, token=token)


async def test_list_cache_misses_with_a_token_when_nothing_is_stored(cache: ListCache) -> None:
    found = await cache.read(SUBJECTS, "k")
    assert found.body is None
    assert found.token


async def test_list_cache_gives_back_the_same_bytes(cache: ListCache) -> None:
    body = bytes(range(256)) + b"|2|.|"
    await kept(cache, body)
    assert (await cache.read(SUBJECTS, "k")).body == body


async def test_list_cache_keeps_keys_apart(cache: ListCache) -> None:
    await kept(cache, key="a")
    assert (await cache.read(SUBJECTS, "b")).body is None


async def test_list_cache_keeps_subjects_apart(cache: ListCache) -> None:
    await kept(cache)
    assert (await cache.read(("user:u2", "catalogue"), "k")).body is None


@pytest.mark.parametrize(
    ("one", "other"), [("a:b", "a"), ("a\r\nb", "a"), ("a*", "a"), ("{a}", "a"), ("é", "e")]
)
async def test_list_cache_keeps_look_alike_subjects_apart(cache: ListCache, one: str, other: str) -> None:
    token = (await cache.read((f"user:{one}",), "k")).token
    assert token is not None
    await cache.store((f"user:{one}",), "k", b"one", token=token)
    assert (await cache.read((f"user:{other}",), "k")).body is None
    assert (await cache.read((f"user:{one}",), "k")).body == b"one"


@pytest.mark.parametrize("subject", SUBJECTS)
async def test_list_cache_misses_after_a_bump_of_any_subject(cache: ListCache, subject: str) -> None:
    await kept(cache)
    await cache.bump((subject,))
    assert (await cache.read(SUBJECTS, "k")).body is None


async def test_list_cache_keeps_lists_of_other_subjects_when_one_is_bumped(cache: ListCache) -> None:
    await kept(cache)
    await cache.bump(("user:u2", "session:u1"))
    assert (await cache.read(SUBJECTS, "k")).body == b"list"


async def test_list_cache_refuses_a_store_under_a_token_older_than_a_bump(cache: ListCache) -> None:
    token = (await cache.read(SUBJECTS, "k")).token
    assert token is not None
    await cache.bump(("user:u1",))
    await cache.store(SUBJECTS, "k", b"old", token=token)
    assert (await cache.read(SUBJECTS, "k")).body is None


async def test_list_cache_never_lets_a_slow_answer_overwrite_a_newer_one(cache: ListCache) -> None:
    slow = (await cache.read(SUBJECTS, "k")).token
    assert slow is not None
    await cache.bump(("user:u1",))
    await kept(cache, b"new")
    await cache.store(SUBJECTS, "k", b"old", token=slow)
    assert (await cache.read(SUBJECTS, "k")).body == b"new"


async def test_list_cache_bump_of_subjects_never_read_changes_nothing(cache: ListCache) -> None:
    await cache.bump(())
    await cache.bump(("user:never",))
    await kept(cache)
    assert (await cache.read(SUBJECTS, "k")).body == b"list"


async def test_list_cache_refuses_a_foreign_token(cache: ListCache) -> None:
    await cache.read(SUBJECTS, "k")
    for token in ("", "x", "98.99", "a.b.c", "🙂.🙂.🙂"):
        await cache.store(SUBJECTS, "k", b"forged", token=token)
    assert (await cache.read(SUBJECTS, "k")).body is None


async def test_list_cache_works_when_pinged(cache: ListCache) -> None:
    assert await cache.ping()


async def test_list_cache_agrees_on_one_token_when_readers_come_at_once(cache: ListCache) -> None:
    found = await asyncio.gather(*(cache.read(SUBJECTS, "k") for _ in range(20)))
    assert len({read.token for read in found}) == 1


# --- The bounds of the one in memory ---


async def test_memory_cache_forgets_a_list_when_its_life_is_over() -> None:
    seconds = Seconds()
    cache = MemoryListCache(ttl_s=60, entries=10, monotonic=seconds)
    await kept(cache)
    # Lives differ, from a third of the longest on.
    seconds.at = 19.9
    assert (await cache.read(SUBJECTS, "k")).body == b"list"
    seconds.at = 60.0
    assert (await cache.read(SUBJECTS, "k")).body is None


async def test_memory_cache_drops_the_least_used_list_when_full() -> None:
    cache = MemoryListCache(ttl_s=60, entries=2)
    await kept(cache, key="a")
    await kept(cache, key="b")
    await cache.read(SUBJECTS, "a")
    await kept(cache, key="c")
    bodies = [(await cache.read(SUBJECTS, key)).body for key in "abc"]
    assert bodies == [b"list", None, b"list"]


async def test_memory_cache_misses_a_list_whose_stamp_was_dropped() -> None:
    cache = MemoryListCache(ttl_s=60, entries=10)
    await kept(cache)
    for number in range(100):
        await cache.read((f"user:other-{number}",), "k")
    assert (await cache.read(SUBJECTS, "k")).body is None


# --- Between processes that share a Redis ---


async def two_processes(server: RedisServer, tenant: str) -> tuple[RedisListCache, RedisListCache]:
    one, other = (
        RedisListCache(server.url(), tenant=tenant, ttl_s=60, metrics=Metrics(), timeout_s=5) for _ in "ab"
    )
    return one, other


async def test_redis_cache_is_shared_between_processes(redis_server: RedisServer) -> None:
    one, other = await two_processes(redis_server, "shared")
    await kept(one)
    assert (await other.read(SUBJECTS, "k")).body == b"list"
    await other.bump(("user:u1",))
    assert (await one.read(SUBJECTS, "k")).body is None
    await one.close()
    await other.close()


async def test_redis_cache_keeps_tenants_apart(redis_server: RedisServer) -> None:
    one, _ = await two_processes(redis_server, "tenant-a")
    other, _ = await two_processes(redis_server, "tenant-b")
    await kept(one)
    assert (await other.read(SUBJECTS, "k")).body is None
    await one.close()
    await other.close()
