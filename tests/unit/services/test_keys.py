"""Keys are shown once, recognised by digest, and stop when they should."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from app.adapters.memory_admin import MemoryAuditLog, MemoryKeyStore
from app.domain.errors import InvalidInputError, NotFoundError, StorageUnavailableError, UnauthorizedError
from app.domain.types import ApiKey, KeyKind
from app.services.keys import OUTAGE_S, SCOPES, STALE_S, Keys
from tests.clocks import NOON, FixedClock
from tests.waiting import until


class Seconds:
    """Monotonic time under the test's control."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class CountingStore(MemoryKeyStore):
    """Counts reads; may be down, or hang."""

    def __init__(self) -> None:
        super().__init__()
        self.reads = 0
        self.touches = 0
        self.down = False
        self.gate = asyncio.Event()
        self.gate.set()

    async def get(self, key_id: str) -> ApiKey | None:
        self.reads += 1
        await self.gate.wait()
        if self.down:
            raise StorageUnavailableError("down")
        return await super().get(key_id)

    async def touch(self, key_id: str, at: datetime) -> None:
        self.touches += 1
        if self.down:
            raise StorageUnavailableError("down")
        await super().touch(key_id, at)


@pytest.fixture
def store() -> CountingStore:
    return CountingStore()


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


@pytest.fixture
def audit(clock: FixedClock) -> MemoryAuditLog:
    return MemoryAuditLog(clock=clock)


@pytest.fixture
def make(
    store: CountingStore, seconds: Seconds, audit: MemoryAuditLog, clock: FixedClock
) -> Callable[[], Keys]:
    """Another process over the same store."""
    return lambda: Keys(keys=store, audit=audit, clock=clock, monotonic=seconds)


@pytest.fixture
def keys(make: Callable[[], Keys]) -> Keys:
    return make()


async def test_create_shows_a_secret_that_is_not_kept(keys: Keys, store: CountingStore) -> None:
    key, text = await keys.create(KeyKind.SEC, name="shop")

    assert re.fullmatch(rf"rk_sec_{key.key_id}_[a-z2-7]{{32}}", text)
    assert text.rpartition("_")[2] not in repr(await store.all())
    assert len(key.digest) == 32


@pytest.mark.parametrize(
    ("kind", "scopes"),
    [
        (KeyKind.PUB, {"recommend", "events:write"}),
        (KeyKind.SEC, set(SCOPES) - {"admin"}),
        (KeyKind.ADM, set(SCOPES)),
    ],
)
async def test_create_gives_the_scopes_of_the_kind(keys: Keys, kind: KeyKind, scopes: set[str]) -> None:
    key, text = await keys.create(kind)

    assert key.scopes == scopes
    assert (await keys.authenticate(text)).scopes == scopes


async def test_create_takes_fewer_scopes_and_never_more(keys: Keys) -> None:
    key, _ = await keys.create(KeyKind.PUB, scopes=["recommend"])

    assert key.scopes == {"recommend"}
    for scopes in (["admin"], ["nonsense"], []):
        with pytest.raises(InvalidInputError) as caught:
            await keys.create(KeyKind.PUB, scopes=scopes)
        assert caught.value.errors[0].pointer == "/scopes"


async def test_a_thousand_keys_are_all_different(keys: Keys) -> None:
    texts = {(await keys.create(KeyKind.PUB))[1] for _ in range(1000)}

    assert len(texts) == 1000


async def test_authenticate_refuses_all_but_the_exact_text(keys: Keys) -> None:
    key, text = await keys.create(KeyKind.SEC)
    _, other = await keys.create(KeyKind.SEC)
    secret = text.rpartition("_")[2]

    assert (await keys.authenticate(text)).key_id == key.key_id
    for wrong in (
        "",
        "rk",
        text[:-1],
        text + "a",
        text.upper(),
        text.replace("rk_sec", "rk_adm"),
        text.replace("rk_sec", "rk_pub"),
        f"rk_sec_{key.key_id}_{other.rpartition('_')[2]}",
        f"rk_sec_unknown_{secret}",
        f"rk_sec__{secret}",
        f"rk_sec_{key.key_id}_",
        f"rk_sec_{key.key_id}",
        "é" * 30,
        "\ud800",
        f"rk_sec_{key.key_id}_{'a' * 100_000}",
        f"rk_sec_{key.key_id}\x00_{secret}",
    ):
        with pytest.raises(UnauthorizedError):
            await keys.authenticate(wrong)


async def test_authenticate_refuses_an_expired_key_at_its_second(keys: Keys, clock: FixedClock) -> None:
    _, text = await keys.create(KeyKind.SEC, expires_at=NOON + timedelta(seconds=10))
    clock.move(seconds=9)
    await keys.authenticate(text)
    clock.move(seconds=1)

    with pytest.raises(UnauthorizedError):
        await keys.authenticate(text)


async def test_revoke_acts_at_once_here_and_within_five_seconds_elsewhere(
    make: Callable[[], Keys], seconds: Seconds
) -> None:
    here, elsewhere = make(), make()
    key, text = await here.create(KeyKind.SEC)
    for keys in (here, elsewhere):
        await keys.authenticate(text)

    await here.revoke(key.key_id)

    with pytest.raises(UnauthorizedError):
        await here.authenticate(text)
    seconds.now += STALE_S + 0.001
    with pytest.raises(UnauthorizedError):
        await elsewhere.authenticate(text)
    await elsewhere.stop()


async def test_a_key_in_use_is_read_again_in_the_background(
    keys: Keys, store: CountingStore, seconds: Seconds
) -> None:
    key, text = await keys.create(KeyKind.SEC)
    await keys.authenticate(text)
    await store.revoke(key.key_id, NOON)
    seconds.now += 2.5

    await keys.authenticate(text)

    async def refused() -> bool:
        try:
            await keys.authenticate(text)
        except UnauthorizedError:
            return True
        return False

    await until(refused)


async def test_many_at_once_read_the_store_once(keys: Keys, store: CountingStore) -> None:
    _, text = await keys.create(KeyKind.SEC)

    await asyncio.gather(*(keys.authenticate(text) for _ in range(50)))
    await keys.authenticate(text)

    assert store.reads == 1


async def test_a_known_key_works_while_the_database_is_down_and_a_new_one_does_not(
    keys: Keys, store: CountingStore, seconds: Seconds
) -> None:
    _, text = await keys.create(KeyKind.SEC)
    _, unseen = await keys.create(KeyKind.SEC)
    await keys.authenticate(text)
    store.down = True

    for _ in range(4):
        seconds.now += 30
        await keys.authenticate(text)
    with pytest.raises(StorageUnavailableError):
        await keys.authenticate(unseen)
    seconds.now += OUTAGE_S
    with pytest.raises(StorageUnavailableError):
        await keys.authenticate(text)

    store.down = False
    seconds.now += 30
    await keys.authenticate(text)
    await keys.authenticate(unseen)


async def test_a_database_that_hangs_holds_up_one_request_a_second_at_most(
    keys: Keys, store: CountingStore, seconds: Seconds
) -> None:
    _, text = await keys.create(KeyKind.SEC)
    await keys.authenticate(text)
    store.gate.clear()
    seconds.now += 30
    loop = asyncio.get_running_loop()

    begun = loop.time()
    for _ in range(20):
        await keys.authenticate(text)

    assert loop.time() - begun < 1.0
    assert store.reads == 2
    store.gate.set()
    await keys.stop()


async def test_use_is_recorded_at_most_once_a_minute(
    keys: Keys, store: CountingStore, clock: FixedClock
) -> None:
    key, text = await keys.create(KeyKind.SEC)
    for _ in range(3):
        await keys.authenticate(text)
    await keys.stop()
    assert store.touches == 1
    clock.move(seconds=61)

    await keys.authenticate(text)
    await keys.stop()

    assert store.touches == 2
    [stored] = await keys.list()
    assert (stored.key_id, stored.last_used_at) == (key.key_id, clock.now())


async def test_a_use_that_cannot_be_recorded_is_no_error(keys: Keys, store: CountingStore) -> None:
    _, text = await keys.create(KeyKind.SEC)
    await store.get("warm")
    await keys.authenticate(text)
    store.down = True
    await keys.stop()


async def test_making_and_revoking_are_recorded_without_the_secret(keys: Keys, audit: MemoryAuditLog) -> None:
    key, text = await keys.create(KeyKind.ADM, by="key:k0")
    await keys.revoke(key.key_id, by="key:k0")

    assert [(actor, action, target) for _, actor, action, target, _ in audit.lines] == [
        ("key:k0", "key.created", key.key_id),
        ("key:k0", "key.revoked", key.key_id),
    ]
    assert text not in repr(audit.lines)
    with pytest.raises(NotFoundError):
        await keys.revoke("nothing")
