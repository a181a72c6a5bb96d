"""The catalogue use cases: every write acts on the very next list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from app.domain.ports import ItemStore
from app.domain.types import Item, Page
from app.services.catalogue_stamp import CatalogueStamp


class Catalogue:
    """Reads and writes items; a write is answered only after all cached lists are out of date.

    Args:
        items: The store.
        stamp: What all cached lists hang on.
    """

    def __init__(self, *, items: ItemStore, stamp: CatalogueStamp) -> None:
        self._items = items
        self._stamp = stamp

    async def get(self, item_id: str) -> Item:
        """One item. Raises `NotFoundError`."""
        return await self._items.get(item_id)

    async def put(self, items: Sequence[Item]) -> list[Item]:
        """Create or replace; answers the items as they are stored, in the order given.

        Of two with one id the last counts, and both places show it.

        Raises:
            InvalidInputError: A price is out of range; nothing was stored.
        """
        if not items:
            return []
        await self._stamp.wrote(await self._items.put(items))
        stored = {item.item_id: item for item in await self._items.many([item.item_id for item in items])}
        # Another caller may have deleted one meanwhile: then what was written is shown.
        return [stored.get(item.item_id, item) for item in items]

    async def patch(self, item_id: str, changes: Mapping[str, object]) -> Item:
        """Change named fields. Raises `NotFoundError`."""
        item = await self._items.patch(item_id, changes)
        await self._stamp.wrote(item.revision)
        return item

    async def delete(self, item_id: str) -> None:
        """Take it out of every list. Raises `NotFoundError`."""
        await self._stamp.wrote(await self._items.delete(item_id))

    async def page(
        self, *, q: str | None = None, category: str | None = None, limit: int, cursor: str | None = None
    ) -> Page[Item]:
        """Items by id; `q` is found in the title or the id. Raises `InvalidInputError` for a bad cursor."""
        return await self._items.page(q=q, category=category, limit=limit, cursor=cursor)
