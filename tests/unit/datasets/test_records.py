"""Rows to events, items and users."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from app.datasets.fields import field_map
from app.datasets.readers import Row
from app.datasets.records import EventRules, events, items, users
from app.datasets.tally import Tally
from app.domain.event_names import ITEM_NAMES
from app.domain.types import Event, EventItem, Item, User

NOW = datetime(2026, 11, 24, 10, tzinfo=UTC)
COLUMNS = ("event_id", "event", "user_id", "timestamp", "item_id", "quantity", "price", "items")


def rows_of(values: Iterable[dict[str, object]]) -> list[Row]:
    return [Row(line, row) for line, row in enumerate(values, start=2)]


def read_events(
    *rows: dict[str, object], columns: Sequence[str] = COLUMNS, names: dict[str, str] | None = None
) -> tuple[list[Event], Tally]:
    tally = Tally()
    mapping = field_map("events", columns=columns, maps=[])
    found = events(iter(rows_of(rows)), mapping, EventRules(now=NOW, names=names or {}), tally)
    return [record.value for record in found], tally


def a_row(**changes: object) -> dict[str, object]:
    return {
        "event_id": "e1",
        "event": "purchase",
        "user_id": "u1",
        "timestamp": "2026-11-01T10:00:00Z",
        "item_id": "i1",
        "quantity": "2",
        "price": "9.50",
    } | changes


def test_events_one_row() -> None:
    found, tally = read_events(a_row())
    assert found == [
        Event(
            event_id="e1",
            name="purchase",
            happened_at=datetime(2026, 11, 1, 10, tzinfo=UTC),
            received_at=NOW,
            user_id="u1",
            items=(EventItem("i1", 2.0, Decimal("9.50")),),
        )
    ]
    assert (tally.rows_read, tally.rejected_rows) == (1, 0)


def test_events_rows_of_one_id_become_lines_of_one_event() -> None:
    found, tally = read_events(a_row(), a_row(item_id="i2"), a_row(), a_row(event_id="e2"))
    assert [[line.item_id for line in event.items] for event in found] == [["i1", "i2"], ["i1"]]
    assert (tally.rows_read, tally.duplicates) == (4, 1)


def test_events_refuse_a_row_whose_id_belongs_to_another_user() -> None:
    found, tally = read_events(a_row(), a_row(user_id="u2", item_id="i2"))
    assert len(found) == 1
    assert tally.rejected["event_id was used by another event on the row before"].lines == [3]


def test_events_without_ids_get_the_same_one_on_every_run() -> None:
    columns = [name for name in COLUMNS if name != "event_id"]
    first, _ = read_events(a_row(), a_row(item_id="i2"), columns=columns)
    again, _ = read_events(a_row(), a_row(item_id="i2"), columns=columns)
    assert [event.event_id for event in first] == [event.event_id for event in again]
    assert len({event.event_id for event in first}) == 2


def test_events_read_the_apis_own_form() -> None:
    lines = [{"item_id": "i1", "quantity": 1, "price": 9.5, "index": 0}, {"item_id": "i2"}]
    found, _ = read_events({"event_id": "e", "event": "view", "user_id": "u", "timestamp": 0, "items": lines})
    assert found[0].items == (EventItem("i1", 1.0, Decimal("9.5"), 0), EventItem("i2"))


def test_events_take_other_names_for_event_types() -> None:
    found, _ = read_events(a_row(event="transaction"), names={"transaction": "purchase"})
    assert found[0].name == "purchase"


def test_events_count_rejections_by_reason_with_their_first_lines() -> None:
    bad = a_row(quantity="-1")
    found, tally = read_events(
        *[bad] * 7,
        a_row(user_id=None),
        a_row(timestamp="soon"),
        a_row(timestamp="2027-01-01T00:00:00Z"),
        a_row(timestamp=""),
        a_row(event=""),
        a_row(price="free"),
        a_row(),
    )
    assert len(found) == 1
    assert tally.report()["rejected"][0] == {
        "reason": "quantity is not above 0",
        "rows": 7,
        "first_lines": [2, 3, 4, 5, 6],
    }
    assert {
        reason: rejection.lines for reason, rejection in tally.rejected.items() if rejection.count == 1
    } == {
        "user_id, anonymous_id and session_id are all missing": [9],
        "timestamp is not a time such as 2026-11-24T10:00:00Z": [10],
        "timestamp is more than a day ahead of now": [11],
        "timestamp is missing": [12],
        "event is missing": [13],
        "price is not a number": [14],
    }


@pytest.mark.parametrize("name", sorted(ITEM_NAMES))
@pytest.mark.parametrize("item_id", ["", " ", None])
def test_events_of_an_item_refuse_rows_that_name_none(name: str, item_id: object) -> None:
    found, tally = read_events(a_row(event=name, item_id=item_id))
    assert found == []
    assert list(tally.rejected) == ["item_id is missing, which an event of this name needs"]


@pytest.mark.parametrize("name", ["search", "view_cart", "begin_checkout", "view_item_list", "newsletter"])
def test_events_that_need_no_item_may_leave_it_empty(name: str) -> None:
    found, tally = read_events(a_row(event=name, item_id=""))
    assert [event.items for event in found] == [()]
    assert tally.rejected_rows == 0


def test_events_of_files_without_a_column_of_items_are_taken() -> None:
    columns = [name for name in COLUMNS if name not in {"item_id", "items"}]
    found, _ = read_events(a_row(), columns=columns)
    assert len(found) == 1


@pytest.mark.parametrize("field", ["price", "quantity", "value"])
@pytest.mark.parametrize("cell", ["NaN", " nan ", float("nan"), Decimal("NaN"), "inf", float("-inf")])
def test_events_refuse_amounts_that_are_not_finite(field: str, cell: object) -> None:
    found, tally = read_events(a_row(**{field: cell}), columns=(*COLUMNS, "value"))
    assert found == []
    assert list(tally.rejected) == [f"{field} is not a finite number"]


def test_items_refuse_a_price_that_is_no_number() -> None:
    mapping = field_map("items", columns=("item_id", "price"), maps=[])
    tally = Tally()
    assert list(items(iter([Row(2, {"item_id": "i", "price": "NaN"})]), mapping, tally)) == []
    assert list(tally.rejected) == ["price is not a finite number"]


def test_events_refuse_lists_of_items_that_are_none() -> None:
    found, tally = read_events(
        a_row(items="[1"), a_row(items=3), a_row(items=[1]), a_row(items=[{"item_id": "i"}] * 5001)
    )
    assert found == []
    assert tally.rejected_rows == 4


def test_rejected_rows_are_handed_on() -> None:
    told: list[tuple[int, str]] = []
    tally = Tally(on_rejected=lambda line, reason, _: told.append((line, reason)))
    mapping = field_map("users", columns=("user_id",), maps=[])
    list(users(iter([Row(2, {"user_id": ""}), Row(3, None, "is not JSON")]), mapping, tally))
    assert told == [(2, "user_id is missing"), (3, "is not JSON")]


def test_items_one_row() -> None:
    columns = ("sku", "title", "categories", "price", "currency", "in_stock", "published_at", "farbe")
    mapping = field_map("items", columns=columns, maps=["item_id=sku", "attributes.colour=farbe"])
    row: dict[str, object] = {
        "sku": 7.0,
        "title": "Mug",
        "categories": "mugs|red",
        "price": "3.10",
        "currency": "eur",
        "in_stock": "no",
        "published_at": "2026-01-02",
        "farbe": "rot",
    }
    found = [record.value for record in items(iter([Row(2, row)]), mapping, Tally())]
    assert found == [
        Item(
            item_id="7",
            title="Mug",
            categories=("mugs", "red"),
            price=Decimal("3.10"),
            currency="EUR",
            in_stock=False,
            published_at=datetime(2026, 1, 2, tzinfo=UTC),
            attributes={"colour": "rot"},
        )
    ]


def test_items_of_no_currency_that_exists_are_rejected() -> None:
    mapping = field_map("items", columns=("item_id", "currency"), maps=[])
    tally = Tally()
    rows = [Row(2 + n, {"item_id": f"i{n}", "currency": code}) for n, code in enumerate(["gbp", "XYZ", "ß"])]
    assert [record.value.currency for record in items(iter(rows), mapping, tally)] == ["GBP"]
    assert tally.rejected["currency is not a currency's three letters in ISO 4217"].lines == [3, 4]


def test_users_one_row() -> None:
    mapping = field_map("users", columns=("user_id", "country", "attributes"), maps=[])
    row: dict[str, object] = {"user_id": "u1", "country": "France", "attributes": '{"tier": 2}'}
    found = [record.value for record in users(iter([Row(2, row)]), mapping, Tally())]
    assert found == [User(user_id="u1", country="France", attributes={"tier": 2})]
