"""The stamp of the catalogue changes once for each write, whoever wrote, and never too late."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from app.services.catalogue_stamp import CatalogueStamp


class SpyCache:
    """Remembers what was bumped; waits for its gate."""

    def __init__(self) -> None:
        self.bumped: list[list[str]] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def bump(self, subjects: Sequence[str]) -> None:
        await self.gate.wait()
        if subjects:
            self.bumped.append(list(subjects))


@pytest.fixture
def cache() -> SpyCache:
    return SpyCache()


@pytest.fixture
def stamp(cache: SpyCache) -> CatalogueStamp:
    made = CatalogueStamp(cache)  # type: ignore[arg-type]  # what of the cache is used
    made.begin(4)
    return made


async def test_own_write_is_told_once(stamp: CatalogueStamp, cache: SpyCache) -> None:
    await stamp.wrote(5, others=["user:u1"])
    await stamp.wrote(6)
    await stamp.saw(6)
    await stamp.saw(6)
    assert cache.bumped == [["user:u1", "catalogue"], ["catalogue"]]


@pytest.mark.parametrize("revision", [6, 3])
async def test_strange_write_is_told_when_it_is_seen(
    stamp: CatalogueStamp, cache: SpyCache, revision: int
) -> None:
    await stamp.saw(revision)
    await stamp.saw(revision)
    assert cache.bumped == [["catalogue"]]


@pytest.mark.parametrize("own", [5, 6])
async def test_strange_write_beside_an_own_one_is_told(
    stamp: CatalogueStamp, cache: SpyCache, own: int
) -> None:
    await stamp.wrote(own)
    await stamp.saw(6)
    assert cache.bumped == [["catalogue"]] * 2


async def test_write_that_was_seen_first_is_not_told_again(stamp: CatalogueStamp, cache: SpyCache) -> None:
    await stamp.saw(5)
    await stamp.wrote(5, others=["user:u1"])
    assert cache.bumped == [["catalogue"], ["user:u1"]]


async def test_writer_does_not_rely_on_what_is_only_being_told(
    stamp: CatalogueStamp, cache: SpyCache
) -> None:
    cache.gate.clear()
    seen = asyncio.create_task(stamp.saw(5))
    await asyncio.sleep(0)
    written = asyncio.create_task(stamp.wrote(5))
    await asyncio.sleep(0)
    assert not written.done()
    cache.gate.set()
    await asyncio.gather(seen, written)
    assert cache.bumped == [["catalogue"]] * 2


async def test_write_whose_teller_was_cancelled_is_told_by_who_sees_it(
    stamp: CatalogueStamp, cache: SpyCache
) -> None:
    cache.gate.clear()
    written = asyncio.create_task(stamp.wrote(5))
    await asyncio.sleep(0)
    written.cancel()
    await asyncio.wait({written})
    cache.gate.set()
    await stamp.saw(5)
    assert cache.bumped == [["catalogue"]]
