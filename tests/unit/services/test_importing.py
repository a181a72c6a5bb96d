"""The import use case over stores in memory: groups, what is counted, which lists are made stale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count

import pytest

from app.adapters.memory_stores import memory_stores
from app.datasets.records import Record
from app.datasets.tally import Tally
from app.domain.ports import CacheRead, Stores
from app.domain.types import Event, EventItem, Item, Subject, User
from app.services.importing import Importer
from tests.clocks import FixedClock

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


@dataclass
class Bumps:
    """A cache that remembers what was made stale, bump by bump."""

    calls: list[list[str]] = field(default_factory=list)

    async def bump(self, subjects: Sequence[str]) -> None:
        self.calls.append(sorted(subjects))

    async def read(self, subjects: Sequence[str], key: str) -> CacheRead:
        return CacheRead(None, None)

    async def store(self, subjects: Sequence[str], key: str, body: bytes, *, token: str) -> None:
        raise AssertionError("an import stores no lists")

    async def ping(self) -> bool:
        return True


@pytest.fixture
def stores() -> Stores:
    return memory_stores(clock=FixedClock())


def importer(
    stores: Stores, cache: Bumps, *, create_unknown: bool = True, group_lines: int = 5_000
) -> Importer:
    return Importer(
        events=stores.events,
        items=stores.items,
        users=stores.users,
        cache=cache,
        create_unknown=create_unknown,
        group_lines=group_lines,
    )


def purchases(*ids: str, user_id: str = "u1", item_id: str = "i1") -> list[Record[Event]]:
    return [
        Record(
            line,
            Event(
                event_id=event_id,
                name="purchase",
                happened_at=NOW,
                received_at=NOW,
                user_id=user_id,
                session_id="s1",
                items=(EventItem(item_id),),
            ),
        )
        for line, event_id in zip(count(2), ids, strict=False)
    ]


async def test_events_are_counted_and_their_people_made_stale(stores: Stores) -> None:
    cache, tally = Bumps(), Tally()
    await importer(stores, cache).events(iter(purchases("e1", "e2", "e1")), tally)
    assert (tally.accepted, tally.duplicates, tally.rejected_rows) == (2, 1, 0)
    assert cache.calls == [["catalogue", "session:s1", "user:u1"]]
    assert len(await stores.events.history(Subject(user_id="u1"), limit=10)) == 2


async def test_events_again_are_duplicates_and_make_nothing_stale(stores: Stores) -> None:
    await importer(stores, Bumps()).events(iter(purchases("e1", "e2")), Tally())
    cache, tally = Bumps(), Tally()
    await importer(stores, cache).events(iter(purchases("e1", "e2")), tally)
    assert (tally.accepted, tally.duplicates) == (0, 2)
    assert cache.calls == []


async def test_events_of_unknown_items_are_rejected_by_line_where_none_may_be_made(stores: Stores) -> None:
    await stores.items.put([Item(item_id="i1")])
    rows = [*purchases("e1"), *purchases("e2", item_id="i9")]
    tally = Tally()
    await importer(stores, Bumps(), create_unknown=False).events(iter(rows), tally)
    assert tally.accepted == 1
    assert tally.rejected["names an item that is not in the catalogue"].lines == [2]


async def test_events_go_in_groups_of_bounded_size(stores: Stores) -> None:
    cache = Bumps()
    rows = purchases(*(f"e{n}" for n in range(10)))
    await importer(stores, cache, group_lines=4).events(iter(rows), Tally())
    assert len(cache.calls) == 3


async def test_items_of_one_id_count_once_and_the_last_stays(stores: Stores) -> None:
    cache, tally = Bumps(), Tally()
    rows = [Record(2, Item("i1", title="old")), Record(3, Item("i1", title="new")), Record(4, Item("i2"))]
    await importer(stores, cache).items(iter(rows), tally)
    assert (tally.accepted, tally.duplicates) == (2, 1)
    assert (await stores.items.get("i1")).title == "new"
    assert cache.calls == [["catalogue"]]


async def test_users_are_created_or_replaced(stores: Stores) -> None:
    tally = Tally()
    rows = [Record(2, User("u1", country="France")), Record(3, User("u1", country="Spain"))]
    await importer(stores, Bumps()).users(iter(rows), tally)
    assert (tally.accepted, tally.duplicates) == (1, 1)
    assert (await stores.users.get("u1")).country == "Spain"
