"""Counters that are taken and locked in one statement, so that their order is the order of commits."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from app.adapters.sql.tables import counters

CATALOGUE = "catalogue"
ACTIVATION = "activation"
DEFINITIONS = "definitions"


def insert_into(connection: AsyncConnection, table: sa.Table) -> Any:  # noqa: ANN401  # two classes without a common base that knows ON CONFLICT
    """The database's own INSERT, the one that knows ON CONFLICT."""
    return sqlite.insert(table) if connection.dialect.name == "sqlite" else postgresql.insert(table)


async def take(connection: AsyncConnection, tenant: str, name: str) -> int:
    """The next number. Whoever has it holds the counter until the transaction ends."""
    insert = insert_into(connection, counters).values(tenant=tenant, name=name, value=1)
    statement = insert.on_conflict_do_update(
        index_elements=[counters.c.tenant, counters.c.name], set_={"value": counters.c.value + 1}
    ).returning(counters.c.value)
    return int((await connection.execute(statement)).scalar_one())


def current(tenant: str, name: str) -> sa.Select[int]:
    """The statement that reads the last number taken; no row before the first."""
    return sa.select(counters.c.value).where(counters.c.tenant == tenant, counters.c.name == name)
