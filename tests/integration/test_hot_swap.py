"""The composed service under load while versions come, go and turn out to be damaged."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import pytest
from fastapi.testclient import TestClient

from app import bootstrap
from app.api.app import create_app
from app.domain.types import KeyKind, ModelVersion, VersionState
from app.settings import Settings
from tests.versions import make_version

N_ITEMS = 12


class Service:
    """The application as `recserve serve` composes it, over a fresh SQLite file."""

    def __init__(self, folder: Path, database_url: str) -> None:
        self.folder = folder
        self.base = bootstrap.lay_foundation(
            Settings(
                database_url=database_url,
                artifacts_url=str(folder / "artifacts"),
                scratch_dir=folder / "scratch",
                jobs="worker",
            ),
            deadline_s=20.0,
        )
        self.services = bootstrap.build(self.base)
        app = create_app(
            self.services, bootstrap.api_settings(self.base.settings), on_stopped=self.base.close
        )
        self.client = TestClient(app)
        self.headers: dict[str, str] = {}

    def run(self, function: Any, *arguments: Any) -> Any:
        assert self.client.portal is not None
        return self.client.portal.call(function, *arguments)

    def prepare(self) -> None:
        _, key = self.run(self.services.keys.create, KeyKind.ADM)
        self.headers = {"Authorization": f"Bearer {key}"}
        items = [{"item_id": f"item-{number:03d}", "title": "x"} for number in range(1, N_ITEMS + 1)]
        answer = self.client.post("/v1/items:batch", json={"items": items}, headers=self.headers)
        assert answer.status_code == 200, answer.text

    def publish(self, version: str) -> Path:
        made = make_version(self.folder / "made", version, n_items=N_ITEMS)
        self.base.artifacts.publish(made, model="transitions", version=version)
        self.run(self.base.stores.versions.add, ModelVersion(version, "transitions", VersionState.CANDIDATE))
        return self.folder / "artifacts" / "transitions" / version

    def activate(self, version: str) -> int:
        path = f"/v1/admin/models/{version}/activate"
        return self.client.post(path, headers=self.headers).status_code

    def recommend(self, last_item: str) -> Any:
        body = {"session_id": "s", "context": {"history": [last_item]}, "n": 3}
        return self.client.post("/v1/recommendations", json=body, headers=self.headers)


@pytest.fixture
def service(tmp_path: Path, sqlite_url: str) -> Iterator[Service]:
    made = Service(tmp_path, sqlite_url)
    with made.client:
        made.prepare()
        yield made


class Load:
    """Threads that ask until they are told to stop, and keep what they were answered."""

    def __init__(self, service: Service, *, requesters: int) -> None:
        self._service = service
        self._stop = threading.Event()
        self.answers: Counter[tuple[int, str, str | None, str]] = Counter()
        self._threads = [threading.Thread(target=self._ask, args=(seed,)) for seed in range(requesters)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _ask(self, seed: int) -> None:
        chance = random.Random(seed)
        while not self._stop.is_set():
            last = chance.randrange(1, N_ITEMS)
            answer = self._service.recommend(f"item-{last:03d}")
            body = answer.json()
            first = body["items"][0]["item_id"] if answer.status_code == 200 else ""
            right = "right" if first == f"item-{last + 1:03d}" else f"{first} after {last}"
            self.answers[(answer.status_code, body.get("served_by"), body.get("model_version"), right)] += 1


def test_twenty_activations_under_load_drop_and_garble_nothing(service: Service) -> None:
    for version in ("v1", "v2"):
        service.publish(version)
    assert service.activate("v1") == 200
    with Load(service, requesters=4) as load:
        for turn in range(20):
            assert service.activate(("v2", "v1")[turn % 2]) == 200
    assert {status for status, *_ in load.answers} == {200}
    assert {right for *_, right in load.answers} == {"right"}
    assert {version for _, _, version, _ in load.answers} == {"v1", "v2"}
    assert {served_by for _, served_by, *_ in load.answers} <= {"model", "cache"}
    assert sum(load.answers.values()) > 20


def test_two_hundred_damaged_versions_are_refused_while_the_old_one_answers(service: Service) -> None:
    service.publish("good")
    assert service.activate("good") == 200
    folder = service.publish("bad")
    whole = {path.name: path.read_bytes() for path in folder.iterdir()}
    chance = random.Random(30)
    with Load(service, requesters=1) as load:
        for _ in range(200):
            name = damage(folder, whole, chance)
            assert service.activate("bad") == 409, name
            (folder / name).write_bytes(whole[name])
    assert {(status, version, right) for status, _, version, right in load.answers} == {
        (200, "good", "right")
    }
    refused = service.base.metrics.registry.get_sample_value("recserve_models_refused_total")
    assert refused == 200
    assert service.activate("bad") == 200


def damage(folder: Path, whole: dict[str, bytes], chance: random.Random) -> str:
    name = chance.choice(sorted(whole))
    raw = bytearray(whole[name])
    kind = chance.choice(["flip", "flip", "cut", "gone"])
    if kind == "gone":
        (folder / name).unlink()
    elif kind == "cut":
        (folder / name).write_bytes(raw[: chance.randrange(len(raw))])
    else:
        raw[chance.randrange(len(raw))] ^= 1 << chance.randrange(8)
        (folder / name).write_bytes(raw)
    return name
