from __future__ import annotations

import asyncio
from typing import Any

import pytest

from app.adapters.memory_cache import MemoryListCache
from app.adapters.memory_stores import memory_stores
from app.domain.errors import StorageUnavailableError
from app.domain.types import Item
from app.services.catalogue_stamp import CatalogueStamp
from app.services.live_catalogue import LiveCatalogue
from app.telemetry import Metrics
from tests.clocks import FixedClock
from tests.waiting import until


class Gated:
    """An item store whose look at the revision can be held after it was taken."""

    def __init__(self) -> None:
        self.store = memory_stores(clock=FixedClock()).items
        self.looks = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.rows = asyncio.Event()
        self.rows.set()
        self.error: Exception | None = None

    async def revision(self) -> int:
        self.looks += 1
        if self.error is not None:
            raise self.error
        found = await self.store.revision()
        await self.gate.wait()
        return found

    async def changed_since(self, revision: int) -> list[Item]:
        await self.rows.wait()
        return await self.store.changed_since(revision)

    async def put(self, *item_ids: str, **fields: Any) -> None:
        await self.store.put([Item(item_id=item_id, **fields) for item_id in item_ids])


def live(store: Gated, cache: MemoryListCache | None = None, **options: float) -> LiveCatalogue:
    cache = cache or MemoryListCache(ttl_s=60, entries=10)
    return LiveCatalogue(items=store, stamp=CatalogueStamp(cache), metrics=Metrics(), **options)  # type: ignore[arg-type]  # what of the store is used


async def test_refresh_shows_what_changed_since_the_last_one() -> None:
    store = Gated()
    catalogue = live(store)
    await store.put("a", "b")
    assert len(await catalogue.refresh()) == 2
    await store.put("a", hidden=True)
    await store.store.delete("b")
    assert (await catalogue.refresh()).eligible.tolist() == [False, False]


async def test_refresh_of_an_unchanged_catalogue_is_the_same_snapshot() -> None:
    store = Gated()
    catalogue = live(store)
    await store.put("a")
    assert await catalogue.refresh() is await catalogue.refresh()


async def test_refresh_never_shares_a_look_taken_before_it_was_asked_for() -> None:
    store = Gated()
    catalogue = live(store)
    await store.put("a")
    store.gate.clear()
    early = asyncio.create_task(catalogue.refresh())
    await until(lambda: store.looks == 1)
    await store.put("b")
    late = [asyncio.create_task(catalogue.refresh()) for _ in range(10)]
    await asyncio.sleep(0)
    store.gate.set()
    await early
    snapshots = await asyncio.gather(*late)
    assert {snapshot.position("b") for snapshot in snapshots} == {1}
    assert store.looks == 2, "all who asked meanwhile share one look"


async def test_refresh_gets_its_turn_when_the_one_before_hangs() -> None:
    store = Gated()
    catalogue = live(store, hung_s=0.05)
    store.gate.clear()
    hung = asyncio.create_task(catalogue.refresh())
    await until(lambda: store.looks == 1)
    await store.put("a")
    late = asyncio.create_task(catalogue.refresh())
    await until(lambda: store.looks == 2)
    store.gate.set()
    assert len(await late) == 1
    # Given up is the database's failure: a caller whom nobody cancelled must not be told that somebody did.
    with pytest.raises(StorageUnavailableError):
        await hung


async def test_first_rows_are_waited_for_longer_than_a_read_that_hangs() -> None:
    store = Gated()
    catalogue = live(store, hung_s=0.01)
    await store.put("a")
    store.rows.clear()
    first = asyncio.create_task(catalogue.refresh())
    await until(lambda: store.looks == 1)
    late = asyncio.create_task(catalogue.refresh())
    done, _ = await asyncio.wait({first, late}, timeout=0.1)
    assert not done
    store.rows.set()
    assert len(await first) == len(await late) == 1


async def test_refresh_keeps_the_last_snapshot_when_the_database_is_away() -> None:
    store = Gated()
    catalogue = live(store)
    await store.put("a")
    await catalogue.refresh()
    store.error = StorageUnavailableError("away")
    with pytest.raises(StorageUnavailableError):
        await catalogue.refresh()
    assert len(catalogue.current) == 1


async def test_refresh_reads_everything_again_when_the_database_went_back() -> None:
    store = Gated()
    catalogue = live(store)
    await store.put("a")
    await store.put("b")
    await catalogue.refresh()
    other = Gated()
    await other.put("c")
    store.store = other.store
    assert [item.item_id for item in (await catalogue.refresh()).items] == ["c"]


async def test_seed_stands_until_the_database_was_read() -> None:
    store = Gated()
    catalogue = live(store)
    await store.put("real")
    catalogue.seed([Item(item_id="from-disk")])
    assert [item.item_id for item in catalogue.current.items] == ["from-disk"]
    assert [item.item_id for item in (await catalogue.refresh()).items] == ["real"]
    catalogue.seed([Item(item_id="from-disk")])
    assert [item.item_id for item in catalogue.current.items] == ["real"]


async def test_follower_tells_the_cache_of_a_write_from_outside() -> None:
    store, cache = Gated(), MemoryListCache(ttl_s=60, entries=10)
    catalogue = live(store, cache, poll_s=0.01)
    token = (await cache.read(("catalogue",), "k")).token
    assert token is not None
    await cache.store(("catalogue",), "k", b"old", token=token)
    catalogue.follow()
    await store.put("a")

    async def gone() -> bool:
        return (await cache.read(("catalogue",), "k")).body is None

    await until(gone)
    assert len(catalogue.current) == 1
    await catalogue.stop()


async def test_follower_outlives_a_database_that_fails() -> None:
    store = Gated()
    catalogue = live(store, poll_s=0.01)
    catalogue.follow()
    for error in (StorageUnavailableError("away"), RuntimeError("a bug")):
        store.error, before = error, store.looks
        await until(lambda seen=before: store.looks > seen + 1)  # type: ignore[misc]  # the default binds the loop's value
    store.error = None
    await store.put("a")
    await until(lambda: len(catalogue.current) == 1)
    await catalogue.stop()
