"""Taking events: many requests, one commit."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import structlog

from app.domain.errors import RecserveError, StorageUnavailableError, UnavailableError
from app.domain.ports import Appended, EventStore, ListCache
from app.domain.types import Event, EventStatus, Subject
from app.services.catalogue_stamp import CatalogueStamp
from app.telemetry import Metrics, failure

GROUP_EVENTS = 2_000
LEAST_GROUP_EVENTS = 50
WAITING_EVENTS = 20_000
DEADLINE_S = 1.9

_log = structlog.get_logger(__name__)


@dataclass(slots=True, eq=False)
class _Request:
    events: Sequence[Event]
    answer: asyncio.Future[Appended] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )


class Ingest:
    """One writer a process that commits what waits as one group.

    While a group is being committed the next one gathers, so the more requests come at once, the fewer
    commits each of them costs. A group that fails is taken apart and tried request by request, so that one
    bad request never fails its neighbours; a database that is down fails the whole group at once.

    Args:
        events: The store.
        cache: Lists of everyone named in a group are out of date before its requests are answered.
        stamp: What all lists hang on, changed where a group creates items.
        create_unknown: Events create the items and users they name first.
        metrics: Counts groups that were taken apart.
        group_events: Events in one commit at most; a single request may hold more.
        waiting_events: Events that may wait; beyond it callers are sent away.
        deadline_s: How long a caller waits before it is told to come back.
    """

    def __init__(
        self,
        *,
        events: EventStore,
        cache: ListCache,
        stamp: CatalogueStamp | None = None,
        create_unknown: bool = True,
        metrics: Metrics | None = None,
        group_events: int = GROUP_EVENTS,
        waiting_events: int = WAITING_EVENTS,
        deadline_s: float = DEADLINE_S,
    ) -> None:
        self._store = events
        self._cache = cache
        self._stamp = stamp or CatalogueStamp(cache)
        self._create_unknown = create_unknown
        self._metrics = metrics or Metrics()
        self._group_events = self._most = group_events
        self._waiting_events = waiting_events
        self._deadline_s = deadline_s
        self._waiting: deque[_Request] = deque()
        self._load = 0
        self._wake = asyncio.Event()
        self._writer: asyncio.Task[None] | None = None
        self._open = False
        self._trouble: str | None = None

    @property
    def trouble(self) -> str | None:
        """Why the newest events could not be stored; None where they could."""
        return self._trouble

    async def start(self) -> None:
        """Begin to take events."""
        self._open = True
        self._writer = asyncio.create_task(self._write_groups(), name="ingest-writer")

    async def stop(self) -> None:
        """Commit what waits, then take nothing more. Whoever still waits after that is told so."""
        self._open = False
        self._wake.set()
        if self._writer is not None:
            await asyncio.wait({self._writer}, timeout=2 * self._deadline_s)
            self._writer.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._writer
            self._writer = None
        for request in self._waiting:
            _fail(request, _closed())
        self._waiting.clear()
        self._load = 0

    async def submit(self, events: Sequence[Event]) -> tuple[EventStatus, ...]:
        """What became of each event; committed, and seen by the next list, when this returns.

        Raises:
            InvalidInputError: An amount is out of range; nothing of the request was stored.
            StorageUnavailableError: Not known to be committed; sending the same ids again is safe.
            UnavailableError: Too much waits, or the service stops.
        """
        return (await self.append(events)).statuses

    async def append(self, events: Sequence[Event]) -> Appended:
        """As `submit`, with the items that were created or unknown."""
        if not self._open:
            raise _closed()
        if not events:
            return Appended(())
        if self._waiting and self._load + len(events) > self._waiting_events:
            raise UnavailableError("Too many events are waiting to be stored.", retry_after_s=1)
        request = _Request(events)
        self._waiting.append(request)
        self._load += len(events)
        self._wake.set()
        late = StorageUnavailableError("The events were not stored in time.")
        timer = asyncio.get_running_loop().call_later(self._deadline_s, _fail, request, late)
        try:
            # One that nobody waits for any more is passed over, unless its group has begun.
            return await request.answer
        finally:
            timer.cancel()

    async def _write_groups(self) -> None:
        while True:
            group = self._next_group()
            if group:
                await self._write(group)
            elif not self._open:
                return
            else:
                self._wake.clear()
                await self._wake.wait()

    def _next_group(self) -> list[_Request]:
        group: list[_Request] = []
        size = 0
        while self._waiting and (not group or size + len(self._waiting[0].events) <= self._most):
            request = self._waiting.popleft()
            self._load -= len(request.events)
            if not request.answer.done():
                group.append(request)
                size += len(request.events)
        return group

    async def _write(self, group: list[_Request]) -> None:
        try:
            await self._commit(group)
        except StorageUnavailableError as error:
            self._trouble = str(error)
            # Perhaps it was only too much for the deadline: a slow database then gets less at once.
            self._most = min(self._group_events, max(LEAST_GROUP_EVENTS, self._most // 2))
            for request in group:
                _fail(request, StorageUnavailableError(str(error), retry_after_s=error.retry_after_s))
        except Exception as error:  # noqa: BLE001  # counted, logged, and passed to the request that caused it
            if len(group) == 1:
                self._refuse(group[0], error)
                return
            self._metrics.degraded.labels("ingest", "group taken apart").inc()
            _log.warning("ingest.group.failed", requests=len(group), **failure(error))
            for request in group:
                await self._write([request])

    def _refuse(self, request: _Request, error: Exception) -> None:
        if not isinstance(error, RecserveError):
            self._metrics.degraded.labels("ingest", "request failed").inc()
            _log.error("ingest.request.failed", events=len(request.events), **failure(error))
        _fail(request, error)

    async def _commit(self, group: list[_Request]) -> None:
        events = [event for request in group for event in request.events]
        appended = await self._store.append(events, create_unknown=self._create_unknown)
        self._trouble = None
        self._most = min(self._group_events, 2 * self._most)
        subjects = _subjects(events, appended)
        if appended.revision:
            await self._stamp.wrote(appended.revision, others=subjects)
        else:
            await self._cache.bump(subjects)
        start = 0
        for request in group:
            stop = start + len(request.events)
            if not request.answer.done():
                request.answer.set_result(_part(appended, start, stop))
            start = stop


def _subjects(events: Sequence[Event], appended: Appended) -> list[str]:
    # Duplicates too: their first sender may have been told 503 and not have bumped.
    named: dict[str, None] = {}
    for event, status in zip(events, appended.statuses, strict=True):
        if status is not EventStatus.REJECTED:
            subject = Subject(event.user_id, event.session_id, event.anonymous_id)
            named.update(dict.fromkeys(subject.names()))
    named.update(dict.fromkeys(f"user:{user_id}" for user_id in appended.merged_user_ids))
    return list(named)


def _part(appended: Appended, start: int, stop: int) -> Appended:
    return Appended(
        statuses=appended.statuses[start:stop],
        new_item_ids=appended.new_item_ids,
        unknown=tuple((place - start, line) for place, line in appended.unknown if start <= place < stop),
        merged_user_ids=appended.merged_user_ids,
        revision=appended.revision,
    )


def _fail(request: _Request, error: Exception) -> None:
    if not request.answer.done():
        request.answer.set_exception(error)


def _closed() -> UnavailableError:
    return UnavailableError("The service is stopping.", retry_after_s=2)
