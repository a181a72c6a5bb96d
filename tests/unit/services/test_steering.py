from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from app.adapters.memory_stores import memory_stores
from app.domain.ports import Stores
from app.domain.steering import DefinitionKind
from app.domain.weights import DEFAULT_WEIGHTS, EventWeight
from app.services.steering import EVENT_WEIGHTS, LiveSteering, weights_over
from app.telemetry import Metrics
from tests.clocks import NOON, FixedClock
from tests.waiting import until

SCENARIO, RULE, SETTING = DefinitionKind.SCENARIO, DefinitionKind.RULE, DefinitionKind.SETTING
POPULAR = {"sources": [{"source": "popular"}]}


@pytest.fixture
def stores(clock: FixedClock) -> Stores:
    return memory_stores(clock=clock)


def live(stores: Stores, clock: FixedClock, **options: Any) -> LiveSteering:
    return LiveSteering(
        definitions=stores.definitions, clock=clock, weights=DEFAULT_WEIGHTS, metrics=Metrics(), **options
    )


async def test_another_process_sees_a_write_by_itself(stores: Stores, clock: FixedClock) -> None:
    steering = live(stores, clock, poll_s=0.01)
    steering.follow()
    await stores.definitions.put(SCENARIO, "mine", POPULAR, by="key:k")
    await until(lambda: "mine" in steering.current.scenarios)
    await stores.definitions.delete(SCENARIO, "mine", by="key:k")
    await until(lambda: "mine" not in steering.current.scenarios)
    await steering.stop()


async def test_version_changes_with_every_write_and_every_schedule(stores: Stores, clock: FixedClock) -> None:
    steering = live(stores, clock)
    versions = [steering.current.version]
    ends_at = (NOON + timedelta(minutes=5)).isoformat()
    await stores.definitions.put(RULE, "r", {"kind": "boost", "ends_at": ends_at}, by="key:k")
    await steering.refresh()
    versions.append(steering.current.version)
    assert [rule.name for rule in steering.current.rules] == ["r"]
    clock.move(seconds=300)
    versions.append(steering.current.version)
    assert steering.current.rules == ()
    assert len(set(versions)) == 3
    other = live(stores, clock)
    await other.refresh()
    assert other.current.version == versions[-1], "the same in every process"


async def test_definition_of_a_newer_release_is_passed_over(stores: Stores, clock: FixedClock) -> None:
    await stores.definitions.put(RULE, "odd", {"kind": "teleport"}, by="key:k")
    await stores.definitions.put(SCENARIO, "mine", POPULAR, by="key:k")
    steering = live(stores, clock)
    await steering.refresh()
    assert "mine" in steering.current.scenarios
    assert steering.current.rules == ()


async def test_weights_written_stand_over_those_configured(stores: Stores, clock: FixedClock) -> None:
    assert await weights_over(DEFAULT_WEIGHTS, stores.definitions) == DEFAULT_WEIGHTS
    body = {"purchase": {"weight": 2.0, "half_life_days": 3.0}}
    await stores.definitions.put(SETTING, EVENT_WEIGHTS, body, by="key:k")
    expected = {**DEFAULT_WEIGHTS, "purchase": EventWeight(2.0, 3.0)}
    assert await weights_over(DEFAULT_WEIGHTS, stores.definitions) == expected
    steering = live(stores, clock)
    await steering.refresh()
    assert dict(steering.weights) == expected
