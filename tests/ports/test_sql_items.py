"""The catalogue keeps items as they were given, and tells its readers what changed."""

from __future__ import annotations

import asyncio
import dataclasses
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from app.domain.errors import InvalidInputError, NotFoundError
from app.domain.ports import Stores
from app.domain.types import Item
from tests.clocks import NOON, FixedClock
from tests.events import event

WHOLE = Item(
    item_id="ï😀/1",
    title="Mug",
    description="A mug\nfor tea",
    categories=("mugs", "tea"),
    price=Decimal("12.3456"),
    currency="GBP",
    image_url="https://x/1.png",
    url="https://x/1",
    brand="B",
    in_stock=False,
    hidden=True,
    published_at=datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC),
    attributes={"size": {"w": 1.5, "n": None}, "tags": ["a", 2**53 + 1]},
)


async def ids(stores: Stores, **query: object) -> list[str]:
    page = await stores.items.page(**{"q": None, "category": None, "limit": 100, "cursor": None} | query)
    return [item.item_id for item in page.rows]


async def test_put_gives_back_every_field(stores: Stores) -> None:
    revision = await stores.items.put([WHOLE])

    assert await stores.items.get(WHOLE.item_id) == dataclasses.replace(
        WHOLE, created_at=NOON, updated_at=NOON, revision=revision
    )


@pytest.mark.parametrize(
    ("given", "stored"), [("9.50", "9.5"), ("100", "100"), ("0.00005", "0"), ("1E+3", "1000")]
)
async def test_put_keeps_prices_to_four_decimals(stores: Stores, given: str, stored: str) -> None:
    await stores.items.put([Item("i1", price=Decimal(given))])

    price = (await stores.items.get("i1")).price
    assert str(price) == stored


async def test_put_refuses_a_price_out_of_range_and_stores_nothing(stores: Stores) -> None:
    with pytest.raises(InvalidInputError):
        await stores.items.put([Item("i1"), Item("i2", price=Decimal("1e14"))])

    assert await ids(stores) == []
    assert await stores.items.revision() == 0


async def test_put_replaces_all_but_the_day_of_creation(stores: Stores, clock: FixedClock) -> None:
    await stores.items.put([WHOLE])
    clock.move(seconds=60)

    await stores.items.put([Item(WHOLE.item_id, title="New")])

    item = await stores.items.get(WHOLE.item_id)
    assert item == Item(
        WHOLE.item_id, title="New", created_at=NOON, updated_at=clock.now(), revision=item.revision
    )


async def test_put_takes_the_last_of_two_with_one_id(stores: Stores) -> None:
    await stores.items.put([Item("i1", title="first"), Item("i1", title="last")])

    assert (await stores.items.get("i1")).title == "last"


async def test_put_describes_a_cold_item(stores: Stores) -> None:
    await stores.events.append([event("e1", "i1")], create_unknown=True)

    await stores.items.put([Item("i1", title="Mug")])

    assert not (await stores.items.get("i1")).cold


async def test_put_takes_hundreds_at_once(stores: Stores) -> None:
    await stores.items.put([Item(f"i{n}", categories=("c",), price=Decimal(n)) for n in range(500)])

    assert len(await stores.items.many([f"i{n}" for n in range(600)])) == 500


async def test_patch_changes_named_fields_alone(stores: Stores, clock: FixedClock) -> None:
    await stores.items.put([WHOLE])
    clock.move(seconds=60)

    patched = await stores.items.patch(WHOLE.item_id, {"price": Decimal("1.00001"), "hidden": False})

    stored = await stores.items.get(WHOLE.item_id)
    assert patched == stored
    assert stored == dataclasses.replace(
        WHOLE,
        price=Decimal(1),
        hidden=False,
        created_at=NOON,
        updated_at=clock.now(),
        revision=2,
    )


async def test_delete_takes_an_item_out_and_put_brings_it_back(stores: Stores) -> None:
    await stores.items.put([WHOLE, Item("other")])

    await stores.items.delete(WHOLE.item_id)

    assert await ids(stores) == ["other"]
    assert await stores.items.many([WHOLE.item_id]) == []
    for call in (
        stores.items.get(WHOLE.item_id),
        stores.items.delete(WHOLE.item_id),
        stores.items.patch(WHOLE.item_id, {"title": "x"}),
    ):
        with pytest.raises(NotFoundError):
            await call
    await stores.items.put([WHOLE])
    assert not (await stores.items.get(WHOLE.item_id)).deleted


async def test_unknown_items_are_not_found(stores: Stores) -> None:
    for call in (stores.items.get("x"), stores.items.delete("x"), stores.items.patch("x", {})):
        with pytest.raises(NotFoundError):
            await call
    assert await stores.items.revision() == 0


async def test_changed_since_gives_what_changed_in_order_deleted_ones_too(stores: Stores) -> None:
    first = await stores.items.put([Item("b"), Item("a")])
    await stores.items.put([Item("c")])
    await stores.items.patch("b", {"hidden": True})
    await stores.items.delete("a")

    changed = await stores.items.changed_since(first)

    assert [(item.item_id, item.deleted) for item in changed] == [("c", False), ("b", False), ("a", True)]
    assert [item.revision for item in changed] == [2, 3, 4]
    assert await stores.items.revision() == 4
    assert await stores.items.changed_since(4) == []
    assert [item.item_id for item in await stores.items.changed_since(0)] == ["c", "b", "a"]


async def test_revisions_of_concurrent_writers_are_all_different(stores: Stores) -> None:
    revisions = await asyncio.gather(*(stores.items.put([Item(f"i{n}")]) for n in range(8)))

    assert sorted(revisions) == list(range(1, 9))


async def test_page_goes_by_bytes_of_the_id_while_items_come_and_go(stores: Stores) -> None:
    await stores.items.put([Item(item_id) for item_id in ("b", "B", "é", "a", "z", "😀", "10", "9")])

    seen, cursor = [], None
    for turn in range(10):
        page = await stores.items.page(q=None, category=None, limit=2, cursor=cursor)
        seen += [item.item_id for item in page.rows]
        cursor = page.next_cursor
        if cursor is None:
            break
        await stores.items.put([Item(f"0{turn}")])

    assert seen == ["10", "9", "B", "a", "b", "z", "é", "😀"]


@pytest.mark.parametrize(
    ("q", "found"),
    [
        ("mug", ["i1", "mug-2"]),
        ("STRASSE", ["i3"]),
        ("É", ["i4"]),
        ("100%", ["i4"]),
        ("_", ["i5"]),
        ("i1\n", ["i1"]),
        ("'; DROP TABLE items; --", []),
        ("\\", []),
    ],
)
async def test_page_finds_titles_and_ids_without_regard_to_case(
    stores: Stores, q: str, found: list[str]
) -> None:
    titles = {"i1": "A Mug", "mug-2": None, "i3": "Straße", "i4": "100% é", "i5": "a_b"}
    await stores.items.put([Item(item_id, title=title) for item_id, title in titles.items()])

    assert await ids(stores, q=q) == found


async def test_page_finds_cold_items_by_id(stores: Stores) -> None:
    await stores.events.append([event("e1", "SKU-1")], create_unknown=True)

    assert await ids(stores, q="sku") == ["SKU-1"]


async def test_page_keeps_to_a_category(stores: Stores) -> None:
    await stores.items.put(
        [
            Item("i1", categories=("mugs", "gifts")),
            Item("i2", categories=("mug",)),
            Item("i3", categories=('"mugs"', "x%")),
            Item("i4", title="mugs"),
        ]
    )

    assert await ids(stores, category="mugs") == ["i1"]
    assert await ids(stores, category='"mugs"') == ["i3"]
    assert await ids(stores, category="none") == []


@pytest.mark.parametrize("cursor", ["x", "WzFd", "WyJhIiwxXQ", "WyJcdTAwMDAiXQ", "WyJcdWQ4MDAiXQ"])
async def test_page_refuses_a_cursor_it_did_not_give(stores: Stores, cursor: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        await ids(stores, cursor=cursor)

    assert [error.pointer for error in caught.value.errors] == ["?cursor"]


async def test_item_log_gives_every_item_that_is_there_by_id(stores: Stores) -> None:
    assert list(stores.item_log.scan()) == []
    await stores.items.put([Item("b"), WHOLE, Item("a", title="A"), Item("gone")])
    await stores.items.delete("gone")

    found = [item for batch in stores.item_log.scan() for item in batch]
    assert [item.item_id for item in found] == ["a", "b", WHOLE.item_id]
    assert found == [await stores.items.get(item.item_id) for item in found]


@pytest.mark.parametrize("stores", ["sqlite", "postgres"], indirect=True)
async def test_items_read_together_share_their_equal_values(stores: Stores) -> None:
    await stores.items.put(
        [
            Item(item_id=item_id, categories=("mugs", "kitchen"), price=Decimal("9.50"), currency="EUR")
            for item_id in ("a", "b")
        ]
    )
    one, other = await stores.items.changed_since(0)
    assert (one.item_id, other.item_id) == ("a", "b")
    assert one.categories == ("mugs", "kitchen")
    assert one.categories is other.categories
    assert one.currency is other.currency
    assert one.price is other.price
    assert one.created_at is other.updated_at
