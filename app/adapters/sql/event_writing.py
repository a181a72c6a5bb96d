"""How a group of event rows goes into each database in as few round trips as it allows."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Protocol

from sqlalchemy.ext.asyncio import AsyncConnection

from app.adapters.sql.columns import utc_text
from app.adapters.sql.event_rows import ROW_COLUMNS, EventRow
from app.domain.search import search_text

_COLUMNS = ", ".join(ROW_COLUMNS)
_EVENT_ID = ROW_COLUMNS.index("event_id")


class EventWriting(Protocol):
    """The statements of one database. All run in the caller's transaction."""

    async def insert_fresh(self, connection: AsyncConnection, rows: Sequence[EventRow]) -> set[str]:
        """Insert the events whose id is new; returns those ids. `rows` holds no id of two events."""

    async def known_items(self, connection: AsyncConnection, ids: Collection[str]) -> set[str]:
        """Those of the items that have a row, deleted ones included."""

    async def add_cold_items(
        self, connection: AsyncConnection, ids: Collection[str], *, revision: int, at: datetime
    ) -> list[str]:
        """Create rows for unknown items, which nobody has described; returns the ids created."""

    async def add_cold_users(
        self, connection: AsyncConnection, ids: Collection[str], *, at: datetime
    ) -> None:
        """Create rows for users that have none."""

    async def merged_users(self, connection: AsyncConnection, anonymous_ids: Collection[str]) -> set[str]:
        """The users that these guests were merged into."""


_COLD_ITEM_COLUMNS = (
    "tenant, item_id, categories, attributes, in_stock, hidden, created_at, updated_at, revision, cold, "
    "deleted, search_text"
)


class SqliteWriting:
    """Looks up, then inserts: BEGIN IMMEDIATE keeps every other writer out meanwhile."""

    def __init__(self, tenant: str) -> None:
        self._tenant = tenant

    async def insert_fresh(self, connection: AsyncConnection, rows: Sequence[EventRow]) -> set[str]:
        """See `EventWriting`."""
        wanted = {row[_EVENT_ID] for row in rows}
        found = await connection.exec_driver_sql(
            "SELECT event_id FROM events WHERE tenant = ? AND item_index = 0"
            " AND event_id IN (SELECT value FROM json_each(?))",
            (self._tenant, _listed(wanted)),
        )
        seen = {row[0] for row in found}
        fresh = [row for row in rows if row[_EVENT_ID] not in seen]
        if fresh:
            marks = ", ".join("?" * len(ROW_COLUMNS))
            await connection.exec_driver_sql(f"INSERT INTO events ({_COLUMNS}) VALUES ({marks})", fresh)  # noqa: S608  # constants only
        return wanted - seen

    async def known_items(self, connection: AsyncConnection, ids: Collection[str]) -> set[str]:
        """See `EventWriting`."""
        found = await connection.exec_driver_sql(
            "SELECT item_id FROM items WHERE tenant = ? AND item_id IN (SELECT value FROM json_each(?))",
            (self._tenant, _listed(ids)),
        )
        return {row[0] for row in found}

    async def add_cold_items(
        self, connection: AsyncConnection, ids: Collection[str], *, revision: int, at: datetime
    ) -> list[str]:
        """See `EventWriting`."""
        created, moment = sorted(ids), utc_text(at)
        await connection.exec_driver_sql(
            f"INSERT INTO items ({_COLD_ITEM_COLUMNS})"  # noqa: S608  # constants only
            " VALUES (?, ?, '[]', '{}', 1, 0, ?, ?, ?, 1, 0, ?)",
            [(self._tenant, id_, moment, moment, revision, search_text(id_, None)) for id_ in created],
        )
        return created

    async def add_cold_users(
        self, connection: AsyncConnection, ids: Collection[str], *, at: datetime
    ) -> None:
        """See `EventWriting`."""
        await connection.exec_driver_sql(
            "INSERT OR IGNORE INTO users (tenant, user_id, attributes, created_at, updated_at, cold)"
            " SELECT ?1, value, '{}', ?3, ?3, 1 FROM json_each(?2) WHERE true",
            (self._tenant, _listed(ids), utc_text(at)),
        )

    async def merged_users(self, connection: AsyncConnection, anonymous_ids: Collection[str]) -> set[str]:
        """See `EventWriting`."""
        found = await connection.exec_driver_sql(
            "SELECT DISTINCT user_id FROM user_aliases WHERE tenant = ?"
            " AND anonymous_id IN (SELECT value FROM json_each(?))",
            (self._tenant, _listed(anonymous_ids)),
        )
        return {row[0] for row in found}


_ARRAY_TYPES = {
    "item_index": "bigint",
    "list_position": "bigint",
    "quantity": "float8",
    "price": "numeric",
    "value": "numeric",
    "happened_at": "timestamptz",
    "received_at": "timestamptz",
}
_ARRAYS = ", ".join(
    f"${place}::{_ARRAY_TYPES.get(column, 'text')}[]" for place, column in enumerate(ROW_COLUMNS[1:], start=2)
)
_LINE_COLUMNS = ", ".join(
    "line.context::json" if column == "context" else f"line.{column}" for column in ROW_COLUMNS[1:]
)
# The first lines decide which events are new; further lines follow only the events just inserted. One
# statement, so two processes that send the same event at once cannot both get past it.
_INSERT_FRESH = f"""
WITH line AS (
    SELECT * FROM unnest({_ARRAYS}) WITH ORDINALITY AS line ({", ".join(ROW_COLUMNS[1:])}, place)
), head AS (
    INSERT INTO events ({_COLUMNS})
    SELECT $1::text, {_LINE_COLUMNS} FROM line WHERE item_index = 0 ORDER BY place
    ON CONFLICT (tenant, event_id, item_index) DO NOTHING
    RETURNING event_id
), rest AS (
    INSERT INTO events ({_COLUMNS})
    SELECT $1::text, {_LINE_COLUMNS} FROM line JOIN head ON head.event_id = line.event_id
    WHERE item_index > 0 ORDER BY place
)
SELECT event_id FROM head
"""  # noqa: S608  # constants only


class PostgresqlWriting:
    """Sends columns as arrays: the statement's text stays the same however many rows there are."""

    def __init__(self, tenant: str) -> None:
        self._tenant = tenant

    async def insert_fresh(self, connection: AsyncConnection, rows: Sequence[EventRow]) -> set[str]:
        """See `EventWriting`."""
        columns = [list(column) for column in zip(*rows, strict=True)]
        found = await connection.exec_driver_sql(_INSERT_FRESH, (self._tenant, *columns[1:]))
        return {row[0] for row in found}

    async def known_items(self, connection: AsyncConnection, ids: Collection[str]) -> set[str]:
        """See `EventWriting`."""
        found = await connection.exec_driver_sql(
            "SELECT item_id FROM items WHERE tenant = $1 AND item_id = ANY($2::text[])",
            (self._tenant, list(ids)),
        )
        return {row[0] for row in found}

    async def add_cold_items(
        self, connection: AsyncConnection, ids: Collection[str], *, revision: int, at: datetime
    ) -> list[str]:
        """See `EventWriting`."""
        found = await connection.exec_driver_sql(
            f"INSERT INTO items ({_COLD_ITEM_COLUMNS})"  # noqa: S608  # constants only
            " SELECT $1::text, id, '[]', '{}', true, false, $4::timestamptz, $4::timestamptz, $5::bigint,"
            " true, false, text FROM unnest($2::text[], $3::text[]) AS line (id, text)"
            " ON CONFLICT DO NOTHING RETURNING item_id",
            (self._tenant, sorted(ids), [search_text(id_, None) for id_ in sorted(ids)], at, revision),
        )
        return [row[0] for row in found]

    async def add_cold_users(
        self, connection: AsyncConnection, ids: Collection[str], *, at: datetime
    ) -> None:
        """See `EventWriting`."""
        # In one order in every process, so that no two wait for each other.
        await connection.exec_driver_sql(
            "INSERT INTO users (tenant, user_id, attributes, created_at, updated_at, cold)"
            " SELECT $1::text, id, '{}', $3::timestamptz, $3::timestamptz, true FROM unnest($2::text[]) AS id"
            " ON CONFLICT DO NOTHING",
            (self._tenant, sorted(ids), at),
        )

    async def merged_users(self, connection: AsyncConnection, anonymous_ids: Collection[str]) -> set[str]:
        """See `EventWriting`."""
        found = await connection.exec_driver_sql(
            "SELECT DISTINCT user_id FROM user_aliases WHERE tenant = $1 AND anonymous_id = ANY($2::text[])",
            (self._tenant, list(anonymous_ids)),
        )
        return {row[0] for row in found}


def _listed(ids: Collection[str]) -> str:
    return json.dumps(sorted(ids))
