"""Bodies and answers of the events call, laid out as GA4's e-commerce events."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator, model_validator

from app.api.schemas_problem import FieldErrorAnswer
from app.api.values import Answer, Currency, FreeObject, Id, Line, Money, Price, Schema, Timestamp, matching
from app.domain.event_names import canonical_name
from app.domain.types import Event, EventItem, JsonObject

MAX_EVENT_ITEMS = 200
MAX_STARS = 5
CLOCK_TOLERANCE = timedelta(minutes=5)
EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
GA4_PARAMETERS = (
    "transaction_id",
    "search_term",
    "item_list_id",
    "item_list_name",
    "coupon",
    "tax",
    "shipping",
)


def _not_ancient(value: datetime) -> datetime:
    if value < EARLIEST:
        raise ValueError("must not be before 1970")
    return value


EventTime = Annotated[Timestamp, AfterValidator(_not_ancient)]
_EVENT_NAME = r"^[A-Za-z0-9]([A-Za-z0-9_ .:-]{0,62}[A-Za-z0-9_])?$"
EventName = Annotated[
    str,
    matching(
        _EVENT_NAME,
        "must be 1 to 64 letters, digits, spaces and _.:-, first a letter or digit, such as view_item",
    ),
    Field(
        json_schema_extra={"pattern": _EVENT_NAME},
        description="GA4's name, Segment's, or one of your own: 1 to 64 letters, digits, spaces and `_.:-`.",
        examples=["view_item", "purchase"],
    ),
]


class EventItemBody(Schema):
    """A product of an event. GA4's descriptive members are accepted and not kept: the catalogue has them."""

    item_id: Id
    quantity: Annotated[float, Field(ge=0, le=1e9)] | None = None
    price: Price | None = None
    index: Annotated[int, Field(ge=0, le=1_000_000)] | None = None
    item_name: str | None = None
    item_brand: str | None = None
    item_category: str | None = None
    item_category2: str | None = None
    item_category3: str | None = None
    item_category4: str | None = None
    item_category5: str | None = None
    item_variant: str | None = None
    item_list_id: str | None = None
    item_list_name: str | None = None
    affiliation: str | None = None
    coupon: str | None = None
    currency: str | None = None
    creative_name: str | None = None
    creative_slot: str | None = None
    promotion_id: str | None = None
    promotion_name: str | None = None
    location_id: str | None = None
    google_business_vertical: str | None = None
    discount: Money | None = None

    def to_item(self) -> EventItem:
        """The line as the log keeps it."""
        return EventItem(item_id=self.item_id, quantity=self.quantity, price=self.price, index=self.index)


class EventBody(Schema):
    """Something that happened once."""

    event_id: Id = Field(description="Made by the client (UUIDv7); the same id again is a duplicate.")
    event: EventName
    user_id: Id | None = None
    anonymous_id: Id | None = None
    session_id: Id | None = None
    timestamp: EventTime | None = Field(default=None, description="When it happened; now, if left out.")
    items: Annotated[list[EventItemBody], Field(max_length=MAX_EVENT_ITEMS)] = Field(default=[])
    value: Money | None = Field(default=None, description="Of the whole event; for `rate` the stars, 1 to 5.")
    currency: Currency | None = None
    recommendation_id: Id | None = Field(default=None, description="Of the list that led here.")
    context: FreeObject = Field(default={}, description="Your own members.")
    transaction_id: Line | None = None
    search_term: Line | None = None
    item_list_id: Line | None = None
    item_list_name: Line | None = None
    coupon: Line | None = None
    tax: Money | None = None
    shipping: Money | None = None

    @field_validator("value")
    @classmethod
    def _is_stars_of_a_rating(cls, value: Decimal | None, info: ValidationInfo) -> Decimal | None:
        rates = canonical_name(info.data.get("event", "")) == "rate"
        if rates and value is not None and not 1 <= value <= MAX_STARS:
            raise ValueError(f"must be the stars of the rating, 1 to {MAX_STARS}")
        return value

    @model_validator(mode="after")
    def _names_somebody(self) -> EventBody:
        if self.user_id is None and self.anonymous_id is None and self.session_id is None:
            raise ValueError("must name at least one of user_id, anonymous_id, session_id")
        return self

    def is_early(self, now: datetime) -> bool:
        """Whether the client's clock is so far ahead that its time cannot be believed."""
        return self.timestamp is not None and self.timestamp > now + CLOCK_TOLERANCE

    def to_event(self, now: datetime) -> Event:
        """The event as the log keeps it; a time that cannot be believed becomes that of receipt."""
        happened_at = now if self.timestamp is None or self.is_early(now) else self.timestamp
        return Event(
            event_id=self.event_id,
            name=canonical_name(self.event),
            happened_at=happened_at,
            received_at=now,
            user_id=self.user_id,
            anonymous_id=self.anonymous_id,
            session_id=self.session_id,
            items=tuple(item.to_item() for item in self.items),
            value=self.value,
            currency=self.currency,
            recommendation_id=self.recommendation_id,
            context=self.context | self._parameters(),
        )

    def _parameters(self) -> JsonObject:
        given = {name: getattr(self, name) for name in GA4_PARAMETERS}
        return {
            name: value if isinstance(value, str) else float(value)
            for name, value in given.items()
            if value is not None
        }


class EventsBody(Schema):
    """Up to 500 events, each accepted or rejected on its own."""

    events: Annotated[list[EventBody], Field(min_length=1, max_length=500)]


class EventResult(Answer):
    """What became of one event."""

    event_id: str | None = Field(default=None, description="Left out where the id itself cannot be read.")
    status: Literal["accepted", "duplicate", "rejected"]
    errors: list[FieldErrorAnswer] | None = None


class EventsAnswer(Answer):
    """What became of a batch; accepted events are committed."""

    accepted: int
    duplicates: int
    rejected: int
    results: list[EventResult]
