"""Events taken in front of the routes become what the route would have made of them."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.adapters.memory_stores import memory_stores
from app.api.hot_events import HotEvents
from app.api.settings import ApiSettings
from app.domain.errors import InvalidInputError, StorageUnavailableError, UnavailableError
from app.domain.types import Subject
from tests.api.build import build_services
from tests.api.samples import EVENT
from tests.api.test_hot_path import call_with, counted, figures
from tests.api.test_plain_events import EVENTS, FULL, PLAIN
from tests.api.world import API_SETTINGS, ORIGIN, World, running, user_token
from tests.clocks import FixedClock

HEADERS: list[list[tuple[str, str]]] = [
    [],
    [("x-request-id", "r-1")],
    [("x-request-id", "not sane")],
    [("x-request-id", "r-1"), ("x-request-id", "r-2")],
    [("origin", ORIGIN)],
    [("origin", "https://elsewhere.example")],
    [("x-user-token", user_token("u1"))],
    [("content-encoding", "gzip")],
    [("expect", "100-continue")],
    [("authorization", "Bearer twice")],
]
TYPES = [
    "application/json",
    "application/json; charset=utf-8",
    "application/json;charset=UTF-8",
    "application/json; charset=latin-1",
    "text/plain",
    "",
]
BODIES: list[bytes] = [
    *(b"", b" ", b"{}", b"[]", b"null", b'"', b"{", b"\xff", b"\xef\xbb\xbf{}", b'{"events": []}'),
    *(b'{"events": {}}', b'{"events": [1]}', b'{"events": [null]}', b'{"events": [{}], "more": 1}'),
    b'{"events": [{"event_id": "a", "event": "x", "user_id": "u"}]}x',
    b'{"events": [{"event_id": "a", "event": "x", "user_id": "u", "user_id": "v"}]}',
    b'{"events": [{"event_id": "a", "event": "x", "user_id" : "u", "user_id": ":v"}]}',
    b'{"events": [{"event_id": "a", "event_id": null, "event": "x", "user_id": "u"}]}',
    b'{"events": [{"event_id": "a", "event": "x", "user_id": "u"}], "events": []}',
    b'{"events": [{"event_id": "a", "event": "x", "user_id": ":u", "context": {"a": 1, "a": ":2"}}]}',
    (
        b'{"events": [{"event_id": "a", "event": "x", "user_id": "u", "context": {"\\u0022:": 1, "b": 1, '
        b'"b": 2}}]}'
    ),
    b'{"events": [{"event_id": "a\\u0000", "event": "x", "user_id": "u"}]}',
    b'{"events": [{"event_id": "a\x7f", "event": "x", "user_id": "u"}]}',
    b'{"events": [{"event_id": "a\xc2\x85", "event": "x", "user_id": "u"}]}',
    b'{"events": [{"event_id": "\xc3\xa9", "event": "x", "user_id": "u"}]}',
    b'{"events": [{"event_id": "a", "event": "x", "user_id": "u", "items": [], "value": null}]}',
    b'{"events": [{"event_id": "a", "event": "x", "user_id": "u", "value": 1e999}]}',
    b'{"events": [{"event_id": "a", "event": "x", "user_id": "u", "value": NaN}]}',
    b'{"events": [{"event_id": "a", "event": "x", "user_id": "u", "context": {"a": -0}}]}',
    b'{"key": "rk_pub_x", "events": [{"event_id": "a", "event": "x", "user_id": "u"}]}',
    json.dumps({"events": [{**EVENT, "event_id": f"many{n}"} for n in range(500)]}).encode(),
    json.dumps({"events": [{**EVENT, "event_id": f"many{n}"} for n in range(501)]}).encode(),
    json.dumps({"events": [FULL]}, ensure_ascii=False).encode(),
    json.dumps({"events": [FULL]}).encode(),
    b'{"events": [' + b"[" * 60 + b"]" * 60 + b"]}",
]
GOOD = st.lists(st.sampled_from([*PLAIN.values()]), min_size=1, max_size=4)
MIXED = st.lists(st.one_of(st.sampled_from([*PLAIN.values()]), EVENTS), max_size=4)
WRITTEN = st.builds(
    lambda events, plain: json.dumps({"events": events}, ensure_ascii=not plain).encode("utf-8", "replace"),
    st.one_of(GOOD, MIXED),
    st.booleans(),
)
CALLS = st.fixed_dictionaries(
    {
        "method": st.sampled_from(["POST"] * 9 + ["GET", "PUT"]),
        "path": st.sampled_from(["/v1/events"] * 12 + ["/v1/events/", "/v1/event%73"]),
        "query": st.sampled_from([""] * 9 + ["a=1", "&"]),
        "kind": st.sampled_from(["sec"] * 9 + ["adm", "pub", "revoked", "expired", "none"]),
        "scheme": st.sampled_from(["Bearer "] * 9 + ["bearer ", "Basic ", ""]),
        "type": st.sampled_from([TYPES[0]] * 9 + TYPES),
        "length": st.sampled_from(["right"] * 9 + ["none", "999999999", "-1", "9" * 30]),
        "extra": st.sampled_from([*HEADERS, *[[]] * 9]),
        "body": st.one_of(st.sampled_from(BODIES), WRITTEN, WRITTEN),
        "cuts": st.lists(st.integers(0, 400), max_size=3),
    }
)
_FRESH = itertools.count()


@pytest.fixture(scope="module")
def twins() -> Iterator[tuple[World, World]]:
    """Two services that know the same: one is asked in front of the routes, one behind."""
    with made() as one, made() as other:
        yield one, other


@contextmanager
def made(api_settings: ApiSettings = API_SETTINGS) -> Iterator[World]:
    clock = FixedClock()
    stores = memory_stores(clock=clock)
    with TemporaryDirectory() as folder:
        services = build_services(stores, clock, folder=Path(folder))
        with running(services, stores, clock, settings=api_settings) as world:
            yield world


def layers(world: World) -> tuple[HotEvents, Any]:
    """The layer, and what it stands in front of."""
    layer: Any = world.client.app.middleware_stack  # type: ignore[attr-defined]
    while not isinstance(layer, HotEvents):
        layer = layer._app if hasattr(layer, "_app") else layer.app
    return layer, layer._app


def scope_of(world: World, asked: dict[str, Any]) -> dict[str, Any]:
    length = str(len(asked["body"])) if asked["length"] == "right" else asked["length"]
    headers = [("host", "shop"), *asked["extra"]]
    if asked["kind"] != "none":
        headers.append(("authorization", asked["scheme"] + world.keys[asked["kind"]]))
    if asked["type"]:
        headers.append(("content-type", asked["type"]))
    if length != "none":
        headers.append(("content-length", length))
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": asked["method"],
        "scheme": "http",
        "path": asked["path"].replace("%73", "s"),
        "raw_path": asked["path"].encode(),
        "query_string": asked["query"].encode(),
        "root_path": "",
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers],
        "client": ("127.0.0.1", 1),
        "server": ("shop", 80),
        "app": world.client.app,
        "state": dict(world.client.app_state),
    }


def messages(body: bytes, cuts: list[int]) -> list[dict[str, Any]]:
    """The body in pieces."""
    edges = [0, *sorted(cut for cut in cuts if cut < len(body)), len(body)]
    parts = [body[start:stop] for start, stop in itertools.pairwise(edges)]
    return [
        {"type": "http.request", "body": part, "more_body": number + 1 < len(parts)}
        for number, part in enumerate(parts)
    ]


def call(world: World, app: Any, asked: dict[str, Any]) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    return call_with(world, app, scope_of(world, asked), messages(asked["body"], asked["cuts"]))


def stored(world: World) -> str:
    """Everything the log has, as text that tells 1 and 1.0 apart."""
    subjects = [
        Subject(user_id="u1"),
        Subject(user_id="u"),
        Subject(session_id="s"),
        Subject(session_id="s1"),
    ]
    log = world.stores.events
    page = world.run(log.page, "u", limit=200, cursor=None)
    histories = [world.run(log.history, subject, limit=1000) for subject in subjects]
    count = world.run(log.count_since, 0)
    return repr((page, histories, count))


@given(asked=CALLS)
@settings(max_examples=400)
def test_events_are_taken_as_the_route_takes_them(twins: tuple[World, World], asked: dict[str, Any]) -> None:
    one, other = twins
    (hot, _), (_, route) = layers(one), layers(other)
    before = figures(one), figures(other)
    assert call(one, hot, asked) == call(other, route, asked)
    assert counted(one, before[0]) == counted(other, before[1])
    assert stored(one) == stored(other)


def plain(**changes: Any) -> dict[str, Any]:
    event = {
        "event_id": f"e{next(_FRESH)}",
        "event": "view_item",
        "user_id": "u",
        "items": [{"item_id": "i"}],
    }
    body = json.dumps({"events": [event]}).encode()
    asked = {
        "method": "POST",
        "path": "/v1/events",
        "query": "",
        "kind": "sec",
        "scheme": "Bearer ",
        "type": "application/json",
        "length": "right",
        "extra": [],
        "body": body,
        "cuts": [],
    }
    return asked | changes


def alone(world: World) -> HotEvents:
    """The layer with nothing behind it."""
    hot, _ = layers(world)

    async def unreachable(*_: Any) -> None:
        raise AssertionError("the route was asked")

    return HotEvents(unreachable, parts=hot._parts, now=world.clock.now)


@pytest.mark.parametrize(
    "body", [json.dumps({"events": [event]}, ensure_ascii=False) for event in PLAIN.values()]
)
def test_plain_events_need_no_route(twins: tuple[World, World], body: str) -> None:
    world = twins[0]
    call(world, layers(world)[0], plain())  # so that the key is known
    status, _, answer = call(world, alone(world), plain(body=body.encode(), cuts=[7, 30]))
    assert (status, json.loads(answer)["rejected"]) == (202, 0)


@pytest.mark.parametrize(
    "error",
    [
        StorageUnavailableError("The database did not answer in time."),
        UnavailableError("Too many events are waiting to be stored.", retry_after_s=1),
        InvalidInputError("An amount is out of range."),
        ValueError("a bug"),
    ],
)
def test_what_the_store_refuses_is_told_as_the_route_tells_it(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    with made() as one, made() as other:
        attempts = []

        async def refused(*_: Any) -> None:
            attempts.append(1)
            raise error

        (hot, _), (_, route) = layers(one), layers(other)
        for world in (one, other):
            monkeypatch.setattr(world.services.ingest, "append", refused)
        asked = plain(extra=[("x-request-id", "r-1")])
        before = figures(one), figures(other)
        expected = call(other, route, asked)
        assert expected[0] >= 400
        assert call(one, hot, asked) == expected
        assert counted(one, before[0]) == counted(other, before[1])
        assert len(attempts) == 2, "tried once each"
        assert hot._parts.places.inside == 0


def test_full_house_is_told_as_the_route_tells_it(twins: tuple[World, World]) -> None:
    hot, _ = layers(twins[0])
    hot._parts.places.inside = 10**6
    try:
        status, headers, _ = call(twins[0], hot, plain())
    finally:
        assert hot._parts.places.inside == 10**6
        hot._parts.places.inside = 0
    assert status == 503
    assert b"retry-after" in dict(headers)


def test_body_that_does_not_arrive_is_given_up_after_one_timeout() -> None:
    with made(replace(API_SETTINGS, body_timeout_s=0.05)) as world:
        hot, _ = layers(world)
        asked = plain()
        call(world, hot, asked)
        never = [{"type": "http.request", "body": b"{", "more_body": True}, None]
        status, headers, body = call_with(world, hot, scope_of(world, asked), never)
        assert (status, dict(headers)[b"connection"]) == (408, b"close")
        assert json.loads(body)["type"] == "/problems/body-timeout"
        assert hot._parts.places.inside == 0


def test_caller_that_goes_away_leaves_its_place(twins: tuple[World, World]) -> None:
    world = twins[0]
    hot, _ = layers(world)
    gone = [{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}]
    assert call_with(world, hot, scope_of(world, plain()), gone)[0] == 422
    assert hot._parts.places.inside == 0


def test_draining_service_still_takes_events_and_closes(twins: tuple[World, World]) -> None:
    with made() as world:
        hot, _ = layers(world)
        call(world, hot, plain())
        world.drain.start()
        status, headers, _ = call(world, hot, plain())
    assert (status, dict(headers)[b"connection"]) == (202, b"close")
