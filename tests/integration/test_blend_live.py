"""A blend goes live, says where its items come from and why, gives way, and comes back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.domain.types import ModelVersion, VersionState
from app.training.build import plan
from models.blend import Mix
from tests.integration.test_hot_swap import N_ITEMS, Service
from tests.versions import item_ids, seal, table, write_config

SHOPPER = "u1"


def publish_blend(service: Service, version: str) -> None:
    """Two tables of the ring, the second hardly heard."""
    folder = service.folder / "made" / version
    folder.mkdir(parents=True)
    write_config(folder, model="auto", file_format="blend")
    (folder / "items.json").write_text(json.dumps(item_ids(N_ITEMS)))
    members = [plan(name, {}).config() for name in ("transitions", "itemknn")]
    for member in members:
        table(N_ITEMS).save(folder / f"{member['model']}.item_item.npz")
    weights = np.array([[1.0, 0.1]], np.float32)
    mix = Mix(weights, weights, np.zeros(1, np.float32))
    (folder / "blend.json").write_text(json.dumps({"members": members, "mix": mix.to_json()}))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"source": "blend"}))
    (folder / "metrics.json").write_text("{}")
    seal(folder, model="auto", n_items=N_ITEMS)
    service.base.artifacts.publish(folder, model="auto", version=version)
    service.run(service.base.stores.versions.add, ModelVersion(version, "auto", VersionState.CANDIDATE))


def asked(service: Service) -> Any:
    body = {"user_id": SHOPPER, "n": 3, "explain": True}
    return service.client.post("/v1/recommendations", json=body, headers=service.headers).json()


@pytest.fixture
def service(tmp_path: Path, sqlite_url: str) -> Iterator[Service]:
    made = Service(tmp_path, sqlite_url)
    with made.client:
        made.prepare()
        event = {
            "event_id": "e1",
            "event": "view_item",
            "user_id": SHOPPER,
            "items": [{"item_id": "item-003"}],
        }
        made.client.post("/v1/events", json={"events": [event]}, headers=made.headers)
        made.publish("plain")
        publish_blend(made, "blended")
        yield made


def test_a_live_blend_names_its_source_and_its_reason(service: Service) -> None:
    assert service.activate("blended") == 200
    answer = asked(service)
    first = answer["items"][0]
    assert (answer["model_version"], first["item_id"], first["source"]) == ("blended", "item-004", "blend")
    assert first["reason"]
    path = f"/v1/users/{SHOPPER}/items/item-004/explanation"
    why = service.client.get(path, headers=service.headers).json()
    assert (why["rank"], why["source"], why["model_version"]) == (1, "blend", "blended")


def test_a_blend_gives_way_and_is_rolled_back_to(service: Service) -> None:
    for version in ("blended", "plain"):
        assert service.activate(version) == 200
        assert asked(service)["model_version"] == version
    answer = service.client.post("/v1/admin/models/rollback", headers=service.headers)
    assert answer.json()["version"] == "blended"
    assert asked(service)["model_version"] == "blended"
