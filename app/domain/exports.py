"""A person's data in the form that is handed to them: plain JSON values, times in RFC 3339."""

from __future__ import annotations

from decimal import Decimal

from app.domain.exposures import Exposure
from app.domain.moments import rfc3339
from app.domain.types import Item, JsonObject, StoredEvent, User


def user_json(user: User) -> JsonObject:
    """A user's own row."""
    return {
        "user_id": user.user_id,
        "country": user.country,
        "attributes": user.attributes,
        "created_at": rfc3339(user.created_at),
        "updated_at": rfc3339(user.updated_at),
        "cold": user.cold,
    }


def item_json(item: Item) -> JsonObject:
    """An item in the form `PUT /v1/items` takes it; fields that it does not have are left out."""
    return _present(
        {
            "item_id": item.item_id,
            "title": item.title,
            "description": item.description,
            "categories": list(item.categories),
            "price": _amount(item.price),
            "currency": item.currency,
            "image_url": item.image_url,
            "url": item.url,
            "brand": item.brand,
            "in_stock": item.in_stock,
            "hidden": item.hidden,
            "published_at": rfc3339(item.published_at),
            "attributes": item.attributes or None,
        }
    )


def event_json(stored: StoredEvent) -> JsonObject:
    """An event in the form `POST /v1/events` takes it, with the time of its receipt.

    Fields that the event did not have are left out.
    """
    event = stored.event
    body: JsonObject = {
        "event_id": event.event_id,
        "event": event.name,
        "user_id": event.user_id,
        "anonymous_id": event.anonymous_id,
        "session_id": event.session_id,
        "timestamp": rfc3339(event.happened_at),
        "received_at": rfc3339(event.received_at),
        "items": [
            _present(
                {
                    "item_id": line.item_id,
                    "quantity": line.quantity,
                    "price": _amount(line.price),
                    "index": line.index,
                }
            )
            for line in event.items
        ],
        "value": _amount(event.value),
        "currency": event.currency,
        "recommendation_id": event.recommendation_id,
        "context": event.context or None,
    }
    return _present(body)


def exposure_json(exposure: Exposure) -> JsonObject:
    """A list that was answered."""
    subject = exposure.subject
    return _present(
        {
            "recommendation_id": exposure.recommendation_id,
            "user_id": subject.user_id,
            "anonymous_id": subject.anonymous_id,
            "session_id": subject.session_id,
            "scenario": exposure.scenario,
            "experiment": exposure.experiment,
            "variant": exposure.variant,
            "model_version": exposure.model_version,
            "served_by": exposure.served_by,
            "item_ids": list(exposure.item_ids),
            "propensities": list(exposure.propensities),
            "shown_at": rfc3339(exposure.shown_at),
        }
    )


def _present(values: JsonObject) -> JsonObject:
    return {name: value for name, value in values.items() if value is not None}


def _amount(amount: Decimal | None) -> float | int | None:
    if amount is None:
        return None
    return int(amount) if amount == amount.to_integral_value() else float(amount)
