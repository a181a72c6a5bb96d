"""After an event is acknowledged, no answer that begins later is made from an older history.

The model of these tests answers with what it was asked: item `m<k>` stands first when the query held k
events. So a list says from how much history it was made, whoever made it and wherever it was kept since.
"""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from app.adapters.memory_cache import MemoryListCache
from app.adapters.memory_stores import memory_stores
from app.adapters.redis_cache import RedisListCache
from app.adapters.sql.engine import Database
from app.adapters.sql.stores import sql_stores
from app.domain.ports import ListCache, Stores
from app.domain.recommendations import RecommendationRequest, ServedBy
from app.domain.types import Item, Query, Subject
from app.telemetry import Metrics
from tests.clocks import FixedClock
from tests.events import event
from tests.servers import RedisServer
from tests.unit.services.shop import Shop, open_shop

MOST = 400
MARKS = tuple(f"m{count:03}" for count in range(MOST + 1))
SOURCE = "seen"
SLOW_S = 0.01


class CountingScorer:
    """Puts the item first whose number is that of the events it was asked about; slowly, now and then."""

    version, model, source = "counting-1", "counting", "sequence"
    item_ids = (SOURCE, *MARKS)
    item_vectors = None

    def __init__(self, *, slow_s: float) -> None:
        self.gate: threading.Event | None = None
        self.entered = threading.Event()
        self._slow_s = slow_s
        self._random = random.Random(7)

    def score(self, queries: Sequence[Query]) -> NDArray[np.float32]:
        self.entered.set()
        if self.gate is not None:
            assert self.gate.wait(20.0)
        elif self._slow_s:
            time.sleep(self._random.random() * self._slow_s)  # a slow model, not a wait for a condition
        scores = np.full((len(queries), len(self.item_ids) + 1), 0.1, np.float32)
        for row, query in enumerate(queries):
            scores[row, 2 + len(query.item_ids)] = 1.0
        scores[:, 0] = -np.inf
        return scores


@pytest.fixture(params=["memory", "redis"])
async def cache(request: pytest.FixtureRequest) -> AsyncIterator[ListCache]:
    if request.param == "memory":
        yield MemoryListCache(ttl_s=300, entries=1000)
        return
    server: RedisServer = request.getfixturevalue("redis_server")
    shared = RedisListCache(server.url(), tenant=request.node.name, ttl_s=300, metrics=Metrics(), timeout_s=5)
    yield shared
    await shared.close()


def ask(user_id: str) -> RecommendationRequest:
    return RecommendationRequest(subject=Subject(user_id=user_id), n=1)


async def made_from(shop: Shop, user_id: str) -> tuple[int, ServedBy]:
    """From how many events the answer was made, and where it came from."""
    answer = await shop.recommend.recommend(ask(user_id))
    assert not answer.degraded
    item_id = answer.items[0].item_id
    return (int(item_id.removeprefix("m")) if answer.filled == 0 else 0), answer.served_by


async def one_event(shop: Shop, user_id: str, number: int) -> None:
    await shop.happened(event(f"{user_id}-{number}", SOURCE, user_id=user_id, minutes=-MOST + number))


async def hammer(shop: Shop, *, users: int, readers: int, events: int) -> dict[ServedBy, int]:
    """Readers ask without pause while events arrive; every answer is held against what was acknowledged."""
    acknowledged = dict.fromkeys((f"u{number}" for number in range(users)), 0)
    served: dict[ServedBy, int] = dict.fromkeys(ServedBy, 0)
    over = asyncio.Event()

    async def write(user_id: str) -> None:
        pace = random.Random(user_id)
        for number in range(1, events + 1):
            await one_event(shop, user_id, number)
            acknowledged[user_id] = number
            # Now and then a list is made and kept before the next event; otherwise that comes at any moment
            # of the computations under way.
            for _ in range(number % 3):
                await made_from(shop, user_id)
            await asyncio.sleep(pace.random() * 2 * SLOW_S)

    async def read(user_id: str) -> None:
        while not over.is_set():
            at_least = acknowledged[user_id]
            made, by = await made_from(shop, user_id)
            assert made >= at_least, f"{by}: made from {made} events after {at_least} were acknowledged"
            served[by] += 1
            await asyncio.sleep(0)

    reading = [asyncio.create_task(read(user_id)) for user_id in acknowledged for _ in range(readers)]
    writing = asyncio.gather(*(write(user_id) for user_id in acknowledged))
    writing.add_done_callback(lambda _: over.set())
    for reader in reading:
        reader.add_done_callback(lambda _: over.set() or writing.cancel())
    await asyncio.gather(*reading)
    await writing
    return served


STOCK = [Item(item_id=SOURCE), *(Item(item_id=mark) for mark in MARKS)]


async def test_no_list_is_older_than_the_last_acknowledged_event(tmp_path: Path, cache: ListCache) -> None:
    scorer = CountingScorer(slow_s=SLOW_S)
    async with open_shop(tmp_path, scorer=scorer, cache=cache, stocked=STOCK) as shop:
        served = await hammer(shop, users=3, readers=4, events=40)
    assert served[ServedBy.MODEL] > 50
    assert served[ServedBy.CACHE] > 50


async def test_no_list_is_older_when_the_history_is_in_sql(
    tmp_path: Path, sqlite_url: str, cache: ListCache, clock: FixedClock
) -> None:
    database = Database(sqlite_url, deadline_s=20.0)
    stores: Stores = sql_stores(database, tenant="default", clock=clock)
    scorer = CountingScorer(slow_s=SLOW_S)
    async with open_shop(tmp_path, scorer=scorer, cache=cache, stores=stores, stocked=STOCK) as shop:
        served = await hammer(shop, users=2, readers=3, events=12)
    await database.close()
    await asyncio.sleep(0)
    assert served[ServedBy.MODEL] > 10
    assert served[ServedBy.CACHE] > 10


async def test_slow_answer_begun_before_an_event_is_not_kept_after_it(
    tmp_path: Path, cache: ListCache
) -> None:
    scorer = CountingScorer(slow_s=0.0)
    async with open_shop(tmp_path, scorer=scorer, cache=cache, stocked=STOCK) as shop:
        await one_event(shop, "u1", 1)
        scorer.gate = threading.Event()
        early = asyncio.create_task(made_from(shop, "u1"))
        await asyncio.to_thread(scorer.entered.wait, 20.0)
        await one_event(shop, "u1", 2)
        late = asyncio.create_task(made_from(shop, "u1"))
        scorer.gate.set()
        assert (await early)[0] == 1
        assert (await late)[0] == 2, "an answer that began after the event joined one from before it"
        assert (await made_from(shop, "u1"))[0] == 2, "the slow answer was kept over the newer one"


async def test_slow_answer_of_another_process_never_replaces_a_newer_one(
    tmp_path: Path, cache: ListCache
) -> None:
    stores = memory_stores(clock=FixedClock())
    slow, quick = CountingScorer(slow_s=0.0), CountingScorer(slow_s=0.0)
    async with (
        open_shop(tmp_path, scorer=slow, cache=cache, stores=stores, stocked=STOCK) as first,
        open_shop(tmp_path, scorer=quick, cache=cache, stores=stores, stocked=()) as second,
    ):
        await one_event(first, "u1", 1)
        slow.gate = threading.Event()
        early = asyncio.create_task(made_from(first, "u1"))
        await asyncio.to_thread(slow.entered.wait, 20.0)
        await one_event(second, "u1", 2)
        assert await made_from(second, "u1") == (2, ServedBy.MODEL)
        slow.gate.set()
        assert await early == (1, ServedBy.MODEL)
        assert await made_from(second, "u1") == (2, ServedBy.CACHE)


async def test_event_in_another_process_counts_at_once(tmp_path: Path, redis_server: RedisServer) -> None:
    one, other = (
        RedisListCache(redis_server.url(), tenant="two", ttl_s=300, metrics=Metrics(), timeout_s=5)
        for _ in "ab"
    )
    stores = memory_stores(clock=FixedClock())
    scorer = CountingScorer(slow_s=0.0)
    async with (
        open_shop(tmp_path, scorer=scorer, cache=one, stores=stores, stocked=STOCK) as first,
        open_shop(tmp_path, scorer=scorer, cache=other, stores=stores, stocked=()) as second,
    ):
        for number in range(1, 21):
            await one_event(first, "u1", number)
            assert (await made_from(second, "u1"))[0] == number
            assert await made_from(first, "u1") == (number, ServedBy.CACHE)
    await one.close()
    await other.close()


async def test_hidden_item_is_in_no_answer_that_begins_after_it(tmp_path: Path, cache: ListCache) -> None:
    scorer = CountingScorer(slow_s=0.005)
    async with open_shop(tmp_path, scorer=scorer, cache=cache, stocked=STOCK) as shop:
        await one_event(shop, "u1", 1)
        hidden: list[str] = []
        over = asyncio.Event()

        async def read() -> None:
            while not over.is_set():
                gone = tuple(hidden)
                answer = await shop.recommend.recommend(
                    RecommendationRequest(subject=Subject(user_id="u1"), n=5)
                )
                assert not set(gone) & {item.item_id for item in answer.items}
                await asyncio.sleep(0)

        readers = [asyncio.create_task(read()) for _ in range(4)]
        for mark in MARKS[:25]:
            await shop.catalogue.patch(mark, {"hidden": True})
            hidden.append(mark)
            await shop.recommend.recommend(RecommendationRequest(subject=Subject(user_id="u1"), n=5))
        over.set()
        await asyncio.gather(*readers)
