"""Merging, exporting and erasing reach the lists and the audit log."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Sequence
from itertools import count

import pytest

from app.adapters.memory_admin import MemoryAuditLog
from app.adapters.memory_stores import memory_stores
from app.domain.errors import ConflictError, NotFoundError
from app.domain.ports import Stores
from app.domain.types import Subject, User
from app.services.users import Users
from tests.clocks import NOON, FixedClock
from tests.events import event

SECRET = b"s" * 32


class SpyCache:
    """Remembers what was bumped."""

    def __init__(self) -> None:
        self.bumped: list[list[str]] = []

    async def bump(self, subjects: Sequence[str]) -> None:
        self.bumped.append(list(subjects))


@pytest.fixture
def stores() -> Stores:
    return memory_stores(clock=FixedClock())


@pytest.fixture
def cache() -> SpyCache:
    return SpyCache()


@pytest.fixture
def users(stores: Stores, cache: SpyCache) -> Users:
    return make_users(stores, cache)


def make_users(stores: Stores, cache: SpyCache, *, tenant: str = "default", secret: bytes = SECRET) -> Users:
    numbers = count(1)
    return Users(
        users=stores.users,
        events=stores.events,
        cache=cache,
        audit=stores.audit,
        clock=FixedClock(),
        tenant=tenant,
        secret=secret,
        new_id=lambda: f"r{next(numbers)}",
    )


def audit_lines(stores: Stores) -> list[tuple[str, str, str]]:
    assert isinstance(stores.audit, MemoryAuditLog)
    return [(actor, action, target) for _, actor, action, target, _ in stores.audit.lines]


async def test_merge_and_unmerge_put_the_lists_of_both_out_of_date(users: Users, cache: SpyCache) -> None:
    assert await users.merge("u1", "a1")
    assert not await users.merge("u1", "a1")
    assert await users.unmerge("u1", "a1")

    assert cache.bumped == [["user:u1", "anonymous:a1"]] * 3


async def test_merge_of_anothers_guest_is_a_conflict(users: Users) -> None:
    await users.merge("u1", "a1")

    with pytest.raises(ConflictError):
        await users.merge("u2", "a1")


async def test_erase_gives_a_receipt_that_names_nobody(users: Users, stores: Stores) -> None:
    await stores.events.append([event("e1", "i1", "i2", user_id="Jane")], create_unknown=True)

    receipt = await users.erase("Jane", by="key:k1")

    assert (receipt.receipt_id, receipt.erased_at) == ("r1", NOON)
    assert receipt.rows == {"events": 2, "exposures": 0, "user_aliases": 0, "users": 1}
    assert receipt.user_digest == hmac.new(SECRET, b"7:defaultJane", hashlib.sha256).hexdigest()
    assert audit_lines(stores) == [("key:k1", "user.erased", receipt.user_digest)]
    assert "Jane" not in json.dumps(stores.audit.lines, default=str)
    assert await stores.events.history(Subject(user_id="Jane"), limit=9) == []


async def test_erase_puts_the_lists_of_the_user_and_their_guests_out_of_date(
    users: Users, cache: SpyCache
) -> None:
    await users.merge("u1", "a1")
    await users.merge("u1", "a2")
    cache.bumped.clear()

    await users.erase("u1")

    assert cache.bumped == [["user:u1", "anonymous:a1", "anonymous:a2"]]


async def test_erase_of_a_user_nobody_knows_is_a_receipt_of_zeros(users: Users) -> None:
    receipt = await users.erase("nobody")

    assert set(receipt.rows.values()) == {0}


async def test_digest_depends_on_the_secret_the_tenant_and_the_id(stores: Stores, cache: SpyCache) -> None:
    digests = {
        make_users(stores, cache).digest("u1"),
        make_users(stores, cache).digest("u2"),
        make_users(stores, cache, secret=b"t" * 32).digest("u1"),
        make_users(stores, cache, tenant="defaultu").digest("1"),
        make_users(stores, cache, tenant="other").digest("u1"),
    }

    assert len(digests) == 5


async def test_export_is_recorded_and_holds_the_rows(users: Users, stores: Stores) -> None:
    await users.put(User("u1", country="GB"))

    exported = await users.export("u1", by="key:k1")

    assert exported["user"]["country"] == "GB"
    assert audit_lines(stores) == [("key:k1", "user.exported", users.digest("u1"))]
    with pytest.raises(NotFoundError):
        await users.export("nobody")


async def test_events_are_paged_newest_first(users: Users, stores: Stores) -> None:
    await stores.events.append([event("e1", minutes=1), event("e2", minutes=2)], create_unknown=True)

    page = await users.events("u1", limit=1)
    rest = await users.events("u1", limit=1, cursor=page.next_cursor)

    assert [row.event.event_id for row in (*page.rows, *rest.rows)] == ["e2", "e1"]
    assert (await users.get("u1")).cold


async def test_events_of_a_user_who_did_nothing_are_none(users: Users) -> None:
    await users.put(User("u1"))
    assert (await users.events("u1", limit=1)).rows == ()


async def test_events_of_a_user_nobody_has_named_are_not_found(users: Users) -> None:
    with pytest.raises(NotFoundError):
        await users.events("nobody", limit=1)
