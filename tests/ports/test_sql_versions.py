"""One version is live; which one was before it is known."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from app.domain.errors import ConflictError, InvalidInputError, NotFoundError
from app.domain.ports import Stores
from app.domain.types import ModelVersion, VersionState
from tests.clocks import NOON, FixedClock

WHOLE = ModelVersion(
    version="ease-20261124-120000",
    model="ease",
    state=VersionState.CANDIDATE,
    window_start=NOON - timedelta(days=30),
    window_end=NOON,
    event_count=2**40,
    metrics={"ndcg@10": 0.123, "by": {"new": 1}},
    gate={"passed": True},
    reason=None,
    created_at=NOON,
    job_id="j1",
)


async def add(stores: Stores, *names: str) -> None:
    for name in names:
        await stores.versions.add(ModelVersion(name, "ease", VersionState.CANDIDATE))


async def test_add_gives_back_every_field_and_refuses_a_second(stores: Stores) -> None:
    await stores.versions.add(WHOLE)

    assert await stores.versions.get(WHOLE.version) == WHOLE
    with pytest.raises(ConflictError):
        await stores.versions.add(WHOLE)


async def test_activate_makes_one_live_and_retires_the_other(stores: Stores, clock: FixedClock) -> None:
    await add(stores, "v1", "v2")
    assert await stores.versions.live() is None
    assert await stores.versions.previous() is None

    await stores.versions.activate("v1", by="key:k1")
    clock.move(seconds=60)
    live = await stores.versions.activate("v2", by="job:j1")

    assert (live.version, live.state, live.activated_by) == ("v2", VersionState.LIVE, "job:j1")
    assert live.activated_at == clock.now()
    assert await stores.versions.live() == live
    assert (await stores.versions.get("v1")).state is VersionState.RETIRED
    previous = await stores.versions.previous()
    assert previous is not None
    assert previous.version == "v1"


async def test_activate_of_the_live_version_changes_nothing(stores: Stores, clock: FixedClock) -> None:
    await add(stores, "v1")
    live = await stores.versions.activate("v1", by="a")
    clock.move(seconds=60)

    assert await stores.versions.activate("v1", by="b") == live


async def test_activate_at_once_leaves_one_live(stores: Stores) -> None:
    await add(stores, *(f"v{n}" for n in range(6)))

    await asyncio.gather(*(stores.versions.activate(f"v{n}", by="a") for n in range(6)))

    page = await stores.versions.page(limit=10, cursor=None)
    assert sorted(row.state for row in page.rows) == ["live", *["retired"] * 5]


async def test_previous_passes_over_a_refused_version(stores: Stores) -> None:
    await add(stores, "v1", "v2", "v3")
    for name in ("v1", "v2", "v3"):
        await stores.versions.activate(name, by="a")

    await stores.versions.mark("v2", VersionState.REFUSED, "damaged")

    previous = await stores.versions.previous()
    assert previous is not None
    assert previous.version == "v1"
    assert (await stores.versions.get("v2")).reason == "damaged"


async def test_previous_is_what_a_rollback_came_from(stores: Stores) -> None:
    await add(stores, "v1", "v2")
    for name in ("v1", "v2", "v1"):
        await stores.versions.activate(name, by="a")

    previous = await stores.versions.previous()
    assert previous is not None
    assert previous.version == "v2"


async def test_restore_walks_back_through_the_history(stores: Stores) -> None:
    await add(stores, "v1", "v2", "v3", "v4")
    for name in ("v1", "v2", "v3"):
        await stores.versions.activate(name, by="a")

    walked = []
    while (previous := await stores.versions.previous()) is not None:
        row = await stores.versions.restore(previous.version, by="b")
        assert (row.state, row.activated_by) == (VersionState.LIVE, "b")
        walked.append(row.version)

    assert walked == ["v2", "v1"]
    assert (await stores.versions.get("v3")).state is VersionState.RETIRED


async def test_version_left_by_a_rollback_comes_back_by_activation_alone(stores: Stores) -> None:
    await add(stores, "v1", "v2", "v3")
    for name in ("v1", "v2"):
        await stores.versions.activate(name, by="a")
    await stores.versions.restore("v1", by="a")

    await stores.versions.activate("v3", by="a")
    before_the_third = await stores.versions.previous()
    await stores.versions.activate("v2", by="a")
    before_the_second = await stores.versions.previous()

    assert before_the_third is not None
    assert before_the_third.version == "v1"
    assert before_the_second is not None
    assert before_the_second.version == "v3"


async def test_restore_of_the_live_version_changes_nothing(stores: Stores) -> None:
    await add(stores, "v1")
    live = await stores.versions.activate("v1", by="a")
    assert await stores.versions.restore("v1", by="b") == live


async def test_mark_never_touches_the_live_version(stores: Stores) -> None:
    await add(stores, "v1", "v2")
    await stores.versions.activate("v1", by="a")

    with pytest.raises(ConflictError):
        await stores.versions.mark("v1", VersionState.REFUSED, "x")
    with pytest.raises(ConflictError):
        await stores.versions.mark("v2", VersionState.LIVE, None)
    live = await stores.versions.live()
    assert live is not None
    assert live.version == "v1"


async def test_unknown_versions_are_not_found(stores: Stores) -> None:
    for call in (
        stores.versions.get("x"),
        stores.versions.activate("x", by="a"),
        stores.versions.restore("x", by="a"),
        stores.versions.mark("x", VersionState.REFUSED, None),
    ):
        with pytest.raises(NotFoundError):
            await call


async def test_page_gives_the_newest_first_through_equal_times(stores: Stores, clock: FixedClock) -> None:
    await add(stores, "v1", "v2")
    clock.move(seconds=1)
    await add(stores, "v0")

    first = await stores.versions.page(limit=2, cursor=None)
    rest = await stores.versions.page(limit=2, cursor=first.next_cursor)

    assert [row.version for row in (*first.rows, *rest.rows)] == ["v0", "v2", "v1"]
    assert rest.next_cursor is None
    with pytest.raises(InvalidInputError):
        await stores.versions.page(limit=2, cursor="WzFd")


async def test_audit_takes_lines(stores: Stores) -> None:
    await stores.audit.write(actor="key:k1", action="model.activated", target="v1", detail={"a": 1})
