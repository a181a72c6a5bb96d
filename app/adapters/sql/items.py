"""The catalogue in SQL."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from app.adapters.sql import counters
from app.adapters.sql.engine import Database
from app.adapters.sql.tables import items
from app.domain.cursors import decode_cursor, encode_cursor
from app.domain.errors import NotFoundError
from app.domain.money import stored_money
from app.domain.ports import Clock
from app.domain.search import folded, search_text
from app.domain.types import Item, Page

T = TypeVar("T")

LOAD_DEADLINE_S = 120.0
_KEY = ("tenant", "item_id")
_NOT_FOUND = "There is no such item."
# What a new row overwrites in an old one: all but the key and the day it was made.
_REPLACED = tuple(column.name for column in items.columns if column.name not in {*_KEY, "created_at"})


class SqlItemStore:
    """One tenant's items. Writers hold the revision counter, so revisions appear in order."""

    def __init__(self, database: Database, *, tenant: str, clock: Clock) -> None:
        self._database = database
        self._tenant = tenant
        self._clock = clock
        self._mine = items.c.tenant == tenant
        self._there = sa.and_(self._mine, items.c.deleted.is_(False))

    async def get(self, item_id: str) -> Item:
        """One item. Raises `NotFoundError`."""
        found = await self.many([item_id])
        if not found:
            raise NotFoundError(_NOT_FOUND)
        return found[0]

    async def many(self, item_ids: Sequence[str]) -> list[Item]:
        """Those of the items that exist, by id."""
        statement = (
            sa.select(items).where(self._there, items.c.item_id.in_(item_ids)).order_by(items.c.item_id)
        )
        return [item_of(row) for row in await self._database.fetch(statement)]

    async def put(self, items: Sequence[Item]) -> int:
        """Create or replace; of two with one id the last counts. Returns the new revision."""
        if not items:
            return await self.revision()
        last = {item.item_id: item for item in items}

        async def work(connection: AsyncConnection) -> int:
            revision = await counters.take(connection, self._tenant, counters.CATALOGUE)
            now = self._clock.now()
            await self._upsert(
                connection, [self._row(item, revision=revision, at=now) for item in last.values()]
            )
            return revision

        return await self._database.write(work)

    async def patch(self, item_id: str, changes: Mapping[str, object]) -> Item:
        """Change named fields. Raises `NotFoundError`."""
        wanted = sa.select(items).where(self._there, items.c.item_id == item_id)

        async def work(connection: AsyncConnection) -> Item:
            revision = await counters.take(connection, self._tenant, counters.CATALOGUE)
            row = (await connection.execute(wanted)).one_or_none()
            if row is None:
                raise NotFoundError(_NOT_FOUND)
            changed = dataclasses.replace(item_of(row), **changes)  # type: ignore[arg-type]  # fields are checked by the caller's schema
            values = self._row(changed, revision=revision, at=self._clock.now())
            await self._upsert(connection, [values])
            return dataclasses.replace(
                changed,
                price=values["price"],
                revision=revision,
                cold=False,
                updated_at=values["updated_at"],
            )

        return await self._database.write(work)

    async def delete(self, item_id: str) -> int:
        """Mark as deleted; returns the new revision. Raises `NotFoundError`."""

        async def work(connection: AsyncConnection) -> int:
            revision = await counters.take(connection, self._tenant, counters.CATALOGUE)
            marked = await connection.execute(
                sa.update(items)
                .where(self._there, items.c.item_id == item_id)
                .values(deleted=True, revision=revision, updated_at=self._clock.now())
            )
            if marked.rowcount == 0:
                raise NotFoundError(_NOT_FOUND)
            return revision

        return await self._database.write(work)

    async def page(
        self, *, q: str | None, category: str | None, limit: int, cursor: str | None
    ) -> Page[Item]:
        """Items by id; `q` is found in the title or the id, without regard to case."""
        statement = sa.select(items).where(self._there).order_by(items.c.item_id).limit(limit + 1)
        if cursor is not None:
            statement = statement.where(items.c.item_id > decode_cursor(cursor, str)[0])
        if q:
            find = sa.func.instr if self._database.is_sqlite else sa.func.strpos
            statement = statement.where(find(items.c.search_text, folded(q)) > 0)
        if category is not None:
            statement = statement.where(self._in_category(category))
        rows = [item_of(row) for row in await self._database.fetch(statement)]
        more = len(rows) > limit
        return Page(tuple(rows[:limit]), encode_cursor(rows[limit - 1].item_id) if more else None)

    async def revision(self) -> int:
        """The catalogue's current revision."""
        rows = await self._database.fetch(counters.current(self._tenant, counters.CATALOGUE))
        return int(rows[0].value) if rows else 0

    async def changed_since(self, revision: int) -> list[Item]:
        """Rows written after `revision`, deleted ones included, by revision."""
        statement = (
            sa.select(items)
            .where(self._mine, items.c.revision > revision)
            .order_by(items.c.revision, items.c.item_id)
        )
        # Thousands of items stay in memory, and share their category, brand, currency and moments.
        read = partial(item_of, same=Same())
        return await self._database.fetch_long(statement, read, deadline_s=LOAD_DEADLINE_S)

    def _in_category(self, category: str) -> sa.ColumnElement[bool]:
        unpack = sa.func.json_each if self._database.is_sqlite else sa.func.json_array_elements_text
        entries = unpack(items.c.categories).table_valued("value", name="entry")
        if not self._database.is_sqlite:
            entries = entries.render_derived()
        return sa.exists().select_from(entries).where(entries.c.value == category)

    async def _upsert(self, connection: AsyncConnection, rows: list[dict[str, Any]]) -> None:
        insert = counters.insert_into(connection, items)
        statement = insert.on_conflict_do_update(
            index_elements=_KEY, set_={name: insert.excluded[name] for name in _REPLACED}
        )
        await connection.execute(statement, rows)

    def _row(self, item: Item, *, revision: int, at: datetime) -> dict[str, Any]:
        return {
            "tenant": self._tenant,
            "item_id": item.item_id,
            "title": item.title,
            "description": item.description,
            "categories": list(item.categories),
            "price": stored_money(item.price),
            "currency": item.currency,
            "image_url": item.image_url,
            "url": item.url,
            "brand": item.brand,
            "in_stock": item.in_stock,
            "hidden": item.hidden,
            "published_at": item.published_at,
            "attributes": item.attributes,
            "created_at": at,
            "updated_at": at,
            "revision": revision,
            "cold": False,
            "deleted": False,
            "search_text": search_text(item.item_id, item.title),
        }


class Same:
    """Gives the first of equal values for each of them, so that the others need no memory."""

    __slots__ = ("_kept",)

    def __init__(self) -> None:
        self._kept: dict[Any, Any] = {}

    def __call__(self, value: T) -> T:
        """The first value that was equal to this one."""
        first: T = self._kept.setdefault(value, value)
        return first


def _itself(value: T) -> T:
    return value


def item_of(row: sa.Row[Any], *, same: Callable[[Any], Any] = _itself) -> Item:
    """A row of the table as the domain's type, its values passed through `same`."""
    return Item(
        item_id=row.item_id,
        title=row.title,
        description=row.description,
        categories=same(tuple(row.categories)),
        price=same(row.price),
        currency=same(row.currency),
        image_url=row.image_url,
        url=row.url,
        brand=same(row.brand),
        in_stock=row.in_stock,
        hidden=row.hidden,
        published_at=same(row.published_at),
        attributes=row.attributes,
        created_at=same(row.created_at),
        updated_at=same(row.updated_at),
        revision=row.revision,
        cold=row.cold,
        deleted=row.deleted,
    )
