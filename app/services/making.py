"""Lists made now: one computation each, however many wait for it, kept for the next, or else the fallback.

database: catalogue, history ─► lane: the pipeline ─► cache
└ late, full or failed ─► the fallback list, degraded
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, replace
from time import monotonic
from typing import Any, NamedTuple

from app.domain.ports import ListCache
from app.domain.recommendations import Explanation
from app.services.answer_codec import Made
from app.services.answering import Bench, Material, Plan
from app.services.deadlines import LateError, Patience
from app.services.lane import BatchLane, BusyError, Lane
from app.services.reading import Reader
from app.telemetry import Metrics

LANDED_S = 1.0
MOST_TOGETHER = 32
DEADLINE, BUSY = "deadline", "busy"


class Place(NamedTuple):
    """Where a list is kept: its subjects, its key, and the stamps it is made under (None without any)."""

    subjects: tuple[str, ...]
    key: str
    token: str | None


@dataclass(slots=True)
class _Flight:
    """A computation under way, when it began to read, and what it has read so far."""

    task: asyncio.Task[Made] | None = None
    material: Material | None = None
    begun_at: float = float("inf")


class Making:
    """Makes lists.

    Args:
        reader: Gives catalogue, counts and histories; stopped here.
        cache: Keeps what is made.
        metrics: Counts what went wrong.
        deadline_s: A list that takes longer is given up for the fallback.
    """

    def __init__(self, *, reader: Reader, cache: ListCache, metrics: Metrics, deadline_s: float) -> None:
        self._reader, self._cache, self._metrics = reader, cache, metrics
        self._deadline_s = deadline_s
        self._patience = Patience()
        # Fallback lists have a lane of their own: a model that hangs must not hold them up.
        self._lane, self._spare_lane = Lane("scoring"), Lane("fallback", most=1024)
        self._bench, self._spare_bench = Bench(metrics=metrics), Bench(metrics=metrics)
        self._together = BatchLane(self._lane, self._bench.answers, most_at_once=MOST_TOGETHER)
        self._flights: dict[Place, _Flight] = {}
        self._newest: dict[tuple[tuple[str, ...], str], _Flight] = {}
        self._tasks: set[asyncio.Task[Any]] = set()

    async def stop(self) -> None:
        """Stop what runs in the background."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._reader.stop()
        await self._patience.stop()
        self._lane.stop()
        self._spare_lane.stop()

    async def made(self, plan: Plan, place: Place, asked_at: float) -> Made:
        """The plan's list, shared with all who want the same one; the fallback where it takes too long.

        Args:
            plan: What is asked.
            place: Where it will be kept; its stamps were read before this.
            asked_at: When the request came, of `time.monotonic`.
        """
        flight = self._board(plan, place, asked_at)
        assert flight.task is not None  # noqa: S101  # set where it is made
        done, _ = await asyncio.wait({flight.task}, timeout=self._deadline_s)
        if done:
            return flight.task.result()
        self._count("recommend", LateError())
        return await self._fallback(plan, flight.material, DEADLINE)

    async def apart(self, plan: Plan) -> Made:
        """The plan's list, neither shared nor kept, nor in the way of those that are."""
        material = await self._reader.material(plan.request)
        return Made(await self._spare_lane.run(lambda: self._spare_bench.answer(plan, material)))

    async def explanation(self, plan: Plan, item_id: str) -> Explanation:
        """Why the item stands in the plan's list, or why not."""
        material = await self._reader.material(plan.request)
        work = self._lane.run(lambda: self._bench.explanation(plan, material, item_id))
        try:
            return await self._patience.within(work, self._deadline_s)
        except (LateError, BusyError) as error:
            self._count("explain", error)
        plain, left = replace(plan, scorer=None), replace(material, degraded=DEADLINE)
        return await self._spare_lane.run(lambda: self._spare_bench.explanation(plain, left, item_id))

    # --- One computation ---

    def _board(self, plan: Plan, place: Place, asked_at: float) -> _Flight:
        """The computation of this list: one that may be shared, or a new one.

        Under the same stamps it is the same list. Under others, or where Redis did not give any, it is shared
        if it began to read after this request had come: it has seen all that was stored before.
        """
        known, newest = self._flights.get(place), self._newest.get((place.subjects, place.key))
        if known is not None and (place.token is not None or known.begun_at >= asked_at):
            return known
        if newest is not None and newest.begun_at >= asked_at:
            return newest
        flight = self._flights[place] = self._newest[place.subjects, place.key] = _Flight()
        before = known.task if known is not None else None
        flight.task = self._begin(self._compute(plan, flight, place, before), "recommend")
        flight.task.add_done_callback(lambda task: self._land(task, flight, place))
        return flight

    def _begin(self, work: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _land(self, task: asyncio.Task[Made], flight: _Flight, place: Place) -> None:
        if task.cancelled() or task.exception() is not None or task.result().answer.degraded:
            self._forget(flight, place)
        else:
            # Some looked before the list was kept and ask only now.
            asyncio.get_running_loop().call_later(LANDED_S, self._forget, flight, place)

    def _forget(self, flight: _Flight, place: Place) -> None:
        if self._flights.get(place) is flight:
            del self._flights[place]
        if self._newest.get((place.subjects, place.key)) is flight:
            del self._newest[place.subjects, place.key]

    async def _compute(
        self, plan: Plan, flight: _Flight, place: Place, before: asyncio.Task[Made] | None
    ) -> Made:
        if before is not None:
            await asyncio.wait({before})
        flight.begun_at = monotonic()
        self._metrics.list_computations.inc()
        flight.material = material = await self._reader.material(plan.request)
        try:
            made = Made(await self._together.run((plan, material)))
        except BusyError as error:
            self._count("recommend", error)
            return await self._fallback(plan, material, BUSY)
        if place.token is not None and not made.answer.degraded:
            # Nobody waits for it: the look of whoever asks next goes out after it.
            keeping = self._cache.store(place.subjects, place.key, made.kept_body, token=place.token)
            self._begin(keeping, "recommend.keep")
        return made

    async def _fallback(self, plan: Plan, material: Material | None, reason: str) -> Made:
        """The list of the simpler sources, from what was read so far or the process knows already."""
        left = self._reader.known(reason) if material is None else replace(material, degraded=reason)
        plain = replace(plan, scorer=None)
        answer = await self._spare_lane.run(lambda: self._spare_bench.answer(plain, left))
        version = plan.scorer.version if plan.scorer is not None else None
        return Made(replace(answer, model_version=version))

    def _count(self, part: str, error: Exception) -> None:
        self._metrics.degraded.labels(part, type(error).__name__).inc()
