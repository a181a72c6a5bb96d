"""Lists asked for with a body are in front of the routes what they are behind them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.api.hot_lists import HotLists
from tests.api.test_hot_events import HEADERS, TYPES, plain
from tests.api.test_hot_events import call as call_events
from tests.api.test_hot_path import RECOMMENDATION_ID, counted, figures, unreachable
from tests.api.world import World

GOOD: list[Any] = [
    {},
    {"user_id": "u1"},
    {"user_id": "u1", "n": 3, "scenario": "popular"},
    {"session_id": "s1", "context": {"history": ["i1", "i2"]}, "exclude_item_ids": ["i3"]},
    {"anonymous_id": "g1", "scenario": "product", "context": {"item_id": "i1"}, "explain": True},
    {"scenario": "basket", "context": {"basket": ["i1"]}, "fields": ["title", "price"]},
    {"filter": {"field": "price", "op": "lte", "value": 50}, "diversity": 0.5, "exclude_seen": "all"},
    {"user_id": "\u00e9"},
]
BAD: list[Any] = [
    {"n": 0},
    {"n": 3.0},
    {"n": "3"},
    {"n": None},
    {"nothing": 1},
    {"user_id": ""},
    {"user_id": "a\u0000"},
    {"user_id": "e\u0301"},
    {"scenario": "none"},
    {"scenario": "product"},
    {"scenario": "rank"},
    {"context": {"history": ["i"] * 201}},
    {"filter": {"field": "none"}},
    {"cursor": "x"},
    [],
    None,
    3,
]
RAW = [b"", b"{", b'{"n": 3, "n": 4}', b'{"n": NaN}', b"\xff", b"\xef\xbb\xbf{}", b"[" * 70 + b"]" * 70]
BODIES = st.one_of(
    st.sampled_from(GOOD).map(lambda body: json.dumps(body).encode()),
    st.sampled_from([*GOOD, *BAD]).map(lambda body: json.dumps(body, ensure_ascii=False).encode()),
    st.sampled_from(RAW),
)
CALLS = st.fixed_dictionaries(
    {
        "method": st.sampled_from(["POST"] * 9 + ["GET", "PUT"]),
        "path": st.sampled_from(["/v1/recommendations"] * 12 + ["/v1/recommendations/"]),
        "query": st.sampled_from([""] * 9 + ["a=1", "&"]),
        "kind": st.sampled_from(["sec"] * 9 + ["adm", "pub", "revoked", "expired", "none"]),
        "scheme": st.sampled_from(["Bearer "] * 9 + ["bearer ", "Basic ", ""]),
        "type": st.sampled_from([TYPES[0]] * 9 + TYPES),
        "length": st.sampled_from(["right"] * 9 + ["none", "999999999", "-1", "9" * 30]),
        "extra": st.sampled_from([*HEADERS, *[[]] * 9]),
        "body": BODIES,
        "cuts": st.lists(st.integers(0, 60), max_size=2),
    }
)


def layers(world: World) -> tuple[HotLists, Any]:
    """The layer, and what it stands in front of."""
    layer: Any = world.client.app.middleware_stack  # type: ignore[attr-defined]
    while not isinstance(layer, HotLists):
        layer = layer.app if hasattr(layer, "app") else layer._app
    return layer, layer._app


def call(world: World, app: Any, asked: dict[str, Any]) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    status, headers, body = call_events(world, app, asked)
    return status, headers, RECOMMENDATION_ID.sub(b"id", body, count=1)


@given(asked=CALLS)
@settings(max_examples=200)
def test_hot_lists_answer_and_count_as_the_route_does(settled: World, asked: dict[str, Any]) -> None:
    hot, route = layers(settled)
    call(settled, route, asked)  # so that the list is kept
    before = figures(settled)
    expected = call(settled, route, asked)
    expected_counts = counted(settled, before)
    before = figures(settled)
    assert call(settled, hot, asked) == expected
    assert counted(settled, before) == expected_counts
    assert hot._parts.places.inside == 0


@pytest.mark.parametrize("number", range(len(GOOD)))
def test_good_lists_need_no_route(shared_world: World, number: int) -> None:
    hot, _ = layers(shared_world)
    # Another length than anybody asked for before: it has to be made.
    body = json.dumps({"n": 90 - number} | GOOD[number]).encode()
    asked = plain(path="/v1/recommendations", body=body, cuts=[5])
    call(shared_world, hot, asked)  # so that the key is known
    status, _, answer = call(shared_world, HotLists(unreachable, parts=hot._parts), asked)
    assert (status, json.loads(answer)["scenario"]) == (200, GOOD[number].get("scenario", "home"))


def test_bug_is_told_as_the_route_tells_it(shared_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    attempts = []

    async def broken(*_: Any, **__: Any) -> bytes:
        attempts.append(1)
        raise ValueError

    hot, route = layers(shared_world)
    asked = plain(path="/v1/recommendations", body=b"{}", extra=[("x-request-id", "r-1")])
    call(shared_world, hot, asked)
    monkeypatch.setattr(shared_world.services.recommend, "body", broken)
    expected = call(shared_world, route, asked)
    assert expected[0] == 500
    assert call(shared_world, hot, asked) == expected
    assert len(attempts) == 2, "tried once each"
