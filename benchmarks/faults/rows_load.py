"""Rows 22 to 29: too much load, clients that misbehave, and stops under load."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import random
import signal
import subprocess
import uuid
from collections import Counter
from collections.abc import Sequence
from time import monotonic

from benchmarks.faults.checks import check_answers, check_service, check_slowness, check_stored
from benchmarks.faults.http import Client, Reply
from benchmarks.faults.load import Asked, OpenLoop, an_event
from benchmarks.faults.place import Place, a_place, is_ready
from benchmarks.faults.proxy import Balancer
from benchmarks.faults.rows import Scale, Seen, row
from tests.waiting import until

DRAIN_S = 2.0
CONNECTIONS = 32
HEADER_S, BODY_S = 10.0, 15.0


async def capacity(place: Place, seconds: float) -> float:
    """Lists a second when the next is asked for as soon as one is there; nobody's is kept."""
    counter, done = itertools.count(), 0
    ends = monotonic() + seconds

    async def ask(client: Client) -> None:
        nonlocal done
        while monotonic() < ends:
            reply = await client.get(fresh(next(counter)))
            done += reply.status == 200

    clients = [place.client() for _ in range(CONNECTIONS)]
    await asyncio.gather(*map(ask, clients))
    for client in clients:
        client.drop()
    return done / seconds


def fresh(number: int) -> str:
    """A list that nobody has asked for before."""
    return f"/v1/users/fresh-{uuid.uuid4().hex[:8]}-{number}/recommendations?n=5"


def fresh_readers(place: Place, rate: float, clients: int, *, queue: bool = True) -> OpenLoop:
    """People who have no list yet."""
    return OpenLoop(
        place.service.port, place.keys["sec"], rate=rate, path=fresh, clients=clients, queue=queue
    )


def check_shed(seen: Seen, asked: Sequence[Asked], *, peak: float, seconds: float, least: float) -> None:
    """How much was served of what could be, and how the rest was sent away."""
    served = [one for one in asked if one.reply.status == 200]
    shed = [one for one in asked if one.reply.status in {429, 503}]
    share = len(served) / seconds / peak
    seen.check(f"{share:.0%} of the peak served", share >= least)
    others = Counter(one.reply.status for one in asked) - Counter({200: len(served), 503: len(shed)})
    seen.check(f"answered otherwise {dict(others)}", not +others)
    mute = sum("retry-after" not in one.reply.headers for one in shed)
    seen.check(f"{len(shed)} shed, {mute} without Retry-After", mute == 0)


@row(23, "three and ten times the load it can take", "80 % and 60 % of the peak served, the rest shed")
async def overload(scale: Scale) -> Seen:
    """An open loop that does not care how the service is."""
    seen, seconds = Seen(), scale.of(short=4.0, usual=15.0, long=120.0)
    async with a_place() as place:
        peak = await capacity(place, seconds)
        seen.note(f"peak {peak:.0f}/s")
        calm_readers = fresh_readers(place, peak / 2, 64)
        calm_readers.start()
        calm = await calm_readers.during(seconds)
        await calm_readers.stop()
        for times, least in ((3, 0.8), (10, 0.6)):
            seen.note(f"{times} times")
            readers = fresh_readers(place, times * peak, 400, queue=False)
            readers.start()
            asked = await readers.during(seconds)
            seen.note(f"{len(asked) / seconds:.0f}/s of {times * peak:.0f}/s sent")
            check_shed(seen, asked, peak=peak, seconds=seconds, least=least)
            check_slowness(seen, calm, [one for one in asked if one.reply.status == 200], times=2)
            health = (await place.client().get("/healthz")).status
            seen.check(f"health {health}", health == 200)
            await readers.stop()
        check_service(seen, place)
    return seen


@row(24, "ten times the load, then half of what it can take", "normal within 10 s")
async def overload_ends(scale: Scale) -> Seen:
    """Clients try thrice."""
    seen, seconds = Seen(), scale.of(short=4.0, usual=30.0, long=120.0)
    async with a_place() as place:
        peak = await capacity(place, min(seconds, 10.0))
        before = fresh_readers(place, peak / 2, 64)
        before.start()
        calm = await before.during(min(seconds, 10.0))
        await before.stop()
        flood = OpenLoop(
            place.service.port,
            place.keys["sec"],
            rate=10 * peak,
            clients=400,
            queue=False,
            send=ask_three_times,
        )
        flood.start()
        await asyncio.sleep(seconds)
        stopping = asyncio.create_task(flood.stop())
        after = fresh_readers(place, peak / 2, 64)
        after.start()
        await after.during(10.0)
        normal = await after.during(min(seconds, 10.0))
        await after.stop()
        await stopping
        check_answers(seen, normal)
        check_slowness(seen, calm, normal, times=2)
        check_service(seen, place)
    return seen


async def ask_three_times(client: Client, number: int) -> Reply:
    """As clients do that were sent away."""
    for _ in range(3):
        reply = await client.get(fresh(number))
        if reply.status == 200:
            break
    return reply


@row(26, "clients gone before their answer", "0 tracebacks, each batch whole or not there")
async def clients_gone(scale: Scale) -> Seen:
    """Some in the middle of the request, some while it is answered."""
    seen, chance = Seen(), random.Random(7)
    batches = scale.of(short=200, usual=5000, long=50_000)
    async with a_place() as place:
        turns = asyncio.Semaphore(16)

        async def send(number: int) -> None:
            async with turns:
                client = place.client(timeout_s=chance.uniform(0.001, 0.05))
                body = "".join(
                    f'{{"event_id":"b{number}-{n}","event":"x","user_id":"u"}},' for n in range(10)
                )
                whole = f'{{"events":[{body[:-1]}]}}'.encode()
                if number % 2:
                    await client.send_half("POST", "/v1/events", whole, share=chance.random())
                else:
                    await client.request("POST", "/v1/events", whole)
                client.drop()

        await asyncio.gather(*(send(number) for number in range(batches)))
        # What was under way ends by itself; one more event comes after all of it.
        assert (await place.client().post("/v1/events", {"events": [an_event("last")]})).status == 202
        stored = Counter(name.partition("-")[0] for name in await place.stored() if name.startswith("b"))
        partial = [name for name, events in stored.items() if events != 10]
        seen.note(f"{batches} clients, {len(stored)} batches stored")
        seen.check(f"{len(partial)} batches in part", not partial)
        check_service(seen, place)
    return seen


async def closed_after(port: int, first: bytes, *, drip: bytes, within_s: float) -> float:
    """Seconds until the service closes a connection that sends little; infinite if it does not."""
    began = monotonic()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(first)
        while monotonic() - began < within_s:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    while await reader.read(4096):
                        pass
                    return monotonic() - began
            if drip:
                writer.write(drip)
                await writer.drain()
    except OSError:
        return monotonic() - began
    finally:
        writer.transport.abort()
    return float("inf")


@row(
    27,
    "silent sockets, half a head, a body of a byte a second",
    "closed within 10 s, a body 15 s; others 200",
)
async def slow_clients(scale: Scale) -> Seen:
    """Hundreds of them."""
    seen, count = Seen(), scale.of(short=30, usual=500, long=1000)
    async with a_place() as place:
        readers = place.readers(rate=40.0)
        readers.start()
        head = f"POST /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {place.keys['sec']}\r\n"
        body = f"{head}Content-Type: application/json\r\nContent-Length: 500\r\n\r\n{{"
        for name, first, drip, limit in (
            ("silent", b"", b"", HEADER_S),
            ("half a head", head.encode(), b"", HEADER_S),
            ("a body of drops", body.encode(), b" ", BODY_S),
        ):
            sockets = (
                closed_after(place.service.port, first, drip=drip, within_s=limit + 5)
                for _ in range(count // 3)
            )
            slowest = max(await asyncio.gather(*sockets))
            seen.check(f"{name}: closed after {slowest:.1f} s", slowest <= limit + 1)
        check_answers(seen, await readers.stop())
        check_service(seen, place)
    return seen


@row(28, "SIGTERM under load, two services behind a balancer, again and again", "0 failed requests, 0 lost")
async def rolling_restarts(scale: Scale) -> Seen:
    """One after the other, a look at readiness each half second."""
    seen, rolls = Seen(), scale.of(short=2, usual=20, long=100)
    settings = {"drain_s": str(DRAIN_S)}
    async with a_place("postgresql", redis=True, settings=settings) as place:
        await place.launch()
        ports = [service.port for service in place.services]
        await place.ready(ports[1])
        balancer = Balancer(ports, is_ready, every_s=0.5)
        await balancer.start()
        ingest, failed, done, slowest = place.ingest(batch=10, senders=4), Counter[int](), 0, 0.0
        ingest.port = balancer.port
        ingest.start()
        stop = asyncio.Event()

        async def read(number: int) -> None:
            nonlocal done
            client = Client(balancer.port, place.keys["sec"])
            while not stop.is_set():
                reply = await client.get(f"/v1/users/reader-{number}/recommendations?n=5")
                done += 1
                if reply.status != 200:
                    failed[reply.status] += 1
            client.drop()

        readers = [asyncio.create_task(read(number)) for number in range(8)]
        for number in range(rolls):
            service = place.services[number % 2]
            began = monotonic()
            await asyncio.to_thread(end, service.pid, signal.SIGTERM)
            await asyncio.to_thread(service.wait, 30.0)
            slowest = max(slowest, monotonic() - began)
            await asyncio.to_thread(service.start)
            await place.ready(service.port)
            await asyncio.sleep(1.0)  # the balancer's next look
        stop.set()
        await asyncio.gather(*readers)
        await ingest.stop()
        await balancer.stop()
        refused = {status: count for status, count in ingest.statuses.items() if status != 202}
        seen.note(f"{rolls} restarts, {done:,} lists, {sum(ingest.statuses.values()):,} batches")
        told = f"failed {dict(failed)}, {refused or ''}{dict(ingest.refusals) or ''}"
        seen.check(told, not failed and not refused)
        seen.check(f"gone after {slowest:.1f} s", slowest <= DRAIN_S + 5)
        await check_stored(seen, place)
        check_service(seen, place)
    return seen


def end(pid: int, how: signal.Signals) -> None:
    """Tell a process of ours to stop."""
    os.kill(pid, how)


@row(29, "a second SIGTERM, or a SIGKILL, while it drains", "gone at once, 0 acknowledged events lost")
async def stopped_twice(scale: Scale) -> Seen:
    """Under ingestion."""
    seen, slowest = Seen(), 0.0
    turns = scale.of(short=2, usual=10, long=100)
    async with a_place(settings={"drain_s": "60"}) as place:
        ingest = place.ingest(batch=20)
        ingest.start()
        for number in range(turns):
            await ingest.until(len(ingest.ledger.acknowledged) + 200)
            await asyncio.to_thread(end, place.service.pid, signal.SIGTERM)
            await until(lambda: not_ready(place.service.port))
            await ingest.until(len(ingest.ledger.acknowledged) + 200)
            began = monotonic()
            second = (signal.SIGTERM, signal.SIGKILL)[number % 2]
            await asyncio.to_thread(end, place.service.pid, second)
            with contextlib.suppress(subprocess.TimeoutExpired):
                await asyncio.to_thread(place.service.wait, 30.0)
            slowest = max(slowest, monotonic() - began)
            await asyncio.to_thread(place.service.start)
            await place.ready()
        await ingest.stop()
        seen.check(f"gone after {slowest:.1f} s at most", slowest <= 3.0)
        await check_stored(seen, place)
        check_service(seen, place)
    return seen


async def not_ready(port: int) -> bool:
    """Whether a service has begun to drain."""
    return not await is_ready(port)
