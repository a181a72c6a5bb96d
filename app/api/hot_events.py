"""Plain `POST /v1/events` of a server, in front of the routes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from starlette.types import ASGIApp

from app.api.admission import Priority
from app.api.hot_posts import HotParts, HotPost
from app.api.plain_events import PlainEvent, read_plain_batch
from app.api.taking import answer_of, results_of


class HotEvents(HotPost):
    """Takes bodies that hold nothing but plain events.

    What the store refuses is raised by the route in its own place, and not tried twice.

    Args:
        app: What stands behind it.
        parts: What it stands on.
        now: The clock that dates events.
    """

    path, key_scope = "/v1/events", "events:write"
    priority, status = Priority.EVENTS, 202

    def __init__(self, app: ASGIApp, *, parts: HotParts, now: Callable[[], datetime]) -> None:
        super().__init__(app, parts=parts)
        self._now = now

    async def answer(self, raw: bytes) -> bytes | None:
        """The answer, once the events are committed."""
        events = read_plain_batch(raw)
        return None if events is None else await self._stored(events)

    async def _stored(self, events: Sequence[PlainEvent]) -> bytes:
        now, metrics = self._now(), self._parts.report.metrics
        appended = await self._services.ingest.append([event.to_event(now) for event in events])
        early = sum(event.is_early(now) for event in events)
        if early:
            metrics.events_clamped.inc(early)
        results = results_of({place: event.event_id for place, event in enumerate(events)}, appended)
        return answer_of(list(results.values()), metrics)
