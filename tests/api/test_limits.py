"""Too many requests of a key, and too many at once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import generate_latest

from app.adapters.memory_stores import memory_stores
from app.api.admission import Admission, Places, Priority, priority_of
from app.api.drain import Drain
from app.api.reporting import Report, raw_security_headers
from app.telemetry import Metrics
from tests.api.build import build_services
from tests.api.samples import EVENT
from tests.api.world import World, running
from tests.clocks import FixedClock

PATH = "/v1/users/u1/recommendations"
QUOTA = 4


@pytest.fixture
def strict(tmp_path: Path) -> Iterator[World]:
    """A service whose server keys may ask four times a minute."""
    clock = FixedClock()
    stores = memory_stores(clock=clock)
    services = build_services(stores, clock, folder=tmp_path, limit_sec_per_minute=QUOTA)
    services.quotas._now = lambda: 6030.0  # in the middle of a minute
    with running(services, stores, clock) as made:
        yield made


def test_quota_holds_over_kept_lists_and_all_routes_alike(strict: World) -> None:
    answers = [strict.call("GET", path) for path in (PATH, PATH, "/v1/popular", PATH, PATH, "/v1/popular")]
    assert [answer.status_code for answer in answers] == [200] * QUOTA + [429] * 2
    assert answers[3].json()["served_by"] == "cache"
    refused = answers[4]
    assert refused.json()["type"] == "/problems/rate-limited"
    assert refused.headers["retry-after"] == "30"
    assert refused.headers["ratelimit-policy"] == f'"minute";q={QUOTA};w=60'
    assert refused.headers["ratelimit"] == '"minute";r=0;t=30'
    assert strict.call("GET", PATH, kind="adm").status_code == 200, "each key has its own"


def test_refusal_is_counted_once_whichever_layer_finds_it_out(strict: World) -> None:
    for _ in range(QUOTA + 1):
        strict.call("GET", PATH)
    strict.call("POST", "/v1/recommendations", json={})
    strict.call("POST", "/v1/events", json={"events": [EVENT]})
    figures = strict.services.quotas._metrics.registry
    refused = figures.get_sample_value("recserve_rate_limited_total", {"kind": "sec"})
    assert refused == 3.0


def test_health_is_asked_without_a_key_and_never_limited(strict: World) -> None:
    assert {strict.call("GET", "/healthz", kind="none").status_code for _ in range(3 * QUOTA)} == {200}


@pytest.mark.parametrize(
    ("method", "path", "priority"),
    [
        ("GET", "/healthz", Priority.HEALTH),
        ("GET", PATH, Priority.RECOMMEND),
        ("POST", "/v1/recommendations", Priority.RECOMMEND),
        ("POST", "/v1/page", Priority.RECOMMEND),
        ("POST", "/v1/events", Priority.EVENTS),
        ("POST", "/v1/items:batch", Priority.BATCH),
        ("GET", "/v1/users/u1/export", Priority.BATCH),
        ("GET", "/v1/admin/jobs", Priority.ADMIN),
    ],
)
def test_calls_have_their_priority(method: str, path: str, priority: Priority) -> None:
    assert priority_of(method, path) is priority


async def test_less_urgent_calls_are_refused_first_and_health_never() -> None:
    gate, metrics = asyncio.Event(), Metrics()

    async def slow(_scope: Any, _receive: Any, send: Any) -> None:
        await gate.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    places = Places(20)
    admission = Admission(slow, places=places, report=Report(metrics), drain=Drain())

    async def call(path: str) -> tuple[int, dict[bytes, bytes]]:
        sent: list[dict[str, Any]] = []

        async def send(message: Any) -> None:
            sent.append(message)

        await admission({"type": "http", "method": "GET", "path": path, "headers": []}, None, send)  # type: ignore[arg-type]
        return sent[0]["status"], dict(sent[0]["headers"])

    waiting = []
    let_in = {}
    for path in ("/v1/admin/jobs", "/v1/items", "/v1/events", PATH):
        before = places.inside
        for _ in range(20):
            waiting.append(asyncio.create_task(call(path)))
            await asyncio.sleep(0)
        let_in[path] = places.inside - before
    assert let_in == {"/v1/admin/jobs": 10, "/v1/items": 4, "/v1/events": 3, PATH: 3}
    health = asyncio.create_task(call("/healthz"))
    await asyncio.sleep(0)
    gate.set()
    statuses = [status for status, _ in await asyncio.gather(*waiting)]
    assert (statuses.count(200), statuses.count(503)) == (20, 60)
    assert (await health)[0] == 200
    assert (await call("/v1/admin/jobs"))[0] == 200, "and afterwards there is room again"


async def test_a_refused_call_is_answered_as_every_other_is() -> None:
    async def never(_scope: Any, _receive: Any, _send: Any) -> None:
        raise AssertionError

    drain, metrics = Drain(), Metrics()
    admission = Admission(never, places=Places(0), report=Report(metrics), drain=drain)
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    asked = {"type": "http", "method": "GET", "path": PATH, "headers": [(b"x-request-id", b"mine")]}
    await admission(asked, None, send)  # type: ignore[arg-type]
    headers, body = dict(sent[0]["headers"]), json.loads(sent[1]["body"])
    assert sent[0]["status"] == body["status"] == 503
    assert body["type"] == "/problems/unavailable"
    assert (headers[b"x-request-id"], body["request_id"]) == (b"mine", "mine")
    assert headers[b"retry-after"] == b"1"
    assert int(headers[b"content-length"]) == len(sent[1]["body"])
    assert set(raw_security_headers()) <= set(headers.items())
    assert b"connection" not in headers
    drain.start()
    await admission(asked, None, send)  # type: ignore[arg-type]
    assert dict(sent[2]["headers"])[b"connection"] == b"close"
    text = generate_latest(metrics.registry).decode()
    assert 'recserve_shed_total{priority="recommend"} 2.0' in text
    assert 'recserve_http_requests_total{method="GET",route="unmatched",status="503"} 2.0' in text
