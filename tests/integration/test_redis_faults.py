"""Redis killed, stopped, full, read-only, garbled: lists are made all the same, and never old ones."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic

import pytest
from redis.asyncio import Redis

from app.adapters.redis_cache import EPOCH, RedisListCache
from app.domain.recommendations import Recommendation, ServedBy
from app.telemetry import Metrics
from tests.integration.test_freshness import STOCK, CountingScorer, ask, made_from, one_event
from tests.servers import RedisServer
from tests.unit.services.shop import Shop, open_shop
from tests.waiting import until

USERS = tuple(f"u{number}" for number in range(20))
SUBJECTS = ("user:u1", "catalogue")


@pytest.fixture
def server() -> Iterator[RedisServer]:
    """A Redis of the test's own, to do anything with."""
    own = RedisServer()
    own.start()
    yield own
    own.close()


def cache_of(server: RedisServer, **options: float) -> RedisListCache:
    return RedisListCache(
        server.url(),
        tenant="faults",
        ttl_s=300,
        metrics=Metrics(),
        **{"timeout_s": 0.25} | options,  # type: ignore[arg-type]  # a test's own numbers
    )


@asynccontextmanager
async def shop_over(server: RedisServer, folder: Path) -> AsyncIterator[Shop]:
    cache = cache_of(server)
    async with open_shop(folder, scorer=CountingScorer(slow_s=0.0), cache=cache, stocked=STOCK) as shop:
        for user_id in USERS:
            await one_event(shop, user_id, 1)
            await made_from(shop, user_id)
        yield shop
    await cache.close()


def degraded(cache: RedisListCache, reason: str) -> float:
    return float(cache._metrics.degraded.labels("list_cache", reason)._value.get())


async def all_answer(shop: Shop, at_least: int = 1) -> list[float]:
    """Ask for everybody, one after the other; returns the seconds each took, sorted."""
    took = []
    for user_id in USERS:
        began = monotonic()
        made, _ = await made_from(shop, user_id)
        took.append(monotonic() - began)
        assert made >= at_least
    return sorted(took)


async def keeps_again(shop: Shop) -> bool:
    await made_from(shop, "u0")
    return (await made_from(shop, "u0"))[1] is ServedBy.CACHE


@pytest.mark.parametrize("how", ["kill", "pause"])
async def test_lists_are_made_while_redis_is_away_and_kept_again_after(
    tmp_path: Path, server: RedisServer, how: str
) -> None:
    async with shop_over(server, tmp_path) as shop:
        assert (await made_from(shop, "u1"))[1] is ServedBy.CACHE
        server.kill() if how == "kill" else server.pause()
        await all_answer(shop)  # The breaker opens within the first of these.
        took = await all_answer(shop)
        assert took[len(took) // 2] < 0.2, "most answers must not wait for a Redis that is away"
        for user_id in USERS:
            await one_event(shop, user_id, 2)
        await all_answer(shop, at_least=2)
        server.start() if how == "kill" else server.resume()
        await all_answer(shop, at_least=2)
        await until(lambda: keeps_again(shop))
        await all_answer(shop, at_least=2)


async def test_no_stale_list_is_served_when_a_stopped_redis_wakes(
    tmp_path: Path, server: RedisServer
) -> None:
    """Its old lists and their old stamps are all still there when it wakes."""
    async with shop_over(server, tmp_path) as shop:
        for round_ in range(3):
            acknowledged = 2 + round_
            server.pause()
            for user_id in USERS:
                await one_event(shop, user_id, acknowledged)
            waking = asyncio.create_task(all_answer(shop, at_least=acknowledged))
            await asyncio.sleep(0)
            server.resume()
            await waking
            await all_answer(shop, at_least=acknowledged)
            await until(lambda: keeps_again(shop))


async def test_lists_of_an_earlier_life_of_the_server_are_never_served(
    tmp_path: Path, server: RedisServer
) -> None:
    """A Redis that restarts from its file brings back lists and stamps that agree with each other."""
    client = Redis.from_url(server.url())
    async with shop_over(server, tmp_path) as shop:
        await client.save()
        for user_id in USERS:
            await one_event(shop, user_id, 2)
        await client.aclose()
        server.kill()
        server.start()
        client = Redis.from_url(server.url())
        assert await client.dbsize() > len(USERS)
        await all_answer(shop, at_least=2)
        await until(lambda: keeps_again(shop))
        await all_answer(shop, at_least=2)
    await client.aclose()


def noise(_: bytes, chance: random.Random) -> bytes:
    return chance.randbytes(chance.randrange(1, 400))


def nothing(_: bytes, chance: random.Random) -> bytes:
    return b""


def half(value: bytes, chance: random.Random) -> bytes:
    return value[: len(value) // 2]


def flipped(value: bytes, chance: random.Random) -> bytes:
    place = chance.randrange(len(value))
    return value[:place] + bytes([value[place] ^ 1]) + value[place + 1 :]


def swollen(value: bytes, chance: random.Random) -> bytes:
    return value + b"x" * 300_000


async def test_garbage_in_every_key_is_a_miss_and_is_replaced(tmp_path: Path, server: RedisServer) -> None:
    chance = random.Random(7)
    client = Redis.from_url(server.url())
    async with shop_over(server, tmp_path) as shop:
        for spoil in (noise, nothing, half, flipped, swollen, None):
            keys = await client.keys("*")
            assert len(keys) > len(USERS)
            for key in keys:
                before = await client.get(key) or b"x"
                await client.delete(key)
                if spoil is None:
                    await client.rpush(key, b"not", b"a", b"string")
                else:
                    await client.set(key, spoil(before, chance))
            await all_answer(shop)
            await until(lambda: keeps_again(shop))
            await all_answer(shop)
    await client.aclose()


async def test_flipped_bit_in_a_kept_list_is_found(tmp_path: Path, server: RedisServer) -> None:
    client, cache = Redis.from_url(server.url()), cache_of(server)
    token = (await cache.read(SUBJECTS, "k")).token
    assert token is not None
    await cache.store(SUBJECTS, "k", b"the list", token=token)
    [key] = await client.keys("*:l:*")
    whole = await client.get(key)
    for place in range(len(whole)):
        await client.set(key, whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
        assert (await cache.read(SUBJECTS, "k")).body is None
    assert await client.get(key) is None, "what is garbage is deleted"
    await cache.close()
    await client.aclose()


async def test_full_redis_is_done_without(tmp_path: Path, server: RedisServer) -> None:
    client = Redis.from_url(server.url())
    async with shop_over(server, tmp_path) as shop:
        await client.config_set("maxmemory-policy", "noeviction")
        await client.config_set("maxmemory", "1mb")
        for user_id in USERS:
            await one_event(shop, user_id, 2)
        await all_answer(shop, at_least=2)
        await client.config_set("maxmemory", "0")
        await until(lambda: keeps_again(shop))
        await all_answer(shop, at_least=2)
    await client.aclose()


async def test_read_only_redis_is_done_without(tmp_path: Path, server: RedisServer) -> None:
    client = Redis.from_url(server.url())
    async with shop_over(server, tmp_path) as shop:
        await client.config_set("replica-serve-stale-data", "yes")
        await client.replicaof("127.0.0.1", "1")
        for user_id in USERS:
            await one_event(shop, user_id, 2)
        await all_answer(shop, at_least=2)
        await client.replicaof("NO", "ONE")
        await all_answer(shop, at_least=2)
        await until(lambda: keeps_again(shop))
        await all_answer(shop, at_least=2)
    await client.aclose()


async def test_emptied_redis_causes_one_computation_a_list(tmp_path: Path, server: RedisServer) -> None:
    client = Redis.from_url(server.url())
    async with shop_over(server, tmp_path) as shop:
        asked = 0

        class Counted(CountingScorer):
            def score(self, queries):  # type: ignore[no-untyped-def]  # as the parent
                nonlocal asked
                asked += 1
                return super().score(queries)

        shop.models.current = Counted(slow_s=0.0)
        await made_from(shop, "u1")
        await client.flushall()
        asked = 0
        answers: list[Recommendation] = await asyncio.gather(
            *(shop.recommend.recommend(ask("u1")) for _ in range(500))
        )
        assert asked <= 1
        assert len(answers) == 500
    await client.aclose()


async def test_stamps_that_cannot_be_changed_wait_until_they_can(server: RedisServer) -> None:
    cache = cache_of(server, flush_every_s=3600)
    token = (await cache.read(SUBJECTS, "k")).token
    assert token is not None
    await cache.store(SUBJECTS, "k", b"old", token=token)
    server.pause()
    await cache.bump(("user:u1",))
    assert cache.unflushed == 1
    assert (await cache.read(SUBJECTS, "k")).body is None
    server.resume()

    async def flushed() -> bool:
        assert (await cache.read(SUBJECTS, "k")).body is None
        return cache.unflushed == 0

    await until(flushed)
    assert (await cache.read(SUBJECTS, "k")).token not in {None, token}
    await cache.close()


async def test_too_many_waiting_stamps_give_up_every_list(server: RedisServer) -> None:
    cache = cache_of(server, max_unflushed=10)
    other = ("user:somebody-else", "catalogue")
    token = (await cache.read(other, "k")).token
    assert token is not None
    await cache.store(other, "k", b"old", token=token)
    server.pause()
    await cache.bump([f"user:u{number}" for number in range(50)])
    await cache.bump(["user:one-more"])
    assert cache._unflushed == {EPOCH}
    server.resume()
    await until(lambda: cache.unflushed == 0)
    assert (await cache.read(other, "k")).body is None
    await cache.close()


async def test_waiting_stamps_are_changed_without_anybody_asking(server: RedisServer) -> None:
    """So that other processes, which know nothing of them, go on with old lists no longer than that."""
    cache, other = cache_of(server), cache_of(server)
    token = (await other.read(SUBJECTS, "k")).token
    assert token is not None
    await other.store(SUBJECTS, "k", b"old", token=token)
    server.pause()
    await cache.bump(("user:u1",))
    server.resume()
    await until(lambda: cache.unflushed == 0)
    assert (await other.read(SUBJECTS, "k")).body is None
    await cache.close()
    await other.close()


async def test_stopped_redis_costs_a_call_its_timeout_and_then_nothing(server: RedisServer) -> None:
    cache = cache_of(server, timeout_s=0.05)
    await until(cache.ping)
    server.pause()
    took = []
    for _ in range(30):
        began = monotonic()
        await cache.read(SUBJECTS, "k")
        took.append(monotonic() - began)
    assert sum(one > 0.04 for one in took) <= 6, "the breaker opens after a few"
    assert max(took) < 1.0
    server.resume()
    await until(cache.ping)
    await cache.close()


async def test_answers_never_get_mixed_up_after_timeouts(server: RedisServer) -> None:
    """A connection whose answer came too late must not give it to the next who asks."""
    cache = cache_of(server, timeout_s=0.02)
    for number in range(50):
        subjects = (f"user:{number}",)
        token = (await cache.read(subjects, "k")).token
        if token is not None:
            await cache.store(subjects, "k", str(number).encode(), token=token)
    for _ in range(5):
        server.pause()
        await asyncio.gather(*(cache.read((f"user:{number}",), "k") for number in range(8)))
        server.resume()

        async def back() -> bool:
            return (await cache.read(("user:0",), "k")).token is not None

        await until(back)
        for number in range(50):
            body = (await cache.read((f"user:{number}",), "k")).body
            assert body in {None, str(number).encode()}
    await cache.close()


def test_cache_knows_no_pickle() -> None:
    from app.adapters import memory_cache, redis_cache

    for module in (memory_cache, redis_cache):
        assert "pickle" not in Path(module.__file__).read_text(encoding="utf-8")


async def test_ids_never_stand_in_keys_or_values(server: RedisServer, tmp_path: Path) -> None:
    scorer = CountingScorer(slow_s=0.0)
    cache, client = cache_of(server), Redis.from_url(server.url())
    async with open_shop(tmp_path, scorer=scorer, cache=cache, stocked=STOCK) as shop:
        await one_event(shop, "canary-user", 1)
        await made_from(shop, "canary-user")
        keys = await client.keys("*")
        values = [await client.get(key) or b"" for key in keys]
        assert len(keys) >= 4
        assert not any(b"canary" in part for part in (*keys, *values))
        lives = [await client.ttl(key) for key in keys]
        assert all(0 < life <= 24 * 3600 for life in lives)
    await cache.close()
    await client.aclose()
