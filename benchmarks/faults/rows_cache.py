"""Rows 14 to 20: Redis goes, hangs, is slow, forgets, refuses, or is full of rubbish."""

from __future__ import annotations

import asyncio
import contextlib
import random
import shlex
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from time import monotonic

from redis.asyncio import Redis
from redis.exceptions import ResponseError

import app.adapters.redis_cache
from benchmarks.faults.checks import check_answers, check_service, check_slowness
from benchmarks.faults.http import Client, Reply
from benchmarks.faults.load import Asked, OpenLoop, p99_ms
from benchmarks.faults.metrics import figure
from benchmarks.faults.place import Place, a_place
from benchmarks.faults.proxy import Proxy
from benchmarks.faults.rows import Scale, Seen, row
from tests.servers import RedisServer
from tests.waiting import until

RATE = 60.0
BUDGET_MS = 60.0
KEYS = 1000
POLL_S = 0.5


def long(scale: Scale, seconds: float) -> float:
    """A stretch of load: so long usually, a tenth (three seconds at least) in CI, ten times over night."""
    return scale.of(short=max(3.0, seconds / 10), usual=seconds, long=10 * seconds)


@row(14, "Redis killed (-9)", "0 lists other than 200, p99 under twice the calm one")
async def redis_killed(scale: Scale) -> Seen:
    """Calm, then without it, then with another one in its place."""
    seen = Seen()
    async with a_place(redis=True) as place:
        assert place.redis is not None
        readers = place.readers(rate=RATE)
        readers.start()
        await readers.during(1.0)
        calm = await readers.during(long(scale, 15))
        await asyncio.to_thread(place.redis.kill)
        faulty = await readers.during(long(scale, 60))
        await asyncio.to_thread(place.redis.start)
        after = (await readers.during(5.0))[int(RATE) * 2 :]
        check_answers(seen, await readers.stop())
        check_slowness(seen, calm, faulty, times=2)
        kept = sum(one.reply.json["served_by"] == "cache" for one in after)
        seen.check(f"{kept} of {len(after)} from the cache again", kept > len(after) / 2)
        check_service(seen, place)
    return seen


@row(15, "Redis stopped (SIGSTOP)", "0 other than 200; p99 + 60 ms at first, then under twice")
async def redis_stopped(scale: Scale) -> Seen:
    """A call costs its timeout until the breaker opens."""
    seen = Seen()
    async with a_place(redis=True) as place:
        assert place.redis is not None
        readers, others = place.readers(rate=RATE), no_redis(place)
        readers.start()
        others.start()
        await readers.during(1.0)
        calm = await readers.during(long(scale, 15))
        calm_others = list(others.asked)
        await asyncio.to_thread(place.redis.pause)
        first = await readers.during(1.0)
        faulty = await readers.during(long(scale, 30))
        faulty_others = others.asked[len(calm_others) :]
        await asyncio.to_thread(place.redis.resume)
        check_answers(seen, await readers.stop())
        check_answers(seen, await others.stop(), what="answers without Redis")
        limit = p99_ms(calm) + BUDGET_MS
        seen.check(f"first second's p99 {p99_ms(first):.0f} ms", p99_ms(first) <= limit)
        check_slowness(seen, calm, faulty, times=2)
        check_slowness(seen, calm_others, faulty_others, times=2)
        check_service(seen, place)
    return seen


def no_redis(place: Place) -> OpenLoop:
    """Calls that have nothing to do with Redis."""
    return OpenLoop(place.service.port, place.keys["sec"], rate=10.0, path=lambda _: "/v1/items/item-1")


@contextlib.asynccontextmanager
async def behind_a_proxy() -> AsyncIterator[tuple[Place, Proxy]]:
    """A service that reaches its Redis through a proxy."""
    async with a_place(redis=True, launch=False) as place:
        assert place.redis is not None
        proxy = Proxy(place.redis.port)
        await proxy.start()
        place.settings["redis_url"] = f"redis://127.0.0.1:{proxy.port}/0"
        await place.launch()
        await place.ready()
        await place.stock()
        try:
            yield place, proxy
        finally:
            await proxy.stop()


@row(16, "Redis 80 ms slower; 5 % of its answers reset; its answers garbage", "0 lists other than 200")
async def redis_slow_and_broken(scale: Scale) -> Seen:
    """Each is a miss."""
    seen = Seen()
    async with behind_a_proxy() as (place, proxy):
        readers = place.readers(rate=RATE)
        readers.start()
        for fault in ({"delay_s": 0.08}, {"reset_share": 0.05}, {"garbage": True}):
            for name, value in fault.items():
                setattr(proxy, name, value)
            check_answers(seen, await readers.during(long(scale, 15)), what=f"lists with {fault}")
            proxy.calm()
        await readers.stop()
        check_service(seen, place)
    return seen


@row(17, "Redis emptied while 500 ask for one list", "one computation")
async def redis_emptied(scale: Scale) -> Seen:
    """Nobody but the first computes it, and as many may be in the works."""
    seen = Seen()
    settings = {"most_in_flight": "1000", "popularity_poll_s": str(POLL_S)}
    async with a_place(redis=True, settings=settings) as place:
        assert place.redis is not None
        client, redis = place.client(), Redis.from_url(place.redis.url())
        crowd = [place.client() for _ in range(500)]
        path = "/v1/users/reader-1/recommendations?n=7"
        for _ in range(scale.of(short=1, usual=5, long=50)):
            await settled(client, path)
            await redis.flushall()
            before = await figure(place, "recserve_list_computations_total")
            replies = await asyncio.gather(*(one.get(path) for one in crowd))
            computed = await figure(place, "recserve_list_computations_total") - before
            statuses = {reply.status for reply in replies}
            seen.check(f"500 asked, {computed:.0f} computed, {statuses}", computed == 1 and statuses == {200})
        for one in (*crowd, client):
            one.drop()
        await redis.aclose()
        check_service(seen, place)
    return seen


async def settled(client: Client, path: str) -> None:
    """Wait until a list has come from the cache for three counts of what is popular: it stays as it is."""
    changed_at = monotonic()

    async def is_settled() -> bool:
        nonlocal changed_at
        if (await client.get(path)).json["served_by"] != "cache":
            changed_at = monotonic()
        return monotonic() - changed_at > 3 * POLL_S

    await until(is_settled, within_s=60.0)


@row(
    18, "a thousand kept lists end together", "p99 under 1.5 times; computations' peak under twice their mean"
)
async def lists_end_together(scale: Scale) -> Seen:
    """All are made within a moment and live equally long; asked for as often before as after."""
    seen, life = Seen(), scale.of(short=4.0, usual=20.0, long=60.0)
    keys = scale.of(short=100, usual=KEYS, long=KEYS)
    async with a_place(redis=True, settings={"cache_ttl_s": str(life)}) as place:
        client = place.client()
        for number in range(keys):
            await client.get(f"/v1/users/many-{number}/recommendations?n=5")
        rate = scale.of(short=100.0, usual=150.0, long=150.0)
        readers = OpenLoop(
            place.service.port,
            place.keys["sec"],
            rate=rate,
            path=lambda number: f"/v1/users/many-{number * 7919 % keys}/recommendations?n=5",
        )
        readers.start()
        counts, windows = [], int(2 * life)
        for _ in range(windows):
            before = await figure(place, "recserve_list_computations_total")
            await readers.during(1.0)
            counts.append(await figure(place, "recserve_list_computations_total") - before)
        asked = await readers.stop()
        check_answers(seen, asked)
        by_window = windowed(asked, windows)
        calm = sorted(p99_ms(window) for window in by_window)[len(by_window) // 2]
        worst = p99_ms(by_window[counts.index(max(counts))])
        seen.check(f"p99 at the peak {worst:.0f} ms, in the middle {calm:.0f} ms", worst < 1.5 * calm)
        mean = sum(counts) / len(counts)
        seen.check(
            f"{max(counts):.0f} computations a second at the peak, mean {mean:.0f}", max(counts) < 2 * mean
        )
        check_service(seen, place)
    return seen


def windowed(asked: Sequence[Asked], windows: int) -> list[list[Asked]]:
    """What was asked, second by second."""
    began = min(one.at for one in asked)
    found: list[list[Asked]] = [[] for _ in range(windows)]
    for one in asked:
        found[min(windows - 1, int(one.at - began))].append(one)
    return found


@row(19, "Redis full, unable to save, a replica; two servers that change roles", "0 lists other than 200")
async def redis_refuses(scale: Scale) -> Seen:
    """Each of its own refusals, one after the other."""
    seen, other = Seen(), RedisServer()
    async with a_place(redis=True) as place:
        assert place.redis is not None
        await asyncio.to_thread(other.start)
        # A folder in which nothing can be saved: only then does it say MISCONF.
        await asyncio.to_thread(place.redis.folder.chmod, 0o500)
        redis, readers = Redis.from_url(place.redis.url()), place.readers(rate=RATE)
        ingest = place.ingest(batch=10, senders=2)
        readers.start()
        ingest.start()
        for name, (refuse, undo) in refusals(other.port).items():
            await told(redis, refuse)
            with contextlib.suppress(ResponseError):
                await redis.set("refused", "?")
                seen.check(f"{name} was not refused", False)
            check_answers(seen, await readers.during(long(scale, 10)), what=f"lists with {name}")
            await told(redis, undo)
        for _ in range(scale.of(short=2, usual=5, long=50)):
            await told(redis, [f"REPLICAOF 127.0.0.1 {other.port}"])
            await readers.during(0.5)
            await told(redis, ["REPLICAOF NO ONE"])
            await readers.during(0.5)
        await ingest.stop()
        check_answers(seen, await readers.stop(), what="lists in all")
        seen.check(f"events answered {dict(ingest.statuses)}", set(ingest.statuses) == {202})
        check_service(seen, place)
        await redis.aclose()
        await asyncio.to_thread(other.close)
    return seen


def refusals(other_port: int) -> dict[str, tuple[list[str], list[str]]]:
    """What makes Redis refuse writes, and what undoes it."""
    return {
        "OOM": (
            ["CONFIG SET maxmemory-policy noeviction", "CONFIG SET maxmemory 1"],
            ["CONFIG SET maxmemory 0"],
        ),
        "MISCONF": (["CONFIG SET save '1 1'", "BGSAVE"], ["CONFIG SET save ''"]),
        "READONLY": ([f"REPLICAOF 127.0.0.1 {other_port}"], ["REPLICAOF NO ONE"]),
    }


async def told(redis: Redis, commands: Sequence[str]) -> None:
    """Run commands written as in redis-cli; a save under way is waited for."""
    for command in commands:
        await redis.execute_command(*shlex.split(command))
        if command == "BGSAVE":

            async def is_saved() -> bool:
                return not (await redis.info("persistence"))["rdb_bgsave_in_progress"]

            await until(is_saved)


@row(20, "garbage, truncated and oversized values in Redis", "0 lists other than 200; pickle is not there")
async def redis_garbage(scale: Scale) -> Seen:
    """Random bytes in every key, again and again."""
    seen, chance = Seen(), random.Random(7)
    async with a_place(redis=True) as place:
        assert place.redis is not None
        client, redis = place.client(), Redis.from_url(place.redis.url())
        replies: list[Reply] = []
        spoilt = 0
        while len(replies) < scale.of(short=500, usual=10_000, long=100_000):
            replies += [await client.get(f"/v1/users/reader-{n}/recommendations?n=5") for n in range(20)]
            async for key in redis.scan_iter():
                value = await redis.get(key) or b""
                await redis.set(key, spoiled(value, chance))
                spoilt += 1
        bad = [reply.status for reply in replies if reply.status != 200]
        seen.check(f"{spoilt:,} values spoilt, {len(bad)} of {len(replies):,} lists other than 200", not bad)
        source = await asyncio.to_thread(Path(app.adapters.redis_cache.__file__).read_text)
        seen.check("the cache knows no pickle", "pickle" not in source)
        await redis.aclose()
        check_service(seen, place)
    return seen


def spoiled(value: bytes, chance: random.Random) -> bytes:
    """Another value: noise, a half, one byte changed, a swollen one, nothing."""
    at = chance.randrange(len(value)) if value else 0
    return chance.choice(
        [
            chance.randbytes(chance.randrange(1, 200)),
            value[: len(value) // 2],
            value[:at] + chance.randbytes(1) + value[at + 1 :],
            value + bytes(2**20),
            b"",
        ]
    )
