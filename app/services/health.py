"""Whether the process can serve, and which of its dependencies it does without."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from app.domain.errors import RecserveError
from app.domain.ports import CandidateScorer, ItemStore, ListCache, Scorer


class State(StrEnum):
    """How a dependency is."""

    OK = "ok"
    DOWN = "down"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Dependency:
    """One dependency's state and a word about it."""

    state: State
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class Readiness:
    """What this process can do now.

    Attributes:
        serving: Whether it answers recommendations at all.
        status: ``ready``, ``degraded`` or ``unavailable``.
    """

    serving: bool
    status: str
    dependencies: Mapping[str, Dependency]


class HasCurrent(Protocol):
    """The part of the model registry that is asked here."""

    @property
    def current(self) -> Scorer | None:
        """The live scorer."""

    @property
    def missing(self) -> tuple[str, ...]:
        """Versions that experiments ask and that are not loaded."""


class HasTrouble(Protocol):
    """The part of the ingestion that is asked here."""

    @property
    def trouble(self) -> str | None:
        """Why the newest events could not be stored."""


class Health:
    """Asks each dependency in bounded time.

    A process that has once read the database goes on answering recommendations from memory when the database
    goes away, so it stays ready and says `degraded`; one that never has cannot even know its keys.

    Args:
        items: Asked for its revision: the cheapest look at the database.
        cache: Asked for a ping.
        models: Asked which model is live.
        ingest: Asked whether events can be stored.
        timeout_s: How long one dependency may take.
    """

    def __init__(
        self,
        *,
        items: ItemStore,
        cache: ListCache,
        models: HasCurrent,
        ingest: HasTrouble,
        timeout_s: float = 1.0,
    ) -> None:
        self._items, self._cache, self._models, self._ingest = items, cache, models, ingest
        self._timeout_s = timeout_s
        self._seen_database = False
        self._asking: dict[str, asyncio.Task[Dependency]] = {}

    def live(self) -> bool:
        """Whether the process lives: it answers."""
        return True

    async def stop(self) -> None:
        """Leave no question behind."""
        for task in self._asking.values():
            task.cancel()

    async def start(self) -> None:
        """Nothing to begin."""

    async def ready(self) -> Readiness:
        """Every dependency with its state."""
        database, cache = await asyncio.gather(
            self._ask("database", self._database), self._ask("cache", self._cached)
        )
        self._seen_database = self._seen_database or database.state is State.OK
        dependencies = {
            "database": database,
            "cache": cache,
            "model": self._model(),
            "ingest": self._ingesting(),
        }
        missing = self._models.missing
        if missing:
            detail = f"not loaded: {', '.join(missing)}; their lists are made as outside the experiment"
            dependencies["experiments"] = Dependency(State.DOWN, detail)
        down = any(dependency.state is State.DOWN for dependency in dependencies.values())
        if not self._seen_database:
            return Readiness(False, "unavailable", dependencies)
        return Readiness(True, "degraded" if down else "ready", dependencies)

    async def _ask(self, name: str, question: Callable[[], Coroutine[None, None, Dependency]]) -> Dependency:
        task = self._asking.get(name)
        if task is None or task.done():
            task = self._asking[name] = asyncio.create_task(question())
        # a driver can block beyond any timeout, so the question is left behind, not cancelled and awaited;
        # the next call looks at the same one instead of piling up more
        await asyncio.wait([task], timeout=self._timeout_s)
        return task.result() if task.done() else Dependency(State.DOWN, "does not answer")

    async def _database(self) -> Dependency:
        try:
            await self._items.revision()
        except RecserveError as error:
            return Dependency(State.DOWN, error.slug)
        return Dependency(State.OK)

    async def _cached(self) -> Dependency:
        return Dependency(State.OK if await self._cache.ping() else State.DOWN)

    def _ingesting(self) -> Dependency:
        # Of the newest group: nobody knows better whether one can be stored now.
        trouble = self._ingest.trouble
        return Dependency(State.OK) if trouble is None else Dependency(State.DOWN, trouble)

    def _model(self) -> Dependency:
        scorer = self._models.current
        if scorer is None:
            return Dependency(State.NONE, "lists come from popularity")
        if isinstance(scorer, CandidateScorer):
            return Dependency(State.OK, f"{scorer.version}, from an index of recall {scorer.recall:.3f}")
        return Dependency(State.OK, scorer.version)
