"""Every list the service gives: from the cache, or made now from the newest history, or from what is left.

plan (422 for what cannot be) ─► cache ─► one computation a list ─► answer
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from time import monotonic
from typing import Generic, NamedTuple, TypeVar

import structlog

from app.domain.errors import StorageUnavailableError
from app.domain.ids import new_ulid
from app.domain.ports import CacheRead, Clock, EventStore, ListCache
from app.domain.recommendations import Explanation, Recommendation, RecommendationRequest, ServedBy
from app.domain.types import Subject
from app.pipeline.steering import Steering
from app.services.answer_codec import Made, decoded, on_the_wire
from app.services.answering import Plan
from app.services.catalogue_stamp import SUBJECT as CATALOGUE_SUBJECT
from app.services.deadlines import LateError, Patience
from app.services.exposures import Exposures
from app.services.live_catalogue import LiveCatalogue
from app.services.making import Making, Place
from app.services.planning import LiveModel, Planner, subjects_of
from app.services.popularity import Popularity
from app.services.reading import Reader
from app.services.steering import LiveSteering
from app.telemetry import Metrics, Tally

T = TypeVar("T")
_log = structlog.get_logger(__name__)

START_S = 5.0


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


class _Form(NamedTuple, Generic[T]):
    """How a list is given: from what is kept of it (None where that is none), or as it was made."""

    kept: Callable[[bytes, str], T | None]
    made: Callable[[Made, str], T]


_ANSWER = _Form(decoded, Made.named)
_BODY = _Form(on_the_wire, Made.body)


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
        self._catalogue, self._popularity, self._steering = catalogue, popularity, steering
        self._exposures, self._cache, self._metrics = exposures, cache, metrics
        self._patience = Patience()
        self._planner = Planner(
            models=models,
            steering=lambda: steering.current,
            counts_version=lambda: popularity.current.version,
            segments=lambda: popularity.current.segments,
            metrics=metrics,
        )
        reader = Reader(
            events=events,
            catalogue=catalogue,
            popularity=popularity,
            clock=clock,
            weights=steering.weights,
            metrics=metrics,
            deadline_s=settings.database_deadline_s,
            history_limit=settings.history_limit,
        )
        self._making = Making(reader=reader, cache=cache, metrics=metrics, deadline_s=settings.deadline_s)
        self._hits = metrics.tally(metrics.list_cache_reads.labels("hit"))
        self._misses = metrics.tally(metrics.list_cache_reads.labels("miss"))

    async def start(self) -> None:
        """Read catalogue and counts; where the database does not answer, take what is on disk, and go on."""
        try:
            await self._patience.within(self._load(), START_S)
        except (LateError, StorageUnavailableError) as error:
            self._metrics.degraded.labels("recommend_start", type(error).__name__).inc()
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
        await self._making.stop()
        await self._patience.stop()

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
        return await self._given(self._planner.plan(request, at=at), _ANSWER, look)

    async def body(self, request: RecommendationRequest, *, look: Look | None = None) -> bytes:
        """As `recommend`, as a route writes it; it is written once for the caller and the cache.

        Raises:
            InvalidInputError: As `recommend`.
        """
        return await self._given(self._planner.plan(request), _BODY, look)

    def look(self, user_id: str, *, scenario: str, n: int, done: Callable[[Look], None]) -> None:
        """Look for what a route writes for this user's list; `done` gets what was found, now or later, once.

        Raises:
            InvalidInputError: As `recommend`.
        """
        short = self._planner.short(Subject(user_id=user_id), scenario, n)
        subjects = (f"user:{user_id}", CATALOGUE_SUBJECT)
        self._cache.look(
            subjects, short.key, lambda found: done(Look(user_id, subjects, short.key, short.served, found))
        )

    def kept(self, look: Look, recommendation_id: str) -> bytes | None:
        """What a route writes for the list found, counted as answered; None: `recommend` makes it."""
        kept = look.found.body
        if kept is None:
            return None
        body = on_the_wire(kept, recommendation_id)
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
        return await self._given(self._planner.plan_of_given(request), _ANSWER)

    async def preview(
        self, request: RecommendationRequest, steering: Steering, *, at: str = ""
    ) -> Recommendation:
        """The list as it would be under another steering, no experiment; neither kept nor counted.

        Raises:
            InvalidInputError: As `recommend`.
        """
        plan = self._planner.plan(request, at=at, steering=replace(steering, splits={}))
        return (await self._making.apart(plan)).named(new_ulid())

    async def page(self, placements: Sequence[RecommendationRequest]) -> list[Recommendation]:
        """Several lists for one page, none of them with an item of an earlier one.

        Raises:
            InvalidInputError: One of them cannot be; its pointer begins with `/placements/N`.
        """
        for number, placement in enumerate(placements):
            self._planner.plan(placement, at=f"/placements/{number}")
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
        return await self._making.explanation(self._planner.plan(request), item_id)

    # --- One answer ---

    async def _given(self, plan: Plan, form: _Form[T], look: Look | None = None) -> T:
        """The list, out of the cache or made, counted as answered."""
        subjects, key, asked_at = subjects_of(plan), self._planner.key(plan), monotonic()
        # The stamps are read before the history: what is made from it is kept only if they still hold.
        if look is not None and (look.subjects, look.key) == (subjects, key):
            found = look.found
        else:
            found = await self._cache.read(subjects, key)
        recommendation_id = new_ulid()
        kept = self._readable(found, form, recommendation_id)
        if kept is not None:
            self._hits.n += 1
            self._answered(plan, ServedBy.CACHE, found.body, recommendation_id)
            return kept
        self._misses.n += 1
        made = await self._making.made(plan, Place(subjects, key, found.token), asked_at)
        self._answered(plan, made.answer.served_by, made.answer, recommendation_id)
        return form.made(made, recommendation_id)

    def _readable(self, found: CacheRead, form: _Form[T], recommendation_id: str) -> T | None:
        if found.body is None:
            return None
        kept = form.kept(found.body, recommendation_id)
        if kept is None:
            self._metrics.degraded.labels("list_cache", "unreadable").inc()
        return kept

    def _answered(
        self, plan: Plan, served_by: ServedBy, answer: Recommendation | bytes | None, recommendation_id: str
    ) -> None:
        tally = self._metrics.tally(self._metrics.lists.labels(plan.scenario.name, served_by.value))
        tally.n += 1
        if answer is not None:
            self._exposures.add(answer, recommendation_id=recommendation_id, subject=plan.request.subject)

    async def _load(self) -> None:
        await self._steering.refresh()
        await self._catalogue.refresh()
        await self._popularity.refresh()
