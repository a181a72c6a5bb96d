"""What a list is made from, read from the database within a request's time, or said to be missing."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import structlog

from app.domain.breaker import Breaker
from app.domain.errors import StorageUnavailableError
from app.domain.ports import Clock, EventStore
from app.domain.recommendations import RecommendationRequest
from app.domain.types import Interaction, ItemEvents, Subject
from app.domain.weights import UNKNOWN_WEIGHT, EventWeight
from app.pipeline.history import past_of
from app.services.answering import Material
from app.services.deadlines import LateError, Patience
from app.services.live_catalogue import LiveCatalogue
from app.services.popularity import Popularity
from app.telemetry import Metrics, failure

T = TypeVar("T")
_log = structlog.get_logger(__name__)

DATABASE_UNAVAILABLE = "database-unavailable"
NO_SUBJECT = Subject()
PAST_LINES = 20_000
"""Lines of each id that what was met, bought and disliked is read from: a whole life of a customer."""

DEEPER = 20
"""So many times further back a history is read that is mostly of events without weight."""


@dataclass(frozen=True, slots=True)
class _Stored:
    """A person's past as the database has it: its end, and a sum of all of it where the end is not all."""

    newest: Sequence[Interaction] = ()
    met: Sequence[ItemEvents] = ()


class Reader:
    """Reads the catalogue's changes and a history side by side; leaves a failing database alone for a while.

    Args:
        events: Gives histories.
        catalogue: The live snapshot.
        popularity: The counts.
        clock: Wall time.
        weights: What each event says.
        metrics: Counts failures.
        deadline_s: For both together.
        history_limit: Newest interactions the model is asked with.
    """

    def __init__(
        self,
        *,
        events: EventStore,
        catalogue: LiveCatalogue,
        popularity: Popularity,
        clock: Clock,
        weights: Mapping[str, EventWeight],
        metrics: Metrics,
        deadline_s: float,
        history_limit: int,
    ) -> None:
        self._events = events
        self._catalogue = catalogue
        self._popularity = popularity
        self._clock = clock
        self._weights = weights
        self._metrics = metrics
        self._deadline_s = deadline_s
        self._history_limit = history_limit
        self._patience = Patience()
        self._breaker = Breaker(failures=3, open_s=1.0)

    async def material(self, request: RecommendationRequest) -> Material:
        """The newest there is; `degraded` where the database did not give all of it."""
        now = self._clock.now()
        stored, fresh = await self._read(request.subject)
        past = stored or _Stored()
        return Material(
            catalogue=self._catalogue.current,
            counted=self._popularity.current,
            past=past_of(past.newest, request.context.history, now, self._weights, met=past.met),
            degraded=None if stored is not None and fresh else DATABASE_UNAVAILABLE,
        )

    def known(self, reason: str) -> Material:
        """What the process knows without asking: nobody's past, the last catalogue and counts."""
        return Material(catalogue=self._catalogue.current, counted=self._popularity.current, degraded=reason)

    async def stop(self) -> None:
        """Drop what is late."""
        await self._patience.stop()

    async def _read(self, subject: Subject) -> tuple[_Stored | None, bool]:
        """The history, None where it could not be read, and whether the catalogue is the newest."""
        if not self._breaker.allows():
            self._metrics.degraded.labels("recommend_read", "breaker-open").inc()
            return None, False
        history, catalogue = await asyncio.gather(
            self._attempt("history", self._history(subject)),
            self._attempt("catalogue", self._catalogue.refresh()),
        )
        if history is not None and catalogue is not None:
            self._breaker.succeeded()
        elif self._breaker.failed():
            _log.warning("recommend.database_left_alone")
        return history, catalogue is not None

    async def _history(self, subject: Subject) -> _Stored:
        if subject == NO_SUBJECT:
            return _Stored()
        newest = await self._events.history(subject, limit=self._history_limit)
        if len(newest) < self._history_limit:
            return _Stored(newest)
        if 2 * len(self._telling(newest)) < len(newest):
            # Impressions say nothing, and there are many of them: what does say something lies deeper.
            deeper = await self._events.history(subject, limit=DEEPER * self._history_limit)
            newest = self._telling(deeper)[-self._history_limit :]
        # There may be more. Summing it up costs far more than reading its end, and most people have no more.
        return _Stored(newest, await self._events.met(subject, lines=PAST_LINES))

    def _telling(self, history: Sequence[Interaction]) -> list[Interaction]:
        return [line for line in history if self._weights.get(line.name, UNKNOWN_WEIGHT).weight != 0]

    async def _attempt(self, part: str, work: Coroutine[Any, Any, T]) -> T | None:
        try:
            return await self._patience.within(work, self._deadline_s)
        except (LateError, StorageUnavailableError) as error:
            self._metrics.degraded.labels(part, type(error).__name__).inc()
        except Exception as error:  # noqa: BLE001  # a list is owed whatever a driver raises: logged, counted
            self._metrics.degraded.labels(part, type(error).__name__).inc()
            _log.error("recommend.read_failed", part=part, **failure(error))
        return None
