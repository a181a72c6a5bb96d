"""Durable ingestion beside a direct insert, in turns, on SQLite and on PostgreSQL.

A request counts when it is answered, and both ways answer after the commit. Each way has a database of its
own on one and the same server, with fsync on.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import statistics
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from app import bootstrap
from app.domain.types import KeyKind
from app.settings import Settings
from benchmarks.serving import claims, load, servers
from benchmarks.serving.claims import Claim, Target
from migrations.run import upgrade
from tests.servers import PostgresServer

ITEMS, PEOPLE = 200, 1000
JSON = {"Content-Type": "application/json"}
# Each run of wrk sends ids of its own: their numbers begin at a multiple of the turn.
TURNS_A_SIZE = 100


@dataclass(frozen=True, slots=True)
class Place:
    """Where both ways write: a database for each."""

    name: str
    ours: str
    direct: str


TARGETS: dict[tuple[str, int], Target] = {
    ("sqlite", 1): claims.INGEST_ONE_SQLITE,
    ("sqlite", 100): claims.INGEST_MANY_SQLITE,
    ("postgresql", 1): claims.INGEST_ONE_POSTGRESQL,
    ("postgresql", 100): claims.INGEST_MANY_POSTGRESQL,
}


def measured(folder: Path, *, rounds: int, seconds: float) -> Iterator[Claim]:
    """A claim for each database and size of a request."""
    with places(folder) as found:
        for place in found:
            with both(place, folder) as ways:
                for batch in (1, 100):
                    yield _claim(TARGETS[place.name, batch], ways, batch, rounds=rounds, seconds=seconds)


def _claim(
    target: Target, ways: dict[str, tuple[int, dict[str, str]]], batch: int, *, rounds: int, seconds: float
) -> Claim:
    rates: dict[str, list[float]] = {name: [] for name in ways}
    failed = dict.fromkeys(ways, 0)
    for turn in range(rounds + 1):
        for name, (port, headers) in ways.items():
            asked = load.Load("/v1/events", headers, body_of(batch))
            done = load.run(asked, port=port, seconds=seconds, turn=turn + TURNS_A_SIZE * batch)
            failed[name] += done.failed
            # The first round fills caches, and the catalogue.
            if turn:
                rates[name].append(done.rate * batch)
    direct = statistics.median(rates["direct"])
    return Claim(
        target,
        claims.ratio(rates["ours"], rates["direct"]),
        f"{direct:,.0f} events/s, FastAPI, an insert and a commit a request",
        {
            "events_s": round(statistics.median(rates["ours"])),
            "direct_events_s": round(direct),
            "failed": failed,
        },
    )


def body_of(batch: int) -> str:
    """A request of so many views; `{n}` stands where its ids differ from all others, rising as UUIDv7 do."""
    return json.dumps(
        {
            "events": [
                {
                    "event_id": f"01930000-{place:04d}-7000-{{n}}",
                    "event": "view_item",
                    "user_id": f"user-{place * 7919 % PEOPLE}",
                    "session_id": f"session-{{n}}-{place}",
                    "timestamp": "2026-11-24T10:00:00Z",
                    "items": [{"item_id": f"item-{place * 31 % ITEMS}", "quantity": 1, "price": 9.5}],
                    "value": 9.5,
                    "currency": "EUR",
                }
                for place in range(batch)
            ]
        }
    )


@contextlib.contextmanager
def places(folder: Path) -> Iterator[list[Place]]:
    """SQLite files and a PostgreSQL that waits for its disk."""
    server = PostgresServer(fsync=True)
    try:
        server.start()
        found = [
            Place("sqlite", f"sqlite:///{folder / 'ours.db'}", f"sqlite:///{folder / 'direct.db'}"),
            Place("postgresql", server.create_database("ours"), server.create_database("direct")),
        ]
        for place in found:
            upgrade(place.ours)
            upgrade(place.direct)
        yield found
    finally:
        server.close()


@contextlib.contextmanager
def both(place: Place, folder: Path) -> Iterator[dict[str, tuple[int, dict[str, str]]]]:
    """Both ways, running: port and headers of each."""
    given = {
        "database_url": place.ours,
        "scratch_dir": str(folder / f"scratch-{place.name}"),
        "artifacts_url": str(folder / f"artifacts-{place.name}"),
        "jobs": "worker",
        "log_level": "WARNING",
    }
    key = asyncio.run(_a_key(Settings(**given)))  # type: ignore[arg-type]
    port = servers.free_port()
    command = [*(sys.executable, "-m", "benchmarks.serving.direct"), "--port", str(port)]
    with (
        servers.running([*command, "--database-url", place.direct], port=port, path=None),
        servers.service(given) as ours,
    ):
        yield {"direct": (port, JSON), "ours": (ours.port, JSON | {"Authorization": f"Bearer {key}"})}


async def _a_key(settings: Settings) -> str:
    base = bootstrap.lay_foundation(settings)
    _, text = await bootstrap.make_keys(base).create(KeyKind.SEC)
    await base.close()
    return text
