"""What the size of the catalogue costs: start, memory, and a list, exactly and from the index.

    python -m benchmarks.large_catalogue --out benchmarks/results/large_catalogue.json

Stocks a made-up shop of each size (a million items take minutes), then starts the service on it twice, with
the index and without, each a process of its own. Times are over HTTP, one list after the other, none kept.
The network is fitted by no one: its vectors lie in no clusters.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from benchmarks.quality.result import commit, machine, write
from benchmarks.serving import servers
from benchmarks.serving.__main__ import stocked
from benchmarks.serving.answers import PATIENT, get
from benchmarks.serving.shop import Shop
from benchmarks.serving.stocking import MOST_IN_ONE_GRAPH

SIZES = (12_000, 100_000, 1_000_000)
LISTS = 100
LOADED_WITHIN_S, LOOK_EVERY_S = 600, 0.1
PATH = "/v1/users/user-{}/recommendations?n=20"
INDEX = {"index_above_items": "1", "index_least_recall": "0.5"}


def measured(folder: Path, items: int) -> dict[str, Any]:
    """One size, both ways."""
    shop = stocked(folder, items)
    row: dict[str, Any] = {"items": items}
    # Where there is no graph of the whole, an index that is refused leaves exact scores.
    exact = {"index_above_items": str(items)} if items <= MOST_IN_ONE_GRAPH else {"index_least_recall": "1"}
    for name, settings in (("exact", exact), ("index", INDEX)):
        row[name] = _served(shop, settings)
        print(items, name, row[name], flush=True)
    return row


def _served(shop: Shop, settings: Mapping[str, str]) -> dict[str, float]:
    key = {"Authorization": f"Bearer {shop.key}"}
    patient = {"recommend_deadline_s": "30", "cache_ttl_s": "0.001"}
    with servers.service({**shop.settings, **PATIENT, **patient, **settings}) as server:
        waited = perf_counter()
        while get(server, PATH.format(0), key)["served_by"] != "model":
            if perf_counter() - waited > LOADED_WITHIN_S:
                raise servers.NotStartedError(f"no list of the model within {LOADED_WITHIN_S} s")
            time.sleep(LOOK_EVERY_S)
        ready_s = server.started_s + perf_counter() - waited
        took = []
        for number in range(LISTS):
            start = perf_counter()
            get(server, PATH.format(number), key)
            took.append(1000 * (perf_counter() - start))
        found = {
            "to_first_list_s": round(ready_s, 1),
            "p50_ms": round(float(np.median(took)), 1),
            "p99_ms": round(float(np.percentile(took, 99)), 1),
            "memory_mb": round(server.memory_mb()),
        }
        recall = _metric(server, "recserve_index_recall")
        return found if recall is None else {**found, "recall": round(recall, 4)}


def _metric(server: servers.Running, name: str) -> float | None:
    with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    found = [line for line in lines if line.startswith(f"{name}{{")]
    return float(found[0].rpartition(" ")[2]) if found else None


def main() -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.large_catalogue", description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--items", type=int, nargs="+", default=SIZES, help="Sizes.")
    parser.add_argument("--shops", type=Path, help="Where made-up shops are kept for the next run.")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        rows = [measured(given.shops or Path(name), items) for items in given.items]
    body = {"machine": machine(), "commit": commit(), "command": "python -m benchmarks.large_catalogue"}
    write({**body, "sizes": rows}, given.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
