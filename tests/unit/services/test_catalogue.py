"""Writes to the catalogue put every cached list out of date before they are answered."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from app.adapters.memory_stores import memory_stores
from app.domain.errors import NotFoundError
from app.domain.ports import Stores
from app.domain.types import Item
from app.services.catalogue import Catalogue
from app.services.catalogue_stamp import CatalogueStamp
from tests.clocks import FixedClock


class SpyCache:
    """Remembers the catalogue's revision at each bump."""

    def __init__(self, stores: Stores) -> None:
        self._stores = stores
        self.bumps: list[tuple[list[str], int]] = []

    async def bump(self, subjects: Sequence[str]) -> None:
        self.bumps.append((list(subjects), await self._stores.items.revision()))


@pytest.fixture
def stores() -> Stores:
    return memory_stores(clock=FixedClock())


@pytest.fixture
def cache(stores: Stores) -> SpyCache:
    return SpyCache(stores)


@pytest.fixture
def catalogue(stores: Stores, cache: SpyCache) -> Catalogue:
    return Catalogue(items=stores.items, stamp=CatalogueStamp(cache))


async def test_put_answers_what_is_stored_in_the_order_given(catalogue: Catalogue) -> None:
    stored = await catalogue.put([Item("b", title="B"), Item("a"), Item("b", title="last")])

    assert [(item.item_id, item.title, item.revision) for item in stored] == [
        ("b", "last", 1),
        ("a", None, 1),
        ("b", "last", 1),
    ]
    assert await catalogue.put([]) == []


async def test_every_write_bumps_after_its_commit(catalogue: Catalogue, cache: SpyCache) -> None:
    await catalogue.put([Item("a")])
    await catalogue.patch("a", {"hidden": True})
    await catalogue.delete("a")

    assert cache.bumps == [(["catalogue"], 1), (["catalogue"], 2), (["catalogue"], 3)]


async def test_a_write_that_fails_bumps_nothing(catalogue: Catalogue, cache: SpyCache) -> None:
    for call in (catalogue.patch("x", {}), catalogue.delete("x")):
        with pytest.raises(NotFoundError):
            await call

    assert cache.bumps == []


async def test_page_and_get_read_the_store(catalogue: Catalogue) -> None:
    await catalogue.put([Item("a", title="Mug"), Item("b")])

    assert [item.item_id for item in (await catalogue.page(q="mug", limit=5)).rows] == ["a"]
    assert (await catalogue.get("b")).item_id == "b"
