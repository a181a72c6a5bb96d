"""The catalogue in memory."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

from app.adapters.memory_state import MemoryState
from app.domain.cursors import decode_cursor, encode_cursor
from app.domain.errors import NotFoundError
from app.domain.money import stored_money
from app.domain.ports import Clock
from app.domain.search import folded, search_text
from app.domain.types import Item, Page


class MemoryItemStore:
    """Items in a dictionary, deleted ones among them."""

    def __init__(self, state: MemoryState, *, clock: Clock) -> None:
        self._state = state
        self._clock = clock

    async def get(self, item_id: str) -> Item:
        """One item. Raises `NotFoundError`."""
        item = self._state.items.get(item_id)
        if item is None or item.deleted:
            raise NotFoundError("There is no such item.")
        return item

    async def many(self, item_ids: Sequence[str]) -> list[Item]:
        """Those of the items that exist, by id."""
        wanted = set(item_ids)
        return [item for item in self._there() if item.item_id in wanted]

    async def put(self, items: Sequence[Item]) -> int:
        """Create or replace; of two with one id the last counts. Returns the new revision."""
        if items:
            priced = [dataclasses.replace(item, price=stored_money(item.price)) for item in items]
            self._state.revision += 1
            for item in priced:
                self._write(item)
        return self._state.revision

    async def patch(self, item_id: str, changes: Mapping[str, object]) -> Item:
        """Change named fields. Raises `NotFoundError`."""
        item = dataclasses.replace(await self.get(item_id), **changes)  # type: ignore[arg-type]  # fields are checked by the caller's schema
        await self.put([item])
        return self._state.items[item_id]

    async def delete(self, item_id: str) -> int:
        """Mark as deleted; returns the new revision. Raises `NotFoundError`."""
        item = await self.get(item_id)
        self._state.revision += 1
        self._state.items[item_id] = dataclasses.replace(
            item, deleted=True, revision=self._state.revision, updated_at=self._clock.now()
        )
        return self._state.revision

    async def page(
        self, *, q: str | None, category: str | None, limit: int, cursor: str | None
    ) -> Page[Item]:
        """Items by id; `q` is found in the title or the id, without regard to case."""
        after = "" if cursor is None else str(decode_cursor(cursor, str)[0])
        rows = [
            item
            for item in self._there()
            if item.item_id > after
            and (not q or folded(q) in search_text(item.item_id, item.title))
            and (category is None or category in item.categories)
        ]
        more = len(rows) > limit
        return Page(tuple(rows[:limit]), encode_cursor(rows[limit - 1].item_id) if more else None)

    async def revision(self) -> int:
        """The catalogue's current revision."""
        return self._state.revision

    async def changed_since(self, revision: int) -> list[Item]:
        """Rows written after `revision`, deleted ones included, by revision."""
        changed = [item for item in self._state.items.values() if item.revision > revision]
        return sorted(changed, key=lambda item: (item.revision, item.item_id.encode()))

    def _there(self) -> list[Item]:
        rows = [item for item in self._state.items.values() if not item.deleted]
        return sorted(rows, key=lambda item: item.item_id.encode())

    def _write(self, item: Item) -> None:
        old, now = self._state.items.get(item.item_id), self._clock.now()
        self._state.items[item.item_id] = dataclasses.replace(
            item,
            created_at=now if old is None else old.created_at,
            updated_at=now,
            revision=self._state.revision,
            cold=False,
            deleted=False,
        )


class MemoryItemLog:
    """The same items as training reads them."""

    def __init__(self, state: MemoryState, *, batch_items: int = 5_000) -> None:
        self._state = state
        self._batch_items = batch_items

    def scan(self) -> Iterator[Sequence[Item]]:
        """Every item that is there, by id."""
        there = [item for _, item in sorted(self._state.items.items()) if not item.deleted]
        for start in range(0, len(there), self._batch_items):
            yield there[start : start + self._batch_items]
