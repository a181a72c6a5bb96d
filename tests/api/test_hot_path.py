"""What is answered in front of the routes is what the routes would have answered."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.api.hot_path import HotLayer
from app.api.hot_posts import HotParts
from app.domain.ports import CacheRead
from tests.api.world import API_SETTINGS, ORIGIN, World, user_token

MISS = CacheRead(body=None, token=None)
RECOMMENDATION_ID = re.compile(rb"[0-9A-Z]{26}")
USERS = [
    "u1",
    "nobody",
    "a.b-c_d~e:f@g",
    "x" * 128,
    "x" * 129,
    "with%20space",
    "sl%2Fash",
    "ü",
    "%ff",
    "",
    "a/b",
]
QUERIES = [
    *("", "n=3", "n=10", "n=100", "n=101", "n=0", "n=-1", "n=03", "n=3&n=3", "n=", "n=x", "n=3.0", "m=3"),
    *("scenario=popular", "scenario=home&n=2", "n=2&scenario=latest", "scenario=", "scenario=product"),
    *(
        "scenario=rank",
        "scenario=none",
        "scenario=HOME",
        "scenario=home%20",
        "&",
        "n=3&",
        "n=3&scenario=basket",
    ),
]
KINDS = ["sec", "adm", "pub", "revoked", "expired", "none"]
EXTRAS: list[list[tuple[str, str]]] = [
    [],
    [("x-request-id", "r-1")],
    [("x-request-id", "not sane")],
    [("x-request-id", "r-1"), ("x-request-id", "r-2")],
    [("origin", ORIGIN)],
    [("origin", "https://elsewhere.example")],
    [("x-user-token", "u1")],
    [("content-length", "0")],
    [("content-length", "999999999")],
    [("content-encoding", "gzip")],
    [("accept", "text/html"), ("cookie", "a=b")],
]
SCHEMES = ["Bearer ", "bearer ", "Bearer  ", "Basic ", ""]


async def unreachable(*_: Any) -> None:
    raise AssertionError("the route was asked")


def layers(world: World) -> tuple[HotLayer, Any]:
    """The hot path, and what it stands in front of."""
    layer: Any = world.client.app.middleware_stack  # type: ignore[attr-defined]
    while not isinstance(layer, HotLayer):
        layer = layer.app
    return layer, layer._app


def parts_of(world: World) -> HotParts:
    """What the world's layers stand on."""
    path = layers(world)[0]._hot
    return HotParts(world.services, API_SETTINGS, path._report, world.drain, path._places)


def scope_of(
    world: World, method: str, user: str, query: str, headers: list[tuple[str, str]]
) -> dict[str, Any]:
    path = f"/v1/users/{user}/recommendations"
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path.replace("%20", " ").replace("%2F", "/"),
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in [("host", "shop"), *headers]],
        "client": ("127.0.0.1", 1),
        "server": ("shop", 80),
        "app": world.client.app,
        "state": dict(world.client.app_state),
    }


def call(world: World, app: Any, scope: dict[str, Any]) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    """Status, headers and body of a call, without what is new in every answer."""
    whole = [{"type": "http.request", "body": b"", "more_body": False}]
    status, headers, body = call_with(world, app, scope, whole)
    return status, headers, RECOMMENDATION_ID.sub(b"id", body, count=1)


def call_with(
    world: World, app: Any, scope: dict[str, Any], messages: list[dict[str, Any] | None]
) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    """The same of a call whose body comes in these messages; None: nothing more ever comes."""
    sent: list[dict[str, Any]] = []
    left = iter(messages)

    async def receive() -> dict[str, Any]:
        message = next(left)
        if message is None:
            await asyncio.Event().wait()
        assert message is not None
        return message

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    world.run(app, dict(scope), receive, send)
    body = b"".join(message.get("body", b"") for message in sent[1:])
    headers = [(name, value) for name, value in sent[0]["headers"]]
    made = dict(headers)[b"x-request-id"]
    if len(made) == 32:
        headers = [(name, b"made" if value == made else value) for name, value in headers]
        body = body.replace(made, b"made")
    return sent[0]["status"], headers, body


def figures(world: World) -> dict[tuple[str, ...], float]:
    """Every counter of requests and lists."""
    return {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in world.metrics.registry.collect()
        for sample in family.samples
        if sample.name.endswith(("_total", "_count"))
    }


def counted(world: World, before: dict[tuple[str, ...], float]) -> dict[tuple[str, ...], float]:
    return {name: value - before.get(name, 0.0) for name, value in figures(world).items()}


def header_lists(world: World, kind: str, scheme: str, extra: list[tuple[str, str]]) -> list[tuple[str, str]]:
    if kind == "none":
        return extra
    return [("authorization", scheme + world.keys[kind]), *extra]


CALLS = st.fixed_dictionaries(
    {
        "method": st.sampled_from(["GET", "GET", "GET", "HEAD", "POST"]),
        "user": st.one_of(st.sampled_from(USERS), st.text("abcXYZ019._~@:-%+ ", max_size=12)),
        "query": st.one_of(st.sampled_from(QUERIES), st.text("n=&1scenario%+", max_size=12)),
        "kind": st.sampled_from([*KINDS, "sec", "sec", "sec"]),
        "scheme": st.sampled_from([*SCHEMES, "Bearer ", "Bearer "]),
        "extra": st.sampled_from([*EXTRAS, [], []]),
    }
)


@given(asked=CALLS)
@settings(max_examples=300)
def test_hot_path_answers_and_counts_as_the_route_does(settled: World, asked: dict[str, Any]) -> None:
    hot, route = layers(settled)
    headers = header_lists(settled, asked["kind"], asked["scheme"], asked["extra"])
    scope = scope_of(settled, asked["method"], asked["user"], asked["query"], headers)
    call(settled, route, scope)  # so that the list is kept
    before = figures(settled)
    expected = call(settled, route, scope)
    expected_counts = counted(settled, before)
    before = figures(settled)
    assert call(settled, hot, scope) == expected
    assert counted(settled, before) == expected_counts


EXPERIMENT = {
    "scenarios": ["home", "popular"],
    "variants": [
        {"name": "control"},
        {"name": "few", "overrides": {"filter": {"field": "item_id", "op": "ne", "value": "i1"}}},
    ],
}


@pytest.fixture
def tried(settled: World) -> Iterator[World]:
    """While an experiment runs."""
    path = "/v1/admin/experiments/tried"
    assert settled.call("PUT", path, kind="adm", json=EXPERIMENT).status_code == 200
    yield settled
    assert settled.call("DELETE", path, kind="adm").status_code == 204


@given(
    user=st.text("abcxyz0189._-", min_size=1, max_size=12),
    query=st.sampled_from(["", "scenario=popular", "n=3", "scenario=latest&n=2"]),
)
@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_hot_path_answers_as_the_route_does_while_an_experiment_runs(
    tried: World, user: str, query: str
) -> None:
    hot, route = layers(tried)
    scope = scope_of(tried, "GET", user, query, header_lists(tried, "sec", "Bearer ", []))
    made = call(tried, route, scope)
    kept = call(tried, route, scope)
    assert call(tried, hot, scope) == kept
    variants = [json.loads(body)["variant"] for _, _, body in (made, kept)]
    assert variants[0] == variants[1]
    assert ("latest" in query) <= (variants[0] == "control")


def test_both_variants_are_met_on_the_hot_path(tried: World) -> None:
    hot, route = layers(tried)
    met = set()
    for number in range(24):
        scope = scope_of(tried, "GET", f"met{number}", "", header_lists(tried, "sec", "Bearer ", []))
        call(tried, route, scope)
        body = json.loads(call(tried, hot, scope)[2])
        assert (body["served_by"], body["experiment"]) == ("cache", "tried")
        met.add(body["variant"])
    assert met == {"control", "few"}


@pytest.fixture
def forgetful(settled: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """With a cache that never holds a list."""
    cache = settled.services.recommend._cache

    async def read(*_: Any) -> CacheRead:
        return MISS

    monkeypatch.setattr(cache, "look", lambda _subjects, _key, done: done(MISS))
    monkeypatch.setattr(cache, "read", read)
    return settled


@given(asked=CALLS)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_lists_that_are_not_kept_are_answered_and_counted_as_the_route_does(
    forgetful: World, asked: dict[str, Any]
) -> None:
    hot, route = layers(forgetful)
    headers = header_lists(forgetful, asked["kind"], asked["scheme"], asked["extra"])
    scope = scope_of(forgetful, asked["method"], asked["user"], asked["query"], headers)
    call(forgetful, route, scope)
    before = figures(forgetful)
    expected = call(forgetful, route, scope)
    expected_counts = counted(forgetful, before)
    before = figures(forgetful)
    assert call(forgetful, hot, scope) == expected
    assert counted(forgetful, before) == expected_counts


def test_list_that_is_made_needs_no_route(forgetful: World) -> None:
    hot, _ = layers(forgetful)
    scope = scope_of(forgetful, "GET", "u1", "n=7", header_lists(forgetful, "sec", "Bearer ", []))
    call(forgetful, hot, scope)  # so that the key is known
    alone = HotLayer(unreachable, hot=hot._hot, parts=parts_of(forgetful))
    status, _, body = call(forgetful, alone, scope)
    assert status == 200
    assert b'"served_by":"cache"' not in body


def test_list_that_is_made_takes_a_place_or_is_refused(forgetful: World) -> None:
    hot, _ = layers(forgetful)
    scope = scope_of(forgetful, "GET", "u1", "n=7", header_lists(forgetful, "sec", "Bearer ", []))
    call(forgetful, hot, scope)
    places = hot._hot._places
    assert places.inside == 0
    places.inside = 10**6
    try:
        assert call(forgetful, hot, scope)[0] == 503
    finally:
        places.inside = 0


def test_kept_list_needs_no_route(settled: World) -> None:
    hot, route = layers(settled)
    headers = header_lists(settled, "sec", "Bearer ", [])
    scope = scope_of(settled, "GET", "u1", "n=7", headers)
    call(settled, route, scope)

    alone = HotLayer(unreachable, hot=hot._hot, parts=parts_of(settled))
    status, _, body = call(settled, alone, scope)
    assert status == 200
    assert b'"served_by":"cache"' in body


@pytest.mark.parametrize("change", ["event", "hidden item", "revoked key"])
def test_hot_path_gives_nothing_that_is_out_of_date(world: World, change: str) -> None:
    items = [{"item_id": f"i{number}"} for number in range(3)]
    assert world.call("POST", "/v1/items:batch", json={"items": items}).status_code == 200
    path = "/v1/users/u1/recommendations"
    world.call("GET", path)
    assert world.call("GET", path).json()["served_by"] == "cache"
    if change == "event":
        event = {"event_id": "e1", "event": "view_item", "user_id": "u1", "items": [{"item_id": "i1"}]}
        assert world.call("POST", "/v1/events", json={"events": [event]}).json()["accepted"] == 1
    elif change == "hidden item":
        assert world.call("PATCH", "/v1/items/i1", json={"hidden": True}).status_code == 200
    else:
        key_id = world.keys["sec"].split("_")[2]
        world.run(world.services.keys.revoke, key_id)
        assert world.call("GET", path).status_code == 401
        return
    answer = world.call("GET", path).json()
    assert answer["served_by"] != "cache"
    assert "i1" not in [item["item_id"] for item in answer["items"]]


def test_browser_of_a_user_still_needs_that_users_token(shared_world: World) -> None:
    path = "/v1/users/u1/recommendations"
    shared_world.call("GET", path)
    assert shared_world.call("GET", path, kind="pub").status_code == 403
    headers = {"X-User-Token": user_token("u1")}
    assert shared_world.call("GET", path, kind="pub", headers=headers).status_code == 200


def test_request_looks_into_the_cache_once(settled: World, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[str] = []
    cache = settled.services.recommend._cache
    look, read = cache.look, cache.read

    def counting_look(subjects: Any, key: str, done: Any) -> None:
        looks.append("look")
        look(subjects, key, lambda found: done(MISS))

    async def counting_read(subjects: Any, key: str) -> CacheRead:
        looks.append("read")
        return await read(subjects, key)

    monkeypatch.setattr(cache, "look", counting_look)
    monkeypatch.setattr(cache, "read", counting_read)
    hot, _ = layers(settled)
    scope = scope_of(settled, "GET", "u1", "n=6", header_lists(settled, "sec", "Bearer ", []))
    status, _, body = call(settled, hot, scope)
    assert (status, looks) == (200, ["look"])
    assert b'"served_by":"cache"' not in body
