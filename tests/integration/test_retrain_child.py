"""Retraining through the composed service, in real children that succeed, fail, hang and are killed."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app import bootstrap
from app.api.app import create_app
from app.domain.types import Event, EventItem, Item, KeyKind
from app.settings import Settings
from tests.processes import running_with

N_ITEMS, N_USERS, EVENTS_EACH = 30, 300, 16
ENDED = {"succeeded", "failed", "cancelled"}


class Service:
    """The application as `recserve serve` composes it, over a fresh SQLite file, with its own supervisor."""

    def __init__(self, folder: Path, database_url: str, **settings: Any) -> None:
        self.base = bootstrap.lay_foundation(
            Settings(
                database_url=database_url,
                artifacts_url=str(folder / "artifacts"),
                scratch_dir=folder / "scratch",
                retrain_model="transitions",
                **settings,
            ),
            deadline_s=20.0,
        )
        services = bootstrap.build(self.base)
        self.client = TestClient(
            create_app(services, bootstrap.api_settings(self.base.settings), on_stopped=self.base.close)
        )
        self.keys = services.keys
        self.headers: dict[str, str] = {}

    def run(self, function: Any, *arguments: Any, **options: Any) -> Any:
        assert self.client.portal is not None
        return self.client.portal.call(lambda: function(*arguments, **options))

    def call(self, method: str, path: str, **options: Any) -> Any:
        return self.client.request(method, path, headers=self.headers, **options)

    def make_key(self) -> None:
        _, key = self.run(self.keys.create, KeyKind.ADM)
        self.headers = {"Authorization": f"Bearer {key}"}

    def fill(self) -> None:
        items = [Item(item_id(number), title="x") for number in range(N_ITEMS)]
        self.run(self.base.stores.items.put, items)
        events = walks()
        for start in range(0, len(events), 500):
            self.run(self.base.stores.events.append, events[start : start + 500], create_unknown=True)

    def retrain(self, model: str = "transitions") -> str:
        answer = self.call("POST", "/v1/admin/retrain", json={"model": model})
        assert answer.status_code == 202, answer.text
        return str(answer.json()["job_id"])

    def job(self, job_id: str) -> dict[str, Any]:
        return dict(self.call("GET", f"/v1/admin/jobs/{job_id}").json())

    def end_of(self, job_id: str) -> dict[str, Any]:
        wait_for(lambda: self.job(job_id)["state"] in ENDED)
        return self.job(job_id)

    def recommend(self) -> Any:
        body = {"session_id": "s", "context": {"history": [item_id(4)]}, "n": 3}
        return self.call("POST", "/v1/recommendations", json=body)


def item_id(number: int) -> str:
    return f"item-{number:03d}"


def walks() -> list[Event]:
    """People who mostly go from an item to the next one, over sixty days up to now."""
    chance = random.Random(11)
    now = datetime.now(UTC)
    events = []
    for user in range(N_USERS):
        place, at = chance.randrange(N_ITEMS), now - timedelta(days=chance.uniform(1, 60))
        for number in range(EVENTS_EACH):
            place = (place + 1) % N_ITEMS if chance.random() < 0.9 else chance.randrange(N_ITEMS)
            at = min(at + timedelta(hours=chance.uniform(1, 48)), now)
            lines = (EventItem(item_id(place), quantity=1),)
            events.append(Event(f"e-{user}-{number}", "purchase", at, now, user_id=f"u{user}", items=lines))
    return sorted(events, key=lambda event: event.happened_at)


def wait_for(condition: Callable[[], bool], *, within_s: float = 90.0) -> None:
    limit = monotonic() + within_s
    while not condition():
        assert monotonic() < limit, f"did not happen within {within_s} s"
        sleep(0.05)


@pytest.fixture
def service(tmp_path: Path, sqlite_url: str) -> Iterator[Service]:
    made = Service(tmp_path, sqlite_url, job_lease_s=5.0)
    with made.client:
        made.make_key()
        yield made


def test_retrain_makes_a_version_that_answers(service: Service) -> None:
    service.fill()
    end = service.end_of(service.retrain())
    assert (end["state"], end["error"], end["progress"]) == ("succeeded", None, 1.0)
    version = service.call("GET", f"/v1/admin/models/{end['version']}").json()
    assert (version["state"], version["job_id"]) == ("live", end["job_id"])
    assert version["activated_by"] == "retraining (api)"
    assert version["gate"]["passed"], version["gate"]
    assert version["event_count"] > 0
    wait_for(lambda: service.recommend().json()["model_version"] == end["version"])
    answer = service.recommend().json()
    assert answer["served_by"] in {"model", "cache"}
    assert answer["items"][0]["item_id"] == item_id(5)


def test_retrain_without_events_says_so_plainly(service: Service) -> None:
    end = service.end_of(service.retrain())
    assert (end["state"], end["stage"]) == ("failed", "preprocess")
    assert "event" in end["error"]
    assert "Error" not in end["error"]


def test_killed_child_fails_its_job_and_nothing_else(service: Service) -> None:
    service.fill()
    job_id = service.retrain()
    wait_for(lambda: bool(running_with(job_id)))
    os.kill(running_with(job_id)[0], signal.SIGKILL)
    while service.job(job_id)["state"] not in ENDED:
        assert service.recommend().status_code == 200
    assert service.job(job_id)["error"] == "The training process was killed by SIGKILL."
    assert service.end_of(service.retrain())["state"] == "succeeded"


def test_stopped_child_loses_its_lease(service: Service) -> None:
    service.fill()
    # A network, so that many seconds lie between the first library, which it loads after its first words, and
    # its end.
    job_id = service.retrain("multvae")
    wait_for(lambda: bool(running_with(job_id)))
    child = running_with(job_id)[0]
    wait_for(lambda: "polars" in Path(f"/proc/{child}/maps").read_text())
    os.kill(child, signal.SIGSTOP)
    end = service.end_of(job_id)
    assert (end["state"], end["error"]) == ("failed", "The training process stopped responding.")
    assert running_with(job_id) == []


def test_cancelled_job_leaves_no_process(service: Service) -> None:
    job_id = service.retrain()
    wait_for(lambda: bool(running_with(job_id)))
    service.call("POST", f"/v1/admin/jobs/{job_id}/cancel")
    assert service.end_of(job_id)["state"] == "cancelled"
    assert running_with(job_id) == []


def test_stopped_service_leaves_no_process(tmp_path: Path, sqlite_url: str) -> None:
    service = Service(tmp_path, sqlite_url)
    with service.client:
        service.make_key()
        job_id = service.retrain()
        wait_for(lambda: bool(running_with(job_id)))
    assert running_with(job_id) == []


def test_new_events_start_a_retraining(tmp_path: Path, sqlite_url: str) -> None:
    service = Service(tmp_path, sqlite_url, retrain_after_events=N_USERS)
    with service.client:
        service.make_key()
        service.fill()
        wait_for(lambda: bool(service.call("GET", "/v1/admin/jobs").json()["jobs"]))
        job = service.call("GET", "/v1/admin/jobs").json()["jobs"][0]
        assert job["trigger"] == "events"
