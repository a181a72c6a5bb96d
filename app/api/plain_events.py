"""The quick way to read an event: what nearly all clients send, judged by one compiled check.

`read_plain` never refuses anything. What is not plain, be it wrong or only unusual (ids beyond ASCII, a leap
second, nested context), it leaves to `EventBody`, whose verdict and words are the only ones a caller meets.
So a plain event must mean exactly what `EventBody` would make of it; `tests/api/test_plain_events.py` holds
the two together.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Annotated, Any

import msgspec

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
_HOUR_MINUTE = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]"
_MOST = float(MAX_MONEY)

Id = Annotated[str, msgspec.Meta(pattern=rf"\A[ -~]{{1,{MAX_ID_BYTES}}}\Z")]
Name = Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9](?:[A-Za-z0-9_ .:-]{0,62}[A-Za-z0-9_])?\Z")]
Line = Annotated[str, msgspec.Meta(pattern=r"\A[ -~]{1,256}\Z")]
Text = Annotated[str, msgspec.Meta(pattern=r"\A[^\0\ud800-\udfff]*\Z")]
Time = Annotated[
    str,
    msgspec.Meta(
        pattern=rf"\A[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}T{_HOUR_MINUTE}:[0-5][0-9](?:\.[0-9]{{3}}|\.[0-9]{{6}})?"
        rf"(?:Z|[+-]{_HOUR_MINUTE})\Z"
    ),
]
Amount = Annotated[float, msgspec.Meta(ge=-_MOST, le=_MOST)]
Price = Annotated[float, msgspec.Meta(ge=0, le=_MOST)]
Value = (
    Annotated[str, msgspec.Meta(pattern=r"\A[\x01-\x7f]{0,1024}\Z")]
    | Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
    | Annotated[float, msgspec.Meta(ge=-1e300, le=1e300)]
    | bool
    | None
)


class PlainLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
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


class PlainEvent(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Something that happened once, as in `EventBody`."""

    event_id: Id
    event: Name
    user_id: Id | None = None
    anonymous_id: Id | None = None
    session_id: Id | None = None
    timestamp: Time | None = None
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


def read_plain(entry: object) -> PlainEvent | None:
    """The event, if it is a plain one."""
    try:
        event = msgspec.convert(entry, PlainEvent)
        return event if _is_plain(event) else None
    except (msgspec.ValidationError, ValueError, OverflowError):
        # ValueError and OverflowError: a day that does not exist
        return None


def _is_plain(event: PlainEvent) -> bool:
    """What the types cannot say."""
    if event.user_id is None and event.anonymous_id is None and event.session_id is None:
        return False
    if event.currency is not None and event.currency not in CURRENCIES:
        return False
    if event.timestamp is not None and _moment(event.timestamp) < EARLIEST:
        return False
    if event.value is not None and canonical_name(event.event) == "rate":
        return 1 <= exact_amount(event.value) <= MAX_STARS
    return True


def _amount(value: float | None) -> Decimal | None:
    return None if value is None else exact_amount(value)


@lru_cache(maxsize=1024)
def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
