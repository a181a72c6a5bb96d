"""A recommendation service over stores in memory, with parts a test can replace."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.adapters.last_resort import LastResortFile
from app.adapters.memory_cache import MemoryListCache
from app.adapters.memory_stores import memory_stores
from app.domain.ports import EventStore, ItemStore, ListCache, Scorer, Stores
from app.domain.types import Event, Item, Query
from app.domain.weights import DEFAULT_WEIGHTS
from app.services.catalogue import Catalogue
from app.services.catalogue_stamp import CatalogueStamp
from app.services.exposures import Exposures
from app.services.ingest import Ingest
from app.services.live_catalogue import LiveCatalogue
from app.services.popularity import Popularity
from app.services.recommend import Recommend, RecommendSettings
from app.services.steering import LiveSteering
from app.telemetry import Metrics
from tests.clocks import FixedClock
from tests.unit.pipeline.build import TableScorer

# Patient: tests share two cores. Tests of deadlines set their own.
PATIENT = RecommendSettings(deadline_s=20.0, database_deadline_s=20.0)
IDS = ("a", "b", "c", "d", "e")
TABLE: Mapping[str, Mapping[str, float]] = {"a": {"b": 3.0, "c": 2.0}, "b": {"d": 1.0}}


@dataclass
class Models:
    """Which scorer is live."""

    current: Scorer | None = None
    others: dict[str, Scorer] = field(default_factory=dict)

    def beside(self, version: str) -> Scorer | None:
        return self.others.get(version)


class GatedScorer(TableScorer):
    """Answers only once the gate is open; says when it was asked."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.gate = threading.Event()
        self.entered = threading.Event()

    def score(self, queries: Sequence[Query]) -> NDArray[np.float32]:
        self.entered.set()
        assert self.gate.wait(20.0)
        return super().score(queries)


class BrokenScorer(TableScorer):
    """Always raises."""

    def score(self, queries: Sequence[Query]) -> NDArray[np.float32]:
        raise RuntimeError("the runtime gave up")


@dataclass
class Shop:
    """The service and what it stands on."""

    recommend: Recommend
    ingest: Ingest
    catalogue: Catalogue
    live: LiveCatalogue
    popularity: Popularity
    stores: Stores
    cache: ListCache
    models: Models
    metrics: Metrics
    clock: FixedClock
    steering: LiveSteering
    counted: dict[str, int] = field(default_factory=dict)

    async def happened(self, *events: Event) -> None:
        """Events, acknowledged."""
        await self.ingest.submit(events)

    async def put(self, *items: Item | str) -> None:
        """Items, acknowledged."""
        await self.catalogue.put([Item(item_id=one) if isinstance(one, str) else one for one in items])

    def degraded(self, part: str) -> float:
        """Times that a part did without another."""
        return sum(
            sample.value
            for metric in self.metrics.degraded.collect()
            for sample in metric.samples
            if sample.name.endswith("_total") and sample.labels["part"] == part
        )


def table_scorer(**options: Any) -> TableScorer:
    return TableScorer(IDS, TABLE, **options)


@asynccontextmanager
async def open_shop(
    folder: Path,
    *,
    scorer: Scorer | None = None,
    cache: ListCache | None = None,
    stores: Stores | None = None,
    events: EventStore | None = None,
    items: ItemStore | None = None,
    settings: RecommendSettings = PATIENT,
    stocked: Sequence[Item | str] = IDS,
) -> AsyncIterator[Shop]:
    clock, metrics, models = FixedClock(), Metrics(), Models(scorer)
    stores = stores or memory_stores(clock=clock)
    cache = cache or MemoryListCache(ttl_s=300, entries=1000)
    events, items = events or stores.events, items or stores.items
    stamp = CatalogueStamp(cache)
    live = LiveCatalogue(items=items, stamp=stamp, metrics=metrics, hung_s=0.5)
    steering = LiveSteering(
        definitions=stores.definitions, clock=clock, weights=DEFAULT_WEIGHTS, metrics=metrics
    )
    popularity = Popularity(
        events=events,
        catalogue=live,
        clock=clock,
        weights=steering.weights,
        fading=lambda: steering.current.fading,
        last_resort=LastResortFile(folder / "last_resort.json"),
        metrics=metrics,
    )
    recommend = Recommend(
        models=models,
        events=events,
        catalogue=live,
        popularity=popularity,
        cache=cache,
        clock=clock,
        steering=steering,
        exposures=Exposures(store=stores.exposures, clock=clock, metrics=metrics),
        metrics=metrics,
        settings=settings,
    )
    ingest = Ingest(events=stores.events, cache=cache, stamp=stamp, metrics=metrics, deadline_s=20.0)
    catalogue = Catalogue(items=stores.items, stamp=stamp)
    if stocked:
        await catalogue.put([Item(item_id=one) if isinstance(one, str) else one for one in stocked])
    await ingest.start()
    await recommend.start()
    try:
        yield Shop(
            recommend, ingest, catalogue, live, popularity, stores, cache, models, metrics, clock, steering
        )
    finally:
        await recommend.stop()
        await ingest.stop()
