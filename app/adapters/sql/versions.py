"""The registry of model versions in SQL: the place that says which one is live."""

from __future__ import annotations

import dataclasses
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from app.adapters.sql import counters
from app.adapters.sql.engine import Database
from app.adapters.sql.tables import model_versions
from app.domain.cursors import decode_cursor, decode_moment, encode_cursor
from app.domain.errors import ConflictError, NotFoundError
from app.domain.ports import Clock
from app.domain.types import ModelVersion, Page, VersionState

_NOT_FOUND = "There is no such model version."
_FIELDS = tuple(field.name for field in dataclasses.fields(ModelVersion))


class SqlModelVersionStore:
    """One tenant's versions. `activation` numbers the activations; a unique index lets one be live."""

    def __init__(self, database: Database, *, tenant: str, clock: Clock) -> None:
        self._database = database
        self._tenant = tenant
        self._clock = clock
        self._mine = model_versions.c.tenant == tenant

    async def add(self, version: ModelVersion) -> None:
        """Record a published version. Raises `ConflictError` where it is recorded already."""
        values = {name: getattr(version, name) for name in _FIELDS}
        values |= {
            "tenant": self._tenant,
            "state": str(version.state),
            "activation": 0,
            "created_at": version.created_at or self._clock.now(),
        }

        async def work(connection: AsyncConnection) -> None:
            insert = counters.insert_into(connection, model_versions).values(**values)
            made = await connection.execute(
                insert.on_conflict_do_nothing(
                    index_elements=[model_versions.c.tenant, model_versions.c.version]
                ).returning(model_versions.c.version)
            )
            if made.first() is None:
                raise ConflictError("This version is recorded already.")

        await self._database.write(work)

    async def get(self, version: str) -> ModelVersion:
        """Raises `NotFoundError`."""
        rows = await self._database.fetch(self._named(version))
        if not rows:
            raise NotFoundError(_NOT_FOUND)
        return _version(rows[0])

    async def page(self, *, limit: int, cursor: str | None) -> Page[ModelVersion]:
        """Newest first."""
        key = (model_versions.c.created_at, model_versions.c.version)
        statement = (
            sa.select(model_versions)
            .where(self._mine)
            .order_by(*(column.desc() for column in key))
            .limit(limit + 1)
        )
        if cursor is not None:
            moment, version = decode_cursor(cursor, str, str)
            statement = statement.where(
                sa.tuple_(*key)
                < sa.tuple_(
                    sa.bindparam(None, decode_moment(moment), type_=key[0].type),
                    sa.bindparam(None, version, type_=key[1].type),
                )
            )
        rows = [_version(row) for row in await self._database.fetch(statement)]
        return Page(tuple(rows[:limit]), _cursor(rows[limit - 1]) if len(rows) > limit else None)

    async def live(self) -> ModelVersion | None:
        """The live one."""
        return await self._first(
            sa.select(model_versions).where(self._mine, model_versions.c.state == str(VersionState.LIVE))
        )

    async def activate(self, version: str, *, by: str) -> ModelVersion:
        """Make it live and retire the one that was. Raises `NotFoundError`."""

        async def work(connection: AsyncConnection) -> ModelVersion:
            found, activation = await self._take(connection, version)
            if found.state is VersionState.LIVE:
                return found
            await self._retire(connection, {})
            return await self._make_live(connection, version, {"activation": activation}, by=by)

        return await self._database.write(work)

    async def restore(self, version: str, *, by: str) -> ModelVersion:
        """Make it live in its old place; the live one leaves the history. Raises `NotFoundError`."""

        async def work(connection: AsyncConnection) -> ModelVersion:
            found, _ = await self._take(connection, version)
            if found.state is VersionState.LIVE:
                return found
            await self._retire(connection, {"activation": 0})
            return await self._make_live(connection, version, {}, by=by)

        return await self._database.write(work)

    async def _take(self, connection: AsyncConnection, version: str) -> tuple[ModelVersion, int]:
        """The version and the next activation's number, with the right to change what is live."""
        await self._one(connection, version)
        # Whoever holds the counter is the only one to change what is live.
        activation = await counters.take(connection, self._tenant, counters.ACTIVATION)
        return await self._one(connection, version), activation

    async def _retire(self, connection: AsyncConnection, values: dict[str, Any]) -> None:
        await connection.execute(
            sa.update(model_versions)
            .where(self._mine, model_versions.c.state == str(VersionState.LIVE))
            .values(state=str(VersionState.RETIRED), **values)
        )

    async def _make_live(
        self, connection: AsyncConnection, version: str, values: dict[str, Any], *, by: str
    ) -> ModelVersion:
        await connection.execute(
            sa.update(model_versions)
            .where(self._mine, model_versions.c.version == version)
            .values(
                state=str(VersionState.LIVE),
                reason=None,
                activated_at=self._clock.now(),
                activated_by=by,
                **values,
            )
        )
        return await self._one(connection, version)

    async def previous(self) -> ModelVersion | None:
        """The version live before the live one; one refused since or left by a rollback is passed over."""
        return await self._first(
            sa.select(model_versions)
            .where(
                self._mine,
                model_versions.c.state == str(VersionState.RETIRED),
                model_versions.c.activation > 0,
            )
            .order_by(model_versions.c.activation.desc())
            .limit(1)
        )

    async def mark(self, version: str, state: VersionState, reason: str | None) -> None:
        """Set the state of a version that is not live.

        Raises:
            NotFoundError: There is no such version.
            ConflictError: It is live, or `state` would make it so.
        """
        if state is VersionState.LIVE:
            raise ConflictError("A version becomes live by activation alone.")

        async def work(connection: AsyncConnection) -> None:
            changed = await connection.execute(
                sa.update(model_versions)
                .where(
                    self._mine,
                    model_versions.c.version == version,
                    model_versions.c.state != str(VersionState.LIVE),
                )
                .values(state=str(state), reason=reason)
            )
            if changed.rowcount == 0:
                await self._one(connection, version)
                raise ConflictError("The live version cannot be marked; activate another first.")

        await self._database.write(work)

    async def _first(self, statement: sa.Executable) -> ModelVersion | None:
        rows = await self._database.fetch(statement)
        return _version(rows[0]) if rows else None

    async def _one(self, connection: AsyncConnection, version: str) -> ModelVersion:
        row = (await connection.execute(self._named(version))).one_or_none()
        if row is None:
            raise NotFoundError(_NOT_FOUND)
        return _version(row)

    def _named(self, version: str) -> sa.Select[Any]:
        return sa.select(model_versions).where(self._mine, model_versions.c.version == version)


def _version(row: sa.Row[Any]) -> ModelVersion:
    values = {name: getattr(row, name) for name in _FIELDS}
    return ModelVersion(**values | {"state": VersionState(row.state)})


def _cursor(version: ModelVersion) -> str:
    return encode_cursor(version.created_at.isoformat() if version.created_at else "", version.version)
