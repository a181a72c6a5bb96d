"""Retraining over HTTP, with no runner behind the queue."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from app.adapters.memory_stores import memory_stores
from app.domain.types import JobState, JsonObject
from tests.api.build import build_services
from tests.api.world import World, running
from tests.clocks import FixedClock

RETRAIN = "/v1/admin/retrain"
JOBS = "/v1/admin/jobs"


@pytest.fixture
def world(clock: FixedClock, tmp_path: Path) -> Iterator[World]:
    stores = memory_stores(clock=clock)
    with running(build_services(stores, clock, folder=tmp_path), stores, clock) as world:
        yield world


def queue(world: World) -> str:
    answer = world.call("POST", RETRAIN, kind="adm")
    assert answer.status_code == 202
    return str(answer.json()["job_id"])


def test_retrain_answers_202_with_the_job(world: World) -> None:
    answer = world.call("POST", RETRAIN, kind="adm", json={"model": "gru4rec", "promote": "manual"})
    assert answer.status_code == 202
    job = world.call("GET", f"{JOBS}/{answer.json()['job_id']}", kind="adm").json()
    assert (job["state"], job["model"], job["promote"], job["trigger"]) == (
        "queued",
        "gru4rec",
        "manual",
        "api",
    )


def test_second_retrain_answers_409_with_the_running_job(world: World) -> None:
    job_id = queue(world)
    answer = world.call("POST", RETRAIN, kind="adm")
    assert answer.status_code == 409
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.json()["type"], answer.json()["job_id"]) == ("/problems/job-running", job_id)


def test_one_of_ten_retrains_at_once_wins(world: World) -> None:
    with ThreadPoolExecutor(10) as threads:
        answers = list(threads.map(lambda _: world.call("POST", RETRAIN, kind="adm"), range(10)))
    assert sorted(answer.status_code for answer in answers) == [202] + [409] * 9
    assert len({answer.json()["job_id"] for answer in answers}) == 1


def test_retrain_with_the_same_idempotency_key_answers_the_same_job(world: World) -> None:
    headers = {"Idempotency-Key": "retrain-2026-11-24"}
    first = world.call("POST", RETRAIN, kind="adm", headers=headers)
    second = world.call("POST", RETRAIN, kind="adm", headers=headers)
    assert (first.status_code, second.status_code) == (202, 202)
    assert first.json() == second.json()


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"model": "gru5rec"}, "/model"),
        ({"promote": "now"}, "/promote"),
        ({"model": 3}, "/model"),
        ({"seed": 3}, "/seed"),
        ({"model": "auto", "budget_s": 0}, "/budget_s"),
        ({"model": "ease", "budget_s": 60}, "/budget_s"),
        ({"model": "../../etc/passwd"}, "/model"),
    ],
)
def test_retrain_answers_422_with_a_pointer_and_queues_nothing(
    world: World, body: JsonObject, pointer: str
) -> None:
    answer = world.call("POST", RETRAIN, kind="adm", json=body)
    assert answer.status_code == 422
    assert [fault["pointer"] for fault in answer.json()["errors"]] == [pointer]
    assert world.call("GET", JOBS, kind="adm").json()["jobs"] == []


@pytest.mark.parametrize("kind", ["pub", "sec"])
def test_retrain_is_for_administrators(world: World, kind: str) -> None:
    assert world.call("POST", RETRAIN, kind=kind).status_code == 403


def test_jobs_are_listed_newest_first_page_by_page(world: World) -> None:
    made = []
    for _ in range(3):
        made.append(queue(world))
        world.call("POST", f"{JOBS}/{made[-1]}/cancel", kind="adm")
        world.clock.move(seconds=1)
    first = world.call("GET", JOBS, kind="adm", params={"limit": 2}).json()
    rest = world.call("GET", JOBS, kind="adm", params={"limit": 2, "cursor": first["next_cursor"]}).json()
    assert [job["job_id"] for job in first["jobs"] + rest["jobs"]] == made[::-1]
    assert rest["next_cursor"] is None


def test_cancel_ends_a_queued_job_and_lets_the_next_one_in(world: World) -> None:
    job_id = queue(world)
    answer = world.call("POST", f"{JOBS}/{job_id}/cancel", kind="adm")
    assert (answer.status_code, answer.json()["state"]) == (200, "cancelled")
    assert queue(world) != job_id


@pytest.mark.parametrize(("method", "path"), [("GET", ""), ("POST", "/cancel"), ("GET", "/events")])
def test_an_unknown_job_is_404(world: World, method: str, path: str) -> None:
    assert world.call(method, f"{JOBS}/nothing{path}", kind="adm").status_code == 404


def test_events_stream_tells_each_change_and_ends_with_the_job(world: World) -> None:
    job_id = queue(world)
    jobs = world.stores.jobs
    world.run(jobs.claim, lease_s=60.0)
    with ThreadPoolExecutor(1) as threads:
        watching = threads.submit(world.call, "GET", f"{JOBS}/{job_id}/events", kind="adm")
        detail = {"epoch": 2, "epochs": 9, "loss": [2.0, 1.5], "val_loss": [2.1], "metric": [0.1]}
        world.run(jobs.progress, job_id, stage="fit", progress=0.4, seconds_left=12.5, detail=detail)
        world.run(jobs.finish, job_id, JobState.SUCCEEDED, version="gru4rec-1")
        answer = watching.result(timeout=30)
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = [read_event(block) for block in answer.text.strip().split("\n\n") if not block.startswith(":")]
    name, last = events[-1]
    assert name == "end"
    assert (last["state"], last["version"], last["detail"]) == ("succeeded", "gru4rec-1", detail)
    assert {name for name, _ in events[:-1]} <= {"progress"}


def test_events_stream_ends_when_the_service_drains(world: World) -> None:
    job_id = queue(world)
    world.drain.start()
    answer = world.call("GET", f"{JOBS}/{job_id}/events", kind="adm")
    assert answer.status_code == 200
    assert "event: end" not in answer.text


def read_event(block: str) -> tuple[str, JsonObject]:
    event, data = block.split("\n")
    return event.removeprefix("event: "), json.loads(data.removeprefix("data: "))
