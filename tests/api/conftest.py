"""The service over stores in memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.adapters.memory_stores import memory_stores
from tests.api.build import build_services
from tests.api.nasty_run import seed
from tests.api.world import World, running
from tests.clocks import FixedClock
from tests.waiting import until


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A service without data."""
    clock = FixedClock()
    stores = memory_stores(clock=clock)
    with running(build_services(stores, clock, folder=tmp_path), stores, clock) as made:
        yield made


@pytest.fixture(scope="module")
def shared_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A service with a little data, shared by the tests of a module."""
    clock = FixedClock()
    stores = memory_stores(clock=clock)
    folder = tmp_path_factory.mktemp("service")
    with running(build_services(stores, clock, folder=folder), stores, clock) as made:
        seed(made)
        yield made


@pytest.fixture(scope="module")
def settled(shared_world: World) -> World:
    """Once the followers have seen all there is: from then on a kept list stays kept."""
    recommend = shared_world.services.recommend
    live, counts = recommend._catalogue, recommend._popularity
    shared_world.run(until, lambda: live._stamp.told_to == live.current.revision > 0)
    for refresh in (counts.refresh, counts.refresh_baskets, counts.refresh_segments):
        shared_world.run(refresh)
    return shared_world
