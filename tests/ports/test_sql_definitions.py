"""Definitions are added in versions; the newest of a name counts."""

from __future__ import annotations

import asyncio

import pytest

from app.domain.errors import NotFoundError
from app.domain.ports import Stores
from app.domain.steering import DefinitionKind

SCENARIO, RULE = DefinitionKind.SCENARIO, DefinitionKind.RULE


async def test_put_gives_the_next_version_and_revision(stores: Stores) -> None:
    assert await stores.definitions.revision() == 0

    first = await stores.definitions.put(SCENARIO, "home", {"a": 1}, by="key:k1")
    other = await stores.definitions.put(RULE, "home", {"b": None}, by="key:k1")
    second = await stores.definitions.put(SCENARIO, "home", {"a": 2}, by="key:k2")

    assert [(one.version, one.revision) for one in (first, other, second)] == [(1, 1), (1, 2), (2, 3)]
    assert await stores.definitions.revision() == 3
    assert await stores.definitions.current() == [other, second]
    assert await stores.definitions.history(SCENARIO, "home") == [second, first]
    assert await stores.definitions.history(SCENARIO, "nothing") == []


async def test_delete_keeps_the_versions(stores: Stores) -> None:
    first = await stores.definitions.put(SCENARIO, "sale", {}, by="key:k1")

    await stores.definitions.delete(SCENARIO, "sale", by="key:k2")

    assert await stores.definitions.current() == []
    gone, kept = await stores.definitions.history(SCENARIO, "sale")
    assert (kept, gone.version, gone.body, gone.by) == (first, 2, None, "key:k2")
    with pytest.raises(NotFoundError):
        await stores.definitions.delete(SCENARIO, "sale", by="key:k2")
    with pytest.raises(NotFoundError):
        await stores.definitions.delete(RULE, "sale", by="key:k2")
    assert (await stores.definitions.put(SCENARIO, "sale", {"again": True}, by="key:k1")).version == 3


async def test_writers_at_once_never_share_a_version(stores: Stores) -> None:
    made = await asyncio.gather(
        *(stores.definitions.put(SCENARIO, "home", {"n": n}, by="key:k1") for n in range(5))
    )

    assert sorted(one.version for one in made) == [1, 2, 3, 4, 5]
    assert sorted(one.revision for one in made) == [1, 2, 3, 4, 5]
