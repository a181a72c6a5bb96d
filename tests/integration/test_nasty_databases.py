"""What the nasty table lets through reaches the database: memory, SQLite and PostgreSQL answer alike."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from app.adapters.memory_stores import memory_stores
from app.adapters.sql.engine import Database
from app.adapters.sql.stores import sql_stores
from app.domain.ports import Stores
from tests.api.build import build_services
from tests.api.nasty_run import MAKES_STREAMS, Case, Outcome, cases_of, seed, send
from tests.api.samples import SAMPLES
from tests.api.world import World, running
from tests.clocks import FixedClock

SHARE = 9
NEVER_REACH_A_STORE = (" body: ", " query unknown: ")
REFUSED_BEFORE_THE_STORE = frozenset({400, 401, 403, 405, 408, 413, 415, 422})


@contextmanager
def world_over(stores: Stores, clock: FixedClock, folder: Path) -> Iterator[World]:
    # Counted once: a look in the middle of one run alone would change its popular lists.
    services = build_services(stores, clock, folder=folder, popularity_poll_s=3600.0)
    with running(services, stores, clock) as made:
        seed(made)
        yield made


@pytest.fixture(scope="module")
def reached(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Case, Outcome]]:
    """The cases that get as far as a store, and what they are answered over memory."""
    clock = FixedClock()
    stores = memory_stores(clock=clock)
    with world_over(stores, clock, tmp_path_factory.mktemp("memory")) as world:
        routes = [route for route in SAMPLES if route not in MAKES_STREAMS]
        cases = [case for route in routes for case in cases_of(route, share=SHARE, always=())]
        cases = [case for case in cases if not any(part in case.name for part in NEVER_REACH_A_STORE)]
        sent = [(case, send(world, case)) for case in cases]
    return [pair for pair in sent if pair[1].status not in REFUSED_BEFORE_THE_STORE]


def test_database_answers_as_memory_does(reached, database_url, tmp_path):
    clock = FixedClock()
    database = Database(database_url, deadline_s=20.0)
    stores = sql_stores(database, tenant="default", clock=clock)
    with world_over(stores, clock, tmp_path) as world:
        outcomes = [send(world, case) for case, _ in reached]
        world.run(database.close)
    assert len(outcomes) > 200
    assert outcomes == [outcome for _, outcome in reached]
