"""Model versions over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.adapters.artifacts import open_store
from app.adapters.memory_stores import memory_stores
from app.domain.types import ModelVersion, VersionState
from tests.api.build import build_services
from tests.api.world import World, running
from tests.clocks import FixedClock
from tests.versions import make_version

MODELS = "/v1/admin/models"


@pytest.fixture
def world(clock: FixedClock, tmp_path: Path) -> Iterator[World]:
    stores = memory_stores(clock=clock)
    with running(build_services(stores, clock, folder=tmp_path), stores, clock) as world:
        yield world


def publish(world: World, folder: Path, name: str) -> Path:
    made = make_version(folder / "made", name)
    open_store(str(folder / "artifacts"), scratch=folder).publish(made, model="transitions", version=name)
    world.clock.move(seconds=1)
    row = ModelVersion(
        name,
        "transitions",
        VersionState.CANDIDATE,
        event_count=7,
        gate={"passed": True},
        created_at=world.clock.now(),
    )
    world.run(world.stores.versions.add, row)
    return folder / "artifacts" / "transitions" / name


def activate(world: World, name: str) -> None:
    world.clock.move(seconds=1)
    assert world.call("POST", f"{MODELS}/{name}/activate", kind="adm").status_code == 200


def serving(world: World) -> str | None:
    model = world.call("GET", "/readyz", kind="none").json()["dependencies"]["model"]
    return model["detail"] if model["state"] == "ok" else None


def test_models_are_listed_newest_first_with_all_that_is_known(world: World, tmp_path: Path) -> None:
    for name in ("v1", "v2"):
        publish(world, tmp_path, name)
    page = world.call("GET", MODELS, kind="adm").json()
    assert [row["version"] for row in page["models"]] == ["v2", "v1"]
    row = page["models"][0]
    assert (row["model"], row["state"], row["event_count"], row["gate"]) == (
        "transitions",
        "candidate",
        7,
        {"passed": True},
    )


def test_a_model_is_found_by_its_name(world: World, tmp_path: Path) -> None:
    publish(world, tmp_path, "v1")
    assert world.call("GET", f"{MODELS}/v1", kind="adm").json()["version"] == "v1"


def test_activate_makes_it_answer_and_says_who(world: World, tmp_path: Path) -> None:
    publish(world, tmp_path, "v1")
    answer = world.call("POST", f"{MODELS}/v1/activate", kind="adm").json()
    assert answer["state"] == "live"
    assert answer["activated_by"].startswith("key:")
    assert serving(world) == "v1"


def test_activate_of_a_damaged_version_is_409_and_the_old_one_stays(world: World, tmp_path: Path) -> None:
    publish(world, tmp_path, "v1")
    activate(world, "v1")
    (publish(world, tmp_path, "v2") / "item_item.npz").write_bytes(b"")
    answer = world.call("POST", f"{MODELS}/v2/activate", kind="adm")
    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/artifact-refused")
    assert answer.json()["detail"].startswith("item_item.npz is not ")
    assert str(tmp_path) not in answer.text
    assert serving(world) == "v1"
    refused = world.call("GET", f"{MODELS}/v2", kind="adm").json()
    assert (refused["state"], refused["reason"]) == ("refused", answer.json()["detail"])


def test_rollback_brings_back_the_one_before(world: World, tmp_path: Path) -> None:
    for name in ("v1", "v2"):
        publish(world, tmp_path, name)
        activate(world, name)
    answer = world.call("POST", f"{MODELS}/rollback", kind="adm")
    assert (answer.status_code, answer.json()["version"]) == (200, "v1")
    assert serving(world) == "v1"


def test_rollback_without_a_past_is_409(world: World) -> None:
    assert world.call("POST", f"{MODELS}/rollback", kind="adm").status_code == 409


@pytest.mark.parametrize("path", ["/v9", "/v9/activate", "/.../activate"])
def test_an_unknown_version_is_404(world: World, path: str) -> None:
    method = "POST" if path.endswith("activate") else "GET"
    assert world.call(method, f"{MODELS}{path}", kind="adm").status_code == 404


@pytest.mark.parametrize("kind", ["pub", "sec"])
@pytest.mark.parametrize("path", ["/v1/activate", "/rollback"])
def test_activation_is_for_administrators(world: World, kind: str, path: str) -> None:
    assert world.call("POST", f"{MODELS}{path}", kind=kind).status_code == 403


def test_a_version_that_would_be_a_path_is_422(world: World) -> None:
    assert world.call("POST", f"{MODELS}/..%2F..%2Fetc/activate", kind="adm").status_code == 422
