"""One job at a time, a lease that runs out, and ends that stay."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from app.domain.errors import InvalidInputError, JobRunningError, NotFoundError
from app.domain.leases import LEASE_RAN_OUT
from app.domain.ports import Stores
from app.domain.types import Job, JobState
from tests.clocks import NOON, FixedClock


def job(job_id: str) -> Job:
    return Job(job_id, JobState.QUEUED, model="ease", promote="auto", trigger="api")


async def test_create_queues_and_refuses_a_second(stores: Stores) -> None:
    created = await stores.jobs.create(job("j1"))

    assert created.state is JobState.QUEUED
    assert created.created_at == NOON
    with pytest.raises(JobRunningError) as caught:
        await stores.jobs.create(job("j2"))
    assert caught.value.job_id == "j1"


async def test_create_lets_one_of_many_at_once_through(stores: Stores) -> None:
    async def attempt(number: int) -> str:
        try:
            return (await stores.jobs.create(job(f"j{number}"))).job_id
        except JobRunningError as error:
            return f"refused for {error.job_id}"

    answers = await asyncio.gather(*(attempt(number) for number in range(8)))

    [winner] = [answer for answer in answers if not answer.startswith("refused")]
    assert answers.count(f"refused for {winner}") == 7


async def test_create_fails_a_job_whose_lease_ran_out(stores: Stores, clock: FixedClock) -> None:
    await stores.jobs.create(job("j1"))
    await stores.jobs.claim(lease_s=30)
    clock.move(seconds=29)
    with pytest.raises(JobRunningError):
        await stores.jobs.create(job("j2"))
    clock.move(seconds=2)

    assert (await stores.jobs.create(job("j3"))).job_id == "j3"

    lost = await stores.jobs.get("j1")
    assert lost.state is JobState.FAILED
    assert lost.error
    assert lost.finished_at == NOON + timedelta(seconds=30)


async def orphan(stores: Stores, clock: FixedClock) -> None:
    """A job whose process is gone and whose lease ran out."""
    await stores.jobs.create(job("j1"))
    await stores.jobs.claim(lease_s=30)
    clock.move(seconds=31)


async def test_job_whose_lease_ran_out_reads_as_failed(stores: Stores, clock: FixedClock) -> None:
    await orphan(stores, clock)

    read = await stores.jobs.get("j1")
    [listed] = (await stores.jobs.page(limit=1, cursor=None)).rows

    assert read == listed
    assert (read.state, read.error) == (JobState.FAILED, LEASE_RAN_OUT)
    assert read.finished_at == NOON + timedelta(seconds=30)


async def test_fail_expired_writes_once_what_readers_see(stores: Stores, clock: FixedClock) -> None:
    await stores.jobs.create(job("j1"))
    await stores.jobs.claim(lease_s=30)
    clock.move(seconds=29)
    assert await stores.jobs.fail_expired() == []
    clock.move(seconds=2)
    read = await stores.jobs.get("j1")

    assert await stores.jobs.fail_expired() == [read]

    assert await stores.jobs.fail_expired() == []
    assert (await stores.jobs.heartbeat("j1", lease_s=30)) == read


async def test_heartbeat_that_comes_before_the_reaper_keeps_the_job(
    stores: Stores, clock: FixedClock
) -> None:
    await orphan(stores, clock)

    await stores.jobs.heartbeat("j1", lease_s=30)

    assert (await stores.jobs.get("j1")).state is JobState.RUNNING
    assert await stores.jobs.fail_expired() == []


async def test_request_cancel_of_a_job_whose_lease_ran_out_finds_it_failed(
    stores: Stores, clock: FixedClock
) -> None:
    await orphan(stores, clock)

    asked = await stores.jobs.request_cancel("j1")

    assert (asked.state, asked.error, asked.cancel_requested) == (JobState.FAILED, LEASE_RAN_OUT, False)


async def test_claim_takes_the_queued_job_once(stores: Stores) -> None:
    assert await stores.jobs.claim(lease_s=30) is None
    await stores.jobs.create(job("j1"))

    first, second = await asyncio.gather(stores.jobs.claim(lease_s=30), stores.jobs.claim(lease_s=30))

    [claimed] = [found for found in (first, second) if found is not None]
    assert claimed.state is JobState.RUNNING
    assert claimed.started_at == NOON
    assert claimed.lease_until == NOON + timedelta(seconds=30)


async def test_heartbeat_moves_the_lease_and_carries_a_wish_to_cancel(
    stores: Stores, clock: FixedClock
) -> None:
    await stores.jobs.create(job("j1"))
    await stores.jobs.claim(lease_s=30)
    clock.move(seconds=20)

    beat = await stores.jobs.heartbeat("j1", lease_s=30)
    await stores.jobs.request_cancel("j1")

    assert beat.lease_until == clock.now() + timedelta(seconds=30)
    assert not beat.cancel_requested
    assert (await stores.jobs.heartbeat("j1", lease_s=30)).cancel_requested


async def test_heartbeat_of_an_ended_job_changes_nothing(stores: Stores) -> None:
    await stores.jobs.create(job("j1"))
    await stores.jobs.claim(lease_s=30)
    await stores.jobs.finish("j1", JobState.FAILED, error="killed")

    beat = await stores.jobs.heartbeat("j1", lease_s=30)

    assert beat.state is JobState.FAILED
    assert beat.lease_until is None


async def test_progress_is_written_while_it_runs_and_not_after(stores: Stores) -> None:
    await stores.jobs.create(job("j1"))
    await stores.jobs.claim(lease_s=30)

    await stores.jobs.progress(
        "j1", stage="fit", progress=0.5, seconds_left=12.5, detail={"loss": [1.5, 0.5], "epoch": 2}
    )
    running = await stores.jobs.get("j1")
    await stores.jobs.finish("j1", JobState.SUCCEEDED, version="v1")
    await stores.jobs.progress("j1", stage="late", progress=0.1, seconds_left=None, detail={})
    ended = await stores.jobs.get("j1")

    assert (running.stage, running.progress, running.seconds_left) == ("fit", 0.5, 12.5)
    assert running.detail == {"loss": [1.5, 0.5], "epoch": 2}
    assert (ended.stage, ended.progress, ended.seconds_left) == ("fit", 1.0, None)


async def test_finish_counts_once(stores: Stores, clock: FixedClock) -> None:
    await stores.jobs.create(job("j1"))
    await stores.jobs.claim(lease_s=30)
    await stores.jobs.finish("j1", JobState.SUCCEEDED, version="v1")
    clock.move(seconds=5)

    again = await stores.jobs.finish("j1", JobState.FAILED, error="too late")

    assert (again.state, again.version, again.error) == (JobState.SUCCEEDED, "v1", None)
    assert again.finished_at == NOON
    assert (await stores.jobs.create(job("j2"))).job_id == "j2"


async def test_request_cancel_ends_a_queued_job_and_leaves_an_ended_one(stores: Stores) -> None:
    await stores.jobs.create(job("j1"))

    cancelled = await stores.jobs.request_cancel("j1")

    assert cancelled.state is JobState.CANCELLED
    assert cancelled.finished_at == NOON
    assert await stores.jobs.request_cancel("j1") == cancelled
    assert await stores.jobs.claim(lease_s=30) is None


async def test_unknown_jobs_are_not_found(stores: Stores) -> None:
    for call in (
        stores.jobs.get("x"),
        stores.jobs.heartbeat("x", lease_s=1),
        stores.jobs.finish("x", JobState.FAILED),
        stores.jobs.request_cancel("x"),
    ):
        with pytest.raises(NotFoundError):
            await call


async def test_page_gives_the_newest_first_through_equal_times(stores: Stores, clock: FixedClock) -> None:
    for number in range(5):
        await stores.jobs.create(job(f"j{number}"))
        await stores.jobs.request_cancel(f"j{number}")
        clock.move(seconds=number % 2)

    first = await stores.jobs.page(limit=3, cursor=None)
    rest = await stores.jobs.page(limit=3, cursor=first.next_cursor)

    assert [found.job_id for found in (*first.rows, *rest.rows)] == ["j4", "j3", "j2", "j1", "j0"]
    assert rest.next_cursor is None
    with pytest.raises(InvalidInputError):
        await stores.jobs.page(limit=3, cursor="x")
