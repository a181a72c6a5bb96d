"""Rows 1 to 8 and 13: the database goes, comes back, is slow, is locked."""

from __future__ import annotations

import asyncio
import contextlib
import random
import sqlite3
import uuid
from collections.abc import AsyncIterator, Mapping
from time import monotonic

import asyncpg

from benchmarks.faults.checks import (
    check_answers,
    check_service,
    check_slowness,
    check_statuses,
    check_stored,
)
from benchmarks.faults.http import Client
from benchmarks.faults.load import an_event
from benchmarks.faults.place import Place, a_place
from benchmarks.faults.proxy import Proxy
from benchmarks.faults.rows import Scale, Seen, row
from benchmarks.faults.rows_models import activate, publish, stock_catalogue
from tests.waiting import until

CALM_RATE = 40.0
HAS_THE_SERVICE = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'recserve'"
END_THE_SERVICES = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'recserve'"
)


async def killed_while_it_ingests(database: str, scale: Scale) -> Seen:
    """Rows 1 and 2."""
    seen, chance = Seen(), random.Random(7)
    kills = scale.of(short=2, usual=20, long=20)
    events = scale.of(short=5_000, usual=100_000, long=1_000_000)
    async with a_place(database) as place:
        ingest = place.ingest()
        ingest.start()
        for number in range(kills):
            await ingest.until(events * (number + 1) // (kills + 1))
            # The moment of the kill is what is being varied here.
            await asyncio.sleep(chance.uniform(0.0, 0.2))
            await asyncio.to_thread(place.service.kill)
            await asyncio.to_thread(place.service.start)
        await ingest.until(events)
        await ingest.stop()
        seen.note(f"{kills} kills")
        check_statuses(seen, ingest)
        await check_stored(seen, place)
        check_service(seen, place)
    return seen


@row(1, "service killed (-9) while it ingests, SQLite", "0 acknowledged events lost or doubled")
async def killed_on_sqlite(scale: Scale) -> Seen:
    """Random kills, the same batches sent again."""
    return await killed_while_it_ingests("sqlite", scale)


@row(2, "service killed (-9) while it ingests, PostgreSQL", "0 acknowledged events lost or doubled")
async def killed_on_postgresql(scale: Scale) -> Seen:
    """As row 1."""
    return await killed_while_it_ingests("postgresql", scale)


@row(3, "PostgreSQL killed (-9) and started again", "lists 200, events 503, back within 5 s, 0 lost")
async def postgres_killed(scale: Scale) -> Seen:
    """Again and again, with events and readers all the while."""
    seen, back = Seen(), []
    async with a_place("postgresql") as place:
        assert place.postgres is not None
        ingest, readers = place.ingest(batch=20, senders=4), place.readers(rate=CALM_RATE)
        ingest.start()
        readers.start()
        for _ in range(scale.of(short=1, usual=10, long=50)):
            await asyncio.to_thread(place.postgres.kill)
            await readers.during(1.0)
            await asyncio.to_thread(place.postgres.start)
            back.append(await ingest.stored_after(monotonic(), within_s=30.0))
        await ingest.stop()
        check_answers(seen, await readers.stop())
        check_statuses(seen, ingest)
        seen.check(f"events back after {max(back):.1f} s at most", max(back) <= 5.0)
        await check_stored(seen, place)
        check_service(seen, place)
    return seen


@row(4, "PostgreSQL stopped (SIGSTOP)", "events 503 within 2.2 s, lists 200, p99 under twice the calm one")
async def postgres_stopped(scale: Scale) -> Seen:
    """Sockets stay open, nothing answers."""
    seen = Seen()
    async with a_place("postgresql") as place:
        assert place.postgres is not None
        ingest, readers = place.ingest(batch=20, senders=4), place.readers(rate=CALM_RATE)
        readers.start()
        calm = await readers.during(scale.of(short=3, usual=10, long=60))
        ingest.start()
        await ingest.until(100)
        memory = place.service.memory_mb()
        await asyncio.to_thread(place.postgres.pause)
        faulty = await readers.during(scale.of(short=5, usual=30, long=300))
        grown = place.service.memory_mb() - memory
        await asyncio.to_thread(place.postgres.resume)
        back = await ingest.stored_after(monotonic(), within_s=30.0)
        await ingest.stop()
        check_answers(seen, await readers.stop())
        check_slowness(seen, calm, faulty, times=2)
        check_statuses(seen, ingest)
        seen.check(f"slowest answer to events {ingest.slowest_s:.2f} s", ingest.slowest_s <= 2.2)
        seen.check(f"back after {back:.1f} s", back <= 5.0)
        seen.check(f"memory {grown:+.0f} MB", grown < 50)
        await check_stored(seen, place)
        check_service(seen, place)
    return seen


@contextlib.asynccontextmanager
async def behind_a_proxy(
    settings: Mapping[str, str] | None = None,
) -> AsyncIterator[tuple[Place, Proxy]]:
    """A service that reaches its PostgreSQL through a proxy."""
    async with a_place("postgresql", settings=settings, launch=False) as place:
        assert place.postgres is not None
        proxy = Proxy(place.postgres.port)
        await proxy.start()
        place.settings["database_url"] = place.database_url.replace(
            f":{place.postgres.port}/", f":{proxy.port}/"
        )
        await place.launch()
        await place.ready()
        await place.stock()
        try:
            yield place, proxy
        finally:
            await proxy.stop()


@row(5, "connection to PostgreSQL reset before the answer to a commit", "503, and sent again: stored once")
async def acknowledgement_lost(scale: Scale) -> Seen:
    """The database got the request, the service never its answer."""
    seen, cut, again = Seen(), 0, {"accepted": 0, "duplicates": 0}
    async with behind_a_proxy() as (place, proxy):
        client, ledger = place.client(), place.ingest().ledger
        for _ in range(scale.of(short=30, usual=1000, long=10_000)):
            batch = {"events": [an_event(uuid.uuid4().hex)]}
            proxy.cut_next_answer()
            reply = await client.post("/v1/events", batch)
            cut += reply.status == 503
            while reply.status != 202:
                reply = await client.post("/v1/events", batch)
                again = {name: again[name] + reply.json.get(name, 0) for name in again}
            ledger.write([str(batch["events"][0]["event_id"])])
        proxy.calm()
        seen.check(f"{cut} cut", cut > 0)
        seen.check(f"sent again: {again}", again["duplicates"] > 0)
        await check_stored(seen, place)
        check_service(seen, place)
    return seen


@row(6, "PostgreSQL 200 ms (+-100) slower", "lists of calm people unaffected: p99 under 1.2 times")
async def postgres_slow(scale: Scale) -> Seen:
    """Readers whose lists a model made and a cache keeps; others' events go on."""
    seen = Seen()
    async with behind_a_proxy() as (place, proxy):
        await stock_catalogue(place)
        await publish(place, "one")
        assert await activate(place.client("adm"), "one") == 200
        readers, ingest = place.readers(rate=CALM_RATE), place.ingest(batch=20, senders=2)
        readers.start()
        await readers.during(1.0)
        calm = await readers.during(scale.of(short=3, usual=15, long=60))
        proxy.delay_s, proxy.jitter_s = 0.2, 0.1
        ingest.start()
        faulty = await readers.during(scale.of(short=3, usual=15, long=60))
        proxy.calm()
        await ingest.stop()
        check_answers(seen, await readers.stop())
        check_slowness(seen, calm, faulty, times=1.2)
        check_statuses(seen, ingest)
        await check_stored(seen, place)
        check_service(seen, place)
    return seen


async def all_connections(
    place: Place, held: contextlib.AsyncExitStack
) -> list[asyncpg.Connection[asyncpg.Record]]:
    """Connect until the server takes no more."""
    made = []
    with contextlib.suppress(asyncpg.PostgresError):
        while True:
            made.append(await asyncpg.connect(place.database_url))
            held.push_async_callback(made[-1].close)
    return made


async def take_all(place: Place, held: contextlib.AsyncExitStack) -> int:
    """Take every connection, the service's too, which may be faster than others at getting one back."""
    taken = await all_connections(place, held)
    while await taken[0].fetchval(HAS_THE_SERVICE):
        await taken[0].execute(END_THE_SERVICES)
        taken += await all_connections(place, held)
    return len(taken)


@row(7, "every connection of PostgreSQL taken by others", "503 within 1.3 s, lists 200")
async def connections_taken(scale: Scale) -> Seen:
    """The service's own are ended, and others are faster to take their places."""
    seen = Seen()
    async with a_place("postgresql") as place:
        client, readers = place.client(), place.readers(rate=CALM_RATE)
        readers.start()
        async with contextlib.AsyncExitStack() as held:
            taken = await take_all(place, held)
            slowest, statuses = 0.0, set()
            for _ in range(scale.of(short=10, usual=50, long=500)):
                began = monotonic()
                statuses.add(
                    (await client.post("/v1/events", {"events": [an_event(uuid.uuid4().hex)]})).status
                )
                slowest = max(slowest, monotonic() - began)
            seen.check(f"events answered {statuses}", statuses == {503})
            seen.check(f"slowest {slowest:.2f} s", slowest <= 1.3)
        check_answers(seen, await readers.stop())

        async def stores() -> bool:
            return (await client.post("/v1/events", {"events": [an_event(uuid.uuid4().hex)]})).status == 202

        await until(stores, within_s=10.0)
        seen.note(f"{taken} connections held")
        check_service(seen, place)
    return seen


@contextlib.asynccontextmanager
async def locked(place: Place) -> AsyncIterator[None]:
    """Nobody else may write to the events."""
    if place.postgres is None:
        with contextlib.closing(
            sqlite3.connect(place.database_url.removeprefix("sqlite:///"), isolation_level=None)
        ) as file:
            file.execute("BEGIN EXCLUSIVE")
            yield
            file.execute("ROLLBACK")
        return
    connection = await asyncpg.connect(place.database_url)
    async with connection.transaction():
        await connection.execute("LOCK TABLE events IN ACCESS EXCLUSIVE MODE")
        yield
    await connection.close()


@row(8, "the events' table locked by another", "503 in time, none hung, 0 lost, back at once")
async def table_locked(scale: Scale) -> Seen:
    """On both databases."""
    seen = Seen()
    for database in ("sqlite", "postgresql"):
        async with a_place(database) as place:
            ingest = place.ingest(batch=20, senders=4)
            ingest.start()
            await ingest.until(100)
            async with locked(place):
                await asyncio.sleep(scale.of(short=3, usual=10, long=60))
            back = await ingest.stored_after(monotonic(), within_s=30.0)
            await ingest.stop()
            seen.note(database)
            check_statuses(seen, ingest)
            seen.check(f"{ingest.statuses[503]} 503", ingest.statuses[503] > 0)
            seen.check(f"slowest answer {ingest.slowest_s:.2f} s", ingest.slowest_s <= 2.2)
            seen.check(f"back after {back:.1f} s", back <= 5.0)
            await check_stored(seen, place)
            check_service(seen, place)
    return seen


@row(13, "PostgreSQL and Redis down at the start", "starts within 10 s, ready within 5 s of the database")
async def down_at_the_start(_: Scale) -> Seen:
    """Both are there only later."""
    seen = Seen()
    async with a_place("postgresql", redis=True, launch=False) as place:
        assert place.postgres is not None
        assert place.redis is not None
        await asyncio.to_thread(place.postgres.stop)
        await asyncio.to_thread(place.redis.stop)
        began = monotonic()
        await place.launch()
        client = place.client()
        await until(lambda: answers(client, "/healthz", 200), within_s=30.0)
        seen.check(f"lives after {monotonic() - began:.1f} s", monotonic() - began <= 10.0)
        reply = await client.get("/readyz")
        seen.check(f"readiness {reply.status} {reply.json['status']}", reply.status == 503)
        reply = await client.get("/v1/popular?n=3")
        seen.check(f"a list {reply.status}, as no key can be known", reply.status == 503)
        await asyncio.to_thread(place.postgres.start)
        began = monotonic()
        await until(lambda: answers(client, "/readyz", 200), within_s=30.0)
        seen.check(f"ready {monotonic() - began:.1f} s after the database", monotonic() - began <= 5.0)
        await place.stock()
        seen.check("events and lists without Redis", await answers(client, "/v1/popular?n=3", 200))
        await asyncio.to_thread(place.redis.start)
        began = monotonic()
        await until(lambda: is_whole(client), within_s=30.0)
        seen.note(f"whole {monotonic() - began:.1f} s after Redis")
        check_service(seen, place)
    return seen


async def answers(client: Client, path: str, status: int) -> bool:
    """Whether a path is answered like this."""
    return (await client.get(path)).status == status


async def is_whole(client: Client) -> bool:
    """Whether nothing is missing."""
    reply = await client.get("/readyz")
    return reply.status == 200 and reply.json["status"] == "ready"
