"""Customers and their merged guests in SQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from app.adapters.sql.counters import insert_into
from app.adapters.sql.engine import Database
from app.adapters.sql.event_rows import stored_event
from app.adapters.sql.exposures import exposure_of
from app.adapters.sql.people import guests_of
from app.adapters.sql.tables import events, exposures, tombstones, user_aliases, users
from app.domain.errors import ConflictError, NotFoundError
from app.domain.exports import event_json, exposure_json, user_json
from app.domain.ports import Clock
from app.domain.types import JsonObject, StoredEvent, User

PERSON_DEADLINE_S = 30.0
_NOT_FOUND = "There is no such user."


class SqlUserStore:
    """One tenant's users."""

    def __init__(self, database: Database, *, tenant: str, clock: Clock) -> None:
        self._database = database
        self._tenant = tenant
        self._clock = clock

    async def get(self, user_id: str) -> User:
        """One user. Raises `NotFoundError`."""
        rows = await self._database.fetch(self._user(user_id))
        if not rows:
            raise NotFoundError(_NOT_FOUND)
        return _user(rows[0])

    async def put(self, user: User) -> User:
        """Create or replace."""

        async def work(connection: AsyncConnection) -> User | None:
            await self._upsert(connection, [user])
            return await self._find(connection, user.user_id)

        stored = await self._database.write(work)
        if stored is None:
            raise NotFoundError(_NOT_FOUND)
        return stored

    async def put_many(self, users: Sequence[User]) -> None:
        """Create or replace each, all in one transaction; of one id twice the last counts."""
        last = {user.user_id: user for user in users}
        if last:
            await self._database.write(lambda connection: self._upsert(connection, list(last.values())))

    async def merge(self, user_id: str, anonymous_id: str) -> bool:
        """Make a guest's past the user's; a user nobody has seen yet becomes a cold one.

        Raises:
            ConflictError: The guest belongs to another user.
        """

        async def work(connection: AsyncConnection) -> bool:
            await self._create_cold(connection, user_id)
            insert = insert_into(connection, user_aliases).values(
                tenant=self._tenant,
                anonymous_id=anonymous_id,
                user_id=user_id,
                created_at=self._clock.now(),
            )
            made = await connection.execute(
                insert.on_conflict_do_nothing().returning(user_aliases.c.anonymous_id)
            )
            if made.first() is not None:
                return True
            owner = await connection.execute(
                sa.select(user_aliases.c.user_id).where(
                    user_aliases.c.tenant == self._tenant, user_aliases.c.anonymous_id == anonymous_id
                )
            )
            if owner.scalar_one_or_none() != user_id:
                raise ConflictError("This guest was merged into another user.")
            return False

        return await self._database.write(work)

    async def unmerge(self, user_id: str, anonymous_id: str) -> bool:
        """Take a merge back. False where there was none."""

        async def work(connection: AsyncConnection) -> bool:
            taken = await connection.execute(
                sa.delete(user_aliases).where(
                    user_aliases.c.tenant == self._tenant,
                    user_aliases.c.anonymous_id == anonymous_id,
                    user_aliases.c.user_id == user_id,
                )
            )
            return taken.rowcount > 0

        return await self._database.write(work)

    async def aliases(self, user_id: str) -> tuple[str, ...]:
        """The guests merged into this user."""
        return tuple(row.anonymous_id for row in await self._database.fetch(self._guests(user_id)))

    async def export(self, user_id: str) -> JsonObject:
        """Every row the service holds about the user. Raises `NotFoundError` where there is none."""

        async def work(connection: AsyncConnection) -> JsonObject | None:
            user = await self._find(connection, user_id)
            aliases = (await connection.execute(self._guests(user_id))).scalars().all()
            found = await self._events(connection, user_id)
            shown = await self._exposures(connection, user_id)
            if user is None and not (aliases or found or shown):
                return None
            return {
                "user_id": user_id,
                "user": None if user is None else user_json(user),
                "anonymous_ids": list(aliases),
                "events": [event_json(stored) for stored in found],
                "exposures": shown,
            }

        export = await self._database.read(work, deadline_s=PERSON_DEADLINE_S)
        if export is None:
            raise NotFoundError(_NOT_FOUND)
        return export

    async def erase(self, user_id: str, *, digest: str) -> Mapping[str, int]:
        """Delete all rows of the user and of merged guests, leave a tombstone."""
        aliases = sa.select(user_aliases.c.anonymous_id).where(
            user_aliases.c.tenant == self._tenant, user_aliases.c.user_id == user_id
        )
        whose = {
            events: sa.or_(events.c.user_id == user_id, guests_of(self._tenant, user_id)),
            exposures: sa.or_(
                exposures.c.user_id == user_id,
                sa.and_(exposures.c.anonymous_id.in_(aliases), exposures.c.user_id.is_(None)),
            ),
            user_aliases: user_aliases.c.user_id == user_id,
            users: users.c.user_id == user_id,
        }

        async def work(connection: AsyncConnection) -> dict[str, int]:
            deleted = {}
            for table, condition in whose.items():
                gone = await connection.execute(
                    sa.delete(table).where(table.c.tenant == self._tenant, condition)
                )
                deleted[table.name] = gone.rowcount
            await connection.execute(
                insert_into(connection, tombstones)
                .values(tenant=self._tenant, digest=digest, erased_at=self._clock.now())
                .on_conflict_do_nothing()
            )
            return deleted

        return await self._database.write(work, deadline_s=PERSON_DEADLINE_S)

    async def _upsert(self, connection: AsyncConnection, wanted: Sequence[User]) -> None:
        now = self._clock.now()
        rows = [
            {
                "tenant": self._tenant,
                "user_id": user.user_id,
                "country": user.country,
                "attributes": user.attributes,
                "created_at": now,
                "updated_at": now,
                "cold": False,
            }
            for user in wanted
        ]
        insert = insert_into(connection, users)
        replaced = {name: insert.excluded[name] for name in ("country", "attributes", "updated_at", "cold")}
        key = [users.c.tenant, users.c.user_id]
        await connection.execute(insert.on_conflict_do_update(index_elements=key, set_=replaced), rows)

    async def _create_cold(self, connection: AsyncConnection, user_id: str) -> None:
        now = self._clock.now()
        await connection.execute(
            insert_into(connection, users)
            .values(
                tenant=self._tenant, user_id=user_id, attributes={}, created_at=now, updated_at=now, cold=True
            )
            .on_conflict_do_nothing()
        )

    def _user(self, user_id: str) -> sa.Select[Any]:
        return sa.select(users).where(users.c.tenant == self._tenant, users.c.user_id == user_id)

    def _guests(self, user_id: str) -> sa.Select[Any]:
        return (
            sa.select(user_aliases.c.anonymous_id)
            .where(user_aliases.c.tenant == self._tenant, user_aliases.c.user_id == user_id)
            .order_by(user_aliases.c.anonymous_id)
        )

    async def _find(self, connection: AsyncConnection, user_id: str) -> User | None:
        row = (await connection.execute(self._user(user_id))).one_or_none()
        return None if row is None else _user(row)

    async def _events(self, connection: AsyncConnection, user_id: str) -> list[StoredEvent]:
        whose = sa.or_(events.c.user_id == user_id, guests_of(self._tenant, user_id))
        found = await connection.execute(
            sa.select(events)
            .where(events.c.tenant == self._tenant, whose)
            .order_by(events.c.happened_at, events.c.event_id, events.c.item_index)
        )
        lines: dict[str, list[sa.Row[Any]]] = {}
        for row in found:
            lines.setdefault(row.event_id, []).append(row)
        return [stored_event(group) for group in lines.values()]

    async def _exposures(self, connection: AsyncConnection, user_id: str) -> list[JsonObject]:
        found = await connection.execute(
            sa.select(exposures)
            .where(exposures.c.tenant == self._tenant, exposures.c.user_id == user_id)
            .order_by(exposures.c.shown_at, exposures.c.recommendation_id)
        )
        return [exposure_json(exposure_of(row)) for row in found]


def _user(row: sa.Row[Any]) -> User:
    return User(
        user_id=row.user_id,
        country=row.country,
        attributes=row.attributes,
        created_at=row.created_at,
        updated_at=row.updated_at,
        cold=row.cold,
    )
