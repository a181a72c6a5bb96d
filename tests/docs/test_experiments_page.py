"""The commands of the page on experiments do what the page says."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.adapters.memory_stores import memory_stores
from tests.api.build import build_services
from tests.api.world import World, running
from tests.clocks import FixedClock

PAGE = (Path(__file__).resolve().parents[2] / "docs/experiments.md").read_text()
COMMANDS = re.findall(r"^admin (\w+) (\S+)(?: '(\{.*?\})')?$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    clock = FixedClock()
    stores = memory_stores(clock=clock)
    with running(build_services(stores, clock, folder=tmp_path), stores, clock) as made:
        yield made


def test_commands_run_in_their_order(world: World) -> None:
    assert len(COMMANDS) >= 6
    states = []
    for method, path, body in COMMANDS:
        given = {"json": json.loads(body)} if body else {}
        answer = world.call(method, f"/v1/admin/{path}", kind="adm", **given)
        assert answer.status_code == 200, (method, path, answer.text)
        if "state" in answer.json():
            states.append(answer.json()["state"])
    assert states == ["running", "running", "running", "stopped"]
