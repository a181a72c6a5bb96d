"""The service's own parts, opened for one command: quiet logs, patient deadlines, a schema that fits."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from app.bootstrap import Foundation, lay_foundation
from app.cli.console import FailedError
from app.domain.errors import StorageUnavailableError
from app.telemetry import configure_logging
from migrations.newest import head

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from app.settings import Settings

DEADLINE_S = 60.0
SQLITE_HEADER = b"SQLite format 3\0"


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Foundation]:
    """The adapters that the settings name, closed at the end.

    Raises:
        FailedError: The database is down, or not at this version's schema.
        InvalidInputError: An address cannot be used.
    """
    # A command answers in words of its own; the log speaks up when it is asked to, and for errors.
    level = settings.log_level if "log_level" in settings.model_fields_set else "ERROR"
    configure_logging(level, "console", sys.stderr)
    base = lay_foundation(settings, deadline_s=DEADLINE_S)
    try:
        require_sqlite(settings.database_url)
        await _require_schema(base)
        yield base
    except StorageUnavailableError as error:
        raise FailedError(
            f"The database {_shown(settings.database_url)} is not available. "
            "Is it running, and is RECSERVE_DATABASE_URL right?"
        ) from error
    finally:
        await base.close()


async def check_schema(settings: Settings) -> None:
    """Refuse a database that answers and has another schema; one that is down is the service's to wait for.

    Raises:
        FailedError: It has no schema, or another version's.
    """
    configure_logging(settings.log_level, settings.log_format)
    base = lay_foundation(settings)
    try:
        require_sqlite(settings.database_url)
        await _require_schema(base)
    except StorageUnavailableError:
        return
    finally:
        await base.close()


async def _require_schema(base: Foundation) -> None:
    async def work(connection: AsyncConnection) -> str | None:
        found = await connection.exec_driver_sql("SELECT version_num FROM alembic_version")
        row = found.first()
        return None if row is None else str(row[0])

    try:
        revision = await base.database.read(work)
    except StorageUnavailableError:
        if not await base.database.ping():
            raise
        revision = None
    if revision != head():
        at = (
            "has no schema yet"
            if revision is None
            else f"is at schema {revision}, this version needs {head()}"
        )
        raise FailedError(f"The database {_shown(base.settings.database_url)} {at}: run `recserve migrate`.")


def require_sqlite(url: str) -> None:
    """Refuse a file that is there and no database of SQLite's; waiting for it would not help.

    Raises:
        FailedError: It is another kind of file.
    """
    from app.adapters.sql.engine import async_url

    parsed = async_url(url)
    file = Path(str(parsed.database))
    if parsed.get_backend_name() != "sqlite" or not file.is_file():
        return
    try:
        with file.open("rb") as opened_file:
            begins = opened_file.read(len(SQLITE_HEADER))
    except OSError:
        return
    if begins not in {b"", SQLITE_HEADER}:
        raise FailedError(f"{file} is not a SQLite database: RECSERVE_DATABASE_URL names another file.")


def _shown(url: str) -> str:
    """The address without its password."""
    from sqlalchemy import make_url

    return make_url(url).render_as_string(hide_password=True)
