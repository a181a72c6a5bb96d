"""The writer of events: groups, order of things, and what happens when the store fails."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal

import pytest

from app.adapters.memory_stores import memory_stores
from app.domain.errors import InvalidInputError, StorageUnavailableError, UnavailableError
from app.domain.ports import Appended, EventStore
from app.domain.types import Event, EventStatus, Subject
from app.services.ingest import Ingest
from app.telemetry import Metrics
from tests.clocks import FixedClock
from tests.events import event, many
from tests.waiting import until

ACCEPTED, DUPLICATE, REJECTED = EventStatus.ACCEPTED, EventStatus.DUPLICATE, EventStatus.REJECTED


class SpyCache:
    """Remembers what was bumped."""

    def __init__(self) -> None:
        self.bumped: list[list[str]] = []

    async def bump(self, subjects: Sequence[str]) -> None:
        self.bumped.append(list(subjects))


class GatedStore:
    """A store whose appends wait for a gate and may fail.

    Attributes:
        groups: Event ids of each append, in order.
    """

    def __init__(self) -> None:
        self.stores = memory_stores(clock=FixedClock())
        self.groups: list[list[str]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.fail: Callable[[list[str]], Exception | None] = lambda ids: None

    async def append(self, events: Sequence[Event], *, create_unknown: bool) -> Appended:
        ids = [given.event_id for given in events]
        self.groups.append(ids)
        await self.gate.wait()
        if (error := self.fail(ids)) is not None:
            raise error
        return await self.stores.events.append(events, create_unknown=create_unknown)

    async def stored(self) -> int:
        return (await self.stores.events.count_since(0))[0]


@asynccontextmanager
async def running(store: EventStore, cache: SpyCache, **options) -> AsyncIterator[Ingest]:
    ingest = Ingest(events=store, cache=cache, **options)
    await ingest.start()
    try:
        yield ingest
    finally:
        await ingest.stop()


@pytest.fixture
def store() -> GatedStore:
    return GatedStore()


@pytest.fixture
def cache() -> SpyCache:
    return SpyCache()


async def waiting_behind_a_closed_gate(
    ingest: Ingest, store: GatedStore, requests: Sequence[Sequence[Event]]
) -> list[asyncio.Task[tuple[EventStatus, ...]]]:
    """Submit a first request that is stuck in the store, then the others, which wait."""
    store.gate.clear()
    tasks = [asyncio.create_task(ingest.submit([event("first", "i1")]))]
    await until(lambda: len(store.groups) == 1)
    for events in requests:
        tasks.append(asyncio.create_task(ingest.submit(events)))
        await asyncio.sleep(0)
    return tasks


async def test_submit_stores_and_answers_each_event(store: GatedStore, cache: SpyCache) -> None:
    async with running(store, cache) as ingest:
        assert await ingest.submit([event("e1", "i1"), event("e1", "i1"), event("e2")]) == (
            ACCEPTED,
            DUPLICATE,
            ACCEPTED,
        )
        assert await ingest.submit([]) == ()

    assert await store.stored() == 2


async def test_submit_bumps_everyone_named_before_it_returns(store: GatedStore, cache: SpyCache) -> None:
    await store.stores.users.merge("owner", "a1")
    async with running(store, cache) as ingest:
        await ingest.submit(
            [event("e1", "i1", user_id="u1", session_id="s1"), event("e2", "i1", anonymous_id="a1")]
        )

        assert [sorted(names) for names in cache.bumped] == [
            ["anonymous:a1", "catalogue", "session:s1", "user:owner", "user:u1"]
        ]
        await ingest.submit([event("e3", "i1")])
        assert cache.bumped[-1] == ["user:u1"]


async def test_submit_bumps_for_duplicates_whose_first_sender_was_never_answered(
    store: GatedStore, cache: SpyCache
) -> None:
    await store.stores.events.append([event("e1", "i1")], create_unknown=True)
    async with running(store, cache) as ingest:
        await ingest.submit([event("e1", "i1")])

    assert cache.bumped == [["user:u1"]]


async def test_requests_that_wait_are_committed_together(store: GatedStore, cache: SpyCache) -> None:
    async with running(store, cache) as ingest:
        tasks = await waiting_behind_a_closed_gate(
            ingest, store, [[event("a"), event("b")], [event("a")], [event("c")]]
        )
        store.gate.set()
        answers = await asyncio.gather(*tasks)

    assert store.groups == [["first"], ["a", "b", "a", "c"]]
    assert answers == [(ACCEPTED,), (ACCEPTED, ACCEPTED), (DUPLICATE,), (ACCEPTED,)]


async def test_groups_are_bounded_but_a_large_request_stays_whole(store: GatedStore, cache: SpyCache) -> None:
    async with running(store, cache, group_events=3) as ingest:
        tasks = await waiting_behind_a_closed_gate(
            ingest, store, [many(2), many(2, start=2), many(5, start=4), many(1, start=9)]
        )
        store.gate.set()
        await asyncio.gather(*tasks)

    assert [len(group) for group in store.groups] == [1, 2, 2, 5, 1]


async def test_a_failed_group_is_tried_request_by_request(store: GatedStore, cache: SpyCache) -> None:
    metrics = Metrics()
    store.fail = lambda ids: RuntimeError("poison") if "bad" in ids else None
    async with running(store, cache, metrics=metrics) as ingest:
        tasks = await waiting_behind_a_closed_gate(
            ingest, store, [[event("e1")], [event("bad"), event("e2")], [event("e3")]]
        )
        store.gate.set()
        answers = await asyncio.gather(*tasks, return_exceptions=True)

    assert [type(answer) for answer in answers] == [tuple, tuple, RuntimeError, tuple]
    assert await store.stored() == 3
    assert (
        metrics.registry.get_sample_value(
            "recserve_degraded_total", {"part": "ingest", "reason": "group taken apart"}
        )
        == 1
    )


async def test_an_amount_out_of_range_fails_its_own_request_alone(store: GatedStore, cache: SpyCache) -> None:
    async with running(store, cache) as ingest:
        tasks = await waiting_behind_a_closed_gate(
            ingest, store, [[event("e1", value=Decimal("1e20"))], [event("e2")]]
        )
        store.gate.set()
        answers = await asyncio.gather(*tasks, return_exceptions=True)

    assert isinstance(answers[1], InvalidInputError)
    assert answers[2] == (ACCEPTED,)


async def test_a_database_that_is_down_fails_the_group_at_once_and_the_next_one_works(
    store: GatedStore, cache: SpyCache
) -> None:
    store.fail = lambda ids: StorageUnavailableError("down")
    async with running(store, cache) as ingest:
        tasks = await waiting_behind_a_closed_gate(ingest, store, [[event("e1")], [event("e2")]])
        store.gate.set()
        answers = await asyncio.gather(*tasks, return_exceptions=True)
        store.fail = lambda ids: None
        again = await ingest.submit([event("e1")])

    assert [type(answer) for answer in answers] == [StorageUnavailableError] * 3
    assert again == (ACCEPTED,)
    assert len(store.groups) == 3


async def test_a_caller_is_told_in_time_and_what_did_not_begin_is_not_stored(
    store: GatedStore, cache: SpyCache
) -> None:
    async with running(store, cache, deadline_s=0.05) as ingest:
        tasks = await waiting_behind_a_closed_gate(ingest, store, [[event("late")]])
        answers = await asyncio.gather(*tasks, return_exceptions=True)
        store.gate.set()
        assert await ingest.submit([event("e1")]) == (ACCEPTED,)

    assert [type(answer) for answer in answers] == [StorageUnavailableError] * 2
    assert store.groups == [["first"], ["e1"]]


async def test_a_full_queue_sends_callers_away_with_a_time_to_come_back(
    store: GatedStore, cache: SpyCache
) -> None:
    async with running(store, cache, waiting_events=3) as ingest:
        tasks = await waiting_behind_a_closed_gate(ingest, store, [many(2)])
        with pytest.raises(UnavailableError) as caught:
            await ingest.submit(many(2, start=2))
        store.gate.set()
        await asyncio.gather(*tasks)
        assert await ingest.submit(many(2, start=2)) == (ACCEPTED, ACCEPTED)

    assert caught.value.retry_after_s >= 1
    assert not isinstance(caught.value, StorageUnavailableError)


async def test_a_caller_who_left_takes_nobody_with_them(store: GatedStore, cache: SpyCache) -> None:
    async with running(store, cache) as ingest:
        tasks = await waiting_behind_a_closed_gate(ingest, store, [[event("e1")], [event("e2")]])
        for task in tasks[:2]:
            task.cancel()
        await asyncio.gather(*tasks[:2], return_exceptions=True)
        store.gate.set()
        assert await tasks[2] == (ACCEPTED,)

    assert store.groups == [["first"], ["e2"]]


async def test_stop_commits_what_waits_and_takes_nothing_more(store: GatedStore, cache: SpyCache) -> None:
    async with running(store, cache) as ingest:
        tasks = await waiting_behind_a_closed_gate(ingest, store, [[event("e1")]])
        stopping = asyncio.create_task(ingest.stop())
        await asyncio.sleep(0)
        store.gate.set()
        await stopping
        assert await asyncio.gather(*tasks) == [(ACCEPTED,), (ACCEPTED,)]
        with pytest.raises(UnavailableError):
            await ingest.submit([event("e2")])


async def test_stop_does_not_wait_for_a_store_that_hangs(store: GatedStore, cache: SpyCache) -> None:
    async with running(store, cache, deadline_s=0.05) as ingest:
        tasks = await waiting_behind_a_closed_gate(ingest, store, [[event("e1")]])
        await asyncio.wait_for(ingest.stop(), 5)
        answers = await asyncio.gather(*tasks, return_exceptions=True)

    assert all(isinstance(answer, UnavailableError) for answer in answers)


async def test_submit_before_start_is_refused(store: GatedStore, cache: SpyCache) -> None:
    with pytest.raises(UnavailableError):
        await Ingest(events=store, cache=cache).submit([event("e1")])


async def test_append_says_which_items_of_this_request_are_unknown(
    store: GatedStore, cache: SpyCache
) -> None:
    await store.stores.events.append([event("e0", "i1")], create_unknown=True)
    async with running(store, cache, create_unknown=False) as ingest:
        tasks = await waiting_behind_a_closed_gate(ingest, store, [])
        tasks += [
            asyncio.create_task(ingest.append([event("a", "x")])),
            asyncio.create_task(ingest.append([event("b", "i1"), event("c", "i1", "y")])),
        ]
        await asyncio.sleep(0)
        store.gate.set()
        first, one, two = await asyncio.gather(*tasks)

    assert first == (ACCEPTED,)
    assert (one.statuses, one.unknown) == ((REJECTED,), ((0, 0),))
    assert (two.statuses, two.unknown) == ((ACCEPTED, REJECTED), ((1, 1),))
    assert await store.stores.events.history(Subject(user_id="u1"), limit=9) != []
    assert all("user:u1" in names for names in cache.bumped)


async def test_slow_database_is_given_less_at_once(store: GatedStore, cache: SpyCache) -> None:
    store.fail = lambda ids: StorageUnavailableError("too much in the time") if len(ids) > 100 else None
    async with running(store, cache, group_events=400) as ingest:

        async def send(number: int) -> None:
            events = [event(f"{number}-{place}", "i1") for place in range(50)]
            while True:
                with contextlib.suppress(StorageUnavailableError):
                    await ingest.submit(events)
                    return

        await asyncio.wait_for(asyncio.gather(*(send(number) for number in range(8))), 20)
    assert await store.stored() == 400
