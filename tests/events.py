"""Builders of events for tests."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from app.domain.types import Event, EventItem
from tests.clocks import NOON


def event(event_id: str, *item_ids: str, name: str = "view_item", minutes: float = 0, **fields: Any) -> Event:
    """An event of these items, so many minutes after noon; of user `u1` unless an id is given."""
    if not fields.keys() & {"user_id", "anonymous_id", "session_id"}:
        fields["user_id"] = "u1"
    fields.setdefault("items", tuple(EventItem(item_id) for item_id in item_ids))
    return Event(
        event_id=event_id,
        name=name,
        happened_at=NOON + timedelta(minutes=minutes),
        received_at=NOON,
        **fields,
    )


def many(count: int, *, start: int = 0, **fields: Any) -> Sequence[Event]:
    """Events `e0`, `e1`, … of items `i0` to `i9`, a minute apart."""
    return [
        event(f"e{place}", f"i{place % 10}", minutes=place, **fields) for place in range(start, start + count)
    ]
