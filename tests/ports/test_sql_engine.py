"""The door to the database: its settings, its deadlines, and what it calls a failure."""

from __future__ import annotations

import asyncio
import sqlite3
import stat
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from app.adapters.sql.engine import (
    READER_CACHE_KIB,
    ROWS_AT_ONCE,
    WRITER_CACHE_KIB,
    Database,
    async_url,
)
from app.adapters.sql.stores import sql_stores
from app.adapters.sql.tables import counters
from app.domain.errors import InvalidInputError, StorageUnavailableError
from app.domain.types import EventStatus
from migrations.run import upgrade
from tests.clocks import FixedClock
from tests.events import event
from tests.servers import PostgresServer, free_port
from tests.waiting import until

DEADLINE_S = 1.5
ANSWER_S = 2.0


@pytest.fixture
async def sqlite(sqlite_url: str) -> AsyncIterator[Database]:
    opened = Database(sqlite_url, deadline_s=DEADLINE_S)
    yield opened
    await opened.close()


@pytest.fixture
def own_postgres() -> Iterator[PostgresServer]:
    """A server that the test may stop."""
    server = PostgresServer()
    try:
        server.start()
        upgrade(server.url())
        yield server
    finally:
        server.close()


def _modes(folder: Path) -> dict[str, int]:
    return {file.name: stat.S_IMODE(file.stat().st_mode) for file in folder.glob("recserve.db*")}


async def scalar(database: Database, statement: str) -> object:
    return (await database.fetch(sa.text(statement)))[0][0]


@pytest.mark.parametrize(
    ("url", "driver"),
    [
        ("sqlite:///a.db", "sqlite+aiosqlite"),
        ("sqlite:////var/a.db", "sqlite+aiosqlite"),
        ("postgresql://u:p%40@h/n", "postgresql+asyncpg"),
        ("postgres://h/n?sslmode=require", "postgresql+asyncpg"),
        ("postgresql+asyncpg://h/n", "postgresql+asyncpg"),
    ],
)
def test_async_url_takes_both_databases(url: str, driver: str) -> None:
    assert async_url(url).drivername == driver


def test_async_url_calls_sslmode_what_the_driver_calls_it() -> None:
    assert async_url("postgresql://h/n?sslmode=require").query == {"ssl": "require"}


@pytest.mark.parametrize(
    "url", ["", "mysql://h/n", "sqlite://", "sqlite:///:memory:", "nonsense", "redis://h/0"]
)
def test_async_url_refuses_the_rest(url: str) -> None:
    with pytest.raises(InvalidInputError):
        async_url(url)


async def test_sqlite_is_durable_and_private(sqlite: Database, tmp_path: Path) -> None:
    async def pragmas(connection) -> list[object]:
        names = ("journal_mode", "synchronous", "foreign_keys")
        return [(await connection.exec_driver_sql(f"PRAGMA {name}")).scalar_one() for name in names]

    assert await sqlite.write(pragmas) == ["wal", 2, 1]
    await sqlite.write(lambda c: c.exec_driver_sql("INSERT INTO counters VALUES ('t', 'n', 1)"))
    assert _modes(tmp_path) == {"recserve.db": 0o600, "recserve.db-shm": 0o600, "recserve.db-wal": 0o600}


async def test_a_long_answer_comes_row_by_row_in_order(database: Database) -> None:
    count = 2 * ROWS_AT_ONCE + 1
    numbers = sa.text(
        f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count}) SELECT i FROM n"
    )

    assert await database.fetch_long(numbers, lambda row: row.i, deadline_s=5.0) == [*range(1, count + 1)]
    assert await database.fetch_long(sa.text("SELECT 1 AS i WHERE 1 = 0"), tuple, deadline_s=5.0) == []


async def test_sqlite_keeps_the_cache_for_the_writer(sqlite: Database) -> None:
    async def cache(connection) -> object:
        return (await connection.exec_driver_sql("PRAGMA cache_size")).scalar_one()

    assert await sqlite.write(cache) == -WRITER_CACHE_KIB
    assert await scalar(sqlite, "PRAGMA cache_size") == -READER_CACHE_KIB


async def test_sqlite_makes_its_folder_and_file(tmp_path: Path) -> None:
    file = tmp_path / "new" / "folder" / "a.db"
    database = Database(f"sqlite:///{file}")
    assert await database.ping()
    await database.close()

    assert stat.S_IMODE(file.stat().st_mode) == 0o600


async def test_sqlite_reads_and_then_writes_while_others_write(sqlite: Database) -> None:
    """A deferred transaction would fail here at once, in spite of the busy timeout."""
    other = sqlite3.connect(str(sqlite.engine.url.database), isolation_level=None)
    other.execute("INSERT INTO counters VALUES ('t', 'n', 0)")

    async def add(connection) -> None:
        found = (await connection.exec_driver_sql("SELECT value FROM counters")).scalar_one()
        await asyncio.to_thread(lambda: None)
        await connection.exec_driver_sql("UPDATE counters SET value = ?", (found + 1,))

    await asyncio.gather(*(sqlite.write(add) for _ in range(20)))

    assert other.execute("SELECT value FROM counters").fetchone() == (20,)
    other.close()


async def test_sqlite_locked_by_another_process_is_unavailable_in_time(sqlite: Database) -> None:
    other = sqlite3.connect(str(sqlite.engine.url.database), isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    begun = time.monotonic()

    with pytest.raises(StorageUnavailableError):
        await sqlite.write(lambda c: c.exec_driver_sql("INSERT INTO counters VALUES ('t', 'n', 1)"))

    assert time.monotonic() - begun < ANSWER_S
    assert await scalar(sqlite, "SELECT count(*) FROM counters") == 0
    other.execute("COMMIT")
    other.close()
    await sqlite.write(lambda c: c.exec_driver_sql("INSERT INTO counters VALUES ('t', 'n', 1)"))


async def test_a_write_that_fails_leaves_nothing(database: Database) -> None:
    async def work(connection) -> None:
        await connection.exec_driver_sql("INSERT INTO counters VALUES ('t', 'n', 1)")
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await database.write(work)

    assert await scalar(database, "SELECT count(*) FROM counters") == 0


async def test_a_fault_in_a_statement_is_not_an_outage_and_shows_no_values(database: Database) -> None:
    bad = sa.insert(counters).values(tenant="secret-id", name=None, value=1)

    with pytest.raises(sa.exc.IntegrityError) as caught:
        await database.write(lambda connection: connection.execute(bad))

    assert "hide_parameters" in str(caught.value)
    assert "parameters: {" not in str(caught.value)
    assert await database.ping()


async def test_a_database_that_nobody_migrated_is_unavailable(
    postgres_server: PostgresServer, tmp_path: Path
) -> None:
    for url in (postgres_server.url(), f"sqlite:///{tmp_path / 'empty.db'}"):
        database = Database(url)
        with pytest.raises(StorageUnavailableError):
            await sql_stores(database, tenant="t", clock=FixedClock()).items.revision()
        await database.close()


@pytest.mark.parametrize("url", ["postgresql://recserve@127.0.0.1:{port}/none", "sqlite:////proc/none/a.db"])
async def test_a_database_that_is_not_there_is_unavailable(url: str) -> None:
    database = Database(url.format(port=free_port()), deadline_s=DEADLINE_S)
    begun = time.monotonic()

    assert not await database.ping()
    with pytest.raises(StorageUnavailableError):
        await database.write(lambda c: c.exec_driver_sql("SELECT 1"))

    assert time.monotonic() - begun < 2 * ANSWER_S
    await database.close()


async def test_work_beyond_the_deadline_is_left_behind(database_url: str) -> None:
    database = Database(database_url, deadline_s=0.3)
    never = asyncio.Event()

    async def work(connection) -> None:
        await connection.exec_driver_sql("SELECT 1")
        await never.wait()

    begun = time.monotonic()
    with pytest.raises(StorageUnavailableError):
        await database.write(work)

    assert time.monotonic() - begun < 1.0
    await until(database.ping)
    await database.close()


async def test_a_cancelled_caller_does_not_undo_what_has_begun(database: Database) -> None:
    inside, go_on = asyncio.Event(), asyncio.Event()

    async def work(connection) -> None:
        await connection.exec_driver_sql("INSERT INTO counters VALUES ('t', 'n', 1)")
        inside.set()
        await go_on.wait()

    caller = asyncio.create_task(database.write(work))
    await inside.wait()
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    go_on.set()

    async def committed() -> bool:
        return await scalar(database, "SELECT count(*) FROM counters") == 1

    await until(committed)


async def test_postgres_lock_held_by_another_is_unavailable_in_half_a_second(postgres_url: str) -> None:
    database, other = Database(postgres_url, deadline_s=10.0), Database(postgres_url, deadline_s=10.0)
    async with other.engine.begin() as connection:
        await connection.exec_driver_sql("LOCK TABLE counters")
        begun = time.monotonic()
        with pytest.raises(StorageUnavailableError):
            await database.write(lambda c: c.exec_driver_sql("INSERT INTO counters VALUES ('t', 'n', 1)"))
        assert 0.4 < time.monotonic() - begun < 3.0
    await database.close()
    await other.close()


async def test_postgres_slow_statement_is_stopped_by_the_server(postgres_url: str) -> None:
    database = Database(postgres_url, deadline_s=0.4)

    with pytest.raises(StorageUnavailableError):
        await database.fetch(sa.text("SELECT pg_sleep(5)"))

    async def idle() -> bool:
        running = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(5)' AND state = 'active'"
        return await scalar(database, running) == 0

    await until(idle, within_s=5)
    await database.close()


async def test_postgres_with_all_connections_taken_is_unavailable_in_a_second(postgres_url: str) -> None:
    database = Database(postgres_url, deadline_s=10.0)
    release, taken = asyncio.Event(), []

    async def hold(connection) -> None:
        await connection.exec_driver_sql("SELECT 1")
        taken.append(1)
        await release.wait()

    holders = [asyncio.create_task(database.write(hold)) for _ in range(10)]
    await until(lambda: len(taken) == 10)
    begun = time.monotonic()
    with pytest.raises(StorageUnavailableError):
        await database.write(hold)
    assert time.monotonic() - begun < 2.0
    release.set()
    await asyncio.gather(*holders)
    await database.close()


async def test_postgres_stopped_killed_and_started_again(own_postgres: PostgresServer) -> None:
    """Within the deadline every time, never a hang; the same ids sent again are stored once."""
    database = Database(own_postgres.url(), deadline_s=DEADLINE_S)
    events = sql_stores(database, tenant="t", clock=FixedClock()).events
    await events.append([event("e1", "i1")], create_unknown=True)

    own_postgres.pause()
    for _ in range(3):
        begun = time.monotonic()
        with pytest.raises(StorageUnavailableError):
            await events.append([event("e2", "i1")], create_unknown=True)
        assert time.monotonic() - begun < ANSWER_S
    own_postgres.resume()
    await until(database.ping)

    own_postgres.kill()
    begun = time.monotonic()
    with pytest.raises(StorageUnavailableError):
        await events.append([event("e3", "i1")], create_unknown=True)
    assert time.monotonic() - begun < ANSWER_S
    own_postgres.start()
    await until(database.ping)

    async def stored() -> bool:
        try:
            again = await events.append(
                [event("e1", "i1"), event("e2", "i1"), event("e3", "i1")], create_unknown=True
            )
        except StorageUnavailableError:
            return False
        assert again.statuses[0] is EventStatus.DUPLICATE
        return True

    await until(stored)
    assert await scalar(database, "SELECT count(*) FROM events") == 3
    await database.close()
