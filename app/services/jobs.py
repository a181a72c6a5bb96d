"""Retraining as callers see it: ask for one, watch it, stop it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Collection, Sequence
from time import monotonic
from typing import Protocol

import structlog

from app.domain.errors import FieldError, InvalidInputError
from app.domain.ports import AuditLog, Clock, EventStore, JobStore
from app.domain.types import Job, JobState, JsonObject, Page

PROMOTE = ("auto", "manual", "never")
ENDED = frozenset({JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED})
EVENTS_SEQ = "events_seq"
OVERRIDES = "overrides"
BUDGETED, BUDGET = "auto", "budget_s"
"""The recipe that fits as much as its seconds allow, and the hyper-parameter that says how many."""

_log = structlog.get_logger(__name__)


class Background(Protocol):
    """Something that runs beside the requests."""

    async def start(self) -> None:
        """Begin."""

    async def stop(self) -> None:
        """End, and leave nothing running."""

    def wake(self) -> None:
        """There may be something to do now."""


class Jobs:
    """The queue of retrainings. It holds one at most.

    Args:
        jobs: The queue's rows.
        events: Where new events are counted.
        audit: Who asked for what.
        clock: Dates the jobs.
        new_id: Makes their ids.
        models: Names that can be trained.
        default_model: What is trained where a call names nothing.
        budget_s: Seconds that the recipe `auto` has where a call names none.
        background: What runs the jobs in this process; empty where workers do.
    """

    def __init__(
        self,
        *,
        jobs: JobStore,
        events: EventStore,
        audit: AuditLog,
        clock: Clock,
        new_id: Callable[[], str],
        models: Collection[str],
        default_model: str,
        budget_s: float,
        background: Sequence[Background] = (),
    ) -> None:
        self._jobs = jobs
        self._events = events
        self._audit = audit
        self._clock = clock
        self._new_id = new_id
        self._models = models
        self._default_model = default_model
        self._budget_s = budget_s
        self._background = list(background)

    def run_in_background(self, background: Background) -> None:
        """Start and stop something together with this service."""
        self._background.append(background)

    async def start(self) -> None:
        """Start what runs the jobs here."""
        for background in self._background:
            await background.start()

    async def stop(self) -> None:
        """Stop it; a running child is killed and its job fails."""
        for background in reversed(self._background):
            await background.stop()

    async def retrain(
        self,
        *,
        model: str | None = None,
        promote: str = "auto",
        trigger: str = "api",
        by: str = "service",
        overrides: JsonObject | None = None,
        options: JsonObject | None = None,
    ) -> Job:
        """Queue a retraining.

        Args:
            model: A registry name; None for the default.
            promote: ``auto`` makes the version live if it passes the gate, ``manual`` leaves that to someone,
                ``never`` only keeps it.
            trigger: What asked.
            by: Who asked, for the audit log.
            overrides: Hyper-parameters that differ from the registry's.
            options: ``events``, a Parquet file or folder to learn from in place of the log, and
                ``warm_start``, ``auto`` or ``never`` in place of the setting.

        Raises:
            InvalidInputError: The model is unknown, or a budget is given to one that keeps to none.
            JobRunningError: One is queued or running.
        """
        name = self._default_model if model is None else model
        if name not in self._models:
            reason = f"must be one of {', '.join(self._models)}"
            raise InvalidInputError("There is no such model.", [FieldError("/model", reason)])
        changed = self._with_budget(name, overrides or {})
        _, newest_seq = await self._events.count_since(0)
        job = await self._jobs.create(
            Job(
                job_id=self._new_id(),
                state=JobState.QUEUED,
                model=name,
                promote=promote,
                trigger=trigger,
                detail={EVENTS_SEQ: newest_seq, OVERRIDES: changed, **(options or {})},
                created_at=self._clock.now(),
            )
        )
        _log.info("job.queued", job_id=job.job_id, model=name, trigger=trigger)
        for background in self._background:
            background.wake()
        detail = {"model": name, "promote": promote, "trigger": trigger}
        await self._audit.write(actor=by, action="job.retrain", target=job.job_id, detail=detail)
        return job

    def _with_budget(self, model: str, overrides: JsonObject) -> JsonObject:
        if model == BUDGETED:
            return {BUDGET: self._budget_s, **overrides}
        if BUDGET in overrides:
            reason = f"only {BUDGETED} keeps to a budget"
            raise InvalidInputError("The model has no budget.", [FieldError("/budget_s", reason)])
        return overrides

    async def get(self, job_id: str) -> Job:
        """One job. Raises `NotFoundError`."""
        return await self._jobs.get(job_id)

    async def page(self, *, limit: int, cursor: str | None) -> Page[Job]:
        """Jobs, newest first."""
        return await self._jobs.page(limit=limit, cursor=cursor)

    async def cancel(self, job_id: str, *, by: str = "service") -> Job:
        """Ask a job to stop: a queued one is cancelled at once, a running one within a heartbeat.

        Raises:
            NotFoundError: There is no such job.
        """
        job = await self._jobs.request_cancel(job_id)
        for background in self._background:
            background.wake()
        await self._audit.write(actor=by, action="job.cancel", target=job_id, detail={})
        return job

    async def watch(
        self,
        job_id: str,
        *,
        poll_s: float = 0.5,
        heartbeat_s: float = 10.0,
        is_over: Callable[[], bool] = lambda: False,
    ) -> AsyncGenerator[Job | None, None]:
        """The job each time it changes, until it has ended; None when nothing was said for `heartbeat_s`.

        Args:
            job_id: The job.
            poll_s: Seconds between two looks at it.
            heartbeat_s: Seconds of silence at most.
            is_over: Asked before each look: whether nobody wants to watch any more.

        Raises:
            NotFoundError: There is no such job.
        """
        last: Job | None = None
        spoke_at = monotonic()
        while not is_over() and (last is None or last.state not in ENDED):
            job = await self._jobs.get(job_id)
            if _shown(job) != _shown(last):
                spoke_at, last = monotonic(), job
                yield job
                continue
            if monotonic() - spoke_at >= heartbeat_s:
                spoke_at = monotonic()
                yield None
            await asyncio.sleep(poll_s)


def _shown(job: Job | None) -> object:
    """What of a job a watcher sees; its lease moves all the time."""
    if job is None:
        return None
    return (job.state, job.stage, job.progress, job.seconds_left, job.detail, job.error, job.cancel_requested)
