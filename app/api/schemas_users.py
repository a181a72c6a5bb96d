"""Bodies and answers of the user calls."""

from __future__ import annotations

from pydantic import Field

from app.api.values import Answer, FreeObject, Id, Line, Money, Schema, Timestamp
from app.domain.types import JsonObject, StoredEvent


class UserBody(Schema):
    """What a shop says about a customer: what is left out is reset."""

    user_id: Id | None = Field(default=None, description="If given, the same as in the path.")
    country: Line | None = Field(default=None, examples=["United Kingdom"])
    attributes: FreeObject = Field(default={}, description="The shop's own fields.")


class UserAnswer(Answer):
    """A customer as they are stored."""

    user_id: str
    country: str | None
    attributes: JsonObject
    cold: bool = Field(description="Created on first sight by an event; nobody has described them yet.")
    created_at: Timestamp | None
    updated_at: Timestamp | None


class StoredItemAnswer(Answer):
    """A product of a stored event."""

    item_id: str
    quantity: float | None
    price: Money | None
    index: int | None


class StoredEventAnswer(Answer):
    """An event as the log keeps it."""

    event_id: str
    event: str
    user_id: str | None
    anonymous_id: str | None
    session_id: str | None
    timestamp: Timestamp
    received_at: Timestamp
    items: list[StoredItemAnswer]
    value: Money | None
    currency: str | None
    recommendation_id: str | None
    context: JsonObject

    @classmethod
    def of(cls, stored: StoredEvent) -> StoredEventAnswer:
        """The answer for a stored event."""
        event = stored.event
        return cls(
            event_id=event.event_id,
            event=event.name,
            user_id=event.user_id,
            anonymous_id=event.anonymous_id,
            session_id=event.session_id,
            timestamp=event.happened_at,
            received_at=event.received_at,
            items=[StoredItemAnswer.model_validate(item) for item in event.items],
            value=event.value,
            currency=event.currency,
            recommendation_id=event.recommendation_id,
            context=event.context,
        )


class EventsPage(Answer):
    """A page of a user's events, newest first."""

    events: list[StoredEventAnswer]
    next_cursor: str | None


class MergeBody(Schema):
    """Which guest becomes the customer."""

    anonymous_id: Id


class MergeAnswer(Answer):
    """What a merge, or its undoing, did."""

    user_id: str
    anonymous_id: str
    merged: bool = Field(description="Whether the guest now belongs to the user.")
    changed: bool = Field(description="Whether this call made it so.")


class ReceiptAnswer(Answer):
    """Proof of an erasure. It names nobody: the digest alone lets the shop match it with its own record."""

    receipt_id: str
    user_digest: str
    erased_at: Timestamp
    rows: dict[str, int] = Field(description="Rows deleted, by table.")
