"""Retraining by the clock and by the number of new events."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import structlog

from app.domain.errors import JobRunningError, StorageUnavailableError
from app.domain.ports import Clock, DefinitionStore, EventStore, JobStore
from app.domain.steering import Schedule
from app.domain.types import Job
from app.services.jobs import ENDED, EVENTS_SEQ
from app.services.steering import schedule_over
from app.telemetry import Metrics

_log = structlog.get_logger(__name__)


class RetrainTriggers:
    """Asks for a retraining when one is due; read from the last job, so that a restart forgets nothing.

    Args:
        jobs: The queue's rows.
        events: Where new events are counted.
        clock: The time.
        metrics: Counts looks that failed.
        retrain: Queues a job, given what triggered it.
        schedule: What is due when, where nothing else is written.
        definitions: Where something else may be written.
        check_s: Seconds between two looks.
    """

    def __init__(
        self,
        *,
        jobs: JobStore,
        events: EventStore,
        clock: Clock,
        metrics: Metrics,
        retrain: Callable[[str], Awaitable[Job]],
        schedule: Schedule,
        definitions: DefinitionStore,
        check_s: float = 5.0,
    ) -> None:
        self._jobs = jobs
        self._events = events
        self._clock = clock
        self._metrics = metrics
        self._retrain = retrain
        self._schedule = schedule
        self._definitions = definitions
        self._check_s = min(check_s, schedule.every_s or check_s)
        self._began: datetime | None = None
        self._skipped_for: tuple[str, str] | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to look."""
        self._began = self._clock.now()
        self._task = asyncio.create_task(self._run(), name="jobs.triggers")

    async def stop(self) -> None:
        """Stop looking."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    def wake(self) -> None:
        """Nothing to hurry for."""

    async def check(self) -> Job | None:
        """Queue a retraining if one is due and none is running; one that nobody runs any more is not."""
        schedule = await schedule_over(self._schedule, self._definitions)
        newest = next(iter((await self._jobs.page(limit=1, cursor=None)).rows), None)
        trigger = await self._due(newest, schedule)
        if trigger is None:
            return None
        if newest is not None and newest.state not in ENDED:
            self._skip(trigger, newest.job_id)
            return None
        try:
            return await self._retrain(trigger)
        except JobRunningError as running:
            self._skip(trigger, running.job_id)
            return None

    async def _due(self, newest: Job | None, schedule: Schedule) -> str | None:
        if schedule.every_s is not None:
            last = newest.created_at if newest is not None else self._began
            if last is not None and self._clock.now() - last >= timedelta(seconds=schedule.every_s):
                return "schedule"
        if schedule.after_events is not None:
            seen = int(newest.detail.get(EVENTS_SEQ, 0)) if newest is not None else 0
            count, _ = await self._events.count_since(seen)
            if count >= schedule.after_events:
                return "events"
        return None

    def _skip(self, trigger: str, job_id: str) -> None:
        # Once a job and trigger: the look comes back every few seconds while the job runs.
        if self._skipped_for != (trigger, job_id):
            self._skipped_for = (trigger, job_id)
            _log.info("retrain.skipped", trigger=trigger, reason="a job is running", job_id=job_id)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._check_s)
            try:
                await self.check()
            except StorageUnavailableError:
                self._metrics.degraded.labels("retrain_triggers", "storage-unavailable").inc()
                _log.warning("retrain.triggers.unavailable")
