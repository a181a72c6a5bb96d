"""Every list the service gives: from the cache, or made now from the newest history, or from what is left.

plan (422 for what cannot be) ─► cache ─► one computation a list ─► answer
│ database: catalogue, history ─► lane: the pipeline
└ late, full or failed ─► the fallback list, degraded, 200
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from time import monotonic
from typing import NamedTuple, Protocol

import structlog

from app.domain.errors import FieldError, InvalidInputError, StorageUnavailableError
from app.domain.ids import new_ulid
from app.domain.ports import CacheRead, Clock, EventStore, ListCache, Scorer
from app.domain.recommendations import (
    Explanation,
    Recommendation,
    RecommendationRequest,
    ServedBy,
)
from app.domain.types import Subject
from app.pipeline.experiments import Arm
from app.pipeline.filters import parse_filter
from app.pipeline.paging import shown_before
from app.pipeline.rules import acting
from app.pipeline.scenarios import BASKET, Scenario
from app.pipeline.steering import Steering
from app.services.answer_codec import decoded, encoded, list_key, on_the_wire
from app.services.answering import Bench, Material, Plan
from app.services.catalogue_stamp import SUBJECT as CATALOGUE_SUBJECT
from app.services.deadlines import LateError, Patience
from app.services.exposures import Exposures
from app.services.lane import BatchLane, BusyError, Lane
from app.services.live_catalogue import LiveCatalogue
from app.services.popularity import Popularity
from app.services.reading import NO_SUBJECT, Reader
from app.services.steering import LiveSteering
from app.telemetry import Metrics, Tally

_log = structlog.get_logger(__name__)

START_S = 5.0
LANDED_S = 1.0
MOST_SHORTS = 4096
MOST_TOGETHER = 32
DEADLINE, BUSY = "deadline", "busy"


class LiveModel(Protocol):
    """Which model answers now."""

    @property
    def current(self) -> Scorer | None:
        """The live scorer; None where there is none."""

    def beside(self, version: str) -> Scorer | None:
        """The scorer of a version that an experiment asks; None while it is not loaded."""


@dataclass(frozen=True, slots=True)
class RecommendSettings:
    """How long and how far.

    Attributes:
        deadline_s: A request that takes longer is answered by the fallback list.
        database_deadline_s: The part of it for reading the catalogue's changes and the history.
        history_limit: Newest interactions the model is asked with.
    """

    deadline_s: float = 0.3
    database_deadline_s: float = 0.25
    history_limit: int = 200


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a list is kept: its subjects, its key, and the stamps it is made under (None without any)."""

    subjects: tuple[str, ...]
    key: str
    token: str | None


class Look(NamedTuple):
    """A look into the cache for one person's plain list, and what it found: a request looks once.

    Attributes:
        user_id: Whose list.
        subjects: What it depends on.
        key: Its place among theirs.
        served: Counts such lists.
    """

    user_id: str
    subjects: tuple[str, ...]
    key: str
    served: Tally
    found: CacheRead


@dataclass(frozen=True, slots=True)
class _Short:
    """The key of a plain list, whoever's it is.

    Attributes:
        of: Steering, model and counts that it was worked out for.
        served: Counts such lists.
    """

    of: tuple[Steering, Scorer | None, str]
    key: str
    served: Tally


@dataclass(slots=True)
class _Flight:
    """A computation under way, when it began to read, and what it has read so far."""

    task: asyncio.Task[Recommendation] | None = None
    material: Material | None = None
    begun_at: float = float("inf")


class Recommend:
    """The recommendation calls.

    Args:
        models: Gives the live scorer.
        events: Gives histories.
        catalogue: The live snapshot; started and stopped here.
        popularity: The counts; started and stopped here.
        cache: Lists made before.
        clock: Wall time.
        steering: Scenarios, rules and weights; started and stopped here.
        exposures: Is told of every list that is answered.
        metrics: Counts what went wrong.
        settings: Deadlines and limits.
    """

    def __init__(
        self,
        *,
        models: LiveModel,
        events: EventStore,
        catalogue: LiveCatalogue,
        popularity: Popularity,
        cache: ListCache,
        clock: Clock,
        steering: LiveSteering,
        exposures: Exposures,
        metrics: Metrics,
        settings: RecommendSettings | None = None,
    ) -> None:
        settings = settings or RecommendSettings()
        self._models = models
        self._catalogue = catalogue
        self._popularity = popularity
        self._steering = steering
        self._exposures = exposures
        self._cache = cache
        self._metrics = metrics
        self._deadline_s = settings.deadline_s
        self._reader = Reader(
            events=events,
            catalogue=catalogue,
            popularity=popularity,
            clock=clock,
            weights=steering.weights,
            metrics=metrics,
            deadline_s=settings.database_deadline_s,
            history_limit=settings.history_limit,
        )
        self._patience = Patience()
        # Fallback lists have a lane of their own: a model that hangs must not hold them up.
        self._lane, self._spare_lane = Lane("scoring"), Lane("fallback", most=1024)
        self._bench = Bench(metrics=metrics)
        self._together = BatchLane(self._lane, self._bench.answers, most_at_once=MOST_TOGETHER)
        self._spare_bench = Bench(metrics=metrics)
        self._flights: dict[_Place, _Flight] = {}
        self._newest: dict[tuple[tuple[str, ...], str], _Flight] = {}
        self._shorts: dict[tuple[str, int, tuple[str, str] | None], _Short] = {}
        self._hits = metrics.tally(metrics.list_cache_reads.labels("hit"))
        self._aloft: set[asyncio.Task[Recommendation]] = set()

    async def start(self) -> None:
        """Read catalogue and counts; where the database does not answer, take what is on disk, and go on."""
        try:
            await self._patience.within(self._load(), START_S)
        except (LateError, StorageUnavailableError) as error:
            self._count("recommend_start", error)
            _log.warning("recommend.started_without_database", reason=type(error).__name__)
            await self._popularity.load_last_resort()
        self._catalogue.follow()
        self._popularity.follow()
        self._steering.follow()

    async def stop(self) -> None:
        """Stop what runs in the background."""
        await self._steering.stop()
        await self._popularity.stop()
        await self._catalogue.stop()
        for task in self._aloft:
            task.cancel()
        await asyncio.gather(*self._aloft, return_exceptions=True)
        await self._reader.stop()
        await self._patience.stop()
        self._lane.stop()
        self._spare_lane.stop()

    # --- The calls ---

    async def recommend(
        self, request: RecommendationRequest, *, at: str = "", look: Look | None = None
    ) -> Recommendation:
        """A list.

        Args:
            request: What is asked.
            at: Where the request stands in the body, for pointers.
            look: What the cache gave already, if it was asked for this list.

        Raises:
            InvalidInputError: A scenario that does not exist, a filter that cannot be read.
        """
        return await self._answer(self._plan(request, self._steering.current, at=at), look)

    def look(self, user_id: str, *, scenario: str, n: int, done: Callable[[Look], None]) -> None:
        """Look for what a route writes for this user's list; `done` gets what was found, now or later, once.

        Raises:
            InvalidInputError: As `recommend`.
        """
        short = self._short(Subject(user_id=user_id), scenario, n)
        subjects = (f"user:{user_id}", CATALOGUE_SUBJECT)
        self._cache.look(
            subjects, short.key, lambda found: done(Look(user_id, subjects, short.key, short.served, found))
        )

    def kept(self, look: Look, recommendation_id: str) -> bytes | None:
        """What a route writes for the list found, counted as answered; None: `recommend` makes it."""
        kept = look.found.body
        if kept is None:
            return None
        body = on_the_wire(kept, recommendation_id=recommendation_id)
        if body is not None:
            self._hits.n += 1
            look.served.n += 1
            subject = Subject(user_id=look.user_id)
            self._exposures.add(kept, recommendation_id=recommendation_id, subject=subject)
        return body

    async def rank(self, request: RecommendationRequest) -> Recommendation:
        """The caller's own items, `only_item_ids`, best first for this person.

        Raises:
            InvalidInputError: There is no such scenario over a given list.
        """
        item_ids = tuple(dict.fromkeys(request.only_item_ids or ()))
        request = replace(request, only_item_ids=item_ids, n=max(1, len(item_ids)))
        steering = self._steering.current
        scenario = steering.scenarios.get(request.scenario)
        if scenario is None or not scenario.needs_list:
            named = (name for name, one in steering.scenarios.items() if one.needs_list)
            fault = FieldError("/scenario", "is not one of " + ", ".join(named))
            raise InvalidInputError("There is no such scenario over a given list.", [fault])
        arm = self._arm(steering, request.scenario, request.subject)
        scenario = scenario if arm is None else arm.scenarios.get(scenario.name, scenario)
        return await self._answer(self._planned(request, scenario, steering, arm, at=""))

    async def preview(
        self, request: RecommendationRequest, steering: Steering, *, at: str = ""
    ) -> Recommendation:
        """The list as it would be under another steering, no experiment; neither kept nor counted.

        Raises:
            InvalidInputError: As `recommend`.
        """
        plan = self._plan(request, replace(steering, splits={}), at=at)
        material = await self._reader.material(plan.request)
        answer = await self._spare_lane.run(lambda: self._spare_bench.answer(plan, material))
        return replace(answer, recommendation_id=new_ulid())

    async def page(self, placements: Sequence[RecommendationRequest]) -> list[Recommendation]:
        """Several lists for one page, none of them with an item of an earlier one.

        Raises:
            InvalidInputError: One of them cannot be; its pointer begins with `/placements/N`.
        """
        for number, placement in enumerate(placements):
            self._plan(placement, self._steering.current, at=f"/placements/{number}")
        answers: list[Recommendation] = []
        shown: tuple[str, ...] = ()
        for placement in placements:
            left_out = (*placement.exclude_item_ids, *shown)
            answers.append(await self.recommend(replace(placement, exclude_item_ids=left_out)))
            shown = (*shown, *(item.item_id for item in answers[-1].items))
        return answers

    async def explain(self, user_id: str, item_id: str, *, scenario: str = "home") -> Explanation:
        """Why the item stands in the user's list, or why not.

        Raises:
            InvalidInputError: The scenario does not exist, or needs more than a user.
        """
        request = RecommendationRequest(scenario=scenario, subject=Subject(user_id=user_id))
        plan = self._plan(request, self._steering.current, at="")
        material = await self._reader.material(plan.request)
        work = self._lane.run(lambda: self._bench.explanation(plan, material, item_id))
        try:
            return await self._patience.within(work, self._deadline_s)
        except (LateError, BusyError) as error:
            self._count("explain", error)
        plain, left = replace(plan, scorer=None), replace(material, degraded=DEADLINE)
        return await self._spare_lane.run(lambda: self._spare_bench.explanation(plain, left, item_id))

    # --- Plan ---

    def _plan(self, request: RecommendationRequest, steering: Steering, *, at: str) -> Plan:
        arm = self._arm(steering, request.scenario, request.subject)
        scenarios = steering.scenarios if arm is None else {**steering.scenarios, **arm.scenarios}
        return self._planned(request, _scenario(request, scenarios, at=at), steering, arm, at=at)

    def _arm(self, steering: Steering, scenario: str, subject: Subject) -> Arm | None:
        """The variant this person meets, where it can be made.

        A list whose model is not there is nobody's: counted for the control, it would be one that only part
        of the control's people could get.
        """
        split = steering.splits.get(scenario)
        arm = None if split is None else split.arm_of(subject)
        if arm is not None and arm.model_version is not None and self._scorer(arm) is None:
            self._metrics.degraded.labels("experiment", "model-not-loaded").inc()
            return None
        return arm

    def _scorer(self, arm: Arm | None) -> Scorer | None:
        version = None if arm is None else arm.model_version
        return self._models.current if version is None else self._models.beside(version)

    def _planned(
        self,
        request: RecommendationRequest,
        scenario: Scenario,
        steering: Steering,
        arm: Arm | None,
        *,
        at: str,
    ) -> Plan:
        clause = None if request.filter is None else parse_filter(request.filter, pointer=f"{at}/filter")
        return Plan(
            request=request,
            scenario=scenario,
            clause=clause,
            scorer=self._scorer(arm) if scenario.asks_model else None,
            arm=arm,
            rules=acting(steering.rules, request.scenario),
            steering_version=steering.version,
            fading=steering.fading,
            shown=None if request.cursor is None else shown_before(request, at=at),
        )

    def _short(self, subject: Subject, scenario: str, n: int) -> _Short:
        """How lists of this kind are kept now; worked out anew when something it hangs on changes."""
        steering = self._steering.current
        arm = self._arm(steering, scenario, subject)
        now = (steering, self._scorer(arm), self._popularity.current.version)
        kind = (scenario, n, None if arm is None else arm.named)
        short = self._shorts.get(kind)
        if short is None or short.of != now:
            if short is not None and short.of[0] is not steering:
                # Those of another steering may hold models that no experiment asks any more.
                self._shorts.clear()
            request = RecommendationRequest(scenario=scenario, subject=subject, n=n)
            plan = self._plan(request, now[0], at="")
            counter = self._metrics.lists.labels(plan.scenario.name, ServedBy.CACHE.value)
            if len(self._shorts) >= MOST_SHORTS:
                self._shorts.clear()
            short = self._shorts[kind] = _Short(now, self._key(plan), self._metrics.tally(counter))
        return short

    # --- One answer ---

    async def _answer(self, plan: Plan, look: Look | None = None) -> Recommendation:
        answer = await self._listed(plan, look)
        self._metrics.lists.labels(answer.scenario, answer.served_by.value).inc()
        subject = plan.request.subject
        self._exposures.add(answer, recommendation_id=answer.recommendation_id, subject=subject)
        return answer

    async def _listed(self, plan: Plan, look: Look | None) -> Recommendation:
        subjects, key, asked_at = _subjects(plan), self._key(plan), monotonic()
        # The stamps are read before the history: what is made from it is kept only if they still hold.
        if look is not None and (look.subjects, look.key) == (subjects, key):
            found = look.found
        else:
            found = await self._cache.read(subjects, key)
        kept = self._kept(found)
        self._metrics.list_cache_reads.labels("miss" if kept is None else "hit").inc()
        if kept is not None:
            return kept
        flight = self._board(plan, _Place(subjects, key, found.token), asked_at)
        assert flight.task is not None  # noqa: S101  # set where it is made
        done, _ = await asyncio.wait({flight.task}, timeout=self._deadline_s)
        if done:
            return replace(flight.task.result(), recommendation_id=new_ulid())
        self._count("recommend", LateError())
        return await self._fallback(plan, flight.material, DEADLINE)

    def _kept(self, found: CacheRead) -> Recommendation | None:
        """The list out of the cache, if there is one that can be read."""
        if found.body is None:
            return None
        answer = decoded(found.body, recommendation_id=new_ulid())
        if answer is not None:
            return replace(answer, served_by=ServedBy.CACHE)
        self._metrics.degraded.labels("list_cache", "unreadable").inc()
        return None

    def _key(self, plan: Plan) -> str:
        personal = plan.scorer is not None and plan.request.subject != NO_SUBJECT
        return list_key(
            plan.request,
            model_version=plan.scorer.version if plan.scorer is not None else None,
            # A person's list changes with their events; everybody's list with the counts.
            counts_version=None if personal else self._popularity.current.version,
            steering_version=plan.steering_version,
            arm=None if plan.arm is None else plan.arm.named,
        )

    def _board(self, plan: Plan, place: _Place, asked_at: float) -> _Flight:
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
        work = self._compute(plan, flight, place, before)
        flight.task = asyncio.create_task(work, name="recommend")
        self._aloft.add(flight.task)
        flight.task.add_done_callback(lambda task: self._land(task, flight, place))
        return flight

    def _land(self, task: asyncio.Task[Recommendation], flight: _Flight, place: _Place) -> None:
        self._aloft.discard(task)
        if task.cancelled() or task.exception() is not None or task.result().degraded:
            self._forget(flight, place)
        else:
            # Some looked before the list was kept and ask only now.
            asyncio.get_running_loop().call_later(LANDED_S, self._forget, flight, place)

    def _forget(self, flight: _Flight, place: _Place) -> None:
        if self._flights.get(place) is flight:
            del self._flights[place]
        if self._newest.get((place.subjects, place.key)) is flight:
            del self._newest[place.subjects, place.key]

    async def _compute(
        self,
        plan: Plan,
        flight: _Flight,
        place: _Place,
        before: asyncio.Task[Recommendation] | None,
    ) -> Recommendation:
        if before is not None:
            await asyncio.wait({before})
        flight.begun_at = monotonic()
        self._metrics.list_computations.inc()
        flight.material = material = await self._reader.material(plan.request)
        try:
            answer = await self._together.run((plan, material))
        except BusyError as error:
            self._count("recommend", error)
            return await self._fallback(plan, material, BUSY)
        if place.token is not None and not answer.degraded:
            await self._cache.store(place.subjects, place.key, encoded(answer), token=place.token)
        return answer

    async def _fallback(self, plan: Plan, material: Material | None, reason: str) -> Recommendation:
        """The list of the simpler sources, from what was read so far or the process knows already."""
        left = self._reader.known(reason) if material is None else replace(material, degraded=reason)
        plain = replace(plan, scorer=None)
        answer = await self._spare_lane.run(lambda: self._spare_bench.answer(plain, left))
        version = plan.scorer.version if plan.scorer is not None else None
        return replace(answer, recommendation_id=new_ulid(), model_version=version)

    async def _load(self) -> None:
        await self._steering.refresh()
        await self._catalogue.refresh()
        await self._popularity.refresh()

    def _count(self, part: str, error: Exception) -> None:
        self._metrics.degraded.labels(part, type(error).__name__).inc()


def _subjects(plan: Plan) -> tuple[str, ...]:
    """What the list depends on and is stamped with."""
    return (*plan.request.subject.names(), CATALOGUE_SUBJECT)


def _scenario(request: RecommendationRequest, scenarios: Mapping[str, Scenario], *, at: str) -> Scenario:
    """The pipeline the request names. Raises `InvalidInputError`."""
    scenario = scenarios.get(request.scenario)
    if scenario is None:
        named = (name for name, one in scenarios.items() if not one.needs_list)
        fault = FieldError(f"{at}/scenario", "is not one of " + ", ".join(named))
        raise InvalidInputError("The scenario is unknown.", [fault])
    if scenario.needs_list:
        fault = FieldError(f"{at}/scenario", "needs the items to rank: use POST /v1/rank")
        raise InvalidInputError(f"The scenario {scenario.name} has a call of its own.", [fault])
    if scenario.needs_item and request.context.item_id is None:
        fault = FieldError(f"{at}/context/item_id", f"is required by the scenario {scenario.name}")
        raise InvalidInputError("The scenario needs an item.", [fault])
    if scenario.main_source == BASKET and not request.context.basket:
        # An empty basket is a basket page's usual state: the personal list stands there.
        return replace(scenarios["home"], name=scenario.name)
    return scenario
