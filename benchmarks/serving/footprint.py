"""Memory and start of an API process, beside one that runs the model in TensorFlow."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from benchmarks.serving import claims, servers
from benchmarks.serving.answers import PATIENT, get
from benchmarks.serving.claims import Claim
from benchmarks.serving.shop import Shop

LISTS = 200


def measured(shop: Shop, *, rounds: int) -> Iterator[Claim]:
    """The claims about a process."""
    memory, starts = [], []
    with servers.redis() as redis:
        settings = shop.settings | PATIENT | {"redis_url": redis}
        for _ in range(rounds):
            used, started = _one(shop, settings)
            memory.append(used)
            starts.append(started)
        heavy, _ = _one(shop, settings | {"runtime": "keras"})
    ours = statistics.median(memory)
    yield Claim(
        claims.MEMORY,
        ours / heavy,
        f"Keras runtime, {heavy:.0f} MB",
        {"mb": round(ours), "keras_mb": round(heavy)},
    )
    yield Claim(claims.MEMORY_MB, ours, None, {"mb": [round(used) for used in memory]})
    # The first start of a fresh checkout compiles its modules; all later ones find them compiled.
    yield Claim(claims.START_S, statistics.median(starts), None, {"s": [round(each, 2) for each in starts]})


def _one(shop: Shop, settings: dict[str, str]) -> tuple[float, float]:
    key = {"Authorization": f"Bearer {shop.key}"}
    with servers.service(settings) as server:
        for number in range(LISTS):
            get(server, f"/v1/users/user-{number}/recommendations", key)
        return server.memory_mb(), server.started_s
