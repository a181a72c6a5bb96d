"""How a group of event rows goes into each database in as few round trips as it allows."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Protocol, TypeVar, cast

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from app.adapters.sql.columns import utc_text
from app.adapters.sql.event_rows import ROW_COLUMNS, EventRow
from app.domain.search import search_text

T = TypeVar("T")

_COLUMNS = ", ".join(ROW_COLUMNS)
_EVENT_ID = ROW_COLUMNS.index("event_id")
_USER_ID = ROW_COLUMNS.index("user_id")


@dataclass(frozen=True, slots=True)
class Inserted:
    """What became of a group.

    Attributes:
        fresh: Ids of the events that were new.
        merged: The users that the group's guests were merged into.
    """

    fresh: set[str]
    merged: set[str]


class EventWriting(Protocol):
    """The statements of one database. All run in the caller's transaction."""

    one_statement: bool
    """Whether `insert` is a single statement, and so a transaction by itself."""

    async def insert(
        self,
        connection: AsyncConnection,
        rows: Sequence[EventRow],
        *,
        guests: Collection[str],
        cold_users: datetime | None,
    ) -> Inserted:
        """Insert the events whose id is new.

        Args:
            connection: Where to.
            rows: Lines of events, no id of two of them.
            guests: Guests whose users are asked for.
            cold_users: The time at which users that have no row get one, if they are named by a new event.
        """

    async def known_items(self, connection: AsyncConnection, ids: Collection[str]) -> set[str]:
        """Those of the items that have a row, deleted ones included."""

    async def add_cold_items(
        self, connection: AsyncConnection, ids: Collection[str], *, revision: int, at: datetime
    ) -> list[str]:
        """Create rows for unknown items, which nobody has described; returns the ids created."""


_COLD_ITEM_COLUMNS = (
    "tenant, item_id, categories, attributes, in_stock, hidden, created_at, updated_at, revision, cold, "
    "deleted, search_text"
)


class _Writing:
    """What both databases do alike."""

    _known_items: ClassVar[str]
    """The statement that finds items; parameters: tenant, ids as `_ids` gives them."""

    def __init__(self, tenant: str) -> None:
        self._tenant = tenant

    async def known_items(self, connection: AsyncConnection, ids: Collection[str]) -> set[str]:
        """See `EventWriting`."""
        found = await connection.exec_driver_sql(self._known_items, (self._tenant, self._ids(ids)))
        return {row[0] for row in found}

    def _ids(self, ids: Collection[str]) -> Any:  # noqa: ANN401  # the driver's own form
        """Ids as one parameter."""
        raise NotImplementedError


_SEEN = (
    "SELECT event_id FROM events WHERE tenant = ? AND item_index = 0"
    " AND event_id IN (SELECT value FROM json_each(?))"
)
_INSERT_ONE = f"INSERT INTO events ({_COLUMNS}) VALUES ({', '.join('?' * len(ROW_COLUMNS))})"  # noqa: S608  # constants only
_COLD_USERS = (
    "INSERT OR IGNORE INTO users (tenant, user_id, attributes, created_at, updated_at, cold)"
    " SELECT ?1, value, '{}', ?3, ?3, 1 FROM json_each(?2) WHERE true"
)
_MERGED = (
    "SELECT DISTINCT user_id FROM user_aliases WHERE tenant = ?"
    " AND anonymous_id IN (SELECT value FROM json_each(?))"
)


async def in_its_thread(connection: AsyncConnection, work: Callable[[sqlite3.Connection], T]) -> T:
    """Run statements in the connection's own thread at one go.

    There and back costs more than most statements take, above all when the loop is busy.
    """
    driver: Any = (await connection.get_raw_connection()).driver_connection
    try:
        # The driver's own way to run what it has no method for; it gives no other.
        return cast("T", await driver._execute(work, driver._conn))  # noqa: SLF001
    except sqlite3.Error as error:
        raise sa.exc.DBAPIError.instance(None, None, error, sqlite3.Error) from error


class SqliteWriting(_Writing):
    """Looks up, then inserts: BEGIN IMMEDIATE keeps every other writer out meanwhile."""

    one_statement = False
    _known_items = (
        "SELECT item_id FROM items WHERE tenant = ? AND item_id IN (SELECT value FROM json_each(?))"
    )

    async def insert(
        self,
        connection: AsyncConnection,
        rows: Sequence[EventRow],
        *,
        guests: Collection[str],
        cold_users: datetime | None,
    ) -> Inserted:
        """See `EventWriting`."""
        return await in_its_thread(
            connection, lambda raw: self._insert(raw, rows, guests=guests, cold_users=cold_users)
        )

    def _insert(
        self,
        raw: sqlite3.Connection,
        rows: Sequence[EventRow],
        *,
        guests: Collection[str],
        cold_users: datetime | None,
    ) -> Inserted:
        wanted = {row[_EVENT_ID] for row in rows}
        seen = {row[0] for row in raw.execute(_SEEN, (self._tenant, self._ids(wanted)))}
        fresh = [row for row in rows if row[_EVENT_ID] not in seen] if seen else rows
        raw.executemany(_INSERT_ONE, fresh)
        if cold_users is not None:
            users = {row[_USER_ID] for row in fresh if row[_USER_ID] is not None}
            raw.execute(_COLD_USERS, (self._tenant, self._ids(users), utc_text(cold_users)))
        merged = raw.execute(_MERGED, (self._tenant, self._ids(guests))) if guests else ()
        return Inserted(wanted - seen, {row[0] for row in merged})

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

    def _ids(self, ids: Collection[str]) -> str:
        return json.dumps(sorted(ids))


_ARRAY_TYPES = {
    "item_index": "bigint",
    "list_position": "bigint",
    "quantity": "float8",
    "price": "bigint",
    "value": "bigint",
    "happened_at": "timestamptz",
    "received_at": "timestamptz",
}
_ARRAYS = ", ".join(
    f"${place}::{_ARRAY_TYPES.get(column, 'text')}[]" for place, column in enumerate(ROW_COLUMNS[1:], start=2)
)
# Amounts come in ten-thousandths: a driver takes five times as long over a decimal as over an integer.
_AS_KEPT = {"context": "line.context::json", "price": "line.price * 0.0001", "value": "line.value * 0.0001"}
_LINE_COLUMNS = ", ".join(_AS_KEPT.get(column, f"line.{column}") for column in ROW_COLUMNS[1:])
# The first lines decide which events are new; further lines and users follow only the events just inserted.
# One statement, so two processes that send the same event at once cannot both get past it; users in one order
# in every process, so that no two wait for each other.
_COLD_AT = f"${len(ROW_COLUMNS) + 1}::timestamptz"
_GUESTS = f"${len(ROW_COLUMNS) + 2}::text[]"
_INSERT = f"""
WITH line AS (
    SELECT * FROM unnest({_ARRAYS}) WITH ORDINALITY AS line ({", ".join(ROW_COLUMNS[1:])}, place)
), head AS (
    INSERT INTO events ({_COLUMNS})
    SELECT $1::text, {_LINE_COLUMNS} FROM line WHERE item_index = 0 ORDER BY place
    ON CONFLICT (tenant, event_id, item_index) DO NOTHING
    RETURNING event_id, user_id
), rest AS (
    INSERT INTO events ({_COLUMNS})
    SELECT $1::text, {_LINE_COLUMNS} FROM line JOIN head ON head.event_id = line.event_id
    WHERE item_index > 0 ORDER BY place
), cold AS (
    INSERT INTO users (tenant, user_id, attributes, created_at, updated_at, cold)
    SELECT $1::text, user_id, '{{}}'::json, {_COLD_AT}, {_COLD_AT}, true FROM head
    WHERE user_id IS NOT NULL AND {_COLD_AT} IS NOT NULL GROUP BY user_id ORDER BY user_id
    ON CONFLICT DO NOTHING
)
SELECT event_id, false FROM head
UNION ALL
SELECT DISTINCT user_id, true FROM user_aliases WHERE tenant = $1::text AND anonymous_id = ANY({_GUESTS})
"""  # noqa: S608  # constants only


class PostgresqlWriting(_Writing):
    """Sends columns as arrays: the statement's text stays the same however many rows there are."""

    one_statement = True
    _known_items = "SELECT item_id FROM items WHERE tenant = $1 AND item_id = ANY($2::text[])"

    async def insert(
        self,
        connection: AsyncConnection,
        rows: Sequence[EventRow],
        *,
        guests: Collection[str],
        cold_users: datetime | None,
    ) -> Inserted:
        """See `EventWriting`."""
        columns = [list(column) for column in zip(*rows, strict=True)]
        found = await connection.exec_driver_sql(
            _INSERT, (self._tenant, *columns[1:], cold_users, list(guests))
        )
        fresh: set[str] = set()
        merged: set[str] = set()
        for row in found:
            name, is_user = tuple(row)
            (merged if is_user else fresh).add(name)
        return Inserted(fresh, merged)

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

    def _ids(self, ids: Collection[str]) -> list[str]:
        return list(ids)
