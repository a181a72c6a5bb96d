"""Row 41: an hour of everything at once; memory stays where it was."""

from __future__ import annotations

import asyncio
import sys
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from time import monotonic

import numpy as np

from benchmarks.faults.checks import check_answers, check_service
from benchmarks.faults.http import Client, Reply
from benchmarks.faults.load import OpenLoop, an_event
from benchmarks.faults.place import Place, a_place
from benchmarks.faults.rows import Scale, Seen, row
from benchmarks.faults.rows_models import activate, publish, stock_catalogue

HOUR_S = 3600.0
LISTS, EVENTS, UPSERTS = 10.0, 2.0, 0.5
"""Calls a second: modest, so that an hour of them leaves the machine to others."""
N_ITEMS, N_READERS = 2000, 1000
WARM_SHARE = 1 / 6
MOST_GROWTH = 0.05


@row(41, "an hour of lists, events, items and promotions", "memory grows by less than 5 % an hour")
async def soak(scale: Scale) -> Seen:
    """PostgreSQL and Redis; people who come back and people who are new, two versions that take turns.

    The growth is a straight line's through what was resident after the first sixth, which fills caches.
    """
    seen, seconds = Seen(), scale.of(short=60.0, usual=600.0, long=HOUR_S)
    async with a_place("postgresql", redis=True) as place:
        await stock_catalogue(place, n_items=N_ITEMS)
        for number, version in enumerate(("one", "two")):
            await publish(place, version, seed=number, n_items=N_ITEMS)
        promoted: Counter[int] = Counter()
        loads = {
            "lists": steady(place, LISTS, ask),
            "events": steady(place, EVENTS, send_events),
            "upserts": steady(place, UPSERTS, put_items),
        }
        for load in loads.values():
            load.start()
        promoting = asyncio.create_task(promote_in_turn(place.client("adm"), seconds / 12, promoted))
        times, memory = await sampled(place, seconds, every_s=scale.of(short=1.0, usual=10.0, long=10.0))
        promoting.cancel()
        await asyncio.gather(promoting, return_exceptions=True)
        seen.note(f"{seconds:.0f} s")
        for name, load in loads.items():
            check_answers(seen, await load.stop(), what=name, right=202 if name == "events" else 200)
        seen.check(f"promotions answered {dict(promoted)}", set(promoted) == {200})
        share, first, last = growth(times, memory, seconds)
        seen.series = {"at_s": times, "resident_mb": memory}
        seen.note(f"{first:.1f} MB after the first sixth, {last:.1f} MB at the end")
        # A minute says nothing of an hour: what is short shows that the row runs.
        seen.check(f"{share:+.1%} in the time", share < MOST_GROWTH or scale.length == "short")
        check_service(seen, place)
    return seen


def steady(place: Place, rate: float, send: Callable[[Client, int], Awaitable[Reply]]) -> OpenLoop:
    """An open loop of one kind of call."""
    return OpenLoop(place.service.port, place.keys["sec"], rate=rate, clients=8, send=send)


async def ask(client: Client, number: int) -> Reply:
    """Every third of somebody new."""
    who = f"reader-{number % N_READERS}" if number % 3 else f"new-{uuid.uuid4().hex[:12]}"
    return await client.get(f"/v1/users/{who}/recommendations?n=10")


async def send_events(client: Client, number: int) -> Reply:
    """Ten views of ten people, one of whom is new."""
    events = [an_event(uuid.uuid4().hex, number * 10 + place) for place in range(10)]
    for place, event in enumerate(events):
        event["user_id"] = f"reader-{(number * 10 + place) % N_READERS}"
        event["items"] = [{"item_id": f"item-{(number * 31 + place * 7) % N_ITEMS + 1:03d}"}]
    events[0]["user_id"] = f"new-{uuid.uuid4().hex[:12]}"
    return await client.post("/v1/events", {"events": events})


async def put_items(client: Client, number: int) -> Reply:
    """Ten items at another price."""
    items = [
        {"item_id": f"item-{(number * 10 + n) % N_ITEMS + 1:03d}", "title": "x", "price": number % 97 + 1}
        for n in range(10)
    ]
    return await client.post("/v1/items:batch", {"items": items})


async def promote_in_turn(client: Client, every_s: float, answered: Counter[int]) -> None:
    """One version, then the other, to the end."""
    turn = 0
    while True:
        answered[await activate(client, ("one", "two")[turn % 2])] += 1
        turn += 1
        await asyncio.sleep(every_s)


async def sampled(place: Place, seconds: float, *, every_s: float) -> tuple[list[float], list[float]]:
    """When the resident memory was looked at, in seconds, and how many MB it was; told once a minute."""
    began, times, memory = monotonic(), list[float](), list[float]()
    while (now := monotonic() - began) < seconds:
        times.append(round(now, 1))
        memory.append(round(place.service.memory_mb(), 2))
        if len(times) % max(1, int(60 / every_s)) == 1:
            print(f"soak: {now:.0f} of {seconds:.0f} s, {memory[-1]:.1f} MB", file=sys.stderr, flush=True)
        await asyncio.sleep(every_s)
    return times, memory


def growth(times: Sequence[float], memory: Sequence[float], seconds: float) -> tuple[float, float, float]:
    """What a line through the settled part grows in the whole time, as a share; its two ends in MB."""
    warm = [place for place, at in enumerate(times) if at >= WARM_SHARE * seconds]
    slope, offset = np.polyfit([times[place] for place in warm], [memory[place] for place in warm], 1)
    first, last = offset + slope * times[warm[0]], offset + slope * times[warm[-1]]
    return float(slope * seconds / first), float(first), float(last)
