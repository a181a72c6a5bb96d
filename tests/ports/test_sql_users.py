"""Users, the guests they were, what is held about them, and its end."""

from __future__ import annotations

from decimal import Decimal

import pytest

from app.domain.errors import ConflictError, NotFoundError
from app.domain.ports import Stores
from app.domain.types import EventItem, Subject, User
from tests.clocks import NOON, FixedClock
from tests.events import event


async def test_put_creates_and_replaces_but_keeps_the_day_of_creation(
    stores: Stores, clock: FixedClock
) -> None:
    created = await stores.users.put(User("u1", country="GB", attributes={"b": 1, "a": [2]}))
    clock.move(seconds=60)
    replaced = await stores.users.put(User("u1", country="DE"))

    assert created == User("u1", "GB", {"b": 1, "a": [2]}, created_at=NOON, updated_at=NOON)
    assert replaced == User("u1", "DE", {}, created_at=NOON, updated_at=clock.now())
    assert await stores.users.get("u1") == replaced


async def test_put_many_keeps_the_last_of_two_with_one_id(stores: Stores) -> None:
    await stores.users.put_many([User("u1", "GB"), User("u2", "FR"), User("u1", "DE")])
    await stores.users.put_many([])

    assert [(await stores.users.get(user_id)).country for user_id in ("u1", "u2")] == ["DE", "FR"]


async def test_put_describes_a_cold_user(stores: Stores) -> None:
    await stores.events.append([event("e1", "i1")], create_unknown=True)
    assert (await stores.users.get("u1")).cold

    await stores.users.put(User("u1"))

    assert not (await stores.users.get("u1")).cold


async def test_get_of_an_unknown_user_is_not_found(stores: Stores) -> None:
    with pytest.raises(NotFoundError):
        await stores.users.get("nobody")


async def test_merge_is_idempotent_reversible_and_makes_the_user(stores: Stores) -> None:
    assert await stores.users.merge("u1", "a1")
    assert not await stores.users.merge("u1", "a1")
    assert await stores.users.merge("u1", "a0")
    assert await stores.users.aliases("u1") == ("a0", "a1")
    assert (await stores.users.get("u1")).cold

    assert await stores.users.unmerge("u1", "a1")
    assert not await stores.users.unmerge("u1", "a1")
    assert await stores.users.aliases("u1") == ("a0",)


async def test_merge_refuses_a_guest_of_another_user(stores: Stores) -> None:
    await stores.users.merge("u1", "a1")

    with pytest.raises(ConflictError):
        await stores.users.merge("u2", "a1")
    assert not await stores.users.unmerge("u2", "a1")
    assert await stores.users.aliases("u1") == ("a1",)


async def test_export_holds_every_row_of_the_user_and_of_merged_guests_alone(stores: Stores) -> None:
    await stores.users.put(User("u1", country="GB", attributes={"vip": True}))
    await stores.users.merge("u1", "a1")
    await stores.events.append(
        [
            event(
                "e1",
                name="purchase",
                user_id="u1",
                items=(EventItem("i1", 2.0, Decimal("9.5"), 0), EventItem("i2")),
                value=Decimal(19),
                currency="GBP",
                context={"a": 1},
            ),
            event("e2", "i3", anonymous_id="a1", minutes=1),
            event("e3", "i4", user_id="u2"),
            event("e4", "i5", user_id="u2", anonymous_id="a1"),
        ],
        create_unknown=True,
    )

    assert await stores.users.export("u1") == {
        "user_id": "u1",
        "user": {
            "user_id": "u1",
            "country": "GB",
            "attributes": {"vip": True},
            "created_at": "2026-11-24T12:00:00.000000Z",
            "updated_at": "2026-11-24T12:00:00.000000Z",
            "cold": False,
        },
        "anonymous_ids": ["a1"],
        "events": [
            {
                "event_id": "e1",
                "event": "purchase",
                "user_id": "u1",
                "timestamp": "2026-11-24T12:00:00.000000Z",
                "received_at": "2026-11-24T12:00:00.000000Z",
                "items": [{"item_id": "i1", "quantity": 2.0, "price": 9.5, "index": 0}, {"item_id": "i2"}],
                "value": 19,
                "currency": "GBP",
                "context": {"a": 1},
            },
            {
                "event_id": "e2",
                "event": "view_item",
                "anonymous_id": "a1",
                "timestamp": "2026-11-24T12:01:00.000000Z",
                "received_at": "2026-11-24T12:00:00.000000Z",
                "items": [{"item_id": "i3"}],
            },
        ],
        "exposures": [],
    }


async def test_export_of_an_unknown_user_is_not_found(stores: Stores) -> None:
    with pytest.raises(NotFoundError):
        await stores.users.export("nobody")


async def test_erase_leaves_nothing_of_the_user_and_all_of_the_others(stores: Stores) -> None:
    await stores.users.merge("u1", "a1")
    await stores.events.append(
        [
            event("e1", "i1", "i2"),
            event("e2", "i1", anonymous_id="a1"),
            event("e3", "i3", user_id="u2", anonymous_id="a1"),
        ],
        create_unknown=True,
    )

    rows = await stores.users.erase("u1", digest="d1")

    assert rows == {"events": 3, "exposures": 0, "user_aliases": 1, "users": 1}
    assert await stores.events.history(Subject(user_id="u1"), limit=9) == []
    assert await stores.users.aliases("u1") == ()
    for call in (stores.users.get("u1"), stores.users.export("u1")):
        with pytest.raises(NotFoundError):
            await call
    assert [line.item_id for line in await stores.events.history(Subject(anonymous_id="a1"), limit=9)] == [
        "i3"
    ]
    assert len((await stores.users.export("u2"))["events"]) == 1


async def test_erase_again_deletes_nothing(stores: Stores) -> None:
    await stores.users.erase("u1", digest="d1")

    assert set((await stores.users.erase("u1", digest="d1")).values()) == {0}


async def test_events_after_an_erasure_make_a_fresh_user(stores: Stores) -> None:
    await stores.events.append([event("e1", "i1")], create_unknown=True)
    _, before = await stores.events.count_since(0)
    await stores.users.erase("u1", digest="d1")

    await stores.events.append([event("e2", "i2")], create_unknown=True)

    assert (await stores.users.get("u1")).cold
    assert [line.item_id for line in await stores.events.history(Subject(user_id="u1"), limit=9)] == ["i2"]
    # A place in the log is never given twice, so that "what came since" stays true.
    assert (await stores.events.count_since(0))[1] > before
