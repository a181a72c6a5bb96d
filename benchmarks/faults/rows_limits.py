"""Rows 22 and 25: limits whose store is away, and a database that is slow while requests go on arriving."""

from __future__ import annotations

import asyncio
from collections import Counter
from time import monotonic

from benchmarks.faults.checks import check_service
from benchmarks.faults.load import OpenLoop
from benchmarks.faults.metrics import figure
from benchmarks.faults.place import a_place
from benchmarks.faults.rows import Scale, Seen, row
from benchmarks.faults.rows_database import behind_a_proxy
from benchmarks.faults.rows_load import fresh

QUOTA = 600
MOST_IN_FLIGHT = 64


@row(22, "the rate limits' store killed, stopped", "counted in the process, administrators get 503")
async def limits_without_store(scale: Scale) -> Seen:
    """Three times the quota, asked for in one go."""
    seen = Seen()
    settings = {"limit_sec_per_minute": str(QUOTA), "limit_adm_per_minute": "100"}
    for how in ("kill", "pause"):
        async with a_place(redis=True, settings=settings) as place:
            assert place.redis is not None
            await asyncio.to_thread(getattr(place.redis, how))
            clients = [place.client() for _ in range(8)]
            statuses: Counter[int] = Counter()
            for _ in range(scale.of(short=3, usual=3, long=10) * QUOTA // len(clients)):
                replies = await asyncio.gather(*(one.get("/v1/items/item-1") for one in clients))
                statuses.update(reply.status for reply in replies)
            seen.check(f"{how}: answered {dict(statuses)}", set(statuses) == {200, 429})
            seen.check(f"{statuses[200]} of a quota of {QUOTA}", 0 < statuses[200] <= 2 * QUOTA)
            admin = place.client("adm")
            refused = {(await admin.get("/v1/admin/jobs")).status for _ in range(5)}
            seen.check(f"an administrator {refused}", refused == {503})
            await asyncio.to_thread(place.redis.resume if how == "pause" else place.redis.start)
            for one in (*clients, admin):
                one.drop()
            check_service(seen, place)
    return seen


@row(25, "database 200 ms slower, requests go on arriving", "no more in the works than allowed, memory flat")
async def slow_below(scale: Scale) -> Seen:
    """Each asks for a list that has to be computed."""
    seen, seconds = Seen(), scale.of(short=4.0, usual=30.0, long=300.0)
    async with behind_a_proxy({"most_in_flight": str(MOST_IN_FLIGHT)}) as (place, proxy):
        memory, most = place.service.memory_mb(), 0.0
        readers = OpenLoop(
            place.service.port, place.keys["sec"], rate=300.0, path=fresh, clients=400, queue=False
        )
        proxy.delay_s = 0.2
        readers.start()
        ends = monotonic() + seconds
        while monotonic() < ends:
            most = max(most, await figure(place, "recserve_http_requests_in_flight"))
            await asyncio.sleep(0.05)
        asked = await readers.stop()
        proxy.calm()
        statuses = Counter(one.reply.status for one in asked)
        seen.check(f"answered {dict(statuses)}", set(statuses) <= {200, 503})
        # The look itself is one more.
        seen.check(f"{most:.0f} in the works at most", most <= MOST_IN_FLIGHT + 1)
        grown = place.service.memory_mb() - memory
        seen.check(f"memory {grown:+.0f} MB", grown < 50)
        check_service(seen, place)
    return seen
