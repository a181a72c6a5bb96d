"""The quick way to read events: what nearly all clients send, judged by one compiled check.

Nothing is ever refused here. What is not plain, be it wrong or only unusual (ids beyond ASCII, a leap second,
nested context), is left to `EventBody`, whose verdict and words are the only ones a caller meets. So a plain
event must mean exactly what `EventBody` would make of it; `tests/api/test_plain_events.py` holds the two
together.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Annotated, Any

import jiter
import msgspec

from app.api.batches import MAX_ENTRIES
from app.api.schemas_events import (
    CLOCK_TOLERANCE,
    EARLIEST,
    GA4_PARAMETERS,
    MAX_EVENT_ITEMS,
    MAX_STARS,
)
from app.api.values import MAX_ID_BYTES, MAX_MONEY, exact_amount
from app.domain.currencies import CURRENCIES
from app.domain.event_names import canonical_name
from app.domain.types import Event, EventItem, JsonObject

_MOST_MEMBERS = 24  # each at its longest, they hold less than a free object may
_MOST = float(MAX_MONEY)
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_ .:-]{0,62}[A-Za-z0-9_])?")
_HOUR_MINUTE = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]"
_TIME = re.compile(
    rf"[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}T{_HOUR_MINUTE}:[0-5][0-9](?:\.[0-9]{{3}}|\.[0-9]{{6}})?"
    rf"(?:Z|[+-]{_HOUR_MINUTE})"
)
# Of a body's bytes: no control characters but those between values, and no escapes.
_PLAIN_BYTES = bytes({*b"\t\n\r", *range(0x20, 0x100)} - {ord("\\"), 0x7F})
_APART = re.compile(rb'"[ \t\r\n]+:')

# That an id is printable is asked of all of a body's ids at once where the body allows.
Id = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_ID_BYTES)]
Line = Annotated[str, msgspec.Meta(pattern=r"\A[ -~]{1,256}\Z")]
Text = Annotated[str, msgspec.Meta(pattern=r"\A[^\0\ud800-\udfff]*\Z")]
Amount = Annotated[float, msgspec.Meta(ge=-_MOST, le=_MOST)]
Price = Annotated[float, msgspec.Meta(ge=0, le=_MOST)]
Value = (
    Annotated[str, msgspec.Meta(pattern=r"\A[\x01-\x7f]{0,1024}\Z")]
    | Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
    | Annotated[float, msgspec.Meta(ge=-1e300, le=1e300)]
    | bool
    | None
)


class PlainLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """A product of an event, as in `EventItemBody`."""

    item_id: Id
    quantity: Annotated[float, msgspec.Meta(ge=0, le=1e9)] | None = None
    price: Price | None = None
    index: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] | None = None
    item_name: Text | None = None
    item_brand: Text | None = None
    item_category: Text | None = None
    item_category2: Text | None = None
    item_category3: Text | None = None
    item_category4: Text | None = None
    item_category5: Text | None = None
    item_variant: Text | None = None
    item_list_id: Text | None = None
    item_list_name: Text | None = None
    affiliation: Text | None = None
    coupon: Text | None = None
    currency: Text | None = None
    creative_name: Text | None = None
    creative_slot: Text | None = None
    promotion_id: Text | None = None
    promotion_name: Text | None = None
    location_id: Text | None = None
    google_business_vertical: Text | None = None
    discount: Amount | None = None

    def to_item(self) -> EventItem:
        """The line as the log keeps it."""
        return EventItem(self.item_id, self.quantity, _amount(self.price), self.index)


class PlainEvent(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Something that happened once, as in `EventBody`."""

    event_id: Id
    event: str
    user_id: Id | None = None
    anonymous_id: Id | None = None
    session_id: Id | None = None
    timestamp: str | None = None
    items: Annotated[tuple[PlainLine, ...], msgspec.Meta(max_length=MAX_EVENT_ITEMS)] = ()
    value: Amount | None = None
    currency: str | None = None
    recommendation_id: Id | None = None
    context: Annotated[dict[Id, Value], msgspec.Meta(max_length=_MOST_MEMBERS)] = {}
    transaction_id: Line | None = None
    search_term: Line | None = None
    item_list_id: Line | None = None
    item_list_name: Line | None = None
    coupon: Line | None = None
    tax: Amount | None = None
    shipping: Amount | None = None

    def is_early(self, now: datetime) -> bool:
        """As in `EventBody`."""
        return self.timestamp is not None and _moment(self.timestamp) > now + CLOCK_TOLERANCE

    def to_event(self, now: datetime) -> Event:
        """As in `EventBody`."""
        happened_at = now if self.timestamp is None else _moment(self.timestamp)
        return Event(
            event_id=self.event_id,
            name=canonical_name(self.event),
            happened_at=now if happened_at > now + CLOCK_TOLERANCE else happened_at,
            received_at=now,
            user_id=self.user_id,
            anonymous_id=self.anonymous_id,
            session_id=self.session_id,
            items=tuple([line.to_item() for line in self.items]),
            value=_amount(self.value),
            currency=self.currency,
            recommendation_id=self.recommendation_id,
            context=self._context(),
        )

    def _context(self) -> JsonObject:
        given: dict[str, Any] = dict(self.context)
        for name in GA4_PARAMETERS:
            value = getattr(self, name)
            if value is not None:
                given[name] = value if isinstance(value, str) else float(exact_amount(value))
        return given


class _PlainBatch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    events: Annotated[list[PlainEvent], msgspec.Meta(min_length=1, max_length=MAX_ENTRIES)]


_BATCH = msgspec.json.Decoder(_PlainBatch)
_ENCODER = msgspec.json.Encoder()


def read_plain(entry: object) -> PlainEvent | None:
    """The event, if it is a plain one."""
    try:
        event = msgspec.convert(entry, PlainEvent)
        return event if _is_plain(event) and _has_plain_ids(event) else None
    except (msgspec.ValidationError, ValueError, OverflowError):
        # ValueError and OverflowError: a day that does not exist
        return None


def read_plain_batch(raw: bytes) -> list[PlainEvent] | None:
    """The events of a body that holds nothing but plain ones."""
    if raw.translate(None, _PLAIN_BYTES):
        return None
    try:
        batch = _BATCH.decode(raw)
        if not all(map(_is_plain, batch.events)):
            return None
    except (msgspec.DecodeError, ValueError, OverflowError):
        return None
    if not raw.isascii() and not all(map(_has_plain_ids, batch.events)):
        return None
    return None if _may_name_twice(raw, batch) and _names_twice(raw) else batch.events


def _is_plain(event: PlainEvent) -> bool:
    """What the types cannot say. Raises ValueError or OverflowError for a time that is none."""
    if event.user_id is None and event.anonymous_id is None and event.session_id is None:
        return False
    if event.currency is not None and event.currency not in CURRENCIES:
        return False
    if event.timestamp is not None and _moment(event.timestamp) < EARLIEST:
        return False
    name = _canonical(event.event)
    if name == "rate" and event.value is not None:
        return 1 <= exact_amount(event.value) <= MAX_STARS
    return name is not None


def _has_plain_ids(event: PlainEvent) -> bool:
    return all(id_.isascii() and id_.isprintable() for id_ in _ids_of(event))


def _ids_of(event: PlainEvent) -> Iterator[str]:
    given = event.event_id, event.user_id, event.anonymous_id, event.session_id, event.recommendation_id
    yield from (id_ for id_ in given if id_ is not None)
    yield from (line.item_id for line in event.items)
    yield from event.context


def _may_name_twice(raw: bytes, batch: _PlainBatch) -> bool:
    """Whether the body may name a member twice; False is certain.

    Without escapes every member's name ends in a quote and a colon. A text may begin with a colon, but what
    was read has it too; a member given as null, or twice, is in the body alone.
    """
    return raw.count(b'":') != _ENCODER.encode(batch).count(b'":') or _APART.search(raw) is not None


def _names_twice(raw: bytes) -> bool:
    try:
        jiter.from_json(raw, catch_duplicate_keys=True, allow_inf_nan=False, cache_mode="keys")
    except ValueError:
        return True
    return False


def _amount(value: float | None) -> Decimal | None:
    return None if value is None else exact_amount(value)


@lru_cache(maxsize=1024)
def _canonical(name: str) -> str | None:
    """The name as the log keeps it; None where it is none."""
    return None if _NAME.fullmatch(name) is None else canonical_name(name)


@lru_cache(maxsize=1024)
def _moment(text: str) -> datetime:
    if _TIME.fullmatch(text) is None:
        raise ValueError
    return datetime.fromisoformat(text).astimezone(UTC)
