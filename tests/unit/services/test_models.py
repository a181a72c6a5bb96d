"""The registry: follows the live row, swaps, refuses, falls back, rolls back."""

from __future__ import annotations

import asyncio
import random
import shutil
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from app.adapters.artifacts import open_store
from app.adapters.memory_stores import memory_stores
from app.adapters.scorers.loader import FolderLoader
from app.domain.errors import ArtifactRefusedError, ConflictError, NotFoundError, StorageUnavailableError
from app.domain.ports import Stores
from app.domain.types import ModelVersion, Query, VersionState
from app.services.models import ModelRegistry
from app.telemetry import Metrics
from tests.clocks import NOON, FixedClock
from tests.versions import make_version
from tests.waiting import until


@dataclass
class World:
    root: Path
    stores: Stores
    clock: FixedClock
    metrics: Metrics

    def registry(self, *, retry_s: float = 60.0) -> ModelRegistry:
        return ModelRegistry(
            versions=self.stores.versions,
            artifacts=open_store(str(self.root / "artifacts"), scratch=self.root / "scratch"),
            loader=FolderLoader(),
            audit=self.stores.audit,
            metrics=self.metrics,
            poll_s=0.01,
            retry_s=retry_s,
        )

    async def publish(self, name: str, *, n_items: int = 12) -> Path:
        made = make_version(self.root / "made", name, n_items=n_items)
        open_store(str(self.root / "artifacts"), scratch=self.root).publish(
            made, model="transitions", version=name
        )
        self.clock.move(seconds=1)
        await self.stores.versions.add(
            ModelVersion(name, "transitions", VersionState.CANDIDATE, created_at=self.clock.now())
        )
        return self.root / "artifacts" / "transitions" / name

    async def make_live(self, name: str) -> None:
        self.clock.move(seconds=1)
        await self.stores.versions.activate(name, by="test")

    def refused(self) -> float:
        value = self.metrics.registry.get_sample_value("recserve_models_refused_total")
        assert value is not None
        return value


@pytest.fixture
def world(tmp_path: Path) -> World:
    clock = FixedClock(NOON)
    return World(tmp_path, memory_stores(clock=clock), clock, Metrics())


async def test_start_serves_the_live_version(world: World) -> None:
    await world.publish("v1")
    await world.make_live("v1")
    registry = world.registry()
    await registry.start()
    assert registry.current is not None
    assert registry.current.version == "v1"
    await registry.stop()


async def test_start_without_versions_serves_none(world: World) -> None:
    registry = world.registry()
    await registry.start()
    assert registry.current is None
    await registry.stop()


async def test_start_falls_back_to_the_newest_earlier_version_that_opens(world: World) -> None:
    for name in ("v1", "v2", "v3", "v4"):
        folder = await world.publish(name)
        if name != "v4":
            await world.make_live(name)
        if name in {"v2", "v3"}:
            (folder / "items.json").write_text("[]")
    registry = world.registry()
    await registry.start()
    assert registry.current is not None
    assert registry.current.version == "v1"
    assert set(registry.refused) == {"v2", "v3"}
    assert (await world.stores.versions.get("v3")).state is VersionState.LIVE
    assert (await world.stores.versions.get("v2")).state is VersionState.REFUSED
    await registry.stop()


async def test_follow_takes_up_what_another_process_activated(world: World) -> None:
    await world.publish("v1")
    registry = world.registry()
    await registry.start()
    await world.make_live("v1")
    await until(lambda: registry.current is not None and registry.current.version == "v1")
    await registry.stop()


async def test_follow_keeps_the_old_version_when_the_live_one_is_refused(world: World) -> None:
    await world.publish("v1")
    await world.make_live("v1")
    bad = await world.publish("v2")
    (bad / "config.json").unlink()
    registry = world.registry()
    await registry.start()
    await world.make_live("v2")
    await until(lambda: "v2" in registry.refused)
    assert registry.current is not None
    assert registry.current.version == "v1"
    assert registry.refused["v2"] == "config.json is missing."
    await registry.stop()


async def test_follow_tries_a_refused_live_version_again_after_a_while(world: World) -> None:
    folder = await world.publish("v1")
    await world.make_live("v1")
    shutil.move(folder, world.root / "aside")
    registry = world.registry(retry_s=0.0)
    await registry.start()
    assert registry.current is None
    shutil.move(world.root / "aside", folder)
    await until(lambda: registry.current is not None)
    assert registry.refused == {}
    await registry.stop()


async def test_activate_swaps_commits_and_audits(world: World) -> None:
    await world.publish("v1")
    await world.make_live("v1")
    await world.publish("v2")
    registry = world.registry()
    await registry.refresh()
    row = await registry.activate("v2", by="key:abc")
    assert (row.state, row.activated_by) == (VersionState.LIVE, "key:abc")
    assert registry.current is not None
    assert registry.current.version == "v2"
    assert (await world.stores.versions.get("v1")).state is VersionState.RETIRED


async def test_activate_refuses_a_damaged_version_and_changes_nothing(world: World) -> None:
    await world.publish("v1")
    await world.make_live("v1")
    bad = await world.publish("v2")
    (bad / "items.json").write_bytes((bad / "items.json").read_bytes()[:-1])
    registry = world.registry()
    await registry.refresh()
    with pytest.raises(ArtifactRefusedError, match=r"items\.json"):
        await registry.activate("v2", by="key:abc")
    assert registry.current is not None
    assert registry.current.version == "v1"
    live = await world.stores.versions.live()
    assert live is not None
    assert live.version == "v1"
    refused = await world.stores.versions.get("v2")
    assert refused.state is VersionState.REFUSED
    assert refused.reason is not None
    assert refused.reason.startswith("items.json")
    assert world.refused() == 1


async def test_activate_refuses_a_folder_that_holds_another_version(world: World) -> None:
    good = await world.publish("v1")
    await world.publish("v2")
    shutil.rmtree(good.parent / "v2")
    shutil.copytree(good, good.parent / "v2")
    with pytest.raises(ArtifactRefusedError, match="another version"):
        await world.registry().activate("v2", by="test")


async def test_activate_does_not_know_an_unknown_version(world: World) -> None:
    with pytest.raises(NotFoundError):
        await world.registry().activate("v9", by="test")


async def test_rollback_brings_back_the_version_before(world: World) -> None:
    registry = world.registry()
    for name in ("v1", "v2"):
        await world.publish(name)
        world.clock.move(seconds=1)
        await registry.activate(name, by="test")
    row = await registry.rollback(by="test")
    assert row.version == "v1"
    assert registry.current is not None
    assert registry.current.version == "v1"


async def test_second_rollback_goes_one_further_back(world: World) -> None:
    registry = world.registry()
    for name in ("v1", "v2", "v3"):
        await world.publish(name)
        world.clock.move(seconds=1)
        await registry.activate(name, by="test")
    assert [(await registry.rollback(by="test")).version for _ in range(2)] == ["v2", "v1"]
    with pytest.raises(ConflictError, match="before"):
        await registry.rollback(by="test")


async def test_rollback_says_when_there_is_nothing_to_go_back_to(world: World) -> None:
    await world.publish("v1")
    registry = world.registry()
    await registry.activate("v1", by="test")
    with pytest.raises(ConflictError, match="before"):
        await registry.rollback(by="test")


async def test_a_request_keeps_the_scorer_it_began_with(world: World) -> None:
    registry = world.registry()
    for name in ("v1", "v2"):
        await world.publish(name)
    await registry.activate("v1", by="test")
    began_with = registry.current
    await registry.activate("v2", by="test")
    assert began_with is not None
    assert began_with.version == "v1"
    assert began_with.score([Query(("item-001",), (1.0,))]).argmax() == 2


async def test_damaged_versions_are_refused_while_the_old_one_serves(world: World) -> None:
    await world.publish("good")
    await world.make_live("good")
    registry = world.registry()
    await registry.refresh()
    folder = await world.publish("bad")
    whole = {path.name: path.read_bytes() for path in folder.iterdir()}
    chance = random.Random(7)
    for _ in range(20):
        _damage(folder, whole, chance)
        with pytest.raises(ArtifactRefusedError):
            await registry.activate("bad", by="test")
        assert registry.current is not None
        assert registry.current.version == "good"
        assert registry.current.score([Query(("item-001",), (1.0,))]).argmax() == 2
    assert world.refused() == 20
    for name, raw in whole.items():
        (folder / name).write_bytes(raw)
    assert (await registry.activate("bad", by="test")).state is VersionState.LIVE


def _damage(folder: Path, whole: dict[str, bytes], chance: random.Random) -> None:
    for name, raw in whole.items():
        (folder / name).write_bytes(raw)
    name = chance.choice(sorted(whole))
    raw = bytearray(whole[name])
    if chance.random() < 0.25:
        (folder / name).write_bytes(raw[: chance.randrange(len(raw))])
        return
    raw[chance.randrange(len(raw))] ^= 1 << chance.randrange(8)
    (folder / name).write_bytes(raw)


class DownThenUp:
    """A version store whose database is away for the first few looks."""

    def __init__(self, inner: object, looks: int) -> None:
        self._inner = inner
        self._looks = looks

    def __getattr__(self, name: str) -> Callable[..., Awaitable[object]]:
        return getattr(self._inner, name)

    async def live(self) -> ModelVersion | None:
        self._looks -= 1
        if self._looks >= 0:
            raise StorageUnavailableError("away")
        return await self._inner.live()


async def test_start_without_a_database_serves_none_until_it_answers(world: World) -> None:
    await world.publish("v1")
    await world.make_live("v1")
    registry = world.registry()
    registry._versions = DownThenUp(world.stores.versions, looks=3)
    await registry.start()
    assert registry.current is None
    await until(lambda: registry.current is not None)
    await registry.stop()


async def test_concurrent_activations_end_with_row_and_scorer_agreeing(world: World) -> None:
    registry = world.registry()
    names = [f"v{number}" for number in range(6)]
    for name in names:
        await world.publish(name)
    await asyncio.gather(*(registry.activate(name, by="test") for name in names))
    live = await world.stores.versions.live()
    assert live is not None
    assert registry.current is not None
    assert registry.current.version == live.version
