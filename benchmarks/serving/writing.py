"""What a row costs on its way into the database, one way beside the other.

    python -m benchmarks.serving.writing

Groups of rows by the statements in use and by those that were thought of in their place, in turns, on SQLite
and on a PostgreSQL that does not wait for its disk: microseconds a row, client and server together.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from app.adapters.sql.counters import insert_into
from app.adapters.sql.engine import Database
from app.adapters.sql.event_rows import ROW_COLUMNS, Codec, rows_of
from app.adapters.sql.event_writing import PostgresqlWriting
from app.adapters.sql.exposure_writing import write_exposures
from app.adapters.sql.tables import exposures
from app.domain.exposures import Exposure
from app.domain.types import Event, EventItem, Subject
from migrations.run import upgrade
from tests.servers import PostgresServer

TENANT, LENGTH = "default", 10
ROUNDS = 15
AT = datetime(2026, 11, 24, 10, tzinfo=UTC)
Way = Callable[[Database, str, int], Awaitable[None]]
_COLUMNS = ", ".join(ROW_COLUMNS)


async def exposures_in_use(database: Database, mark: str, rows: int) -> None:
    """By hand, as the service does."""
    await write_exposures(database, TENANT, _shown(mark, rows))


async def exposures_by_sqlalchemy(database: Database, mark: str, rows: int) -> None:
    """SQLAlchemy's statement with a list of rows."""
    given = [
        {
            "tenant": TENANT,
            "recommendation_id": one.recommendation_id,
            "user_id": one.subject.user_id,
            "scenario": one.scenario,
            "variant": one.variant,
            "model_version": one.model_version,
            "served_by": one.served_by,
            "item_ids": list(one.item_ids),
            "propensities": list(one.propensities),
            "shown_at": one.shown_at,
        }
        for one in _shown(mark, rows)
    ]

    async def work(connection: AsyncConnection) -> None:
        await connection.execute(insert_into(connection, exposures).on_conflict_do_nothing(), given)

    await database.write(work)


async def events_in_use(database: Database, mark: str, rows: int) -> None:
    """Columns as arrays, one statement, as the service does where no item is new."""
    lines, writing = _lines(mark, rows), PostgresqlWriting(TENANT)

    async def work(connection: AsyncConnection) -> None:
        await writing.insert(connection, lines, guests=(), cold_users=AT)

    await database.write_once(work)


async def events_by_copy(database: Database, mark: str, rows: int) -> None:
    """COPY into a temporary table, then one INSERT … ON CONFLICT; cold users are left out."""
    lines = _lines(mark, rows)

    async def work(connection: AsyncConnection) -> None:
        await connection.exec_driver_sql(
            "CREATE TEMPORARY TABLE IF NOT EXISTS sent ON COMMIT DELETE ROWS AS"
            f" SELECT {_COLUMNS} FROM events WITH NO DATA"  # constants only
        )
        driver: Any = (await connection.get_raw_connection()).driver_connection
        await driver.copy_records_to_table("sent", records=lines, columns=ROW_COLUMNS)
        await connection.exec_driver_sql(
            f"INSERT INTO events ({_COLUMNS}) SELECT {_COLUMNS} FROM sent"  # constants only
            " ON CONFLICT (tenant, event_id, item_index) DO NOTHING RETURNING event_id"
        )

    await database.write(work)


async def events_by_copy_alone(database: Database, mark: str, rows: int) -> None:
    """COPY into the log itself: the least there is, as it takes no event twice and says nothing of any."""
    lines = _lines(mark, rows)

    async def work(connection: AsyncConnection) -> None:
        driver: Any = (await connection.get_raw_connection()).driver_connection
        await driver.copy_records_to_table("events", records=lines, columns=ROW_COLUMNS)

    await database.write(work)


def _shown(mark: str, rows: int) -> list[Exposure]:
    items = tuple(f"item-{place:07d}" for place in range(LENGTH))
    return [
        Exposure(f"{mark}-{n:06d}", Subject(f"user-{n % 200}"), "home", "control", "v1", "cache", items, AT)
        for n in range(rows)
    ]


def _lines(mark: str, rows: int) -> list[tuple[Any, ...]]:
    codec = Codec(sqlite=False)
    sent = (
        Event(
            event_id=f"{mark}-{n:06d}",
            name="view_item",
            happened_at=AT,
            received_at=AT,
            user_id=f"user-{n % 200}",
            session_id=f"{mark}-{n}",
            items=(EventItem(f"item-{n % 500:07d}", 1.0),),
            currency="EUR",
        )
        for n in range(rows)
    )
    return [line for event in sent for line in rows_of(event, tenant=TENANT, codec=codec)]


async def compared(url: str, ways: Sequence[Way], rows: int) -> None:
    """Print what a row takes each way: the median of the rounds, and its ratio to the first way."""
    database = Database(url, deadline_s=30.0)
    took: dict[Way, list[float]] = {way: [] for way in ways}
    try:
        for turn in range(-1, ROUNDS):
            for number, way in enumerate(ways):
                began = perf_counter()
                await way(database, f"{rows}-{turn}-{number}", rows)
                if turn >= 0:  # the first round prepares statements
                    took[way].append(1e6 * (perf_counter() - began) / rows)
    finally:
        await database.close()
    for way, times in took.items():
        ratio = statistics.median(a / b for a, b in zip(times, took[ways[0]], strict=True))
        name = f"{database.engine.dialect.name:10} {way.__name__:24} groups of {rows:4}"
        print(f"{name}: {statistics.median(times):6.1f} us a row, {ratio:.2f} times the first", flush=True)


def main() -> int:
    """Measure all of them."""
    shown: list[Way] = [exposures_in_use, exposures_by_sqlalchemy]
    sent: list[Way] = [events_in_use, events_by_copy, events_by_copy_alone]
    server = PostgresServer()
    try:
        server.start()
        with tempfile.TemporaryDirectory() as folder:
            sqlite, postgresql = f"sqlite:///{Path(folder) / 'rows.db'}", server.create_database("rows")
            for url in (sqlite, postgresql):
                upgrade(url)
                asyncio.run(compared(url, shown, 256))
            for rows in (100, 2000):
                asyncio.run(compared(postgresql, sent, rows))
    finally:
        server.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
