"""The stores under test: in memory, on SQLite, on PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from app.adapters.memory_stores import memory_stores
from app.adapters.sql.engine import Database
from app.adapters.sql.stores import sql_stores
from app.domain.ports import Stores
from tests.clocks import FixedClock


@pytest.fixture(params=["memory", "sqlite", "postgres"])
async def stores(request: pytest.FixtureRequest, clock: FixedClock) -> AsyncIterator[Stores]:
    """Empty stores of a tenant of its own, beside other tenants' rows."""
    if request.param == "memory":
        yield memory_stores(clock=clock)
        return
    database = Database(request.getfixturevalue(f"shared_{request.param}_url"), deadline_s=20.0)
    yield sql_stores(database, tenant=uuid4().hex, clock=clock)
    await database.close()
    await asyncio.sleep(0)
