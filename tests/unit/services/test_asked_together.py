"""Lists computed together are the lists that each would have been alone."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from app.domain.recommendations import Context, Recommendation, RecommendationRequest
from app.domain.types import Query
from app.pipeline.history import Past, past_of
from app.pipeline.popularity import daily_counts
from app.pipeline.scenarios import SCENARIOS
from app.services.answering import Bench, Material, Plan
from app.services.lane import BatchLane, BusyError, Lane
from app.services.popularity import Counted
from app.telemetry import Metrics
from tests.unit.pipeline.build import NOW, TableScorer, catalogue, past
from tests.waiting import until

IDS = tuple("abcdefgh")
SHOP = catalogue(*IDS)
COUNTED = Counted(daily_counts([("c", "purchase", "2026-11-20", 3)], {}), NOW, "v1")
Ask = tuple[Plan, Material]


class CountingScorer(TableScorer):
    """Says how often it was called, and how many questions it was asked at once."""

    def __init__(self, **options: Any) -> None:
        table = {
            one: {other: 1.0 + (i * 7 + j * 3) % 5 for j, other in enumerate(IDS)}
            for i, one in enumerate(IDS)
        }
        super().__init__(IDS, table, **options)
        self.calls: list[int] = []

    def score(self, queries: Sequence[Query]) -> NDArray[np.float32]:
        self.calls.append(len(queries))
        return super().score(queries)


class CrowdScorer(CountingScorer):
    """Cannot be asked more than one question at once."""

    def score(self, queries: Sequence[Query]) -> NDArray[np.float32]:
        if len(queries) > 1:
            raise RuntimeError("out of memory")
        return super().score(queries)


class NaNScorer(CountingScorer):
    """Gives no numbers to a history that ends with `h`."""

    def score(self, queries: Sequence[Query]) -> NDArray[np.float32]:
        scores = super().score(queries)
        for row, query in enumerate(queries):
            if query.item_ids and query.item_ids[-1] == "h":
                scores[row, 1:] = np.nan
        return scores


def bench() -> Bench:
    return Bench(metrics=Metrics())


def ask(
    scorer: Any, viewed: Sequence[str], *, scenario: str = "home", n: int = 3, basket: Sequence[str] = ()
) -> Ask:
    request = RecommendationRequest(scenario=scenario, n=n, context=Context(basket=tuple(basket)))
    plan = Plan(request=request, scenario=SCENARIOS[scenario], clause=None, scorer=scorer)
    seen: Past = past(*(("view_item", item_id) for item_id in viewed)) if viewed else past_of([], [], NOW, {})
    return plan, Material(catalogue=SHOP, counted=COUNTED, past=seen)


asks = st.lists(
    st.tuples(
        st.lists(st.sampled_from([*IDS, "unknown"]), max_size=5),
        st.sampled_from(["home", "basket", "popular"]),
        st.integers(1, 8),
        st.lists(st.sampled_from(IDS), min_size=1, max_size=3),
        st.integers(0, 2),
    ),
    min_size=1,
    max_size=12,
)


@given(drawn=asks)
def test_batch_gives_each_its_own_answer(drawn: list[tuple[list[str], str, int, list[str], int]]) -> None:
    models = [CountingScorer(version="a"), CountingScorer(version="b", missing=0.5), None]
    batch = [
        ask(models[model], viewed, scenario=scenario, n=n, basket=basket)
        for viewed, scenario, n, basket, model in drawn
    ]
    alone = [bench().answer(plan, material) for plan, material in batch]
    assert bench().answers(batch) == alone


def test_model_is_asked_once_for_all_that_wait() -> None:
    scorer = CountingScorer()
    bench().answers([ask(scorer, viewed) for viewed in (["a"], ["b"], ["a"], ["c", "d"])])
    assert scorer.calls == [3], "equal questions are one"


@pytest.mark.parametrize(("scorer", "failed"), [(NaNScorer(), {1}), (CrowdScorer(), set())])
def test_one_that_fails_fails_alone(scorer: CountingScorer, failed: set[int]) -> None:
    answers = bench().answers([ask(scorer, viewed) for viewed in (["a"], ["h"], ["b"])])
    assert all(isinstance(answer, Recommendation) for answer in answers)
    degraded = {
        n for n, answer in enumerate(answers) if isinstance(answer, Recommendation) and answer.degraded
    }
    assert degraded == failed


def test_list_that_cannot_be_made_leaves_its_neighbours_theirs() -> None:
    scorer = CountingScorer()
    plan, material = ask(scorer, ["a"])
    broken = (plan, replace(material, counted=None))  # type: ignore[arg-type]  # whatever a bug may leave behind
    first, second, third = bench().answers([ask(scorer, ["b"]), broken, ask(scorer, ["c"])])
    assert isinstance(second, AttributeError)
    assert isinstance(first, Recommendation)
    assert isinstance(third, Recommendation)


async def test_what_came_while_the_thread_was_busy_goes_together() -> None:
    gate, batches = threading.Event(), []

    def work(asked: Sequence[int]) -> list[int | Exception]:
        batches.append(list(asked))
        assert gate.wait(20)
        return [ZeroDivisionError() if number == 3 else number * 10 for number in asked]

    lane = Lane("test")
    together: BatchLane[int, int] = BatchLane(lane, work, most_at_once=4, most=7)
    first = asyncio.create_task(together.run(0))
    await until(lambda: batches == [[0]])
    rest = [asyncio.create_task(together.run(number)) for number in range(1, 7)]
    await asyncio.sleep(0)
    with pytest.raises(BusyError):
        await together.run(99)
    gate.set()
    answers = await asyncio.gather(first, *rest, return_exceptions=True)
    assert batches == [[0], [1, 2, 3, 4], [5, 6]]
    assert isinstance(answers.pop(3), ZeroDivisionError)
    assert answers == [0, 10, 20, 40, 50, 60]
    assert await together.run(7) == 70
    lane.stop()
