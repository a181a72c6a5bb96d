"""Servers for the session, a database of its own for each test."""

from __future__ import annotations

import asyncio
import shutil
import signal
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from app.adapters.sql.engine import Database
from migrations.run import upgrade
from tests.clocks import FixedClock
from tests.servers import PostgresServer, RedisServer

TEMPLATE = "migrated"


def pytest_configure() -> None:
    """Let the programs under test be interrupted: what a shell starts in its background ignores SIGINT.

    And no example fails for the time it takes: the machine may be busy, and speed is a matter of benchmarks.
    """
    settings.register_profile("untimed", deadline=None)
    settings.load_profile("untimed")
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A private PostgreSQL. Tests that stop or kill it start one of their own instead."""
    server = PostgresServer()
    try:
        server.start()
        yield server
    finally:
        server.close()


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """A private Redis. Tests that stop or kill it start one of their own instead."""
    server = RedisServer()
    try:
        server.start()
        yield server
    finally:
        server.close()


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file to copy."""
    file = tmp_path_factory.mktemp("template") / "migrated.db"
    upgrade(f"sqlite:///{file}")
    return file


@pytest.fixture(scope="session")
def migrated_postgres(postgres_server: PostgresServer) -> PostgresServer:
    """The server with a migrated database to copy."""
    upgrade(postgres_server.create_database(TEMPLATE))
    return postgres_server


@pytest.fixture
def sqlite_url(migrated_sqlite: Path, tmp_path: Path) -> str:
    """A fresh, migrated SQLite file."""
    file = tmp_path / "recserve.db"
    shutil.copyfile(migrated_sqlite, file)
    return f"sqlite:///{file}"


@pytest.fixture
def postgres_url(migrated_postgres: PostgresServer) -> str:
    """A fresh, migrated PostgreSQL database. It goes with the server: dropping one waits for the disk."""
    return migrated_postgres.create_database(f"test_{uuid.uuid4().hex}", template=TEMPLATE)


@pytest.fixture(scope="session")
def shared_postgres_url(migrated_postgres: PostgresServer) -> str:
    """One migrated PostgreSQL database for tests that keep to a tenant of their own."""
    return migrated_postgres.create_database("shared", template=TEMPLATE)


@pytest.fixture(scope="session")
def shared_sqlite_url(migrated_sqlite: Path) -> str:
    """One migrated SQLite file for tests that keep to a tenant of their own."""
    file = migrated_sqlite.with_name("shared.db")
    shutil.copyfile(migrated_sqlite, file)
    return f"sqlite:///{file}"


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest) -> str:
    """A fresh, migrated database, once on each engine."""
    return str(request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """An open `Database` on each engine. Patient: tests share two cores."""
    opened = Database(database_url, deadline_s=20.0)
    yield opened
    await opened.close()
    # The drivers close their sockets on the next turn of the loop.
    await asyncio.sleep(0)


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    """The address of a Redis whose keys other tests may share."""
    return redis_server.url()


@pytest.fixture
def clock() -> FixedClock:
    """Noon, until it is moved."""
    return FixedClock()
