"""Retraining over HTTP: ask for one, list, watch, cancel."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import Annotated

import structlog
from fastapi import Path
from starlette.responses import StreamingResponse

from app.api.auth import Caller, Needs
from app.api.bodies import OptionalBody
from app.api.context import DrainDep, ServicesDep
from app.api.queries import admin_router
from app.api.schemas_retraining import JobAnswer, JobPage, RetrainAnswer, RetrainBody
from app.api.values import Cursor, Limit, Line
from app.domain.errors import StorageUnavailableError
from app.domain.types import Job
from app.services.jobs import ENDED, Jobs

EVENT_STREAM = "text/event-stream"
_log = structlog.get_logger(__name__)
router = admin_router()

Admin = Annotated[Caller, Needs("admin")]
JobId = Annotated[Line, Path(description="A job's id.")]


@router.post("/admin/retrain", status_code=202, responses={409: {}}, summary="Retrain a model")
async def retrain(
    caller: Admin, services: ServicesDep, body: Annotated[RetrainBody, OptionalBody(RetrainBody)]
) -> RetrainAnswer:
    """Queue a retraining. One runs at a time: a second call answers 409 with the running job's id."""
    budget = {} if body.budget_s is None else {"budget_s": body.budget_s}
    job = await services.jobs.retrain(
        model=body.model, promote=body.promote, trigger="api", by=caller.actor, overrides=budget
    )
    return RetrainAnswer(job_id=job.job_id)


@router.get("/admin/jobs", summary="List jobs")
async def list_jobs(_: Admin, services: ServicesDep, limit: Limit = 50, cursor: Cursor = None) -> JobPage:
    """Newest first."""
    page = await services.jobs.page(limit=limit, cursor=cursor)
    return JobPage(jobs=[JobAnswer.of(job) for job in page.rows], next_cursor=page.next_cursor)


@router.get("/admin/jobs/{job_id}", summary="One job")
async def get_job(_: Admin, services: ServicesDep, job_id: JobId) -> JobAnswer:
    """State, stage, epoch, curves, progress, seconds left."""
    return JobAnswer.of(await services.jobs.get(job_id))


@router.post("/admin/jobs/{job_id}/cancel", summary="Cancel a job")
async def cancel_job(caller: Admin, services: ServicesDep, job_id: JobId) -> JobAnswer:
    """A queued job ends at once, a running one within a second or two; one that has ended stays as it is."""
    return JobAnswer.of(await services.jobs.cancel(job_id, by=caller.actor))


@router.get(
    "/admin/jobs/{job_id}/events",
    response_class=StreamingResponse,
    responses={200: {"content": {EVENT_STREAM: {}}}},
    summary="Watch a job",
)
async def watch_job(_: Admin, services: ServicesDep, drain: DrainDep, job_id: JobId) -> StreamingResponse:
    """Server-sent events: `progress` with the job each time it changes, `end` with its end.

    A stream that ends without `end` was cut by the service's own end or a database that is away: connect
    again.
    """
    # Asked for before the stream's head is out, so that an unknown job is a 404.
    await services.jobs.get(job_id)
    return StreamingResponse(
        _stream(services.jobs, job_id, is_over=lambda: drain.started), media_type=EVENT_STREAM
    )


async def _stream(jobs: Jobs, job_id: str, *, is_over: Callable[[], bool]) -> AsyncIterator[str]:
    async with aclosing(jobs.watch(job_id, is_over=is_over)) as watched:
        try:
            async for job in watched:
                yield ": still running\n\n" if job is None else _event(job)
        except StorageUnavailableError:
            # The head is out; the end of the stream is all that can be said, and a client connects again.
            _log.warning("job.stream.cut", job_id=job_id, reason="storage-unavailable")


def _event(job: Job) -> str:
    name = "end" if job.state in ENDED else "progress"
    body = json.dumps(JobAnswer.of(job).model_dump(mode="json"), separators=(",", ":"))
    return f"event: {name}\ndata: {body}\n\n"
