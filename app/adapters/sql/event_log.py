"""The whole event log in columns, for training."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import sqlalchemy as sa

from app.adapters.sql.blocking import blocking
from app.adapters.sql.engine import Database
from app.adapters.sql.people import person
from app.adapters.sql.tables import events, user_aliases
from app.domain.ports import EventColumns

BATCH_LINES = 50_000
_SCALE = 10_000.0


class SqlEventLog:
    """Reads a tenant's lines batch by batch, each in a short transaction of its own.

    Args:
        url: The database's address; a scan has connections of its own, so it may run in any thread.
        tenant: Whose events.
        batch_lines: Lines held in memory at once.
    """

    def __init__(self, url: str, *, tenant: str, batch_lines: int = BATCH_LINES) -> None:
        self._url = url
        self._tenant = tenant
        self._batch_lines = batch_lines

    def scan(self, *, since_seq: int = 0) -> Iterator[EventColumns]:
        """Every line with an item after `since_seq` that stood there at the start, by rising `seq`.

        Raises:
            StorageUnavailableError: The database is down.
        """
        with blocking(self._url, thread_name="event-log") as (database, run):
            last, after = run(self._highest(database)), since_seq
            while rows := run(self._batch(database, after, last)):
                after = rows[-1][0]
                yield _columns(rows, scaled=database.is_sqlite)

    async def _highest(self, database: Database) -> int:
        mine = events.c.tenant == self._tenant
        rows = await database.fetch(
            sa.select(events.c.seq).where(mine).order_by(events.c.seq.desc()).limit(1)
        )
        return int(rows[0].seq) if rows else 0

    async def _batch(self, database: Database, after: int, last: int) -> Sequence[sa.Row[Any]]:
        # Plain values instead of the columns' own types: a third of the time, and NumPy reads them itself.
        plain_time = sa.type_coerce(
            events.c.happened_at, sa.Text() if database.is_sqlite else sa.DateTime(timezone=True)
        )
        plain_value = sa.type_coerce(
            events.c.value, sa.Integer() if database.is_sqlite else sa.Numeric(asdecimal=False)
        )
        alias = sa.and_(
            user_aliases.c.tenant == events.c.tenant, user_aliases.c.anonymous_id == events.c.anonymous_id
        )
        statement = (
            sa.select(
                events.c.seq,
                person(),
                events.c.item_id,
                events.c.name,
                plain_time,
                events.c.quantity,
                plain_value,
            )
            .select_from(events.outerjoin(user_aliases, alias))
            .where(
                events.c.tenant == self._tenant,
                events.c.item_id.is_not(None),
                events.c.seq > after,
                events.c.seq <= last,
            )
            .order_by(events.c.seq)
            .limit(self._batch_lines)
        )

        return await database.fetch(statement)


def _columns(rows: Sequence[sa.Row[Any]], *, scaled: bool) -> EventColumns:
    seq, user_key, item_id, name, happened_at, quantity, value = zip(*rows, strict=True)
    if not scaled:
        happened_at = tuple(moment.replace(tzinfo=None) for moment in happened_at)
    amounts = np.array(value, dtype=np.float64)
    return EventColumns(
        seq=np.array(seq, dtype=np.int64),
        user_key=list(user_key),
        item_id=list(item_id),
        name=list(name),
        happened_at=np.array(happened_at, dtype="datetime64[us]"),
        quantity=np.array(quantity, dtype=np.float64),
        value=amounts / _SCALE if scaled else amounts,
    )
