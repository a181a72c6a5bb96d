"""Rows of any shop's file to events, items and users, with each row that cannot be one counted."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar

from msgspec.structs import replace

from app.datasets.fields import (
    CellError,
    FieldMap,
    identifier,
    instant,
    json_object,
    money,
    number,
    text,
    truth,
    words,
)
from app.datasets.readers import Row
from app.datasets.tally import Tally
from app.domain.currencies import CURRENCIES
from app.domain.event_names import ITEM_NAMES, canonical_name
from app.domain.types import Event, EventItem, Item, User

MAX_LINES = 5_000
MAX_AHEAD = timedelta(days=1)
MAX_NAME_BYTES = 64

T = TypeVar("T", Event, Item, User)


@dataclass(frozen=True, slots=True)
class Record(Generic[T]):
    """What one row (or the rows of one basket) became, and the line of the first."""

    line: int
    value: T


@dataclass(frozen=True, slots=True)
class EventRules:
    """How events are read.

    Attributes:
        now: The time of the import; events later than a day after it are refused.
        names: Event names of the file to the service's own.
    """

    now: datetime
    names: Mapping[str, str] = field(default_factory=dict)


def items(rows: Iterator[Row], fields: FieldMap, tally: Tally) -> Iterator[Record[Item]]:
    """Each row an item."""
    return _each(rows, lambda values: _item(values, fields), tally)


def users(rows: Iterator[Row], fields: FieldMap, tally: Tally) -> Iterator[Record[User]]:
    """Each row a user."""
    return _each(rows, lambda values: _user(values, fields), tally)


def events(rows: Iterator[Row], fields: FieldMap, rules: EventRules, tally: Tally) -> Iterator[Record[Event]]:
    """Each row an event; rows that follow each other under one event id are the lines of one event."""
    basket: _Basket | None = None
    for record in _each(rows, lambda values: _event(values, fields, rules), tally):
        if basket is not None and record.value.event_id == basket.event_id:
            basket.add(record, tally)
            continue
        if basket is not None:
            yield basket.record()
        basket = _Basket(record)
    if basket is not None:
        yield basket.record()


class _Basket:
    """An event whose lines are still coming."""

    def __init__(self, first: Record[Event]) -> None:
        self._first = first
        self._lines = list(first.value.items)
        self._known = {replace(line, index=None) for line in first.value.items}

    @property
    def event_id(self) -> str:
        return self._first.value.event_id

    def add(self, record: Record[Event], tally: Tally) -> None:
        """Take one line more; the very same line again is a duplicate row."""
        if _whose(record.value) != _whose(self._first.value):
            tally.reject(record.line, "event_id was used by another event on the row before")
            return
        fresh = [line for line in record.value.items if replace(line, index=None) not in self._known]
        if not fresh:
            tally.duplicates += 1
        elif len(self._lines) + len(fresh) > MAX_LINES:
            tally.reject(record.line, f"the event has more than {MAX_LINES} lines")
        else:
            self._lines += fresh
            self._known.update(replace(line, index=None) for line in fresh)

    def record(self) -> Record[Event]:
        if len(self._lines) == len(self._first.value.items):
            return self._first
        return Record(self._first.line, replace(self._first.value, items=tuple(self._lines)))


def _whose(event: Event) -> tuple[str | None, ...]:
    return event.name, event.user_id, event.session_id, event.anonymous_id


def _each(
    rows: Iterator[Row], convert: Callable[[Mapping[str, object]], T], tally: Tally
) -> Iterator[Record[T]]:
    for row in rows:
        tally.rows_read += 1
        if row.values is None:
            tally.reject(row.line, row.problem or "cannot be read")
            continue
        try:
            value = convert(row.values)
        except CellError as error:
            tally.reject(row.line, str(error), row.values)
            continue
        yield Record(row.line, value)


def _needed(value: str | None, name: str) -> str:
    if value is None or not value:
        raise CellError(f"{name} is missing")
    return value


def _item(values: Mapping[str, object], fields: FieldMap) -> Item:
    def cell(name: str) -> object:
        return fields.cell(values, name)

    in_stock = truth(cell("in_stock"), "in_stock")
    return Item(
        item_id=_needed(identifier(cell("item_id"), "item_id"), "item_id"),
        title=text(cell("title"), "title"),
        description=text(cell("description"), "description"),
        categories=words(cell("categories"), "categories"),
        price=money(fields.number_cell(values, "price"), "price"),
        currency=_currency(cell("currency")),
        image_url=text(cell("image_url"), "image_url"),
        url=text(cell("url"), "url"),
        brand=text(cell("brand"), "brand"),
        in_stock=True if in_stock is None else in_stock,
        hidden=truth(cell("hidden"), "hidden") or False,
        published_at=instant(cell("published_at"), "published_at", fields.zone),
        attributes=_attributes(values, fields),
    )


def _user(values: Mapping[str, object], fields: FieldMap) -> User:
    return User(
        user_id=_needed(identifier(fields.cell(values, "user_id"), "user_id"), "user_id"),
        country=text(fields.cell(values, "country"), "country"),
        attributes=_attributes(values, fields),
    )


def _attributes(values: Mapping[str, object], fields: FieldMap) -> dict[str, Any]:
    attributes = dict(json_object(fields.cell(values, "attributes"), "attributes"))
    for name in fields.names():
        if name.startswith("attributes."):
            cell = fields.cell(values, name)
            if cell is not None:
                attributes[name.removeprefix("attributes.")] = (
                    cell if isinstance(cell, bool | int | float) else text(cell, name)
                )
    return attributes


def _currency(cell: object) -> str | None:
    value = text(cell, "currency")
    if value is None:
        return None
    if value.upper() not in CURRENCIES:
        raise CellError("currency is not a currency's three letters in ISO 4217")
    return value.upper()


def _event(values: Mapping[str, object], fields: FieldMap, rules: EventRules) -> Event:
    def cell(name: str) -> object:
        return fields.cell(values, name)

    def finite(name: str) -> object:
        return fields.number_cell(values, name)

    happened_at = instant(cell("timestamp"), "timestamp", fields.zone)
    if happened_at is None:
        raise CellError("timestamp is missing")
    if happened_at > rules.now + MAX_AHEAD:
        raise CellError("timestamp is more than a day ahead of now")
    name = _name(cell("event"), rules)
    event = Event(
        event_id=identifier(cell("event_id"), "event_id") or "",
        name=name,
        happened_at=happened_at,
        received_at=rules.now,
        user_id=identifier(cell("user_id"), "user_id"),
        anonymous_id=identifier(cell("anonymous_id"), "anonymous_id"),
        session_id=identifier(cell("session_id"), "session_id"),
        items=_lines(cell, finite),
        value=money(finite("value"), "value"),
        currency=_currency(cell("currency")),
        recommendation_id=identifier(cell("recommendation_id"), "recommendation_id"),
        context=json_object(cell("context"), "context"),
    )
    if event.user_id is None and event.anonymous_id is None and event.session_id is None:
        raise CellError("user_id, anonymous_id and session_id are all missing")
    if not event.items and name in ITEM_NAMES and "item_id" in fields.names():
        raise CellError("item_id is missing, which an event of this name needs")
    return event if event.event_id else replace(event, event_id=content_id(event))


def _name(cell: object, rules: EventRules) -> str:
    name = _needed(identifier(cell, "event"), "event")
    if len(name.encode()) > MAX_NAME_BYTES:
        raise CellError(f"event is longer than {MAX_NAME_BYTES} bytes")
    return canonical_name(rules.names.get(name, name))


def _lines(cell: Callable[[str], object], number_cell: Callable[[str], object]) -> tuple[EventItem, ...]:
    """The event's products: the list ``items`` of the API's own form, or the row's one product."""
    listed = cell("items")
    if isinstance(listed, str):
        try:
            listed = json.loads(listed)
        except (ValueError, RecursionError) as error:
            raise CellError("items is not a JSON list") from error
    if listed is not None:
        if not isinstance(listed, list) or not all(isinstance(line, dict) for line in listed):
            raise CellError("items is not a list of objects")
        if len(listed) > MAX_LINES:
            raise CellError(f"the event has more than {MAX_LINES} lines")
        return tuple(_line(line.get, line.get) for line in listed)
    return (_line(cell, number_cell),) if cell("item_id") is not None else ()


def _line(cell: Callable[[str], object], number_cell: Callable[[str], object]) -> EventItem:
    quantity = number(number_cell("quantity"), "quantity")
    if quantity is not None and quantity <= 0:
        raise CellError("quantity is not above 0")
    index = number(cell("index"), "index")
    return EventItem(
        item_id=_needed(identifier(cell("item_id"), "item_id"), "item_id"),
        quantity=quantity,
        price=money(number_cell("price"), "price"),
        index=None if index is None else int(index),
    )


def content_id(event: Event) -> str:
    """An id made of what the event says, so that the same row is the same event on every run."""
    said = (
        event.name,
        event.user_id,
        event.anonymous_id,
        event.session_id,
        event.happened_at.isoformat(),
        [(line.item_id, line.quantity, str(line.price)) for line in event.items],
        str(event.value),
    )
    return "import-" + hashlib.sha256(json.dumps(said).encode()).hexdigest()[:32]
