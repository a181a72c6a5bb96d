"""How a group of exposures goes into each database: rows made by hand, one statement prepared once.

On SQLite events wait behind them, as there is one writer: `python -m benchmarks.serving.writing` has what a
row takes this way, and by SQLAlchemy's own statement.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from app.adapters.sql.columns import utc_text
from app.adapters.sql.engine import Database
from app.adapters.sql.event_writing import in_its_thread
from app.domain.exposures import Exposure

_COLUMNS = (
    "tenant",
    "recommendation_id",
    "user_id",
    "anonymous_id",
    "session_id",
    "scenario",
    "variant",
    "experiment_id",
    "model_version",
    "served_by",
    "item_ids",
    "propensities",
    "shown_at",
)
_NAMES = ", ".join(_COLUMNS)
_INSERT_ONE = (
    f"INSERT INTO exposures ({_NAMES}) VALUES ({', '.join('?' * len(_COLUMNS))})"  # noqa: S608  # constants only
    " ON CONFLICT DO NOTHING"
)
_TYPES = {"shown_at": "timestamptz"}
_KEPT = {"item_ids": "item_ids::json", "propensities": "propensities::json"}
_ARRAYS = ", ".join(
    f"${place}::{_TYPES.get(column, 'text')}[]" for place, column in enumerate(_COLUMNS[1:], start=2)
)
_INSERT_ALL = (
    f"INSERT INTO exposures ({_NAMES})"  # noqa: S608  # constants only
    f" SELECT $1::text, {', '.join(_KEPT.get(column, column) for column in _COLUMNS[1:])}"
    f" FROM unnest({_ARRAYS}) AS line ({', '.join(_COLUMNS[1:])}) ON CONFLICT DO NOTHING"
)
_JSON = msgspec.json.Encoder()


async def write_exposures(database: Database, tenant: str, shown: Sequence[Exposure]) -> None:
    """Store a group, in one transaction; one that is there already stays as it is.

    Raises:
        StorageUnavailableError: Not committed, or not known to be.
    """
    if database.is_sqlite:
        rows = [_row(tenant, exposure, utc_text(exposure.shown_at)) for exposure in shown]

        async def insert(connection: AsyncConnection) -> None:
            await in_its_thread(connection, lambda raw: raw.executemany(_INSERT_ONE, rows))

        await database.write(insert)
        return
    columns = zip(*(_row(tenant, exposure, exposure.shown_at) for exposure in shown), strict=True)
    given = (tenant, *[list(column) for column in columns][1:])

    async def insert_all(connection: AsyncConnection) -> None:
        await connection.exec_driver_sql(_INSERT_ALL, given)

    await database.write_once(insert_all)


def _row(tenant: str, exposure: Exposure, shown_at: str | datetime) -> tuple[Any, ...]:
    """In the order of `_COLUMNS`."""
    subject = exposure.subject
    return (
        tenant,
        exposure.recommendation_id,
        subject.user_id,
        subject.anonymous_id,
        subject.session_id,
        exposure.scenario,
        exposure.variant,
        exposure.experiment,
        exposure.model_version,
        exposure.served_by,
        _JSON.encode(exposure.item_ids).decode(),
        _JSON.encode(exposure.propensities).decode(),
        shown_at,
    )
