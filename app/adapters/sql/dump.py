"""A tenant's events, users and exposures from the first to the last, slice by slice."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from app.adapters.sql.engine import Database
from app.adapters.sql.event_rows import stored_event
from app.adapters.sql.exposures import exposure_of
from app.adapters.sql.tables import events, exposures, users
from app.domain.exposures import Exposure
from app.domain.types import StoredEvent, User


class SqlDump:
    """Reads whole tables of one tenant; each slice is a transaction of its own."""

    def __init__(self, database: Database, *, tenant: str) -> None:
        self._database = database
        self._tenant = tenant

    async def first_named(self, prefix: str) -> tuple[str, datetime] | None:
        """The least event id that begins so, and when it happened; None where none does."""
        statement = (
            sa.select(events.c.event_id, events.c.happened_at)
            .where(events.c.tenant == self._tenant, events.c.item_index == 0, events.c.event_id >= prefix)
            .order_by(events.c.event_id)
            .limit(1)
        )

        async def work(connection: AsyncConnection) -> list[tuple[str, datetime]]:
            return [(row.event_id, row.happened_at) for row in await connection.execute(statement)]

        found = await self._database.read(work)
        return next((row for row in found if row[0].startswith(prefix)), None)

    async def events(self, *, after: int, limit: int) -> list[StoredEvent]:
        """Events in the order of their receipt, from the first `seq` above `after`."""
        heads = (
            sa.select(events.c.event_id, events.c.seq)
            .where(events.c.tenant == self._tenant, events.c.item_index == 0, events.c.seq > after)
            .order_by(events.c.seq)
            .limit(limit)
        )

        async def work(connection: AsyncConnection) -> tuple[list[str], Sequence[sa.Row[Any]]]:
            ids = [row.event_id for row in await connection.execute(heads)]
            lines = (
                sa.select(events)
                .where(events.c.tenant == self._tenant, events.c.event_id.in_(ids))
                .order_by(events.c.event_id, events.c.item_index)
            )
            return ids, (await connection.execute(lines)).all()

        ids, lines = await self._database.read(work)
        by_id: dict[str, list[sa.Row[Any]]] = {}
        for line in lines:
            by_id.setdefault(line.event_id, []).append(line)
        return [stored_event(by_id[event_id]) for event_id in ids]

    async def exposures(self, *, after: Exposure | None, limit: int) -> list[Exposure]:
        """Lists that were answered, in the order of that, from the first one behind `after`."""
        key = (exposures.c.shown_at, exposures.c.recommendation_id)
        statement = sa.select(exposures).where(exposures.c.tenant == self._tenant).order_by(*key).limit(limit)
        if after is not None:
            last = sa.tuple_(
                sa.literal(after.shown_at, key[0].type), sa.literal(after.recommendation_id, key[1].type)
            )
            statement = statement.where(sa.tuple_(*key) > last)

        async def work(connection: AsyncConnection) -> Sequence[sa.Row[Any]]:
            return (await connection.execute(statement)).all()

        return [exposure_of(row) for row in await self._database.read(work)]

    async def users(self, *, after: str, limit: int) -> list[User]:
        """Users by id, from the first id above `after`."""
        statement = (
            sa.select(users)
            .where(users.c.tenant == self._tenant, users.c.user_id > after)
            .order_by(users.c.user_id)
            .limit(limit)
        )

        async def work(connection: AsyncConnection) -> Sequence[sa.Row[Any]]:
            return (await connection.execute(statement)).all()

        return [
            User(
                user_id=row.user_id,
                country=row.country,
                attributes=row.attributes,
                created_at=row.created_at,
                updated_at=row.updated_at,
                cold=row.cold,
            )
            for row in await self._database.read(work)
        ]
