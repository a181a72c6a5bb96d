"""The event log keeps what it was given, once, and finds it again by person."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import uuid4

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.adapters.memory_stores import memory_stores
from app.adapters.sql.engine import Database
from app.adapters.sql.stores import sql_stores
from app.domain.errors import InvalidInputError, NotFoundError
from app.domain.ports import Stores
from app.domain.types import Event, EventItem, EventStatus, ItemEvents, Subject
from tests.clocks import NOON, FixedClock
from tests.events import event, many

ACCEPTED, DUPLICATE, REJECTED = EventStatus.ACCEPTED, EventStatus.DUPLICATE, EventStatus.REJECTED


async def append(stores: Stores, *events: Event, create_unknown: bool = True):
    return await stores.events.append(events, create_unknown=create_unknown)


async def history(stores: Stores, limit: int = 100, **ids: str) -> list[str]:
    return [line.item_id for line in await stores.events.history(Subject(**ids), limit=limit)]


async def test_append_gives_back_every_field_of_an_event(stores: Stores) -> None:
    whole = Event(
        event_id="0193-ü-😀",
        name="purchase",
        happened_at=datetime(2026, 3, 1, 23, 59, 59, 999999, tzinfo=UTC),
        received_at=NOON,
        user_id="Ünï",
        anonymous_id="a1",
        session_id="s1",
        items=(
            EventItem("i1", 2.0, Decimal("9.5"), 0),
            EventItem("i2", 0.5, Decimal("0.0001"), 7),
            EventItem("i1"),
        ),
        value=Decimal("99999999999999.9999"),
        currency="GBP",
        recommendation_id="01J",
        context={"z": [1, None, {"b": 1.5}], "a": "é\u2028", "big": 2**53 + 1},
    )

    await append(stores, whole)

    page = await stores.events.page("Ünï", limit=10, cursor=None)
    assert [stored.event for stored in page.rows] == [whole]
    assert list(page.rows[0].event.context) == ["z", "a", "big"]


async def test_append_keeps_an_event_without_items(stores: Stores) -> None:
    search = event("e1", name="search", context={"q": "mug"})

    await append(stores, search)

    assert [row.event for row in (await stores.events.page("u1", limit=5, cursor=None)).rows] == [search]
    assert await history(stores, user_id="u1") == []


async def test_append_converts_times_to_utc(stores: Stores) -> None:
    east = datetime.fromisoformat("2026-01-01T01:30:00+05:30")

    await append(stores, Event("e1", "view_item", east, east, user_id="u1", items=(EventItem("i1"),)))

    [line] = await stores.events.history(Subject(user_id="u1"), limit=1)
    assert line.happened_at == datetime(2025, 12, 31, 20, 0, tzinfo=UTC)
    assert [day for _, _, day, _ in await stores.events.daily_counts(NOON - timedelta(days=999))] == [
        "2025-12-31"
    ]


@pytest.mark.parametrize("year", [1, 1970, 9999])
async def test_append_keeps_far_off_years(stores: Stores, year: int) -> None:
    far = datetime(year, 12, 31, 23, 59, 59, tzinfo=UTC)

    await append(stores, Event("e1", "view_item", far, NOON, user_id="u1", items=(EventItem("i1"),)))

    [line] = await stores.events.history(Subject(user_id="u1"), limit=1)
    assert line.happened_at == far


async def test_append_counts_an_id_once_within_a_group_and_across_groups(stores: Stores) -> None:
    first = await append(stores, event("e1", "i1", "i2"), event("e2", "i3"), event("e1", "i9"))
    again = await append(stores, event("e2", "i3"), event("e3", "i4"), event("e1", "i1", "i2"))

    assert first.statuses == (ACCEPTED, ACCEPTED, DUPLICATE)
    assert again.statuses == (DUPLICATE, ACCEPTED, DUPLICATE)
    assert sorted(await history(stores, user_id="u1")) == ["i1", "i2", "i3", "i4"]


async def test_append_takes_the_same_item_twice_in_one_event(stores: Stores) -> None:
    await append(stores, event("e1", "i1", "i1"))

    assert await history(stores, user_id="u1") == ["i1", "i1"]


async def test_append_creates_cold_items_and_users_on_first_sight(stores: Stores) -> None:
    appended = await append(stores, event("e1", "i2", "i1"), event("e2", "i1", user_id="u2"))
    again = await append(stores, event("e3", "i1"))

    assert sorted(appended.new_item_ids) == ["i1", "i2"]
    assert again.new_item_ids == ()
    assert (await stores.items.get("i1")).cold
    assert (await stores.users.get("u2")).cold
    assert await stores.items.revision() == 1
    assert {item.item_id for item in await stores.items.changed_since(0)} == {"i1", "i2"}


async def test_append_of_duplicates_alone_creates_nothing(stores: Stores) -> None:
    await append(stores, event("e1", "i1"))

    appended = await append(stores, event("e1", "i7", user_id="u7"))

    assert appended.new_item_ids == ()
    assert await stores.items.many(["i7"]) == []


async def test_append_rejects_unknown_items_when_told_to_and_says_which(stores: Stores) -> None:
    await append(stores, event("e0", "i1"))

    appended = await append(
        stores,
        event("e1", "i1"),
        event("e2", "i1", "x", "y"),
        event("e3", name="search"),
        create_unknown=False,
    )

    assert appended.statuses == (ACCEPTED, REJECTED, ACCEPTED)
    assert appended.unknown == ((1, 1), (1, 2))
    assert await history(stores, user_id="u1") == ["i1", "i1"]
    assert await stores.items.many(["x", "y"]) == []


async def test_append_keeps_the_events_of_an_unknown_user_without_creating_one_when_told_to(
    stores: Stores,
) -> None:
    await append(stores, event("e0", "i1"))

    appended = await append(stores, event("e1", "i1", user_id="stranger"), create_unknown=False)

    assert appended.statuses == (ACCEPTED,)
    assert await history(stores, user_id="stranger") == ["i1"]
    with pytest.raises(NotFoundError):
        await stores.users.get("stranger")


async def test_append_still_knows_a_deleted_item_and_does_not_revive_it(stores: Stores) -> None:
    await append(stores, event("e1", "i1"))
    await stores.items.delete("i1")

    kept = await append(stores, event("e2", "i1", name="refund"), create_unknown=False)
    created = await append(stores, event("e3", "i1"))

    assert kept.statuses == (ACCEPTED,)
    assert created.new_item_ids == ()
    assert await stores.items.many(["i1"]) == []


async def test_append_names_the_users_whose_guests_acted(stores: Stores) -> None:
    await stores.users.merge("u1", "a1")

    appended = await append(
        stores, event("e1", "i1", anonymous_id="a1"), event("e2", "i1", anonymous_id="a2")
    )

    assert appended.merged_user_ids == ("u1",)


@pytest.mark.parametrize("amount", ["1e14", "-1e14", "NaN", "Infinity"])
async def test_append_refuses_an_amount_out_of_range_and_stores_nothing(stores: Stores, amount: str) -> None:
    with pytest.raises(InvalidInputError):
        await append(stores, event("e1", "i1"), event("e2", "i1", value=Decimal(amount)))

    assert await stores.events.count_since(0) == (0, 0)


async def test_append_of_nothing_is_nothing(stores: Stores) -> None:
    assert (await append(stores)).statuses == ()


async def test_append_takes_thousands_of_lines_at_once(stores: Stores) -> None:
    appended = await append(stores, *many(6000))

    assert appended.statuses == (ACCEPTED,) * 6000
    assert (await stores.events.count_since(0))[0] == 6000


async def test_history_gives_the_newest_by_time_of_happening_oldest_first(stores: Stores) -> None:
    await append(stores, event("late", "i3", minutes=30), event("early", "i1", minutes=-30))
    await append(stores, event("middle", "i2", minutes=0))

    assert await history(stores, user_id="u1") == ["i1", "i2", "i3"]
    assert await history(stores, user_id="u1", limit=2) == ["i2", "i3"]


async def test_history_keeps_the_order_of_a_basket(stores: Stores) -> None:
    await append(stores, event("e1", "b", "a", "c"))

    assert await history(stores, user_id="u1") == ["b", "a", "c"]


async def test_history_joins_all_ids_of_a_subject_without_doubling(stores: Stores) -> None:
    await append(
        stores,
        event("e1", "i1", user_id="u1", session_id="s1", anonymous_id="a1", minutes=1),
        event("e2", "i2", session_id="s1", minutes=2),
        event("e3", "i3", anonymous_id="a1", minutes=3),
        event("e4", "i4", user_id="u2", minutes=4),
    )

    assert await history(stores, user_id="u1", session_id="s1", anonymous_id="a1") == ["i1", "i2", "i3"]
    assert await history(stores, session_id="s1") == ["i1", "i2"]
    assert await history(stores, user_id="s1") == []
    assert await history(stores) == []


async def test_history_tells_ids_apart_by_case_and_form(stores: Stores) -> None:
    await append(stores, event("e1", "i1", user_id="é"), event("e2", "i2", user_id="É"))

    assert await history(stores, user_id="é") == ["i1"]
    assert await history(stores, user_id="e\u0301") == []


async def test_history_follows_merged_guests_and_their_later_events(stores: Stores) -> None:
    await append(stores, event("e1", "i1", anonymous_id="a1"), event("e2", "i2", user_id="u1", minutes=1))

    await stores.users.merge("u1", "a1")
    await append(stores, event("e3", "i3", anonymous_id="a1", minutes=2))

    assert await history(stores, user_id="u1") == ["i1", "i2", "i3"]
    await stores.users.unmerge("u1", "a1")
    assert await history(stores, user_id="u1") == ["i2"]


async def test_history_leaves_out_what_another_customer_did_on_a_merged_browser(stores: Stores) -> None:
    await append(
        stores, event("e1", "i1", anonymous_id="a1"), event("e2", "i2", anonymous_id="a1", user_id="u2")
    )

    await stores.users.merge("u1", "a1")

    assert await history(stores, user_id="u1") == ["i1"]


async def met(stores: Stores, lines: int = 100, **ids: str) -> list[ItemEvents]:
    found = await stores.events.met(Subject(**ids), lines=lines)
    return sorted(found, key=lambda one: (one.item_id, one.name))


async def test_met_sums_up_lines_by_item_and_name(stores: Stores) -> None:
    await append(
        stores,
        event("e1", "i1", "i2", "i1"),
        event("e2", "i1", minutes=5),
        event("e3", "i1", minutes=-5),
        event("e4", "i1", name="rate", value=Decimal(4)),
        event("e5", "i1", name="rate", value=Decimal(1), minutes=1),
        event("e6", "i1", name="rate"),
        event("e7", name="search"),
        event("e8", "i9", user_id="u2"),
    )

    assert await met(stores, user_id="u1") == [
        ItemEvents("i1", "rate", 3, NOON + timedelta(minutes=1), Decimal("2.5")),
        ItemEvents("i1", "view_item", 4, NOON + timedelta(minutes=5)),
        ItemEvents("i2", "view_item", 1, NOON),
    ]


async def test_met_joins_all_ids_and_guests_of_a_subject_without_doubling(stores: Stores) -> None:
    await stores.users.merge("u1", "a1")
    await append(
        stores,
        event("e1", "i1", user_id="u1", session_id="s1", anonymous_id="a1"),
        event("e2", "i1", session_id="s1"),
        event("e3", "i1", anonymous_id="a1"),
        event("e4", "i1", anonymous_id="a1", user_id="u2"),
    )

    [alone] = await met(stores, user_id="u1")
    [together] = await met(stores, user_id="u1", session_id="s1")

    assert (alone.count, together.count) == (2, 3)
    assert await met(stores) == []


async def test_met_counts_the_newest_lines(stores: Stores) -> None:
    await append(stores, *(event(f"e{place}", f"i{place}", minutes=place) for place in range(9)))

    assert [one.item_id for one in await met(stores, lines=3, user_id="u1")] == ["i6", "i7", "i8"]


async def test_page_goes_through_all_events_once_while_others_arrive(stores: Stores) -> None:
    await append(stores, *many(7))
    await stores.users.merge("u1", "a1")
    await append(stores, event("guest", "i1", anonymous_id="a1", minutes=2.5))

    seen, cursor = [], None
    for turn in range(10):
        page = await stores.events.page("u1", limit=3, cursor=cursor)
        seen += [stored.event.event_id for stored in page.rows]
        cursor = page.next_cursor
        if cursor is None:
            break
        await append(stores, event(f"new{turn}", "i1", minutes=1000 + turn))

    assert seen == ["e6", "e5", "e4", "e3", "guest", "e2", "e1", "e0"]


async def test_page_ends_exactly_at_the_last_row(stores: Stores) -> None:
    await append(stores, *many(3))

    page = await stores.events.page("u1", limit=3, cursor=None)

    assert len(page.rows) == 3
    assert page.next_cursor is None


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "x",
        "bm90IGpzb24",
        "WzFd",
        "WyJhIiwxXQ",
        "WyIyMDI2LTAxLTAxIiwxXQ",
        "é",
        "A" * 5000,
        "WzEsMl0",
        "e30",
    ],
)
async def test_page_refuses_a_cursor_it_did_not_give(stores: Stores, cursor: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        await stores.events.page("u1", limit=3, cursor=cursor)

    assert [error.pointer for error in caught.value.errors] == ["?cursor"]


async def test_count_since_counts_lines_after_a_place(stores: Stores) -> None:
    await append(stores, event("e1", "i1", "i2"), event("e2", name="search"))
    count, highest = await stores.events.count_since(0)
    await append(stores, event("e3", "i1"))

    assert count == 3
    assert (await stores.events.count_since(highest))[0] == 1
    assert (await stores.events.count_since(10**9))[0] == 0


async def test_daily_counts_counts_people_not_events(stores: Stores) -> None:
    await stores.users.merge("u1", "a1")
    await append(
        stores,
        event("e1", "i1", user_id="u1"),
        event("e2", "i1", anonymous_id="a1"),
        event("e3", "i1", anonymous_id="a2"),
        event("e4", "i1", session_id="s1"),
        event("e5", "i1", name="purchase", user_id="u1"),
        event("e6", "i1", user_id="u1", minutes=-60 * 24),
        event("old", "i1", user_id="u1", minutes=-60 * 72),
    )

    assert await stores.events.daily_counts(NOON - timedelta(days=2)) == [
        ("i1", "purchase", "2026-11-24", 1),
        ("i1", "view_item", "2026-11-23", 1),
        ("i1", "view_item", "2026-11-24", 3),
    ]


async def test_baskets_are_the_newest_purchases_event_by_event(stores: Stores) -> None:
    await append(stores, event("old", "i1", "i2", name="purchase", minutes=-60 * 72))
    await append(stores, event("e9", "i1", "i2", name="purchase"), event("e2", "i1", name="add_to_cart"))
    await append(stores, event("e3", "i5", "i4", name="purchase", user_id="u2"))

    since = NOON - timedelta(days=2)
    newest = [("e3", "i4"), ("e3", "i5")]
    assert await stores.events.baskets(since, lines=10) == [*newest, ("e9", "i1"), ("e9", "i2")]
    assert await stores.events.baskets(since, lines=2) == newest


async def test_scan_gives_every_line_with_an_item_and_whose_it_is(stores: Stores) -> None:
    await stores.users.merge("u1", "a1")
    await append(
        stores,
        event("e1", "i1", "i2", name="purchase", user_id="u1", session_id="s9", value=Decimal("12.5")),
        event("e2", name="search"),
        event("e3", "i3", anonymous_id="a1", session_id="s9", minutes=1),
        event("e4", "i4", anonymous_id="a2", session_id="s9", items=(EventItem("i4", 3.0),)),
        event("e5", "i5", session_id="s1"),
    )

    [batch] = list(stores.event_log.scan())
    by_item = dict(zip(batch.item_id, batch.user_key, strict=True))
    value = dict(zip(batch.item_id, batch.value, strict=True))
    quantity = dict(zip(batch.item_id, batch.quantity, strict=True))
    happened = dict(zip(batch.item_id, batch.happened_at, strict=True))
    assert len(batch) == 5
    assert by_item == {
        "i1": "user:u1",
        "i2": "user:u1",
        "i3": "user:u1",
        "i4": "anonymous:a2",
        "i5": "session:s1",
    }
    assert value["i1"] == value["i2"] == 12.5
    assert np.isnan(value["i3"])
    assert quantity["i4"] == 3.0
    assert np.isnan(quantity["i5"])
    assert happened["i3"] == np.datetime64("2026-11-24T12:01:00")
    assert (np.diff(batch.seq) > 0).all()


async def test_scan_goes_on_from_a_place_and_gives_nothing_when_there_is_nothing(stores: Stores) -> None:
    assert list(stores.event_log.scan()) == []
    await append(stores, *many(3))
    _, highest = await stores.events.count_since(0)
    await append(stores, event("e9", "i9"))

    assert [batch.item_id for batch in stores.event_log.scan(since_seq=highest)] == [["i9"]]


IDS = st.sampled_from(["p", "q", None])
EVENTS = st.builds(
    lambda number, items, user, guest, session, minutes: event(
        f"e{number}",
        *items,
        user_id=user,
        anonymous_id=guest,
        session_id=session,
        minutes=minutes,
    ),
    st.integers(0, 8),
    st.lists(st.sampled_from(["i1", "i2", "i3"]), max_size=3),
    IDS,
    IDS,
    IDS,
    st.integers(-3, 3),
).filter(lambda made: made.user_id or made.anonymous_id or made.session_id)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(groups=st.lists(st.lists(EVENTS, max_size=6), max_size=4), merged=st.sampled_from(["p", "q"]))
async def test_any_stream_leaves_the_same_rows_as_in_memory(
    database: Database, groups: list[list[Event]], merged: str
) -> None:
    # A tenant each: examples share the database.
    stores = sql_stores(database, tenant=uuid4().hex, clock=FixedClock())
    model = memory_stores(clock=FixedClock())
    for group in groups:
        ours = await stores.events.append(group, create_unknown=True)
        theirs = await model.events.append(group, create_unknown=True)
        assert ours.statuses == theirs.statuses
        assert sorted(ours.new_item_ids) == list(theirs.new_item_ids)
    for store in (stores, model):
        await store.users.merge(merged, "p")

    for ids in ({"user_id": "p"}, {"user_id": "q", "session_id": "p"}, {"anonymous_id": "p"}):
        ours = await stores.events.history(Subject(**ids), limit=100)
        theirs = await model.events.history(Subject(**ids), limit=100)
        key = lambda line: (line.happened_at, line.item_id)  # noqa: E731
        assert sorted(ours, key=key) == sorted(theirs, key=key)
    yesterday = NOON - timedelta(days=1)
    assert await stores.events.daily_counts(yesterday) == await model.events.daily_counts(yesterday)
