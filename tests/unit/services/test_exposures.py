"""Lists are written behind the answers; what cannot be written is dropped and counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from app.adapters.memory_stores import memory_stores
from app.domain.errors import StorageUnavailableError
from app.domain.exposures import Exposure, Outcome
from app.domain.recommendations import Recommendation, RecommendedItem, ServedBy
from app.domain.types import Subject
from app.services.answer_codec import Made, decoded, on_the_wire
from app.services.exposures import Exposures
from app.telemetry import Metrics
from tests.clocks import NOON, FixedClock
from tests.waiting import until

ANSWER = Recommendation(
    recommendation_id="r1",
    scenario="home",
    variant="control",
    model_version="m1",
    served_by=ServedBy.MODEL,
    degraded=False,
    reason=None,
    items=(RecommendedItem("i1", 1.0, "sequence"), RecommendedItem("i2", 0.5, "sequence")),
    filled=0,
)
USER = Subject(user_id="u1")


class Store:
    """Takes exposures, unless it is away."""

    def __init__(self) -> None:
        self.written: list[Exposure] = []
        self.away = False
        self.forgotten: list[datetime] = []

    async def append(self, shown: Sequence[Exposure]) -> None:
        if self.away:
            raise StorageUnavailableError("away")
        self.written += shown

    async def forget(self, before: datetime, *, most: int) -> int:
        self.forgotten.append(before)
        return most if len(self.forgotten) < 3 else 0

    async def outcomes(self, since: datetime, until: datetime, *, scenario: str | None) -> list[Outcome]:
        return []


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


def writer(store: Any, clock: FixedClock, metrics: Metrics, **options: Any) -> Exposures:
    return Exposures(store=store, clock=clock, metrics=metrics, **options)


def add(exposures: Exposures, *ids: str, answer: Recommendation | bytes = ANSWER) -> None:
    for recommendation_id in ids:
        exposures.add(answer, recommendation_id=recommendation_id, subject=USER)


def dropped(metrics: Metrics, reason: str) -> float | None:
    return metrics.registry.get_sample_value("recserve_exposures_dropped_total", {"reason": reason})


async def test_kept_list_is_written_as_a_made_one_is(clock: FixedClock, metrics: Metrics) -> None:
    store = Store()
    exposures = writer(store, clock, metrics)
    add(exposures, "r1")
    add(exposures, "r2", answer=Made(ANSWER).kept_body)
    add(exposures, "r3", answer=b'{"scenario":torn')
    clock.move(seconds=5)
    await exposures.flush()
    certain = {"item_ids": ("i1", "i2"), "shown_at": NOON, "propensities": (1.0, 1.0)}
    made = Exposure("r1", USER, "home", "control", "m1", "model", **certain)
    kept = Exposure("r2", USER, "home", "control", "m1", "cache", **certain)
    assert store.written == [made, kept]


@pytest.mark.parametrize("propensities", [(1.0, 0.125), (None, None)])
async def test_propensities_go_with_a_kept_list_and_not_on_the_wire(
    clock: FixedClock, metrics: Metrics, propensities: tuple[float | None, ...]
) -> None:
    answer, store = replace(ANSWER, propensities=propensities), Store()
    exposures = writer(store, clock, metrics)
    add(exposures, "r1", answer=answer)
    add(exposures, "r2", answer=Made(answer).kept_body)
    await exposures.flush()
    assert [one.propensities for one in store.written] == [propensities] * 2
    kept = replace(answer, recommendation_id="r2", served_by=ServedBy.CACHE)
    assert decoded(Made(answer).kept_body, "r2") == kept
    assert on_the_wire(Made(answer).kept_body, "r2") == Made(kept).body("r2")
    assert b"propensit" not in Made(kept).body("r2")


async def test_more_than_may_wait_is_dropped_and_counted(clock: FixedClock, metrics: Metrics) -> None:
    store = Store()
    exposures = writer(store, clock, metrics, most_held=300)
    add(exposures, *(str(number) for number in range(302)))
    await exposures.flush()
    assert [one.recommendation_id for one in store.written] == [str(number) for number in range(300)]
    assert dropped(metrics, "full") == 2
    add(exposures, "next")
    await exposures.flush()
    assert store.written[-1].recommendation_id == "next"


async def test_what_the_database_does_not_take_is_dropped_and_counted(
    clock: FixedClock, metrics: Metrics
) -> None:
    store = Store()
    exposures = writer(store, clock, metrics)
    store.away = True
    add(exposures, "r1", "r2")
    await exposures.flush()
    assert (store.written, dropped(metrics, "storage-unavailable")) == ([], 2)


async def test_started_it_writes_by_itself_and_stopped_it_writes_the_rest(
    clock: FixedClock, metrics: Metrics
) -> None:
    stores = memory_stores(clock=clock)

    async def impressions() -> int:
        found = await stores.exposures.outcomes(NOON, NOON + timedelta(days=1), scenario=None)
        return sum(outcome.impressions for outcome in found)

    exposures = writer(stores.exposures, clock, metrics, write_every_s=0.01)
    await exposures.start()
    add(exposures, "r1")
    await until(lambda: _is(impressions, 1))
    add(exposures, "r2")
    await exposures.stop()
    assert await impressions() == 2


async def _is(count: Any, wanted: int) -> bool:
    return await count() == wanted


async def test_old_ones_are_forgotten_slice_by_slice(clock: FixedClock, metrics: Metrics) -> None:
    store = Store()
    await writer(store, clock, metrics, keep_days=2).forget_old()
    assert store.forgotten == [NOON - timedelta(days=2)] * 3


async def test_writer_outlives_a_bug(clock: FixedClock, metrics: Metrics) -> None:
    class Buggy(Store):
        async def append(self, shown: Sequence[Exposure]) -> None:
            if shown[0].recommendation_id == "bad":
                raise RuntimeError
            await super().append(shown)

    store = Buggy()
    exposures = writer(store, clock, metrics, write_every_s=0.01)
    await exposures.start()
    add(exposures, "bad")
    crashed = {"part": "exposures", "reason": "RuntimeError"}
    await until(lambda: metrics.registry.get_sample_value("recserve_degraded_total", crashed) == 1)
    add(exposures, "good")
    await until(lambda: [one.recommendation_id for one in store.written] == ["good"])
    await exposures.stop()
