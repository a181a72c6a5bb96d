"""Kept lists and live ones over HTTP, beside applications that do less, or the same in the usual way."""

from __future__ import annotations

import contextlib
import json
import statistics
import urllib.request
from collections.abc import Iterator, Mapping
from typing import Any

from benchmarks.serving import claims, servers
from benchmarks.serving.claims import Claim, Target
from benchmarks.serving.load import Load, Measured, run
from benchmarks.serving.offered import offered
from benchmarks.serving.servers import Running
from benchmarks.serving.shop import Shop

PEOPLE = 200
PATH = "/v1/users/user-{n}/recommendations"
WAIT_S = 30.0
LIVE_BODY = json.dumps(
    {"context": {"history": ["item-0000001", "item-0000031", "item-0000500"]}, "exclude_item_ids": ["x{n}"]}
)
PATIENT = {"recommend_deadline_s": "30", "limit_sec_per_minute": servers.UNLIMITED}
CONNECTIONS = (1, 2, 4, 8, 16, 32, 64)
OFFERED = (0.1, 0.25, 0.5, 0.7, 0.9, 1.1)
"""Shares of what 32 connections get that ask as fast as they are answered."""


def measured(shop: Shop, *, rounds: int, seconds: float) -> Iterator[Claim]:
    """The claims about answers."""
    key = {"Authorization": f"Bearer {shop.key}"}
    hit = Load(PATH, key, spread=PEOPLE)
    live = Load("/v1/recommendations", key | {"Content-Type": "application/json"}, body=LIVE_BODY)
    with contextlib.ExitStack() as stack:
        redis = stack.enter_context(servers.redis())
        ours = stack.enter_context(servers.service(shop.settings | PATIENT | {"redis_url": redis}))
        hello = stack.enter_context(servers.baseline("hello"))
        usual = stack.enter_context(servers.baseline("pooled", redis_url=redis))
        null = stack.enter_context(servers.baseline("null"))
        keep(ours, key)
        nobody = Load("/", {})
        found = interleaved(
            {
                "hello": (hello, nobody),
                "usual": (usual, hit),
                "hit": (ours, hit),
                "null": (null, nobody),
                "live": (ours, live),
            },
            rounds=rounds,
            seconds=seconds,
        )
    yield _claim(claims.HIT, found, "hit", "hello")
    yield _claim(claims.HIT_USUAL, found, "hit", "usual")
    yield _claim(claims.LIVE, found, "live", "null")


def interleaved(
    asked: Mapping[str, tuple[Running, Load]], *, rounds: int, seconds: float
) -> dict[str, list[Measured]]:
    """Each in its turn, so many rounds; one before them does not count."""
    found: dict[str, list[Measured]] = {name: [] for name in asked}
    for turn in range(-1, rounds):
        for name, (server, load) in asked.items():
            done = run(load, port=server.port, seconds=seconds, turn=turn + 2)
            if turn >= 0:
                found[name].append(done)
    return found


def curve(shop: Shop, *, seconds: float) -> list[dict[str, float]]:
    """Kept lists by the number of connections that ask: rate and p99."""
    key = {"Authorization": f"Bearer {shop.key}"}
    rows = []
    with servers.redis() as redis, servers.service(shop.settings | PATIENT | {"redis_url": redis}) as ours:
        keep(ours, key)
        for connections in CONNECTIONS:
            load = Load(PATH, key, spread=PEOPLE, connections=connections)
            done = run(load, port=ours.port, seconds=seconds)
            rows.append({"connections": connections, "rate": round(done.rate), "p99_ms": done.p99_ms})
    return rows


def under_offers(shop: Shop, *, seconds: float) -> list[dict[str, float | str]]:
    """Kept and live lists by the requests a second that are offered: what is answered, p50 and p99."""
    key = {"Authorization": f"Bearer {shop.key}"}
    live = Load("/v1/recommendations", key | {"Content-Type": "application/json"}, body=LIVE_BODY)
    loads = {"kept": Load(PATH, key, spread=PEOPLE), "live": live}
    rows: list[dict[str, float | str]] = []
    with servers.redis() as redis, servers.service(shop.settings | PATIENT | {"redis_url": redis}) as ours:
        keep(ours, key)
        for lists, load in loads.items():
            most = run(load, port=ours.port, seconds=seconds).rate
            for turn, share in enumerate(OFFERED, start=1):
                done = offered(load, port=ours.port, rate=share * most, seconds=seconds, turn=turn)
                rows.append(
                    {
                        "lists": lists,
                        "offered": round(share * most),
                        "rate": round(done.rate),
                        "p50_ms": round(done.p50_ms, 2),
                        "p99_ms": round(done.p99_ms, 2),
                        "failed": done.failed,
                    }
                )
    return rows


def keep(server: Running, headers: Mapping[str, str]) -> None:
    """Ask for everybody's list until it is kept."""
    for number in range(PEOPLE):
        path = PATH.replace("{n}", str(number))
        while get(server, path, headers)["served_by"] != "cache":
            pass


def get(server: Running, path: str, headers: Mapping[str, str]) -> dict[str, Any]:
    """An answer's body."""
    asked = urllib.request.Request(f"http://127.0.0.1:{server.port}{path}", headers=dict(headers))
    with urllib.request.urlopen(asked, timeout=WAIT_S) as answer:
        return dict(json.load(answer))


def _claim(target: Target, found: Mapping[str, list[Measured]], ours: str, theirs: str) -> Claim:
    rates = {name: [done.rate for done in found[name]] for name in (ours, theirs)}
    detail = {
        name: {
            "rate": round(statistics.median(rates[name])),
            "p50_ms": round(statistics.median(done.p50_ms for done in found[name]), 2),
            "p99_ms": round(statistics.median(done.p99_ms for done in found[name]), 2),
            "failed": sum(done.failed for done in found[name]),
        }
        for name in (ours, theirs)
    }
    return Claim(
        target,
        claims.ratio(rates[ours], rates[theirs]),
        f"{theirs}, {detail[theirs]['rate']} a second",
        detail,
    )
