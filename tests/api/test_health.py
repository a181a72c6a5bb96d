import pytest

from app.domain.errors import StorageUnavailableError
from tests.api.world import World


def break_database(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def down() -> int:
        raise StorageUnavailableError("no")

    monkeypatch.setattr(world.stores.items, "revision", down)


def test_process_lives(world):
    assert world.client.get("/healthz").json() == {"status": "ok"}


def test_readiness_names_each_dependency(world):
    answer = world.client.get("/readyz")
    assert answer.status_code == 200
    assert answer.json() == {
        "status": "ready",
        "dependencies": {
            "database": {"state": "ok", "detail": None},
            "cache": {"state": "ok", "detail": None},
            "model": {"state": "none", "detail": "lists come from popularity"},
            "ingest": {"state": "ok", "detail": None},
        },
    }


def test_process_that_has_seen_its_database_stays_ready_without_it(world, monkeypatch):
    assert world.client.get("/readyz").json()["status"] == "ready"
    break_database(world, monkeypatch)
    answer = world.client.get("/readyz")
    assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
    assert answer.json()["dependencies"]["database"] == {"state": "down", "detail": "storage-unavailable"}


def test_process_that_never_saw_its_database_is_not_ready(world, monkeypatch):
    break_database(world, monkeypatch)
    answer = world.client.get("/readyz")
    assert (answer.status_code, answer.json()["status"]) == (503, "unavailable")


def test_draining_process_is_not_ready_and_goes_on_answering(world):
    world.drain.start()
    answer = world.client.get("/readyz")
    assert (answer.status_code, answer.json()["status"]) == (503, "draining")
    assert answer.headers["connection"] == "close"
    assert world.call("GET", "/v1/popular").status_code == 200


def test_metrics_are_prometheus_text(world):
    world.call("GET", "/v1/items/secret-item")
    answer = world.client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert 'route="/v1/items/{item_id}"' in answer.text
    assert "secret-item" not in answer.text


def test_storage_that_is_down_is_a_503_with_retry_after(world, monkeypatch):
    async def down(*_: object, **__: object) -> None:
        raise StorageUnavailableError("The database did not answer in time.", retry_after_s=2)

    monkeypatch.setattr(world.stores.items, "page", down)
    answer = world.call("GET", "/v1/items")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
    assert answer.json()["type"] == "/problems/storage-unavailable"
