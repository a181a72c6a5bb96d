"""Scenarios, rules and settings in SQL: versions are added, none is changed."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from app.adapters.sql import counters
from app.adapters.sql.engine import Database
from app.adapters.sql.tables import definitions
from app.domain.errors import NotFoundError
from app.domain.ports import Clock
from app.domain.steering import Definition, DefinitionKind
from app.domain.types import JsonObject

_NEWEST_FIRST = definitions.c.version.desc()


class SqlDefinitionStore:
    """One tenant's definitions."""

    def __init__(self, database: Database, *, tenant: str, clock: Clock) -> None:
        self._database = database
        self._tenant = tenant
        self._clock = clock
        self._mine = definitions.c.tenant == tenant

    async def revision(self) -> int:
        """The revision of the newest write; 0 before the first."""
        rows = await self._database.fetch(counters.current(self._tenant, counters.DEFINITIONS))
        return int(rows[0].value) if rows else 0

    async def current(self) -> list[Definition]:
        """The newest version of each name that is not deleted, by kind and name."""
        newest = (
            sa.select(
                definitions.c.kind, definitions.c.name, sa.func.max(definitions.c.version).label("version")
            )
            .where(self._mine)
            .group_by(definitions.c.kind, definitions.c.name)
            .subquery()
        )
        same = sa.and_(*(definitions.c[name] == newest.c[name] for name in ("kind", "name", "version")))
        statement = (
            sa.select(definitions)
            .join(newest, same)
            .where(self._mine)
            .order_by(definitions.c.kind, definitions.c.name)
        )
        found = [_definition(row) for row in await self._database.fetch(statement)]
        return [one for one in found if one.body is not None]

    async def history(self, kind: DefinitionKind, name: str) -> list[Definition]:
        """Every version, newest first; empty where the name was never used."""
        statement = self._named(kind, name).order_by(_NEWEST_FIRST)
        return [_definition(row) for row in await self._database.fetch(statement)]

    async def put(self, kind: DefinitionKind, name: str, body: JsonObject, *, by: str) -> Definition:
        """Write the next version."""
        return await self._database.write(lambda connection: self._add(connection, kind, name, body, by))

    async def delete(self, kind: DefinitionKind, name: str, *, by: str) -> None:
        """Write that it is gone; its versions stay. Raises `NotFoundError`."""

        async def work(connection: AsyncConnection) -> None:
            last = await self._newest(connection, kind, name)
            if last is None or last.body is None:
                raise NotFoundError(f"There is no such {kind}.")
            await self._add(connection, kind, name, None, by)

        await self._database.write(work)

    async def _add(
        self, connection: AsyncConnection, kind: DefinitionKind, name: str, body: JsonObject | None, by: str
    ) -> Definition:
        # The counter first: whoever has it is alone until the commit, so no version is given twice.
        revision = await counters.take(connection, self._tenant, counters.DEFINITIONS)
        last = await self._newest(connection, kind, name)
        version = 1 if last is None else last.version + 1
        made = Definition(kind, name, version, body, revision, self._clock.now(), by)
        await connection.execute(
            sa.insert(definitions).values(
                tenant=self._tenant,
                kind=str(kind),
                name=name,
                version=version,
                body=body,
                revision=revision,
                at=made.at,
                by=by,
            )
        )
        return made

    async def _newest(
        self, connection: AsyncConnection, kind: DefinitionKind, name: str
    ) -> Definition | None:
        statement = self._named(kind, name).order_by(_NEWEST_FIRST).limit(1)
        row = (await connection.execute(statement)).first()
        return None if row is None else _definition(row)

    def _named(self, kind: DefinitionKind, name: str) -> sa.Select[Any]:
        return sa.select(definitions).where(
            self._mine, definitions.c.kind == str(kind), definitions.c.name == name
        )


def _definition(row: sa.Row[Any]) -> Definition:
    return Definition(
        kind=DefinitionKind(row.kind),
        name=row.name,
        version=row.version,
        body=row.body,
        revision=row.revision,
        at=row.at,
        by=row.by,
    )
