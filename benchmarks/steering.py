"""What steering costs and does, in one run: rules, filters, quotas and exploration on, against off.

    python -m benchmarks.steering --out benchmarks/results/steering.json

A made-up catalogue of 100,000 items with categories, brands and attributes, a scorer of one matrix product,
and people with twenty views each, in this process and in processor time: without HTTP and a database, so that
what is added weighs most.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import platform
import statistics
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.adapters.clock import SystemClock
from app.adapters.last_resort import LastResortFile
from app.adapters.memory_cache import MemoryListCache
from app.adapters.memory_stores import memory_stores
from app.domain.ids import new_ulid
from app.domain.recommendations import RecommendationRequest
from app.domain.steering import DefinitionKind
from app.domain.types import Event, EventItem, Item, JsonObject, Query, Subject
from app.domain.weights import DEFAULT_WEIGHTS
from app.pipeline.catalogue import empty_catalogue
from app.pipeline.filters import parse_filter
from app.pipeline.history import past_of
from app.pipeline.popularity import daily_counts
from app.pipeline.rules import acting, rule_of
from app.pipeline.scenarios import SCENARIOS, scenario_of
from app.services.answering import Bench, Material, Plan
from app.services.catalogue_stamp import CatalogueStamp
from app.services.exposures import Exposures
from app.services.ingest import Ingest
from app.services.live_catalogue import LiveCatalogue
from app.services.popularity import Counted, Popularity
from app.services.recommend import Look, Recommend, RecommendSettings
from app.services.steering import LiveSteering
from app.telemetry import Metrics

ITEMS, VIEWS, PLACES, SIZE = 100_000, 20, 10, 64
ASKING, PEOPLE = 20, 200
KEPT_WITHIN = 10
"""Times that lists are asked for before they have to be kept."""
KEPT_ROUNDS = 10
"""Rounds of kept lists for each of live ones, which take a hundred times as long."""
SEED = 1
NEW = datetime(2026, 11, 1, tzinfo=UTC)
RARE = {"field": "attributes.rare", "op": "eq", "value": True}
"""One item in a hundred satisfies it."""
SCENARIO: JsonObject = {
    "sources": [{"source": "personal"}, {"source": "explore", "quota": 0.1}],
    "fallback": ["content", "popular", "latest", "catalogue"],
    "filter": {"field": "price", "op": "lte", "value": 90},
    "exclude_seen": "all",
    "novelty": 0.2,
    "rotation": 0.2,
}
RULES: dict[str, JsonObject] = {
    "pin": {"kind": "pin", "item_ids": ["i0000007"], "position": 3},
    "boost": {"kind": "boost", "filter": {"field": "brand", "op": "eq", "value": "b7"}, "strength": 0.5},
    "bury": {"kind": "bury", "filter": {"field": "categories", "op": "any_of", "value": ["c3"]}},
    "exclude": {"kind": "exclude", "filter": {"field": "attributes.size", "op": "eq", "value": 9}},
    "few-of-a-category": {"kind": "cap", "field": "categories", "most": 4},
    "few-of-a-brand": {"kind": "cap", "field": "brand", "most": 2},
}


class Product:
    """A scorer whose items are vectors, as fast as a model can be."""

    version, model, source = "product-1", "product", "sequence"

    def __init__(self, item_ids: Sequence[str], rng: np.random.Generator) -> None:
        self.item_ids = item_ids
        self.item_vectors = rng.normal(size=(len(item_ids) + 1, SIZE)).astype(np.float32)
        self.item_vectors[0] = 0.0
        self._rows = {item_id: row for row, item_id in enumerate(item_ids, start=1)}

    def score(self, queries: Sequence[Query]) -> NDArray[np.float32]:
        """float32 (queries, items + 1)."""
        rows = [[self._rows[one] for one in query.item_ids if one in self._rows] for query in queries]
        people = np.stack([self.item_vectors[known].mean(axis=0) for known in rows])
        scores: NDArray[np.float32] = people @ self.item_vectors.T
        scores[:, 0] = -np.inf
        return scores


def stock(count: int, rng: np.random.Generator) -> list[Item]:
    """Items of ten categories, 500 brands, a size and now and then a rare mark."""
    prices = rng.uniform(1, 100, count)
    return [
        Item(
            item_id=f"i{number:07}",
            title=f"Item {number}",
            categories=(f"c{number % 10}",),
            brand=f"b{number % 500}",
            price=Decimal(str(round(prices[number], 2))),
            attributes={"size": float(number % 20), "rare": number % 100 == 0},
            published_at=NEW - timedelta(hours=number),
        )
        for number in range(count)
    ]


# --- What it costs ---


def costs(rounds: int) -> dict[str, Any]:
    """Processor milliseconds of a live answer: off, on, under a filter that keeps one in a hundred."""
    rng = np.random.default_rng(SEED)
    items = stock(ITEMS, rng)
    catalogue = empty_catalogue().with_changes(items, revision=1)
    scorer = Product([item.item_id for item in items], rng)
    now = datetime.now(UTC)
    today = now.date().isoformat()
    rows = [(items[n].item_id, "view_item", today, 1 + n % 50) for n in range(0, ITEMS, 4)]
    counted = Counted(daily_counts(rows, DEFAULT_WEIGHTS), now, "counts")
    rules = acting([rule_of(name, body) for name, body in RULES.items()], "home")
    off = Plan(RecommendationRequest(n=PLACES), SCENARIOS["home"], None, scorer)
    filtered = replace(off, clause=parse_filter(RARE))
    on = replace(off, scenario=scenario_of("home", SCENARIO), rules=rules)
    people = [
        Material(catalogue, counted, past_of([], _seen(items, rng), now, DEFAULT_WEIGHTS))
        for _ in range(ASKING)
    ]
    bench = Bench(metrics=Metrics())
    took: dict[str, list[float]] = {"off": [], "on": [], "filtered": []}
    full = dict.fromkeys(took, True)
    for number in range(rounds + 1):
        for name, plan in (("off", off), ("on", on), ("filtered", filtered)):
            began = process_time()
            made = [bench.answer(plan, material) for material in people]
            spent = (process_time() - began) / ASKING * 1000
            full[name] &= all(len(one.items) == PLACES for one in made)
            if number:  # The first round builds columns and views.
                took[name].append(spent)
    medians = {name: round(statistics.median(values), 3) for name, values in took.items()}
    return {
        "live_ms": medians,
        "live_added": round(_ratio(took["on"], took["off"]) - 1.0, 3),
        "filtered_to_unfiltered": round(_ratio(took["filtered"], took["off"]), 3),
        "always_full": full,
    }


def _seen(items: Sequence[Item], rng: np.random.Generator) -> list[str]:
    return [items[number].item_id for number in rng.integers(0, len(items), VIEWS).tolist()]


def _ratio(one: Sequence[float], other: Sequence[float]) -> float:
    """Median over rounds: a slow moment of the machine falls on both of a round."""
    return statistics.median(a / b for a, b in zip(one, other, strict=True))


# --- What it does, and what a kept list costs ---


@dataclass(frozen=True, slots=True)
class Shop:
    """A service in this process."""

    recommend: Recommend
    ingest: Ingest
    popularity: Popularity
    steering: LiveSteering
    write: Callable[[DefinitionKind, str, JsonObject], Awaitable[Any]]
    put: Callable[[Sequence[Item]], Awaitable[Any]]


@dataclass
class NoModels:
    """No model is live: what is measured here is what happens without one."""

    current: None = None

    def beside(self, version: str) -> None:
        """None is loaded."""


async def opened(folder: Path, items: Sequence[Item]) -> Shop:
    """The service over stores in memory."""
    clock, metrics = SystemClock(), Metrics()
    stores, cache = memory_stores(clock=clock), MemoryListCache(ttl_s=300, entries=10_000)
    catalogue = LiveCatalogue(items=stores.items, stamp=CatalogueStamp(cache), metrics=metrics)
    steering = LiveSteering(
        definitions=stores.definitions, clock=clock, weights=DEFAULT_WEIGHTS, metrics=metrics
    )
    popularity = Popularity(
        events=stores.events,
        catalogue=catalogue,
        clock=clock,
        weights=steering.weights,
        fading=lambda: steering.current.fading,
        last_resort=LastResortFile(folder / "last_resort.json"),
        metrics=metrics,
    )
    recommend = Recommend(
        models=NoModels(),
        events=stores.events,
        catalogue=catalogue,
        popularity=popularity,
        cache=cache,
        clock=clock,
        steering=steering,
        exposures=Exposures(store=stores.exposures, clock=clock, metrics=metrics),
        metrics=metrics,
        settings=RecommendSettings(deadline_s=20.0, database_deadline_s=20.0),
    )
    ingest = Ingest(events=stores.events, cache=cache, metrics=metrics, deadline_s=20.0)
    await stores.items.put(items)
    await ingest.start()
    await recommend.start()
    await popularity.refresh_baskets()

    async def write(kind: DefinitionKind, name: str, body: JsonObject) -> None:
        await stores.definitions.put(kind, name, body, by="benchmark")
        await steering.refresh()

    return Shop(recommend, ingest, popularity, steering, write, stores.items.put)


async def steered(shop: Shop) -> None:
    """Write the scenario and the rules."""
    await shop.write(DefinitionKind.SCENARIO, "steered", SCENARIO)
    # Where nothing but exploration shows what is new.
    await shop.write(DefinitionKind.SCENARIO, "exploring", SCENARIO | {"fallback": ["popular", "catalogue"]})
    for rule, body in RULES.items():
        await shop.write(DefinitionKind.RULE, rule, body | {"scenarios": ["steered"]})


async def kept_lists(shop: Shop, rounds: int) -> dict[str, Any]:
    """Processor microseconds of a kept list, of the plain scenario and of the steered one."""
    both = {"off": "home", "on": "steered"}
    took: dict[str, list[float]] = {name: [] for name in both}
    for scenario in both.values():
        await _keep(shop, scenario)
    for _, (name, scenario) in itertools.product(range(KEPT_ROUNDS * rounds), both.items()):
        began = process_time()
        assert _are_kept(shop, scenario)
        took[name].append((process_time() - began) / PEOPLE * 1e6)
    return {
        "kept_us": {name: round(statistics.median(values), 1) for name, values in took.items()},
        "kept_added": round(_ratio(took["on"], took["off"]) - 1.0, 3),
    }


async def _keep(shop: Shop, scenario: str) -> None:
    """Have every person's list kept: it is answered before it is, and steering may be read anew meanwhile."""
    for _ in range(KEPT_WITHIN):
        for number in range(PEOPLE):
            subject = Subject(user_id=f"k{number}")
            await shop.recommend.body(RecommendationRequest(scenario=scenario, subject=subject, n=PLACES))
        if _are_kept(shop, scenario):
            return
    raise RuntimeError(f"the lists of {scenario} are not kept")


def _are_kept(shop: Shop, scenario: str) -> bool:
    """Answer every person's list as the hot path does, and say whether all of them were kept."""
    looks: list[Look] = []
    for number in range(PEOPLE):
        shop.recommend.look(f"k{number}", scenario=scenario, n=PLACES, done=looks.append)
    bodies = [shop.recommend.kept(look, new_ulid()) for look in looks]
    return len(bodies) == PEOPLE and None not in bodies


async def new_items(shop: Shop) -> dict[str, Any]:
    """Answers of the scenario until a new item with attributes and no events is shown to somebody."""
    waited = []
    people = (f"n{number}" for number in itertools.count())
    for number in range(20):
        published_at = NEW + timedelta(hours=number + 1)
        one = stock(1, np.random.default_rng(number))[0]
        made = replace(one, item_id=f"new{number}", published_at=published_at, price=Decimal(10))
        await shop.put([made])
        for answers in range(1, 1001):
            request = RecommendationRequest(
                scenario="exploring", subject=Subject(user_id=next(people)), n=PLACES
            )
            answer = await shop.recommend.recommend(request)
            if any(item.item_id == made.item_id for item in answer.items):
                waited.append(answers)
                break
    return {"new_items": len(waited), "answers_until_shown": sorted(waited)}


async def new_people(shop: Shop, items: Sequence[Item]) -> dict[str, Any]:
    """How many second lists differ from the first, after one view of something in it or elsewhere."""
    rng = np.random.default_rng(SEED)
    differ = {"of the list": 0, "of the catalogue": 0}
    for number, where in itertools.product(range(PEOPLE), differ):
        user_id = f"p{number}-{where}"
        request = RecommendationRequest(subject=Subject(user_id=user_id), n=PLACES)
        first = await shop.recommend.recommend(request)
        shown = [item.item_id for item in first.items]
        any_of = shown if where == "of the list" else [item.item_id for item in items]
        viewed = any_of[int(rng.integers(0, len(any_of)))]
        now = datetime.now(UTC)
        event = Event(user_id, "view_item", now, now, user_id=user_id, items=(EventItem(viewed),))
        await shop.ingest.submit([event])
        second = await shop.recommend.recommend(request)
        differ[where] += [item.item_id for item in second.items] != shown
    return {"new_people": PEOPLE, "second_list_differs": differ}


async def effects(rounds: int) -> dict[str, Any]:
    """The parts that need the whole service."""
    with TemporaryDirectory() as folder:
        return await _effects(Path(folder), rounds)


async def _effects(folder: Path, rounds: int) -> dict[str, Any]:
    items = stock(5000, np.random.default_rng(SEED))
    shop = await opened(folder, items)
    try:
        await steered(shop)
        return {
            **await kept_lists(shop, rounds),
            **await new_items(shop),
            **await new_people(shop, items),
        }
    finally:
        await shop.recommend.stop()
        await shop.ingest.stop()


def _lines(found: dict[str, Any]) -> Iterator[str]:
    live, kept = found["live_ms"], found["kept_us"]
    yield "| | off | on | added |"
    yield "|---|---|---|---|"
    yield f"| kept list, µs | {kept['off']} | {kept['on']} | {found['kept_added']:+.1%} |"
    yield f"| live answer, ms | {live['off']} | {live['on']} | {found['live_added']:+.1%} |"
    times = found["filtered_to_unfiltered"]
    yield f"| a filter that keeps 1 %, ms | {live['off']} | {live['filtered']} | {times - 1.0:+.1%} |"


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.steering", description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=15)
    given = parser.parse_args()
    found = {
        "machine": f"one core, Python {platform.python_version()}, {platform.machine()}",
        "items": ITEMS,
        "people": PEOPLE,
        **costs(given.rounds),
        **asyncio.run(effects(given.rounds)),
    }
    given.out.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    print("\n".join(_lines(found)))
    print({name: found[name] for name in ("always_full", "answers_until_shown", "second_list_differs")})


if __name__ == "__main__":
    main()
