"""A service killed outright while it retrains: its job ends, and the schedule goes on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from app import bootstrap
from app.bootstrap import Foundation
from app.domain.leases import LEASE_RAN_OUT
from app.domain.types import Job, JobState
from app.settings import Settings
from tests.commands import spawn
from tests.processes import running_with
from tests.waiting import until


@pytest.fixture
def settings(tmp_path: Path, sqlite_url: str) -> Settings:
    return Settings(
        database_url=sqlite_url,
        artifacts_url=str(tmp_path / "artifacts"),
        scratch_dir=tmp_path / "scratch",
        retrain_model="popularity",
        retrain_every_s=2.0,
        job_lease_s=2.0,
        port=0,
    )


@contextmanager
def serving(settings: Settings) -> Iterator[int]:
    with spawn("serve", environment=bootstrap.child_environment(settings)) as service:
        try:
            yield service.pid
        finally:
            service.kill()
            service.communicate()


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Foundation]:
    base = bootstrap.lay_foundation(settings, deadline_s=20.0)
    yield base
    await base.close()


async def newest(base: Foundation) -> Job | None:
    return next(iter((await base.stores.jobs.page(limit=1, cursor=None)).rows), None)


async def test_killed_service_leaves_a_job_that_fails_and_a_schedule_that_goes_on(settings: Settings) -> None:
    async with opened(settings) as base:

        async def trains() -> bool:
            job = await newest(base)
            return job is not None and bool(running_with(job.job_id))

        with serving(settings):
            await until(trains, within_s=60.0)
            lost = await newest(base)
            assert lost is not None
        await until(lambda: not running_with(lost.job_id))
        assert (await base.stores.jobs.get(lost.job_id)).version is None

        async def is_followed() -> bool:
            job = await newest(base)
            return job is not None and job.job_id != lost.job_id

        with serving(settings):
            await until(is_followed, within_s=60.0)
            follower = await newest(base)
        assert follower is not None
        assert follower.trigger == "schedule"
        ended = await base.stores.jobs.get(lost.job_id)
        assert (ended.state, ended.error) == (JobState.FAILED, LEASE_RAN_OUT)
