"""The audit log in SQL."""

from __future__ import annotations

import sqlalchemy as sa

from app.adapters.sql.engine import Database
from app.adapters.sql.tables import audit_log
from app.domain.ports import Clock
from app.domain.types import JsonObject


class SqlAuditLog:
    """One tenant's lines; nothing here changes or deletes one."""

    def __init__(self, database: Database, *, tenant: str, clock: Clock) -> None:
        self._database = database
        self._tenant = tenant
        self._clock = clock

    async def write(self, *, actor: str, action: str, target: str, detail: JsonObject) -> None:
        """Add a line."""
        statement = sa.insert(audit_log).values(
            tenant=self._tenant,
            at=self._clock.now(),
            actor=actor,
            action=action,
            target=target,
            detail=detail,
        )
        await self._database.write(lambda connection: connection.execute(statement))
