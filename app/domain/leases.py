"""A running job and the lease that says that somebody runs it."""

from __future__ import annotations

import dataclasses
from datetime import datetime

from app.domain.types import Job, JobState

LEASE_RAN_OUT = "The process that ran this job stopped without ending it."


def has_expired(job: Job, now: datetime) -> bool:
    """Whether nobody runs a job that is said to run."""
    return job.state is JobState.RUNNING and job.lease_until is not None and job.lease_until < now


def as_it_stands(job: Job, now: datetime) -> Job:
    """The job as readers see it: failed from the moment its lease ran out, whoever writes that down."""
    if not has_expired(job, now):
        return job
    return dataclasses.replace(
        job,
        state=JobState.FAILED,
        error=LEASE_RAN_OUT,
        finished_at=job.lease_until,
        lease_until=None,
        seconds_left=None,
    )
