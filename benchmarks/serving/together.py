"""Lists made together beside lists made one by one, in the thread that makes them."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from time import perf_counter

import numpy as np

from app.adapters.scorers.loader import FolderLoader
from app.domain.recommendations import RecommendationRequest
from app.domain.types import Item
from app.domain.weights import DEFAULT_WEIGHTS
from app.pipeline.catalogue import empty_catalogue
from app.pipeline.history import past_of
from app.pipeline.popularity import daily_counts
from app.pipeline.scenarios import SCENARIOS
from app.services.answering import Bench, Material, Plan
from app.services.popularity import Counted
from app.telemetry import Metrics
from benchmarks.serving import claims
from benchmarks.serving.claims import Claim, Target
from benchmarks.serving.shop import MODEL, VERSION, Shop, item_id

AT_ONCE = 32
LENGTH = 10
SEED = 1


def measured(shop: Shop, target: Target, *, rounds: int, seconds: float) -> Claim:
    """Rates of both, round by round."""
    bench = Bench(metrics=Metrics())
    asks = list(_asks(shop))
    bench.answers(asks[:AT_ONCE])
    alone, together = [], []
    for _ in range(rounds):
        alone.append(_rate(bench, [[ask] for ask in asks], seconds))
        together.append(_rate(bench, [asks[n : n + AT_ONCE] for n in range(0, len(asks), AT_ONCE)], seconds))
    rates = {"together": round(statistics.median(together)), "alone": round(statistics.median(alone))}
    return Claim(target, claims.ratio(together, alone), f"one by one, {rates['alone']} a second", rates)


def one_list(shop: Shop, *, seconds: float) -> dict[str, float]:
    """What one list takes in the thread that makes lists, asked alone; the model's own part beside it."""
    bench = Bench(metrics=Metrics())
    asks = list(_asks(shop))
    scorer = asks[0][0].scorer
    assert scorer is not None  # every plan has it
    whole, scored = [], []
    began = perf_counter()
    for plan, material in itertools.cycle(asks):
        start = perf_counter()
        bench.answer(plan, material)
        whole.append(perf_counter() - start)
        start = perf_counter()
        scorer.score([material.past.query])
        scored.append(perf_counter() - start)
        if perf_counter() - began > seconds:
            break
    ms = [round(1000 * float(value), 3) for value in (*np.percentile(whole, (50, 99)), np.median(scored))]
    return {"items": shop.items, "p50_ms": ms[0], "p99_ms": ms[1], "model_p50_ms": ms[2]}


def _rate(bench: Bench, batches: list[list[tuple[Plan, Material]]], seconds: float) -> float:
    began, made = perf_counter(), 0
    for batch in itertools.cycle(batches):
        bench.answers(batch)
        made += len(batch)
        if perf_counter() - began > seconds:
            break
    return made / (perf_counter() - began)


def _asks(shop: Shop) -> Iterator[tuple[Plan, Material]]:
    now = datetime.now(UTC)
    scorer = FolderLoader().load(shop.folder / "artifacts" / MODEL / VERSION)
    rows = [Item(item_id=item_id(number)) for number in range(1, shop.items + 1)]
    catalogue = empty_catalogue().with_changes(rows, revision=1)
    counted = Counted(daily_counts([], DEFAULT_WEIGHTS), now, "none")
    plain = Material(catalogue=catalogue, counted=counted)
    plan = Plan(RecommendationRequest(), SCENARIOS["home"], None, scorer)
    rng = np.random.default_rng(SEED)
    for _ in range(8 * AT_ONCE):
        seen = [item_id(number) for number in rng.integers(1, shop.items + 1, LENGTH).tolist()]
        yield plan, replace(plain, past=past_of([], seen, now, DEFAULT_WEIGHTS))
