"""Jobs, their supervisor and their triggers, with children that the test plays itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from itertools import count

import pytest
from structlog.testing import capture_logs

from app.adapters.memory_stores import memory_stores
from app.domain.errors import InvalidInputError, JobRunningError, NotFoundError
from app.domain.leases import LEASE_RAN_OUT
from app.domain.ports import Stores
from app.domain.steering import DefinitionKind, Schedule
from app.domain.types import Event, EventItem, Job, JobState
from app.services.jobs import Jobs
from app.services.steering import SCHEDULE
from app.services.supervisor import Supervisor
from app.services.triggers import RetrainTriggers
from app.telemetry import Metrics
from tests.clocks import NOON, FixedClock
from tests.waiting import until


class PlayedChild:
    """A child that does what the test says."""

    def __init__(self, job_id: str) -> None:
        self.job_id = job_id
        self.killed = False
        self.silence_s = 0.0
        self.spoke = True
        self.words = ""
        self._code: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def end(self, code: int) -> None:
        self._code.set_result(code)

    async def wait(self) -> int:
        return await asyncio.shield(self._code)

    async def kill(self) -> None:
        self.killed = True
        if not self._code.done():
            self._code.set_result(-9)

    def has_spoken(self) -> bool:
        return self.spoke

    def silent_s(self) -> float:
        return self.silence_s

    def last_words(self) -> str:
        return self.words


@dataclass
class PlayedLauncher:
    children: list[PlayedChild] = field(default_factory=list)
    refuses: bool = False
    gate: asyncio.Event | None = None

    async def start(self, job_id: str) -> PlayedChild:
        if self.refuses:
            raise OSError(12, "Cannot allocate memory")
        child = PlayedChild(job_id)
        self.children.append(child)
        if self.gate is not None:
            await self.gate.wait()
        return child


@dataclass
class World:
    stores: Stores
    clock: FixedClock
    launcher: PlayedLauncher
    jobs: Jobs

    async def child(self, number: int = 0) -> PlayedChild:
        await until(lambda: len(self.launcher.children) > number)
        return self.launcher.children[number]

    async def ended(self, job_id: str) -> Job:
        async def has_ended() -> bool:
            return (await self.stores.jobs.get(job_id)).finished_at is not None

        await until(has_ended)
        return await self.stores.jobs.get(job_id)


def make_jobs(stores: Stores, clock: FixedClock) -> Jobs:
    numbers = count(1)
    return Jobs(
        jobs=stores.jobs,
        events=stores.events,
        audit=stores.audit,
        clock=clock,
        new_id=lambda: f"job-{next(numbers)}",
        models=("popularity", "gru4rec", "auto"),
        default_model="gru4rec",
        budget_s=45.0,
    )


def make_supervisor(
    stores: Stores, launcher: PlayedLauncher, *, lease_s: float = 0.4, timeout_s: float = 60.0
) -> Supervisor:
    return Supervisor(
        jobs=stores.jobs,
        launcher=launcher,
        metrics=Metrics(),
        lease_s=lease_s,
        timeout_s=timeout_s,
        poll_s=0.02,
    )


@pytest.fixture
def stores(clock: FixedClock) -> Stores:
    return memory_stores(clock=clock)


@pytest.fixture
async def world(stores: Stores, clock: FixedClock) -> AsyncIterator[World]:
    launcher = PlayedLauncher()
    jobs = make_jobs(stores, clock)
    jobs.run_in_background(make_supervisor(stores, launcher))
    await jobs.start()
    yield World(stores, clock, launcher, jobs)
    await jobs.stop()


async def test_retrain_queues_the_default_model(stores: Stores, clock: FixedClock) -> None:
    job = await make_jobs(stores, clock).retrain()
    assert (job.state, job.model, job.promote, job.trigger) == (JobState.QUEUED, "gru4rec", "auto", "api")


async def test_the_recipe_has_the_seconds_that_are_set_unless_the_call_names_some(
    stores: Stores, clock: FixedClock
) -> None:
    jobs = make_jobs(stores, clock)
    queued = await jobs.retrain(model="auto")
    assert queued.detail["overrides"] == {"budget_s": 45.0}
    await stores.jobs.finish(queued.job_id, JobState.FAILED, error="made room")
    named = await jobs.retrain(model="auto", overrides={"budget_s": 7.0})
    assert named.detail["overrides"] == {"budget_s": 7.0}


async def test_retrain_refuses_an_unknown_model_with_a_pointer(stores: Stores, clock: FixedClock) -> None:
    with pytest.raises(InvalidInputError) as refused:
        await make_jobs(stores, clock).retrain(model="gru5rec")
    assert [fault.pointer for fault in refused.value.errors] == ["/model"]
    assert "gru4rec" in refused.value.errors[0].reason
    assert "gru5rec" not in refused.value.errors[0].reason


async def test_retrain_lets_one_of_many_win(stores: Stores, clock: FixedClock) -> None:
    jobs = make_jobs(stores, clock)
    outcomes = await asyncio.gather(*(jobs.retrain() for _ in range(10)), return_exceptions=True)
    won = [outcome for outcome in outcomes if isinstance(outcome, Job)]
    lost = [outcome for outcome in outcomes if isinstance(outcome, JobRunningError)]
    assert (len(won), len(lost)) == (1, 9)
    assert {error.job_id for error in lost} == {won[0].job_id}


async def test_child_that_wrote_its_end_keeps_it(world: World) -> None:
    job = await world.jobs.retrain()
    child = await world.child()
    assert child.job_id == job.job_id
    await world.stores.jobs.finish(job.job_id, JobState.SUCCEEDED, version="v1")
    child.end(0)
    ended = await world.ended(job.job_id)
    assert (ended.state, ended.version, ended.error) == (JobState.SUCCEEDED, "v1", None)


@pytest.mark.parametrize(
    ("code", "words", "error"),
    [
        (-9, "loading…", "The training process was killed by SIGKILL."),
        (3, "Traceback\nMemoryError", "The training process ended with code 3: MemoryError"),
        (0, "", "The training process ended without a result."),
    ],
)
async def test_child_that_died_fails_its_job(world: World, code: int, words: str, error: str) -> None:
    job = await world.jobs.retrain()
    child = await world.child()
    child.words = words
    child.end(code)
    ended = await world.ended(job.job_id)
    assert (ended.state, ended.error) == (JobState.FAILED, error)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        ("There are no events yet.", []),
        ("The training failed with KeyError; the log has the details.", ["x"]),
    ],
)
async def test_words_of_a_child_are_logged_where_its_reason_is_not_plain(
    world: World, error: str, said: list[str]
) -> None:
    job = await world.jobs.retrain()
    child = await world.child()
    child.words = "x"
    await world.stores.jobs.finish(job.job_id, JobState.FAILED, error=error)
    with capture_logs() as lines:
        child.end(1)
        await until(lambda: "job.ended" in [line["event"] for line in lines])
        await world.jobs.stop()
    assert [word for line in lines for word in line.get("lines", [])] == said


async def test_next_job_runs_after_a_failed_one(world: World) -> None:
    first = await world.jobs.retrain()
    (await world.child()).end(-9)
    await world.ended(first.job_id)
    second = await world.jobs.retrain()
    assert (await world.child(1)).job_id == second.job_id


async def test_cancel_kills_the_child(world: World) -> None:
    job = await world.jobs.retrain()
    child = await world.child()
    await world.jobs.cancel(job.job_id, by="key:abc")
    ended = await world.ended(job.job_id)
    assert (ended.state, ended.error) == (JobState.CANCELLED, None)
    assert child.killed


async def test_cancel_of_a_queued_job_ends_it_at_once(stores: Stores, clock: FixedClock) -> None:
    jobs = make_jobs(stores, clock)
    job = await jobs.retrain()
    assert (await jobs.cancel(job.job_id)).state is JobState.CANCELLED


async def test_stop_kills_the_child_and_fails_the_job(world: World) -> None:
    job = await world.jobs.retrain()
    child = await world.child()
    await world.jobs.stop()
    assert child.killed
    ended = await world.stores.jobs.get(job.job_id)
    assert (ended.state, ended.error) == (JobState.FAILED, "The service was stopped while the job ran.")


async def test_silent_child_is_killed(world: World) -> None:
    job = await world.jobs.retrain()
    child = await world.child()
    child.silence_s = 1.0
    ended = await world.ended(job.job_id)
    assert (ended.state, ended.error) == (JobState.FAILED, "The training process stopped responding.")
    assert child.killed


async def test_child_that_has_yet_to_speak_is_given_time(world: World) -> None:
    job = await world.jobs.retrain()
    child = await world.child()
    child.spoke, child.silence_s = False, 179.0
    for _ in range(2):
        await renewed(world, job)
    assert not child.killed
    child.silence_s = 181.0
    assert (await world.ended(job.job_id)).error == "The training process stopped responding."


async def test_job_that_takes_too_long_is_killed(stores: Stores, clock: FixedClock) -> None:
    launcher = PlayedLauncher()
    jobs = make_jobs(stores, clock)
    jobs.run_in_background(make_supervisor(stores, launcher, timeout_s=0.05))
    await jobs.start()
    job = await jobs.retrain()
    ended = await World(stores, clock, launcher, jobs).ended(job.job_id)
    assert (ended.state, ended.error) == (JobState.FAILED, "It took longer than 0.05 seconds.")
    assert launcher.children[0].killed
    await jobs.stop()


async def test_child_that_does_not_start_fails_its_job(world: World) -> None:
    world.launcher.refuses = True
    job = await world.jobs.retrain()
    ended = await world.ended(job.job_id)
    assert ended.error == "The training process did not start: Cannot allocate memory."


async def test_running_job_keeps_its_lease(world: World) -> None:
    job = await world.jobs.retrain()
    await world.child()
    await renewed(world, job)


async def renewed(world: World, job: Job) -> None:
    """Return once the supervisor has been round again."""
    world.clock.move(seconds=100)

    async def is_kept() -> bool:
        lease = (await world.stores.jobs.get(job.job_id)).lease_until
        return lease is not None and lease > world.clock.now()

    await until(is_kept)


async def test_watch_shows_each_change_and_ends_with_the_job(world: World) -> None:
    job = await world.jobs.retrain()
    child = await world.child()
    seen: list[Job] = []

    async def watch() -> None:
        async for change in world.jobs.watch(job.job_id, poll_s=0.01, heartbeat_s=3600.0):
            assert change is not None
            seen.append(change)

    watching = asyncio.create_task(watch())
    await until(lambda: len(seen) == 1)
    await world.stores.jobs.progress(
        job.job_id, stage="fit", progress=0.5, seconds_left=9.0, detail={"epoch": 1}
    )
    await until(lambda: len(seen) == 2)
    child.end(-9)
    await watching
    assert [change.stage for change in seen[:2]] == [None, "fit"]
    assert seen[-1].state is JobState.FAILED


async def test_watch_speaks_up_when_nothing_changes(world: World) -> None:
    job = await world.jobs.retrain()
    await world.child()
    changes = world.jobs.watch(job.job_id, poll_s=0.01, heartbeat_s=0.02)
    first = await anext(changes)
    while first is not None:
        first = await anext(changes)
    await changes.aclose()


async def test_watch_does_not_know_an_unknown_job(world: World) -> None:
    with pytest.raises(NotFoundError):
        await anext(world.jobs.watch("nothing"))


def make_triggers(
    stores: Stores,
    clock: FixedClock,
    jobs: Jobs,
    *,
    every_s: float | None = None,
    after_events: int | None = None,
) -> RetrainTriggers:
    return RetrainTriggers(
        jobs=stores.jobs,
        events=stores.events,
        clock=clock,
        metrics=Metrics(),
        retrain=lambda trigger: jobs.retrain(trigger=trigger),
        schedule=Schedule(every_s, after_events),
        definitions=stores.definitions,
        check_s=3600.0,
    )


async def add_events(stores: Stores, number: int, *, first: int = 0) -> None:
    events = [
        Event(f"e{first + n}", "view_item", NOON, NOON, user_id="u1", items=(EventItem("i1"),))
        for n in range(number)
    ]
    await stores.events.append(events, create_unknown=True)


async def test_written_schedule_stands_in_place_of_the_configured_one(
    stores: Stores, clock: FixedClock
) -> None:
    jobs = make_jobs(stores, clock)
    triggers = make_triggers(stores, clock, jobs, every_s=100.0)
    await triggers.start()
    body = {"every_s": None, "after_events": 5}
    await stores.definitions.put(DefinitionKind.SETTING, SCHEDULE, body, by="key:k")
    clock.move(seconds=101)
    assert await triggers.check() is None
    await add_events(stores, 5)
    job = await triggers.check()
    assert job is not None
    assert job.trigger == "events"
    await triggers.stop()


async def test_schedule_waits_for_its_time(stores: Stores, clock: FixedClock) -> None:
    jobs = make_jobs(stores, clock)
    triggers = make_triggers(stores, clock, jobs, every_s=100.0)
    await triggers.start()
    clock.move(seconds=99)
    assert await triggers.check() is None
    clock.move(seconds=1)
    job = await triggers.check()
    assert job is not None
    assert job.trigger == "schedule"
    await triggers.stop()


async def test_schedule_counts_from_the_last_job_after_a_restart(stores: Stores, clock: FixedClock) -> None:
    jobs = make_jobs(stores, clock)
    await jobs.cancel((await jobs.retrain()).job_id)
    clock.move(seconds=60)
    triggers = make_triggers(stores, clock, jobs, every_s=100.0)
    await triggers.start()
    assert await triggers.check() is None
    clock.move(seconds=40)
    assert await triggers.check() is not None
    await triggers.stop()


async def test_events_trigger_counts_from_the_last_job(stores: Stores, clock: FixedClock) -> None:
    jobs = make_jobs(stores, clock)
    triggers = make_triggers(stores, clock, jobs, after_events=5)
    await add_events(stores, 4)
    assert await triggers.check() is None
    await add_events(stores, 1, first=4)
    job = await triggers.check()
    assert job is not None
    assert job.trigger == "events"
    await jobs.cancel(job.job_id)
    await add_events(stores, 4, first=5)
    assert await triggers.check() is None


async def test_due_retraining_is_skipped_with_a_logged_reason_while_one_runs(
    stores: Stores, clock: FixedClock
) -> None:
    jobs = make_jobs(stores, clock)
    running = await jobs.retrain()
    triggers = make_triggers(stores, clock, jobs, every_s=10.0)
    clock.move(seconds=20)
    with capture_logs() as lines:
        assert await triggers.check() is None
        assert await triggers.check() is None
    skipped = [line for line in lines if line["event"] == "retrain.skipped"]
    assert [line["job_id"] for line in skipped] == [running.job_id]


async def test_job_that_nobody_runs_any_more_does_not_end_the_schedule(
    stores: Stores, clock: FixedClock
) -> None:
    jobs = make_jobs(stores, clock)
    lost = await jobs.retrain()
    await stores.jobs.claim(lease_s=5.0)
    triggers = make_triggers(stores, clock, jobs, every_s=10.0)
    clock.move(seconds=11)
    job = await triggers.check()
    assert job is not None
    assert job.trigger == "schedule"
    assert (await stores.jobs.get(lost.job_id)).error == LEASE_RAN_OUT


async def test_supervisor_fails_a_job_that_nobody_runs_with_nothing_queued(
    stores: Stores, clock: FixedClock
) -> None:
    jobs = make_jobs(stores, clock)
    lost = await jobs.retrain()
    await stores.jobs.claim(lease_s=5.0)
    jobs.run_in_background(make_supervisor(stores, PlayedLauncher()))
    clock.move(seconds=6)
    with capture_logs() as lines:
        await jobs.start()
        await until(lambda: bool(lines))
        await jobs.stop()
    assert [(line["event"], line["job_id"]) for line in lines] == [("job.lease_expired", lost.job_id)]
    assert await stores.jobs.fail_expired() == []


async def test_watch_of_a_job_that_nobody_runs_ends(stores: Stores, clock: FixedClock) -> None:
    jobs = make_jobs(stores, clock)
    lost = await jobs.retrain()
    await stores.jobs.claim(lease_s=5.0)
    clock.move(seconds=6)
    seen = [job async for job in jobs.watch(lost.job_id, poll_s=0.01)]
    assert [job.state for job in seen if job is not None] == [JobState.FAILED]


async def test_supervisor_stopped_while_a_child_starts_ends_child_and_job(
    stores: Stores, clock: FixedClock
) -> None:
    launcher = PlayedLauncher(gate=asyncio.Event())
    jobs = make_jobs(stores, clock)
    jobs.run_in_background(make_supervisor(stores, launcher))
    await jobs.start()
    job = await jobs.retrain(model=None, promote="never", trigger="api")
    await until(lambda: len(launcher.children) == 1)
    stopping = asyncio.create_task(jobs.stop())
    await asyncio.sleep(0)
    assert launcher.gate is not None
    launcher.gate.set()
    await stopping
    assert launcher.children[0].killed
    ended = await stores.jobs.get(job.job_id)
    assert (ended.state, ended.error) == (JobState.FAILED, "The service was stopped while the job ran.")
