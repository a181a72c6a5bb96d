"""`recserve worker` as a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from app import bootstrap
from app.domain.types import JobState
from app.settings import Settings
from tests.processes import running_with
from tests.waiting import until


@pytest.fixture
def settings(tmp_path: Path, sqlite_url: str) -> Settings:
    return Settings(
        database_url=sqlite_url,
        artifacts_url=str(tmp_path / "artifacts"),
        scratch_dir=tmp_path / "scratch",
        retrain_model="popularity",
        jobs="worker",
    )


@contextmanager
def start_worker(settings: Settings) -> Iterator[subprocess.Popen[bytes]]:
    """A worker that a test has to end; one that fails before it does leaves none behind."""
    environment = bootstrap.child_environment(settings)
    with subprocess.Popen([sys.executable, "-m", "app.cli", "worker"], env=environment) as worker:
        try:
            yield worker
        except BaseException:
            worker.kill()
            raise


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
async def test_worker_takes_its_child_with_it(settings: Settings, number: signal.Signals) -> None:
    base = bootstrap.lay_foundation(settings, deadline_s=20.0)
    job = await bootstrap.make_jobs(base).retrain()
    with start_worker(settings) as worker:
        await until(lambda: bool(running_with(job.job_id)), within_s=60.0)
        child = running_with(job.job_id)[0]
        if number is signal.SIGTERM:
            # Held, so that it cannot end by itself first.
            os.kill(child, signal.SIGSTOP)
        worker.send_signal(number)
    # A child that is still being loaded hears of it when it first says something.
    await until(lambda: not running_with(job.job_id), within_s=60.0)
    if number is signal.SIGTERM:
        ended = await base.stores.jobs.get(job.job_id)
        assert (ended.state, ended.error) == (
            JobState.FAILED,
            "The service was stopped while the job ran.",
        )
    await base.close()


async def test_worker_runs_what_the_service_queued(settings: Settings) -> None:
    base = bootstrap.lay_foundation(settings, deadline_s=20.0)
    with start_worker(settings) as worker:
        job = await bootstrap.make_jobs(base).retrain()

        async def has_ended() -> bool:
            return (await base.stores.jobs.get(job.job_id)).state is JobState.FAILED

        await until(has_ended, within_s=60.0)
        worker.terminate()
    # There are no events, which the child, not the supervisor, has found out.
    error = (await base.stores.jobs.get(job.job_id)).error
    assert error is not None
    assert "process" not in error
    await base.close()
