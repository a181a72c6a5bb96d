"""API keys in SQL: digests, never keys."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from app.adapters.sql.engine import Database
from app.adapters.sql.tables import api_keys
from app.domain.errors import NotFoundError
from app.domain.types import ApiKey, KeyKind


class SqlKeyStore:
    """One tenant's keys."""

    def __init__(self, database: Database, *, tenant: str) -> None:
        self._database = database
        self._tenant = tenant
        self._mine = api_keys.c.tenant == tenant

    async def add(self, key: ApiKey) -> None:
        """Store a new key."""
        statement = sa.insert(api_keys).values(
            tenant=self._tenant,
            key_id=key.key_id,
            kind=str(key.kind),
            scopes=sorted(key.scopes),
            digest=key.digest,
            name=key.name,
            created_at=key.created_at,
            expires_at=key.expires_at,
            revoked_at=key.revoked_at,
            last_used_at=key.last_used_at,
        )
        await self._database.write(lambda connection: connection.execute(statement))

    async def get(self, key_id: str) -> ApiKey | None:
        """A key by its public id."""
        rows = await self._database.fetch(sa.select(api_keys).where(self._mine, api_keys.c.key_id == key_id))
        return _key(rows[0]) if rows else None

    async def all(self) -> list[ApiKey]:
        """Every key, newest first."""
        statement = (
            sa.select(api_keys)
            .where(self._mine)
            .order_by(api_keys.c.created_at.desc(), api_keys.c.key_id.desc())
        )
        return [_key(row) for row in await self._database.fetch(statement)]

    async def revoke(self, key_id: str, at: datetime) -> None:
        """The first revocation counts. Raises `NotFoundError`."""
        statement = (
            sa.update(api_keys)
            .where(self._mine, api_keys.c.key_id == key_id)
            .values(revoked_at=sa.func.coalesce(api_keys.c.revoked_at, at))
        )

        async def work(connection: AsyncConnection) -> None:
            if (await connection.execute(statement)).rowcount == 0:
                raise NotFoundError("There is no such key.")

        await self._database.write(work)

    async def touch(self, key_id: str, at: datetime) -> None:
        """Record a use."""
        statement = sa.update(api_keys).where(self._mine, api_keys.c.key_id == key_id).values(last_used_at=at)
        await self._database.write(lambda connection: connection.execute(statement))


def _key(row: sa.Row[Any]) -> ApiKey:
    return ApiKey(
        key_id=row.key_id,
        kind=KeyKind(row.kind),
        scopes=frozenset(row.scopes),
        digest=bytes(row.digest),
        name=row.name,
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        last_used_at=row.last_used_at,
    )
