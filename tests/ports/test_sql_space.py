"""Events stop before SQLite's disk is full; freed pages count as room; other writes go on."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from app.adapters.sql.engine import Database
from app.adapters.sql.space import FreeSpace
from app.domain.errors import StorageUnavailableError

MOST = 2**62


async def test_room_is_required_of_sqlite_alone(database: Database) -> None:
    space = FreeSpace(database, least_share=1.0, least_bytes=MOST)
    if not database.is_sqlite:
        await space.require()
        return
    with pytest.raises(StorageUnavailableError) as caught:
        await space.require()
    assert caught.value.retry_after_s > 1


async def test_disk_with_room_is_enough(database: Database) -> None:
    await FreeSpace(database, least_share=1e-9).require()
    await FreeSpace(database, least_bytes=1).require()


async def test_pages_that_deletes_freed_count_as_room(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = Database(sqlite_url, deadline_s=20.0)
    # A disk on which nothing is free, whatever this machine's is like.
    monkeypatch.setattr("app.adapters.sql.space.shutil.disk_usage", lambda _: FullDisk())
    space = FreeSpace(database, least_bytes=100_000)
    with pytest.raises(StorageUnavailableError):
        await space.require()

    await execute(database, "CREATE TABLE filler AS SELECT zeroblob(1000000) AS bytes")
    await execute(database, "DROP TABLE filler")
    await space.require()
    await database.close()


class FullDisk:
    """What `shutil.disk_usage` says of it."""

    total, free = 10**9, 0


async def execute(database: Database, statement: str) -> None:
    await database.write(lambda connection: connection.execute(sa.text(statement)))
