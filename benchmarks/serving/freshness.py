"""From an event's POST to the first list that shows it, while others ask for theirs.

The others ask for half of the kept lists a second that the same server gave just before to those who ask as
fast as they can. (A closed loop, however few its connections, fills a process's one loop: what is measured
then is the queue.)
"""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from collections.abc import Mapping
from http.client import HTTPConnection
from time import perf_counter
from typing import Any

import numpy as np

from benchmarks.serving import claims, servers
from benchmarks.serving.answers import PATH, PATIENT, PEOPLE, WAIT_S, keep
from benchmarks.serving.claims import Claim
from benchmarks.serving.load import Load, run
from benchmarks.serving.shop import Shop

LOAD_SHARE = 0.5
REST_MS = 20
CAPACITY_S = 3.0
GIVEN_UP_S = 10.0


class StaleError(Exception):
    """A list did not change."""


def measured(shop: Shop, *, events: int) -> Claim:
    """p50 and p99 over the events: each views the first item of a person's list, which then must leave it."""
    key = {"Authorization": f"Bearer {shop.key}"}
    with servers.redis() as redis, servers.service(shop.settings | PATIENT | {"redis_url": redis}) as server:
        keep(server, key)
        capacity = run(Load(PATH, key, spread=PEOPLE), port=server.port, seconds=CAPACITY_S).rate
        # Each connection asks once a rest: what its answers take is little beside it.
        connections = max(1, round(LOAD_SHARE * capacity * REST_MS / 1000))
        others = subprocess.Popen(
            [
                *(
                    sys.executable,
                    "-m",
                    "benchmarks.serving.load",
                    "--port",
                    str(server.port),
                    "--key",
                    shop.key,
                ),
                *("--connections", str(connections), "--rest-ms", str(REST_MS)),
            ]
        )
        asking = HTTPConnection("127.0.0.1", server.port, timeout=WAIT_S)
        try:
            took = np.array(
                [_one(asking, key, f"user-{PEOPLE + number % PEOPLE}") for number in range(events)]
            )
        finally:
            asking.close()
            others.terminate()
            others.wait()
    p50, p99 = (round(float(ms), 1) for ms in np.percentile(1000 * took[:, 1], (50, 99)))
    answered_p50, answered_p99 = (round(float(ms), 1) for ms in np.percentile(1000 * took[:, 0], (50, 99)))
    detail = {
        "events": events,
        "p50_ms": p50,
        "p99_ms": p99,
        "answered_p50_ms": answered_p50,
        "answered_p99_ms": answered_p99,
        "load": f"{connections} connections that ask every {REST_MS} ms",
        "capacity": round(capacity),
    }
    return Claim(claims.FRESH_MS, p99, None, detail)


def _one(asking: HTTPConnection, key: Mapping[str, str], user_id: str) -> tuple[float, float]:
    """Seconds until the event was answered, and until the list had changed."""
    path = f"/v1/users/{user_id}/recommendations"
    first = _asked(asking, "GET", path, key)["items"][0]["item_id"]
    event = {
        "event_id": str(uuid.uuid4()),
        "event": "view_item",
        "user_id": user_id,
        "items": [{"item_id": first}],
    }
    body = json.dumps({"events": [event]}).encode()
    began = perf_counter()
    _asked(asking, "POST", "/v1/events", {**key, "Content-Type": "application/json"}, body)
    answered = perf_counter() - began
    while first in {item["item_id"] for item in _asked(asking, "GET", path, key)["items"]}:
        if perf_counter() - began > GIVEN_UP_S:
            raise StaleError(f"The list did not change within {GIVEN_UP_S} s.")
    return answered, perf_counter() - began


def _asked(
    asking: HTTPConnection, method: str, path: str, headers: Mapping[str, str], body: bytes | None = None
) -> dict[str, Any]:
    """An answer's body."""
    asking.request(method, path, body, dict(headers))
    with asking.getresponse() as answer:
        return dict(json.load(answer))
