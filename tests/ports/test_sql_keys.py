"""Keys are stored by digest and come back whole."""

from __future__ import annotations

from datetime import timedelta

import pytest

from app.domain.errors import NotFoundError
from app.domain.ports import Stores
from app.domain.types import ApiKey, KeyKind
from tests.clocks import NOON


def key(key_id: str, *, minutes: int = 0) -> ApiKey:
    return ApiKey(
        key_id=key_id,
        kind=KeyKind.SEC,
        scopes=frozenset({"recommend", "events:read"}),
        digest=bytes(range(32)),
        name="shop",
        created_at=NOON + timedelta(minutes=minutes),
        expires_at=NOON + timedelta(days=1),
    )


async def test_add_gives_back_every_field(stores: Stores) -> None:
    await stores.keys.add(key("k1"))

    assert await stores.keys.get("k1") == key("k1")
    assert await stores.keys.get("k2") is None


async def test_all_gives_the_newest_first(stores: Stores) -> None:
    for place, key_id in enumerate(("k1", "k3", "k2")):
        await stores.keys.add(key(key_id, minutes=place))

    assert [found.key_id for found in await stores.keys.all()] == ["k2", "k3", "k1"]


async def test_revoke_keeps_the_first_time(stores: Stores) -> None:
    await stores.keys.add(key("k1"))

    await stores.keys.revoke("k1", NOON)
    await stores.keys.revoke("k1", NOON + timedelta(hours=1))

    found = await stores.keys.get("k1")
    assert found is not None
    assert found.revoked_at == NOON
    with pytest.raises(NotFoundError):
        await stores.keys.revoke("nothing", NOON)


async def test_touch_records_the_last_use(stores: Stores) -> None:
    await stores.keys.add(key("k1"))

    await stores.keys.touch("k1", NOON)
    await stores.keys.touch("nothing", NOON)

    found = await stores.keys.get("k1")
    assert found is not None
    assert found.last_used_at == NOON
