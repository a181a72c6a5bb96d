"""Rows 9 to 12: the disk under SQLite, and everybody at it at once."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import shutil
import subprocess
import sys
import tempfile
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from time import monotonic

from benchmarks.faults.checks import (
    check_answers,
    check_service,
    check_stored,
)
from benchmarks.faults.http import Client, Reply
from benchmarks.faults.load import an_event
from benchmarks.faults.place import ITEMS, Place, a_place
from benchmarks.faults.rows import Scale, Seen, row

CALM_RATE = 20.0
SWEEP_STEP = 4096


def run(*command: str) -> None:
    """Run a program, which has to succeed."""
    subprocess.run(command, check=True, capture_output=True)


@contextlib.asynccontextmanager
async def small_disk(megabytes: int) -> AsyncIterator[Path]:
    """A file system of its own, in memory; mounting one needs root."""
    with tempfile.TemporaryDirectory(prefix="recserve-disk-") as name:
        options = ["-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", name]
        await asyncio.to_thread(run, "mount", *options)
        try:
            yield Path(name)
        finally:
            await asyncio.to_thread(run, "umount", "-l", name)


def fill(disk: Path, *, leave_bytes: int = 0) -> Path:
    """Take the disk's room, all but so much; the file that holds it."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            room = shutil.disk_usage(disk).free - leave_bytes
            if room <= 0:
                break
            file.write(bytes(min(room, 65_536)))
    return filler


async def one_batch(client: Client, place: Place, size: int = 20) -> Reply:
    """Send a batch; what was acknowledged is noted."""
    events = [an_event(uuid.uuid4().hex, number) for number in range(size)]
    reply = await client.post("/v1/events", {"events": events})
    if reply.status == 202:
        place.ledgers[0].write([str(event["event_id"]) for event in events])
    return reply


async def until_refused(client: Client, place: Place, most: int = 2000) -> Reply:
    """Send until it is refused."""
    for _ in range(most):
        reply = await one_batch(client, place)
        if reply.status != 202:
            break
    return reply


async def check_full(seen: Seen, place: Place, client: Client) -> None:
    """Events are refused, lists are not, and the health says what is wrong."""
    reply = await until_refused(client, place)
    kind = reply.json.get("type") if reply.status == 503 else None
    seen.check(f"events {reply.status} {kind}", kind == "/problems/storage-unavailable")
    seen.check("Retry-After", "retry-after" in reply.headers)
    reply = await client.get("/readyz")
    seen.check(
        f"readiness {reply.status}, {reply.json['status']}",
        (reply.status, reply.json["status"]) == (200, "degraded"),
    )


@row(
    9,
    "SQLite's disk full",
    "events 503, lists 200, ready but degraded; back without restart",
)
async def disk_full(scale: Scale) -> Seen:
    """A disk of a few megabytes, filled by somebody else."""
    seen = Seen()
    async with small_disk(8) as disk, a_place(folder=disk) as place:
        place.ingest()
        client, readers = place.client(), place.readers(rate=CALM_RATE)
        readers.start()
        for _ in range(scale.of(short=1, usual=5, long=50)):
            filler = fill(disk)
            await check_full(seen, place, client)
            await readers.during(1.0)
            filler.unlink()
            reply = await one_batch(client, place)
            seen.check(f"with room again {reply.status}", reply.status == 202)
        check_answers(seen, await readers.stop())
        await check_stored(seen, place)
        check_service(seen, place)
    return seen


@row(
    10,
    "each of SQLite's writes fails in its turn (RLIMIT_FSIZE)",
    "as row 9",
)
async def writes_fail(scale: Scale) -> Seen:
    """The limit of file sizes is set so that another write is the first to fail each time."""
    seen, refused, back = Seen(), 0, 0
    async with a_place() as place:
        place.ingest()
        client, readers = place.client(), place.readers(rate=CALM_RATE)
        readers.start()
        log = Path(place.database_url.removeprefix("sqlite:///") + "-wal")
        sizes = scale.of(short=5, usual=50, long=500)
        for number in range(sizes):
            limit = (await asyncio.to_thread(log.stat)).st_size + number * SWEEP_STEP // 5
            resource.prlimit(place.service.pid, resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
            reply = await until_refused(client, place)
            refused += reply.status == 503
            unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
            resource.prlimit(place.service.pid, resource.RLIMIT_FSIZE, unlimited)
            back += (await one_batch(client, place)).status == 202
        seen.check(f"{refused} of {sizes} sizes refused with 503", refused == sizes)
        seen.check(f"{back} of {sizes} back at once", back == sizes)
        check_answers(seen, await readers.stop())
        await check_stored(seen, place)
        check_service(seen, place)
    return seen


@row(
    11,
    "little room left on SQLite's disk",
    "ingestion stops, deletes work, it comes back",
)
async def little_room(scale: Scale) -> Seen:
    """Below a twentieth of the disk."""
    seen = Seen()
    async with small_disk(64) as disk, a_place(folder=disk) as place:
        place.ingest()
        client = place.client()
        for _ in range(scale.of(short=1, usual=3, long=20)):
            filler = fill(disk, leave_bytes=3 * 2**20)
            reply = await one_batch(client, place)
            seen.check(f"events {reply.status}", reply.status == 503)
            room = shutil.disk_usage(disk).free
            seen.check(f"{room / 1e6:.1f} MB left", room > 2e6)
            reply = await client.request("DELETE", "/v1/users/reader-1")
            seen.check(f"an erasure {reply.status}", reply.status == 200)
            filler.unlink()
            reply = await one_batch(client, place)
            seen.check(f"with room again {reply.status}", reply.status == 202)
        await check_stored(seen, place)
        check_service(seen, place)
    return seen


async def scan_again_and_again(place: Place, stop: asyncio.Event) -> int:
    """Read the whole log as a retraining does, in a process of its own."""
    scans = 0
    code = (
        "import sys; from app.adapters.sql.event_log import SqlEventLog\n"
        "print(sum(len(c.item_id) for c in SqlEventLog(sys.argv[1], tenant='default').scan()))"
    )
    while not stop.is_set():
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-c", code, place.database_url, stdout=asyncio.subprocess.DEVNULL
        )
        await child.wait()
        scans += child.returncode == 0
    return scans


async def write_items(client: Client, count: int) -> list[int]:
    """Change the catalogue so many times."""
    return [
        (
            await client.post("/v1/items:batch", {"items": [{"item_id": f"item-{n % ITEMS}", "price": n}]})
        ).status
        for n in range(count)
    ]


@row(
    12,
    "eight writers and a retraining's reads at one SQLite file",
    "0 answers but 202 and 200: never `locked`",
)
async def everybody_at_once(scale: Scale) -> Seen:
    """Events from six, items from two, and the log read from end to end meanwhile."""
    seen, stop = Seen(), asyncio.Event()
    events = scale.of(short=2_000, usual=50_000, long=500_000)
    async with a_place() as place:
        ingest, began = place.ingest(batch=10, senders=6), monotonic()
        ingest.start()
        scanning = asyncio.create_task(scan_again_and_again(place, stop))
        writing = [asyncio.create_task(write_items(place.client(), events // 200)) for _ in range(2)]
        await ingest.until(events)
        await ingest.stop()
        statuses = {status for written in await asyncio.gather(*writing) for status in written}
        stop.set()
        seen.note(f"{await scanning} scans in {monotonic() - began:.0f} s")
        seen.check(f"events answered {dict(ingest.statuses)}", set(ingest.statuses) == {202})
        seen.check(f"items answered {statuses}", statuses == {200})
        await check_stored(seen, place)
        check_service(seen, place)
    return seen
