"""What a list is made of when something is late, full, or gone."""

from __future__ import annotations

import asyncio
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from app.adapters.memory_cache import MemoryListCache
from app.adapters.memory_stores import memory_stores
from app.domain.errors import StorageUnavailableError
from app.domain.ports import CacheRead
from app.domain.recommendations import Recommendation, RecommendationRequest, ServedBy
from app.domain.types import Item, Subject
from app.services.recommend import RecommendSettings
from tests.clocks import FixedClock
from tests.events import event
from tests.unit.services.shop import IDS, TABLE, BrokenScorer, GatedScorer, open_shop, table_scorer
from tests.waiting import until

HASTY = RecommendSettings(deadline_s=0.15, database_deadline_s=0.1)


def ask(**fields: Any) -> RecommendationRequest:
    return RecommendationRequest(**{"subject": Subject(user_id="u1"), "n": 3} | fields)


def ids(answer: Recommendation) -> list[str]:
    return [item.item_id for item in answer.items]


class Flaky:
    """A store whose every call fails, hangs, or passes, as the test says."""

    def __init__(self, store: Any) -> None:
        self.store = store
        self.how = "pass"
        self.calls = 0

    def __getattr__(self, name: str) -> Any:
        async def call(*arguments: Any, **options: Any) -> Any:
            self.calls += 1
            if self.how == "fail":
                raise StorageUnavailableError("away")
            if self.how == "crash":
                raise RuntimeError("a driver's own bug")
            if self.how == "hang":
                await asyncio.Event().wait()
            return await getattr(self.store, name)(*arguments, **options)

        return call


async def test_recommend_answers_without_a_model_that_fails_and_keeps_nothing(tmp_path: Path) -> None:
    async with open_shop(tmp_path, scorer=BrokenScorer(IDS, TABLE)) as shop:
        await shop.happened(event("e", "a"))
        for _ in range(2):
            answer = await shop.recommend.recommend(ask())
            assert (answer.served_by, answer.degraded, answer.reason) == (
                ServedBy.FALLBACK,
                True,
                "model-failed",
            )
            assert len(answer.items) == 3
            assert "a" not in ids(answer)
        assert shop.degraded("model") == 2


async def test_recommend_answers_without_a_model_whose_scores_are_no_numbers(tmp_path: Path) -> None:
    async with open_shop(tmp_path, scorer=table_scorer(missing=float("nan"))) as shop:
        await shop.happened(event("e", "a"))
        answer = await shop.recommend.recommend(ask())
        assert (answer.reason, len(answer.items)) == ("model-failed", 3)


async def test_recommend_answers_in_time_when_the_model_is_slow_and_keeps_the_late_list(
    tmp_path: Path,
) -> None:
    scorer = GatedScorer(IDS, TABLE)
    async with open_shop(tmp_path, scorer=scorer, settings=HASTY) as shop:
        await shop.happened(event("e", "a"), event("no", "e", name="dislike"))
        began = monotonic()
        answer = await shop.recommend.recommend(ask())
        took = monotonic() - began
        assert (answer.served_by, answer.degraded, answer.reason) == (ServedBy.FALLBACK, True, "deadline")
        # Late, but what was read of the person still holds: seen and disliked items stay away.
        assert sorted(ids(answer)) == ["b", "c", "d"]
        assert took < 5
        scorer.gate.set()

        async def kept() -> bool:
            return (await shop.recommend.recommend(ask())).served_by is ServedBy.CACHE

        await until(kept)
        assert ids(await shop.recommend.recommend(ask()))[:2] == ["b", "c"]


async def test_recommend_sheds_to_the_fallback_when_the_queue_is_full(tmp_path: Path) -> None:
    scorer = GatedScorer(IDS, TABLE)
    async with open_shop(tmp_path, scorer=scorer) as shop:
        await shop.happened(*(event(f"e{n}", "a", user_id=f"u{n}") for n in range(80)))
        waiting = [
            asyncio.create_task(shop.recommend.recommend(ask(subject=Subject(user_id=f"u{n}"))))
            for n in range(80)
        ]
        await until(lambda: sum(task.done() for task in waiting) == 16)
        shed = [task.result() for task in waiting if task.done()]
        assert {answer.reason for answer in shed} == {"busy"}
        assert {len(answer.items) for answer in shed} == {3}
        scorer.gate.set()
        answers = await asyncio.gather(*waiting)
        assert sum(answer.served_by is ServedBy.MODEL for answer in answers) == 64


@pytest.mark.parametrize("how", ["fail", "crash", "hang"])
@pytest.mark.parametrize("part", ["events", "items"])
async def test_recommend_answers_when_the_database_does_not(tmp_path: Path, how: str, part: str) -> None:
    stores = memory_stores(clock=FixedClock())
    flaky = Flaky(getattr(stores, part))
    async with open_shop(
        tmp_path, scorer=table_scorer(), stores=stores, settings=HASTY, **{part: flaky}
    ) as shop:
        await shop.happened(event("e", "a"))
        flaky.how = how
        for scenario in ("home", "popular"):
            answer = await shop.recommend.recommend(ask(scenario=scenario))
            assert (answer.degraded, len(answer.items)) == (True, 3)
            assert answer.reason in {"database-unavailable", "deadline"}
            assert answer.served_by in {ServedBy.FALLBACK, ServedBy.STALE}
        flaky.how = "pass"

        async def whole() -> bool:
            return not (await shop.recommend.recommend(ask())).degraded

        await until(whole)


async def test_recommend_leaves_a_failing_database_alone(tmp_path: Path) -> None:
    stores = memory_stores(clock=FixedClock())
    flaky = Flaky(stores.events)
    async with open_shop(tmp_path, stores=stores, events=flaky) as shop:
        flaky.how, flaky.calls = "fail", 0
        for n in range(50):
            await shop.recommend.recommend(ask(subject=Subject(user_id=f"u{n}")))
        assert flaky.calls < 10


async def test_recommend_serves_what_is_cached_when_the_database_is_away(tmp_path: Path) -> None:
    stores = memory_stores(clock=FixedClock())
    flaky = Flaky(stores.events)
    async with open_shop(tmp_path, scorer=table_scorer(), stores=stores, events=flaky) as shop:
        await shop.happened(event("e", "a"))
        await shop.recommend.recommend(ask())
        flaky.how = "fail"
        assert (await shop.recommend.recommend(ask())).served_by is ServedBy.CACHE


async def test_recommend_starts_without_a_database_from_the_list_on_disk(tmp_path: Path) -> None:
    async with open_shop(tmp_path) as shop:
        await shop.happened(*(event(f"e{n}", "d", user_id=f"u{n}") for n in range(3)), event("x", "b"))
        await shop.popularity.refresh()
        await shop.live.refresh()
        await shop.popularity.save_last_resort()
    stores = memory_stores(clock=FixedClock())
    dead, gone = Flaky(stores.events), Flaky(stores.items)
    dead.how = gone.how = "fail"
    async with open_shop(tmp_path, stores=stores, events=dead, items=gone, stocked=()) as shop:
        answer = await shop.recommend.recommend(ask())
        assert ids(answer)[:2] == ["d", "b"]
        assert answer.degraded
        dead.how = gone.how = "pass"
        await stores.items.put([Item(item_id="z")])

        async def read_again() -> bool:
            return ids(await shop.recommend.recommend(ask())) == ["z"]

        await until(read_again)


class DeadCache(MemoryListCache):
    """Gives nothing, keeps nothing, as a Redis that is away."""

    async def read(self, subjects: Any, key: str) -> CacheRead:
        return CacheRead(body=None, token=None)


async def test_recommend_without_a_cache_shares_only_computations_not_begun(tmp_path: Path) -> None:
    scorer = GatedScorer(IDS, TABLE)
    async with open_shop(tmp_path, scorer=scorer, cache=DeadCache(ttl_s=1, entries=1)) as shop:
        await shop.happened(event("e", "a"))
        early = asyncio.create_task(shop.recommend.recommend(ask()))
        await until(scorer.entered.is_set)
        await shop.happened(event("f", "b"))
        late = [asyncio.create_task(shop.recommend.recommend(ask())) for _ in range(20)]
        await until(lambda: len(asyncio.all_tasks()) > 20)
        scorer.gate.set()
        assert ids(await early)[:2] == ["b", "c"]
        assert {tuple(ids(answer)[:2]) for answer in await asyncio.gather(*late)} == {("c", "d")}
        assert len(scorer.asked) == 2


class HeldCache(DeadCache):
    """Holds the first look until it may go."""

    held: asyncio.Event
    go: asyncio.Event

    async def read(self, subjects: Any, key: str) -> CacheRead:
        if not self.held.is_set():
            self.held.set()
            await self.go.wait()
        return await super().read(subjects, key)


async def test_recommend_shares_a_computation_that_began_after_the_request_had_come(tmp_path: Path) -> None:
    scorer, cache = GatedScorer(IDS, TABLE), HeldCache(ttl_s=1, entries=1)
    cache.held, cache.go = asyncio.Event(), asyncio.Event()
    scorer.gate.set()
    async with open_shop(tmp_path, scorer=scorer, cache=cache) as shop:
        await shop.happened(event("e", "a"))
        first = asyncio.create_task(shop.recommend.recommend(ask()))
        await cache.held.wait()
        second = await shop.recommend.recommend(ask())
        cache.go.set()
        answer = await first
        assert ids(answer) == ids(second)
        assert answer.recommendation_id != second.recommendation_id
        assert len(scorer.asked) == 1
        await shop.happened(event("f", "b"))
        assert ids(await shop.recommend.recommend(ask()))[:2] == ["c", "d"], "what came since is seen"
        assert len(scorer.asked) == 2


class GarbledCache(MemoryListCache):
    """Gives back bytes that nobody stored."""

    body = b"{}"

    async def read(self, subjects: Any, key: str) -> CacheRead:
        return CacheRead(body=self.body, token=None)


@pytest.mark.parametrize(
    "body", [b"", b"\xff", b"[]", b"{}", b'{"items":[{}],"served_by":"model"}', b'{"items":1}']
)
async def test_recommend_takes_an_unreadable_list_for_a_miss(tmp_path: Path, body: bytes) -> None:
    cache = GarbledCache(ttl_s=1, entries=1)
    cache.body = body
    async with open_shop(tmp_path, cache=cache) as shop:
        answer = await shop.recommend.recommend(ask())
        assert len(answer.items) == 3
        assert shop.degraded("list_cache") == 1


async def test_recommend_does_not_mind_callers_who_go_away(tmp_path: Path) -> None:
    scorer = GatedScorer(IDS, TABLE)
    async with open_shop(tmp_path, scorer=scorer) as shop:
        await shop.happened(event("e", "a"))
        first = asyncio.create_task(shop.recommend.recommend(ask()))
        second = asyncio.create_task(shop.recommend.recommend(ask()))
        await until(scorer.entered.is_set)
        first.cancel()
        scorer.gate.set()
        assert ids(await second)[:2] == ["b", "c"]
