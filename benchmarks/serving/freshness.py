"""From an event's POST to the first list that shows it, while others ask for theirs."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
import uuid
from time import perf_counter

import numpy as np

from benchmarks.serving import claims, servers
from benchmarks.serving.answers import PATIENT, PEOPLE, WAIT_S, get, keep
from benchmarks.serving.claims import Claim
from benchmarks.serving.servers import Running
from benchmarks.serving.shop import Shop

LOAD_CONNECTIONS = 4
GIVEN_UP_S = 10.0


class StaleError(Exception):
    """A list did not change."""


def measured(shop: Shop, *, events: int) -> Claim:
    """p50 and p99 over the events: each views the first item of a person's list, which then must leave it."""
    key = {"Authorization": f"Bearer {shop.key}"}
    with servers.redis() as redis, servers.service(shop.settings | PATIENT | {"redis_url": redis}) as server:
        keep(server, key)
        others = subprocess.Popen(
            [
                *(sys.executable, "-m", "benchmarks.serving.load", "--port", str(server.port)),
                *("--key", shop.key, "--connections", str(LOAD_CONNECTIONS)),
            ]
        )
        try:
            took = [_one(server, key, f"user-{PEOPLE + number % PEOPLE}") for number in range(events)]
        finally:
            others.terminate()
            others.wait()
    p50, p99 = (float(np.percentile(took, share)) * 1000 for share in (50, 99))
    return Claim(
        claims.FRESH_MS, p99, None, {"events": events, "p50_ms": round(p50, 1), "p99_ms": round(p99, 1)}
    )


def _one(server: Running, key: dict[str, str], user_id: str) -> float:
    path = f"/v1/users/{user_id}/recommendations"
    first = get(server, path, key)["items"][0]["item_id"]
    event = {
        "event_id": str(uuid.uuid4()),
        "event": "view_item",
        "user_id": user_id,
        "items": [{"item_id": first}],
    }
    body = json.dumps({"events": [event]}).encode()
    asked = urllib.request.Request(
        f"http://127.0.0.1:{server.port}/v1/events", body, {**key, "Content-Type": "application/json"}
    )
    began = perf_counter()
    urllib.request.urlopen(asked, timeout=WAIT_S).close()
    while first in {item["item_id"] for item in get(server, path, key)["items"]}:
        if perf_counter() - began > GIVEN_UP_S:
            raise StaleError(f"The list did not change within {GIVEN_UP_S} s.")
    return perf_counter() - began
