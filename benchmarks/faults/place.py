"""What a row runs in: a service of its own on servers of its own, and what became of its events."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

import asyncpg

from app import bootstrap
from app.domain.types import KeyKind
from app.settings import Settings
from benchmarks.faults.http import Client
from benchmarks.faults.load import Ingest, Ledger, OpenLoop
from migrations.run import upgrade
from tests.servers import PostgresServer, RedisServer, Server
from tests.waiting import until

ROOT = Path(__file__).parents[2]
ITEMS = 40
START_WITHIN_S = 120.0


class Service(Server):
    """`recserve serve` as a child, told to stop by its own id alone.

    Args:
        settings: `RECSERVE_*`, without the prefix and in lower case.
        options: Of the command.
    """

    name = "service"
    start_s = START_WITHIN_S

    def __init__(self, settings: Mapping[str, str], *options: str) -> None:
        super().__init__()
        # It reads this folder and the Python that runs it, which are root's where we are root.
        self._user = None
        self._settings = dict(settings)
        self._options = options

    def command(self) -> list[str]:
        """Told by settings alone."""
        given = {"host": "127.0.0.1", "port": str(self.port), "jobs": "worker", "log_level": "WARNING"}
        named = {f"RECSERVE_{name.upper()}": value for name, value in (given | self._settings).items()}
        others = {name: value for name, value in os.environ.items() if not name.startswith("RECSERVE_")}
        environment = {**others, **named, "PYTHONPATH": str(ROOT)}
        words = [f"{name}={value}" for name, value in environment.items()]
        return ["env", "-i", *words, sys.executable, "-m", "app.cli", "serve", *self._options]

    @property
    def log(self) -> str:
        """What it wrote."""
        return (self.folder / "server.log").read_text(errors="replace")

    @property
    def is_running(self) -> bool:
        """Whether the process is there."""
        return self._process is not None and self._process.poll() is None

    def wait(self, within_s: float) -> int:
        """Its exit code. Raises `subprocess.TimeoutExpired`."""
        assert self._process is not None
        code = self._process.wait(within_s)
        self._process = None
        return code

    def memory_mb(self) -> float:
        """Resident memory now, in MB of 10^6 bytes."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
        return int(line.split()[1]) * 1024 / 1e6


@dataclass
class Place:
    """A service, and what stands behind it.

    Attributes:
        folder: For the row's own files.
        settings: Of the service.
        keys: By kind; `sec` and `adm`.
        database_url: Where the events are, not through any proxy.
        service: The first of the services.
        extra: Others.
    """

    folder: Path
    settings: dict[str, str]
    database_url: str
    keys: dict[str, str] = field(default_factory=dict)
    services: list[Service] = field(default_factory=list)
    postgres: PostgresServer | None = None
    redis: RedisServer | None = None
    ledgers: list[Ledger] = field(default_factory=list)

    @property
    def service(self) -> Service:
        """The first service."""
        return self.services[0]

    def client(self, kind: str = "sec", *, timeout_s: float = 30.0) -> Client:
        """A connection to the first service."""
        return Client(self.service.port, self.keys[kind], timeout_s=timeout_s)

    def ingest(self, *, batch: int = 100, senders: int = 8, timeout_s: float = 10.0) -> Ingest:
        """Senders with a ledger."""
        ledger = Ledger(self.folder / f"ledger-{len(self.ledgers)}")
        self.ledgers.append(ledger)
        return Ingest(
            self.service.port, self.keys["sec"], ledger, batch=batch, senders=senders, timeout_s=timeout_s
        )

    def readers(self, *, rate: float, clients: int = 32) -> OpenLoop:
        """People who ask for their lists."""
        return OpenLoop(self.service.port, self.keys["sec"], rate=rate, clients=clients)

    async def launch(self, settings: Mapping[str, str] | None = None, *options: str) -> Service:
        """Start one more service."""
        service = Service(self.settings | dict(settings or {}), *options)
        self.services.append(service)
        await asyncio.to_thread(service.start)
        return service

    async def ready(self, port: int | None = None, *, within_s: float = START_WITHIN_S) -> None:
        """Wait until the service says so."""
        await until(lambda: is_ready(port or self.service.port), within_s=within_s)

    async def stock(self) -> None:
        """A catalogue, and people with a past."""
        client = self.client()
        items = [{"item_id": f"item-{n}", "title": f"Thing {n}", "price": n} for n in range(ITEMS)]
        assert (await client.post("/v1/items:batch", {"items": items})).status == 200
        events = [
            {
                "event_id": f"past-{number}-{place}",
                "event": "view_item",
                "user_id": f"reader-{number}",
                "items": [{"item_id": f"item-{(number * 7 + place) % ITEMS}"}],
            }
            for number in range(40)
            for place in range(5)
        ]

        async def is_stored() -> bool:
            return (await client.post("/v1/events", {"events": events})).status == 202

        await until(is_stored, within_s=START_WITHIN_S)
        client.drop()

    async def stored(self) -> dict[str, int]:
        """Lines of each event id."""
        question = "SELECT event_id, count(*) FROM events GROUP BY event_id"
        if self.database_url.startswith("sqlite"):
            return dict(await asyncio.to_thread(self._sqlite, question))
        connection = await asyncpg.connect(self.database_url)
        try:
            return {row[0]: row[1] for row in await connection.fetch(question)}
        finally:
            await connection.close()

    async def integrity(self) -> str:
        """What SQLite says of its file."""
        return str((await asyncio.to_thread(self._sqlite, "PRAGMA integrity_check"))[0][0])

    def _sqlite(self, question: str) -> list[tuple[str, int]]:
        with contextlib.closing(sqlite3.connect(self.database_url.removeprefix("sqlite:///"))) as file:
            return file.execute(question).fetchall()

    async def close(self) -> None:
        """End everything that runs."""
        for service in self.services:
            if service.is_running:
                service.resume()
            await asyncio.to_thread(service.close)
        for server in (self.postgres, self.redis):
            if server is not None:
                await asyncio.to_thread(server.close)
        for ledger in self.ledgers:
            ledger.close()


async def is_ready(port: int) -> bool:
    """Whether a service answers that it can serve."""
    client = Client(port, None, timeout_s=2.0)
    reply = await client.get("/readyz")
    client.drop()
    return reply.status == 200


async def make_keys(settings: Mapping[str, str]) -> dict[str, str]:
    """A key of each kind that servers use."""
    base = bootstrap.lay_foundation(Settings(**settings), deadline_s=30.0)  # type: ignore[arg-type]
    keys = bootstrap.make_keys(base)
    made = {kind.value: (await keys.create(kind))[1] for kind in (KeyKind.SEC, KeyKind.ADM)}
    await base.close()
    return made


@contextlib.asynccontextmanager
async def a_place(
    database: str = "sqlite",
    *,
    redis: bool = False,
    folder: Path | None = None,
    settings: Mapping[str, str] | None = None,
    launch: bool = True,
) -> AsyncIterator[Place]:
    """A place with a stocked service that is ready.

    Args:
        database: `sqlite` or `postgresql`.
        redis: With a Redis of its own.
        folder: Where SQLite's file is; a temporary folder by default.
        settings: More of the service's.
        launch: Whether the service is started and stocked; a row may want to do so itself.
    """
    with tempfile.TemporaryDirectory(prefix="recserve-faults-") as name:
        own = Path(name)
        place = Place(own, {}, f"sqlite:///{(folder or own) / 'shop.db'}")
        try:
            await asyncio.to_thread(_start_servers, place, database, redis)
            await asyncio.to_thread(upgrade, place.database_url)
            place.settings = {
                "database_url": place.database_url,
                "artifacts_url": str(own / "artifacts"),
                "scratch_dir": str(own / "scratch"),
                "erasure_secret": "e" * 32,
                **({"redis_url": place.redis.url()} if place.redis is not None else {}),
            }
            place.keys = await make_keys(place.settings)
            place.settings |= dict(settings or {})
            if launch:
                await place.launch()
                await place.ready()
                await place.stock()
            yield place
        finally:
            await place.close()


def _start_servers(place: Place, database: str, redis: bool) -> None:
    if database == "postgresql":
        place.postgres = PostgresServer(fsync=True)
        place.postgres.start()
        place.database_url = place.postgres.url()
    if redis:
        place.redis = RedisServer()
        place.redis.start()


async def took_s(work: object) -> float:
    """How long something takes."""
    began = monotonic()
    await work  # type: ignore[misc]
    return monotonic() - began
