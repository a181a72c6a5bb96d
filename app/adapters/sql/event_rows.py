"""Events as rows, one a line, and back."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from app.adapters.sql.columns import scaled_money, utc_text
from app.domain.types import Event, EventItem, StoredEvent

# The order of the values in a row, on both databases.
ROW_COLUMNS = (
    "tenant",
    "event_id",
    "item_index",
    "name",
    "user_id",
    "anonymous_id",
    "session_id",
    "item_id",
    "list_position",
    "quantity",
    "price",
    "value",
    "currency",
    "recommendation_id",
    "happened_at",
    "received_at",
    "context",
)
_NO_ITEM = (EventItem(item_id=""),)

EventRow = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Codec:
    """How one database's driver takes times."""

    sqlite: bool

    def moment(self, value: datetime) -> Any:  # noqa: ANN401  # the driver's own form
        """Text on SQLite."""
        return utc_text(value) if self.sqlite else value


def rows_of(event: Event, *, tenant: str, codec: Codec) -> Iterator[EventRow]:
    """The event's lines, amounts in ten-thousandths; an event without items has one, without an item.

    Raises:
        InvalidInputError: An amount is out of range.
    """
    value = _amount(event.value)
    happened, received = codec.moment(event.happened_at), codec.moment(event.received_at)
    context = json.dumps(event.context, separators=(",", ":")) if event.context else None
    for index, line in enumerate(event.items or _NO_ITEM):
        yield (
            tenant,
            event.event_id,
            index,
            event.name,
            event.user_id,
            event.anonymous_id,
            event.session_id,
            line.item_id or None,
            line.index,
            line.quantity,
            _amount(line.price),
            value,
            event.currency,
            event.recommendation_id,
            happened,
            received,
            context if index == 0 else None,
        )


def _amount(value: Decimal | None) -> int | None:
    return None if value is None else scaled_money(value)


def stored_event(lines: Sequence[sa.Row[Any]]) -> StoredEvent:
    """The event of its rows, given by `item_index`."""
    head = lines[0]
    event = Event(
        event_id=head.event_id,
        name=head.name,
        happened_at=head.happened_at,
        received_at=head.received_at,
        user_id=head.user_id,
        anonymous_id=head.anonymous_id,
        session_id=head.session_id,
        items=tuple(
            EventItem(
                item_id=line.item_id, quantity=line.quantity, price=line.price, index=line.list_position
            )
            for line in lines
            if line.item_id is not None
        ),
        value=head.value,
        currency=head.currency,
        recommendation_id=head.recommendation_id,
        context=head.context or {},
    )
    return StoredEvent(seq=head.seq, event=event)
