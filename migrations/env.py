"""How Alembic reaches the database: over a given connection, an async engine of its own, or as SQL text."""

from __future__ import annotations

import asyncio

import sqlalchemy as sa
from alembic import context
from sqlalchemy.ext.asyncio import AsyncEngine

from app.adapters.sql.engine import async_url, make_engine
from app.adapters.sql.tables import metadata

# One migration waits for no lock longer than this: the running service comes first.
LOCK_TIMEOUT = "SET lock_timeout = '500ms'"
STATEMENT_TIMEOUT = "SET statement_timeout = '600s'"
DEADLINE_S = 600.0


def run_offline(url: str) -> None:
    """Print the SQL."""
    dialect = async_url(url).get_backend_name()
    context.configure(dialect_name=dialect, target_metadata=metadata, literal_binds=True)
    with context.begin_transaction():
        if dialect == "postgresql":
            context.execute(LOCK_TIMEOUT)
            context.execute(STATEMENT_TIMEOUT)
        context.run_migrations()


def run_on(connection: sa.Connection) -> None:
    """Migrate over a connection."""
    context.configure(
        connection=connection,
        target_metadata=metadata,
        # SQLite numbers rows without being told so in a default, and reports none.
        compare_server_default=connection.dialect.name != "sqlite",
        render_as_batch=False,
    )
    with context.begin_transaction():
        if connection.dialect.name == "postgresql":
            # Two processes that start at once migrate one after the other.
            connection.exec_driver_sql(LOCK_TIMEOUT.replace("500ms", "60s"))
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(7236534)")
            connection.exec_driver_sql(LOCK_TIMEOUT)
            connection.exec_driver_sql(STATEMENT_TIMEOUT)
        context.run_migrations()


async def run_online(engine: AsyncEngine) -> None:
    """Migrate over an engine and let go of it."""
    async with engine.connect() as connection:
        await connection.execution_options(recserve_writes=True)
        await connection.run_sync(run_on)
        await connection.commit()
    await engine.dispose()


def main() -> None:
    """Choose by what the configuration holds."""
    given = context.config.attributes.get("connection")
    url = context.config.attributes.get("url", "")
    if context.is_offline_mode():
        run_offline(url)
    elif isinstance(given, sa.Connection):
        run_on(given)
    elif isinstance(given, AsyncEngine):
        asyncio.run(run_online(given))
    else:
        asyncio.run(run_online(make_engine(url, deadline_s=DEADLINE_S)))


main()
