"""Answers as bytes for the cache, and the key under which each is kept."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, replace

from app.domain.recommendations import (
    Reason,
    Recommendation,
    RecommendationRequest,
    RecommendedItem,
    ServedBy,
)

FORMAT = "2"
"""Changed with the meaning of the bytes, so that two releases never read each other's lists."""


def list_key(
    request: RecommendationRequest,
    *,
    model_version: str | None,
    counts_version: str | None,
    steering_version: str,
) -> str:
    """What tells this list from every other one of the same subject."""
    asked = json.dumps(
        [FORMAT, model_version, counts_version, steering_version, asdict(request)],
        sort_keys=True,
        ensure_ascii=False,
    )
    return hashlib.blake2b(asked.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def encoded(answer: Recommendation) -> bytes:
    """The answer without its id."""
    body = asdict(answer)
    del body["recommendation_id"]
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def decoded(body: bytes, *, recommendation_id: str) -> Recommendation | None:
    """The answer under a new id, or None where the bytes are none."""
    try:
        fields = json.loads(body)
        items = tuple(_item(item) for item in fields.pop("items"))
        served_by = ServedBy(fields.pop("served_by"))
        return Recommendation(recommendation_id=recommendation_id, served_by=served_by, items=items, **fields)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _item(fields: dict[str, object]) -> RecommendedItem:
    item = RecommendedItem(**fields)  # type: ignore[arg-type]  # written by `encoded`; a stranger's names raise
    if isinstance(item.reason, dict):
        item = replace(item, reason=Reason(**item.reason))
    return item
