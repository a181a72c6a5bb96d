"""Rows 21, 30, 34 and 35: model versions and the trainings that make them."""

from __future__ import annotations

import asyncio
import json
import os
import random
import re
import resource
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from time import monotonic

import numpy as np

from app import bootstrap
from app.domain.types import ModelVersion, VersionState
from app.settings import Settings
from benchmarks.faults.checks import check_answers, check_service, check_slowness
from benchmarks.faults.http import Client
from benchmarks.faults.place import Place, a_place
from benchmarks.faults.rows import Scale, Seen, row
from tests.processes import running_with
from tests.versions import make_version, seal
from tests.waiting import until

N_ITEMS = 12
RATE = 40.0
MODEL = "transitions"


async def publish(place: Place, version: str, *, seed: int = 1, n_items: int = N_ITEMS) -> Path:
    """A version that could be activated; its folder."""
    made = make_version(place.folder / "made", version, n_items=n_items, seed=seed)
    base = bootstrap.lay_foundation(Settings(**place.settings), deadline_s=30.0)  # type: ignore[arg-type]
    await asyncio.to_thread(base.artifacts.publish, made, model=MODEL, version=version)
    await base.stores.versions.add(ModelVersion(version, MODEL, VersionState.CANDIDATE))
    await base.close()
    return place.folder / "artifacts" / MODEL / version


async def stock_catalogue(place: Place, *, n_items: int = N_ITEMS) -> None:
    """The items that the versions know."""
    client = place.client()
    items = [{"item_id": f"item-{number:03d}", "title": "x"} for number in range(1, n_items + 1)]
    for first in range(0, n_items, 500):
        assert (await client.post("/v1/items:batch", {"items": items[first : first + 500]})).status == 200
    client.drop()


async def activate(client: Client, version: str) -> int:
    """Its status."""
    return (await client.post(f"/v1/admin/models/{version}/activate", {})).status


@row(21, "a version promoted under load", "no list of the old version a second after the promotion's answer")
async def promoted_under_load(scale: Scale) -> Seen:
    """Two versions take turns; everybody's lists are kept."""
    seen = Seen()
    async with a_place(redis=True) as place:
        await stock_catalogue(place)
        for version in ("one", "two"):
            await publish(place, version)
        admin = place.client("adm")
        readers = place.readers(rate=scale.of(short=50.0, usual=200.0, long=200.0))
        assert await activate(admin, "one") == 200
        readers.start()
        old = 0
        turns = scale.of(short=2, usual=10, long=100)
        for turn in range(turns):
            version = ("two", "one")[turn % 2]
            seen_status = await activate(admin, version)
            acknowledged = monotonic()
            asked = await readers.during(3.0)
            after = [one for one in asked if one.at > acknowledged + 1.0]
            old += sum(one.reply.json["model_version"] != version for one in after)
            assert seen_status == 200
        check_answers(seen, await readers.stop())
        seen.check(f"{turns} promotions, {old} lists of an old version", old == 0)
        check_service(seen, place)
    return seen


def flip(folder: Path, chance: random.Random) -> None:
    """One bit of one file."""
    file = chance.choice(sorted(file for file in folder.iterdir() if file.stat().st_size))
    raw = bytearray(file.read_bytes())
    raw[chance.randrange(len(raw))] ^= 1 << chance.randrange(8)
    file.write_bytes(raw)


def truncate(folder: Path, chance: random.Random) -> None:
    """The end of a file is gone."""
    file = chance.choice(sorted(file for file in folder.iterdir() if file.stat().st_size))
    os.truncate(file, chance.randrange(file.stat().st_size))


def remove(folder: Path, chance: random.Random) -> None:
    """A file is gone."""
    chance.choice(sorted(folder.iterdir())).unlink()


def not_a_number(folder: Path, _: random.Random) -> None:
    """Weights that are not numbers, under a manifest that says they are as they were made."""
    resaved(folder, lambda _, array: np.full_like(array, np.nan) if array.dtype.kind == "f" else array)


def wrong_shape(folder: Path, _: random.Random) -> None:
    """Popularity of fewer items than there are."""
    resaved(folder, lambda name, array: array[:-2] if name == "popularity" else array)


def other_catalogue(folder: Path, _: random.Random) -> None:
    """More items than the table has rows."""
    (folder / "manifest.json").unlink()
    (folder / "items.json").write_text(json.dumps([f"other-{number}" for number in range(N_ITEMS + 5)]))
    seal(folder, n_items=N_ITEMS + 5)


def resaved(folder: Path, change: Callable[[str, np.ndarray], np.ndarray]) -> None:
    """The table with other arrays, sealed anew."""
    with np.load(folder / "item_item.npz", allow_pickle=False) as table:
        arrays = {name: change(name, table[name]) for name in table.files}
    (folder / "manifest.json").unlink()
    np.savez(folder / "item_item.npz", **arrays)
    seal(folder, n_items=N_ITEMS)


DAMAGES = (truncate, remove, not_a_number, wrong_shape, other_catalogue)


@row(30, "a version flipped, cut, incomplete, not finite, misshapen, of another catalogue", "each refused")
async def version_damaged(scale: Scale) -> Seen:
    """The live one goes on; a service started on a damaged live version takes the one before."""
    seen, chance = Seen(), random.Random(7)
    flips = scale.of(short=10, usual=200, long=2000)
    async with a_place() as place:
        await stock_catalogue(place)
        await publish(place, "good")
        bad = await publish(place, "bad", seed=2)
        whole = place.folder / "whole"
        await asyncio.to_thread(shutil.copytree, bad, whole)
        admin, readers = place.client("adm"), place.readers(rate=RATE)
        assert await activate(admin, "good") == 200
        readers.start()
        statuses = []
        for damage in (*[flip] * flips, *DAMAGES):
            await asyncio.to_thread(damage, bad, chance)
            statuses.append(await activate(admin, "bad"))
            await asyncio.to_thread(shutil.rmtree, bad)
            await asyncio.to_thread(shutil.copytree, whole, bad)
        refused = statuses.count(409)
        seen.check(f"{refused} of {len(statuses)} refused", refused == len(statuses))
        check_answers(seen, await readers.stop())
        assert await activate(admin, "bad") == 200
        await asyncio.to_thread(flip, bad, chance)
        await asyncio.to_thread(place.service.stop)
        await asyncio.to_thread(place.service.start)
        await place.ready()
        reply = await place.client().get("/v1/users/reader-1/recommendations?n=5")
        version = reply.json["model_version"]
        seen.check(f"after a start {reply.status} by {version}", (reply.status, version) == (200, "good"))
        check_service(seen, place)
    return seen


async def job_of(client: Client, job_id: str) -> dict[str, str]:
    """A job as it is now."""
    found: dict[str, str] = (await client.get(f"/v1/admin/jobs/{job_id}")).json
    return found


def has_spoken(job_id: str) -> bool:
    """Whether the job's child runs and has given a sign of life."""
    return any(writes(pid) >= 2 for pid in running_with(job_id))


def writes(pid: int) -> int:
    """How often a process has written anything."""
    found = re.search(r"syscw: (\d+)", Path(f"/proc/{pid}/io").read_text())
    return int(found[1]) if found else 0


@row(34, "a retraining killed, hung, out of memory", "the job fails, lists unaffected, the next one possible")
async def retraining_dies(scale: Scale) -> Seen:
    """The child is killed, then stopped beyond its lease, then given too little memory."""
    seen, lease_s = Seen(), 3.0
    settings = {"jobs": "embedded", "retrain_model": "multvae", "job_lease_s": str(lease_s)}
    async with a_place(settings=settings) as place:
        admin, readers = place.client("adm"), place.readers(rate=RATE)
        readers.start()
        await readers.during(1.0)
        calm = await readers.during(scale.of(short=3.0, usual=15.0, long=60.0))
        began = monotonic()
        for name, harm in HARMS.items():
            reply = await admin.post("/v1/admin/retrain", {"promote": "never"})
            assert reply.status == 202, reply.body
            job_id = reply.json["job_id"]
            await until(lambda: has_spoken(job_id), within_s=300.0)  # noqa: B023  # waited for at once
            harmed = monotonic()
            for pid in running_with(job_id):
                harm(pid)

            async def has_ended() -> bool:
                return (await job_of(admin, job_id))["state"] in {"failed", "succeeded", "cancelled"}  # noqa: B023

            await until(has_ended, within_s=90.0)
            took, job = monotonic() - harmed, await job_of(admin, job_id)
            seen.check(f"{name}: {job['state']} after {took:.1f} s", job["state"] == "failed")
            seen.check(f"{len(running_with(job_id))} children left", not running_with(job_id))
        faulty = [one for one in readers.asked if one.at > began]
        check_answers(seen, await readers.stop())
        check_slowness(seen, calm, faulty, times=2)
        check_service(seen, place)
    return seen


def starve(pid: int) -> None:
    """Less memory than it has already."""
    resource.prlimit(pid, resource.RLIMIT_AS, (1, 1))


HARMS: dict[str, Callable[[int], None]] = {
    "killed": lambda pid: os.kill(pid, signal.SIGKILL),
    "hung": lambda pid: os.kill(pid, signal.SIGSTOP),
    "out of memory": starve,
}


@row(35, "ten retrainings asked for at once, of two services", "one accepted, nine told of it, one job")
async def asked_at_once(scale: Scale) -> Seen:
    """They share a PostgreSQL; nobody runs the job."""
    seen, rounds = Seen(), scale.of(short=1, usual=5, long=50)
    async with a_place("postgresql") as place:
        other = await place.launch()
        await place.ready(other.port)
        ports = [place.service.port, other.port]
        for _ in range(rounds):
            clients = [Client(ports[number % 2], place.keys["adm"]) for number in range(10)]
            replies = await asyncio.gather(*(one.post("/v1/admin/retrain", {}) for one in clients))
            statuses = sorted(reply.status for reply in replies)
            jobs = {reply.json["job_id"] for reply in replies}
            seen.check(
                f"answered {statuses}, {len(jobs)} job", statuses == [202] + [409] * 9 and len(jobs) == 1
            )
            await clients[0].post(f"/v1/admin/jobs/{jobs.pop()}/cancel", {})
            for one in clients:
                one.drop()
        check_service(seen, place)
    return seen
