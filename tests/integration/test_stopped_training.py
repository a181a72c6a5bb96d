"""`recserve train` told to stop: its job is ended, its child gone."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from app import bootstrap
from app.domain.types import Job, JobState
from app.settings import Settings
from tests.commands import spawn
from tests.processes import running_with
from tests.waiting import until


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
async def test_stopped_training_ends_its_job_and_its_child(
    tmp_path: Path, sqlite_url: str, number: signal.Signals, code: int
) -> None:
    settings = Settings(
        database_url=sqlite_url,
        artifacts_url=str(tmp_path / "artifacts"),
        scratch_dir=tmp_path / "scratch",
        retrain_model="popularity",
    )
    base = bootstrap.lay_foundation(settings, deadline_s=20.0)

    async def newest() -> Job | None:
        return next(iter((await base.stores.jobs.page(limit=1, cursor=None)).rows), None)

    async def trains() -> bool:
        job = await newest()
        return job is not None and bool(running_with(job.job_id))

    with spawn("train", environment=bootstrap.child_environment(settings)) as command:
        await until(trains, within_s=60.0)
        job = await newest()
        assert job is not None
        # Held, so that it cannot end by itself first.
        os.kill(running_with(job.job_id)[0], signal.SIGSTOP)
        command.send_signal(number)
        _, said = command.communicate(timeout=30)
    assert command.returncode == code
    assert said.endswith("Stopped.\n")
    assert running_with(job.job_id) == []
    ended = await base.stores.jobs.get(job.job_id)
    assert (ended.state, ended.error) == (JobState.FAILED, "The service was stopped while the job ran.")
    await base.close()
