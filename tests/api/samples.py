"""One good request for every route: what the generated tests start from. A new route adds its own."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

EVENT = {
    "event_id": "e1",
    "event": "add_to_cart",
    "user_id": "u1",
    "anonymous_id": "a1",
    "session_id": "s1",
    "timestamp": "2026-11-24T10:00:00Z",
    "items": [{"item_id": "i1", "quantity": 1, "price": 9.5, "index": 0}],
    "value": 9.5,
    "currency": "EUR",
    "recommendation_id": "r1",
    "context": {"page": "home"},
}
ITEM = {
    "title": "A mug",
    "description": "To drink from.",
    "categories": ["mugs"],
    "price": 9.5,
    "currency": "EUR",
    "image_url": "https://shop.example/i1.png",
    "url": "/i1",
    "brand": "Mugs & Co",
    "in_stock": True,
    "hidden": False,
    "published_at": "2026-01-01T00:00:00Z",
    "attributes": {"colour": "blue"},
}


@dataclass(frozen=True, slots=True)
class Sample:
    """A good request.

    Attributes:
        parts: The path's parameters.
        query: A value of every query parameter.
        body: A body in which every field stands; None where the route has none.
    """

    parts: dict[str, str] = field(default_factory=dict)
    query: dict[str, Any] = field(default_factory=dict)
    body: Any = None


PAGE = {"limit": 10}
FILTER = {
    "all": [
        {"field": "price", "op": "lte", "value": 50},
        {"not": {"any": [{"field": "categories", "op": "any_of", "value": ["hats"]}]}},
        {"field": "attributes.colour", "op": "eq", "value": "blue"},
    ]
}

SCENARIO = {
    "sources": [
        {"source": "popular", "weight": 1.0, "quota": None},
        {"source": "latest", "weight": 1, "quota": 0.2},
    ],
    "fallback": ["catalogue"],
    "filter": FILTER,
    "exclude_seen": "purchased",
    "diversity": 0.2,
    "novelty": 0.5,
    "rotation": 0.5,
    "n": 12,
}
RULE = {
    "kind": "cap",
    "scenarios": ["home"],
    "item_ids": ["i1"],
    "filter": FILTER,
    "position": None,
    "strength": None,
    "field": "brand",
    "most": 2,
    "priority": 1,
    "active": True,
    "starts_at": "2026-01-01T00:00:00Z",
    "ends_at": "2030-01-01T00:00:00Z",
    "note": "as agreed",
}
EXPERIMENT = {
    "scenarios": ["home"],
    "variants": [
        {"name": "control", "weight": 1.0, "model_version": None, "overrides": None},
        {"name": "b", "weight": 1.0, "model_version": None, "overrides": {"diversity": 0.3}},
    ],
    "share": 0.5,
    "salt": "s",
    "active": True,
    "starts_at": "2026-01-01T00:00:00Z",
    "ends_at": "2030-01-01T00:00:00Z",
    "note": "as agreed",
}
REQUEST = {
    "scenario": "home",
    "user_id": "u1",
    "session_id": "s1",
    "anonymous_id": "a1",
    "context": {"item_id": "i1", "basket": ["i2"], "history": ["i1"]},
    "n": 5,
    "filter": FILTER,
    "exclude_item_ids": ["i7"],
    "diversity": 0.3,
    "fields": ["title"],
    "explain": True,
    "exclude_seen": "none",
    "cursor": None,
}

SAMPLES: dict[str, Sample] = {
    "GET /healthz": Sample(),
    "GET /readyz": Sample(),
    "GET /metrics": Sample(),
    "POST /v1/events": Sample(body={"events": [EVENT]}),
    "GET /v1/items": Sample(query={"q": "mug", "category": "mugs", **PAGE}),
    "GET /v1/items/{item_id}": Sample(parts={"item_id": "i1"}),
    "PUT /v1/items/{item_id}": Sample(parts={"item_id": "i1"}, body={"item_id": "i1", **ITEM}),
    "PATCH /v1/items/{item_id}": Sample(parts={"item_id": "i1"}, body={"item_id": "i1", **ITEM}),
    "DELETE /v1/items/{item_id}": Sample(parts={"item_id": "i2"}),
    "POST /v1/items:batch": Sample(body={"items": [{"item_id": "i1", **ITEM}]}),
    "GET /v1/users/{user_id}": Sample(parts={"user_id": "u1"}),
    "PUT /v1/users/{user_id}": Sample(
        parts={"user_id": "u1"},
        body={"user_id": "u1", "country": "France", "attributes": {"tier": "gold"}},
    ),
    "DELETE /v1/users/{user_id}": Sample(parts={"user_id": "u2"}),
    "GET /v1/users/{user_id}/events": Sample(parts={"user_id": "u1"}, query=PAGE),
    "GET /v1/users/{user_id}/export": Sample(parts={"user_id": "u1"}),
    "POST /v1/users/{user_id}/merge": Sample(parts={"user_id": "u1"}, body={"anonymous_id": "a1"}),
    "DELETE /v1/users/{user_id}/merge/{anonymous_id}": Sample(parts={"user_id": "u1", "anonymous_id": "a1"}),
    "POST /v1/recommendations": Sample(body=REQUEST),
    "GET /v1/users/{user_id}/recommendations": Sample(
        parts={"user_id": "u1"}, query={"n": 5, "scenario": "home"}
    ),
    "GET /v1/items/{item_id}/similar": Sample(parts={"item_id": "i1"}, query={"n": 5}),
    "GET /v1/popular": Sample(query={"n": 5, "category": "mugs", "window": "7d"}),
    "GET /v1/trending": Sample(query={"n": 5, "category": "mugs", "window": "7d"}),
    "GET /v1/latest": Sample(query={"n": 5, "category": "mugs", "window": "7d"}),
    "POST /v1/rank": Sample(
        body={
            "user_id": "u1",
            "session_id": "s1",
            "anonymous_id": "a1",
            "scenario": "search",
            "item_ids": ["i1", "i2"],
            "context": {"item_id": "i1", "basket": ["i2"], "history": ["i1"]},
            "fields": ["title"],
            "explain": True,
        }
    ),
    "POST /v1/page": Sample(
        body={
            "user_id": "u1",
            "session_id": "s1",
            "anonymous_id": "a1",
            "placements": [
                {
                    "scenario": "product",
                    "context": {"item_id": "i1", "basket": [], "history": []},
                    "n": 2,
                    "filter": {"field": "price", "op": "exists", "value": True},
                    "exclude_item_ids": [],
                    "diversity": 0,
                    "fields": [],
                    "explain": False,
                    "exclude_seen": "all",
                }
            ],
        }
    ),
    "GET /v1/users/{user_id}/items/{item_id}/explanation": Sample(
        parts={"user_id": "u1", "item_id": "i1"}, query={"scenario": "home"}
    ),
    "POST /v1/admin/retrain": Sample(body={"model": "auto", "promote": "auto", "budget_s": 60}),
    "GET /v1/admin/jobs": Sample(query=PAGE),
    "GET /v1/admin/jobs/{job_id}": Sample(parts={"job_id": "j1"}),
    "POST /v1/admin/jobs/{job_id}/cancel": Sample(parts={"job_id": "j1"}),
    "GET /v1/admin/jobs/{job_id}/events": Sample(parts={"job_id": "j1"}),
    "GET /v1/admin/models": Sample(query=PAGE),
    "POST /v1/admin/models/rollback": Sample(),
    "GET /v1/admin/models/{version}": Sample(parts={"version": "v1"}),
    "POST /v1/admin/models/{version}/activate": Sample(parts={"version": "v1"}),
    "POST /v1/admin/keys": Sample(
        body={
            "kind": "sec",
            "name": "shop",
            "scopes": ["events:write"],
            "expires_at": "2030-01-01T00:00:00Z",
        }
    ),
    "GET /v1/admin/keys": Sample(),
    "DELETE /v1/admin/keys/{key_id}": Sample(parts={"key_id": "k1"}),
    "GET /v1/admin/metrics/online": Sample(
        query={"since": "2026-11-17T12:00:00Z", "until": "2026-11-24T12:00:00Z", "scenario": "home"}
    ),
    "GET /v1/admin/metrics/online.csv": Sample(
        query={"since": "2026-11-17T12:00:00Z", "until": "2026-11-24T12:00:00Z", "scenario": "home"}
    ),
    "GET /v1/admin/scenarios": Sample(),
    "GET /v1/admin/scenarios/{name}": Sample(parts={"name": "home"}),
    "PUT /v1/admin/scenarios/{name}": Sample(parts={"name": "sale"}, body=SCENARIO),
    "DELETE /v1/admin/scenarios/{name}": Sample(parts={"name": "sale"}),
    "GET /v1/admin/scenarios/{name}/versions": Sample(parts={"name": "sale"}),
    "POST /v1/admin/scenarios/{name}/preview": Sample(
        parts={"name": "sale"}, body={"definition": SCENARIO, "request": REQUEST}
    ),
    "GET /v1/admin/rules": Sample(),
    "GET /v1/admin/rules/{name}": Sample(parts={"name": "few-of-a-brand"}),
    "PUT /v1/admin/rules/{name}": Sample(parts={"name": "few-of-a-brand"}, body=RULE),
    "DELETE /v1/admin/rules/{name}": Sample(parts={"name": "few-of-a-brand"}),
    "GET /v1/admin/rules/{name}/versions": Sample(parts={"name": "few-of-a-brand"}),
    "POST /v1/admin/rules/{name}/dry-run": Sample(
        parts={"name": "few-of-a-brand"}, body={"rule": RULE, "requests": [REQUEST]}
    ),
    "GET /v1/admin/experiments": Sample(),
    "GET /v1/admin/experiments/{name}": Sample(parts={"name": "varied"}),
    "PUT /v1/admin/experiments/{name}": Sample(parts={"name": "varied"}, body=EXPERIMENT),
    "POST /v1/admin/experiments/{name}/stop": Sample(parts={"name": "varied"}),
    "DELETE /v1/admin/experiments/{name}": Sample(parts={"name": "varied"}),
    "GET /v1/admin/experiments/{name}/figures": Sample(
        parts={"name": "varied"}, query={"since": "2026-11-17T12:00:00Z", "until": "2026-11-24T12:00:00Z"}
    ),
    "GET /v1/admin/experiments/{name}/figures.csv": Sample(
        parts={"name": "varied"}, query={"since": "2026-11-17T12:00:00Z", "until": "2026-11-24T12:00:00Z"}
    ),
    "GET /v1/admin/experiments/{name}/versions": Sample(parts={"name": "varied"}),
    "GET /v1/admin/settings/event-weights": Sample(),
    "PUT /v1/admin/settings/event-weights": Sample(
        body={"weights": {"purchase": {"weight": 9.0, "half_life_days": 60.0}}}
    ),
    "GET /v1/admin/settings/popularity": Sample(),
    "PUT /v1/admin/settings/popularity": Sample(
        body={"popular": {"half_life_days": 30.0}, "trending": {"half_life_days": 1.0, "window_days": 7}}
    ),
    "GET /v1/admin/schedule": Sample(),
    "PUT /v1/admin/schedule": Sample(body={"every_s": 86400, "after_events": 100_000}),
    "DELETE /v1/admin/cache": Sample(query={"user_id": "u1", "session_id": "s1", "anonymous_id": "a1"}),
}
