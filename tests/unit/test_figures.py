"""Figures that are added up first come out as if each had been counted by itself."""

from __future__ import annotations

import random

from app.telemetry import MOST_UNTOLD, Metrics

ROUTE = "/v1/popular"
EDGES = [0.0, 0.002, 0.0020001, 0.05, 0.3, 1.0, 5.0, 5.1, 60.0]


def samples(metrics: Metrics) -> dict[tuple[str, ...], float]:
    return {
        (sample.name, *sorted(sample.labels.values())): round(sample.value, 6)
        for family in metrics.registry.collect()
        for sample in family.samples
        if not sample.name.endswith("_created")
    }


def test_answers_are_counted_as_one_by_one() -> None:
    rng = random.Random(1)
    took_s = EDGES + [rng.expovariate(20) for _ in range(2 * MOST_UNTOLD)]
    ours, usual = Metrics(), Metrics()
    for took in took_s:
        ours.answers("GET", ROUTE, 200).add(took)
        usual.requests.labels("GET", ROUTE, "200").inc()
        usual.request_seconds.labels("GET", ROUTE).observe(took)
    assert samples(ours) == samples(usual)
    assert samples(ours) == samples(usual)


def test_tally_adds_once_what_was_counted() -> None:
    metrics = Metrics()
    tally = metrics.tally(metrics.list_cache_reads.labels("hit"))
    assert metrics.tally(metrics.list_cache_reads.labels("hit")) is tally
    tally.n += 3
    name = "recserve_list_cache_reads_total"
    assert metrics.registry.get_sample_value(name, {"outcome": "hit"}) == 3
    tally.n += 1
    assert b'recserve_list_cache_reads_total{outcome="hit"} 4.0' in metrics.exposition()
