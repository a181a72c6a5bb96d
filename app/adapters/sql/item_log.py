"""The whole catalogue, for training."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import sqlalchemy as sa

from app.adapters.sql.blocking import blocking
from app.adapters.sql.items import item_of
from app.adapters.sql.tables import items
from app.domain.types import Item

BATCH_ITEMS = 5_000


class SqlItemLog:
    """Reads a tenant's items batch by batch, each in a short transaction of its own.

    Args:
        url: The database's address; a scan has connections of its own, so it may run in any thread.
        tenant: Whose items.
        batch_items: Items held in memory at once.
    """

    def __init__(self, url: str, *, tenant: str, batch_items: int = BATCH_ITEMS) -> None:
        self._url = url
        self._tenant = tenant
        self._batch_items = batch_items

    def scan(self) -> Iterator[Sequence[Item]]:
        """Every item that is there, by id.

        Raises:
            StorageUnavailableError: The database is down.
        """
        with blocking(self._url, thread_name="item-log") as (database, run):
            after = ""
            while rows := run(database.fetch(self._batch(after))):
                after = rows[-1].item_id
                yield [item_of(row) for row in rows]

    def _batch(self, after: str) -> sa.Select[tuple[object, ...]]:
        return (
            sa.select(items)
            .where(items.c.tenant == self._tenant, items.c.deleted.is_(False), items.c.item_id > after)
            .order_by(items.c.item_id)
            .limit(self._batch_items)
        )
