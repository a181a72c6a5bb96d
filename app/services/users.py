"""Customers: what the shop says of them, the guests they were, and their right to all of it and to none."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Awaitable, Callable, Iterable

from app.domain.ports import AuditLog, Clock, EventStore, ListCache, UserStore
from app.domain.types import JsonObject, Page, Receipt, StoredEvent, Subject, User


class Users:
    """Reads, merges, exports and erases users.

    An erased id is free: events that come later under it make a fresh user without a past. The tombstone
    lets a restored backup erase the old rows again; it does not block the id.

    Args:
        users: The store.
        events: Their events.
        cache: Lists made from a user's or a guest's past are out of date after a merge or an erasure.
        audit: Records erasures and exports, by digest.
        clock: Wall time.
        tenant: Whose users, part of the digest.
        secret: Keys the digest of erased ids; without it nobody can tell whose it is.
        new_id: Makes the receipts' ids.
        settle: Writes what is still to be written about anybody, before an erasure.
    """

    def __init__(
        self,
        *,
        users: UserStore,
        events: EventStore,
        cache: ListCache,
        audit: AuditLog,
        clock: Clock,
        tenant: str,
        secret: bytes,
        new_id: Callable[[], str],
        settle: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._users = users
        self._events = events
        self._cache = cache
        self._audit = audit
        self._clock = clock
        self._tenant = tenant
        self._secret = secret
        self._new_id = new_id
        self._settle = settle

    async def get(self, user_id: str) -> User:
        """One user. Raises `NotFoundError`."""
        return await self._users.get(user_id)

    async def put(self, user: User) -> User:
        """Create or replace."""
        return await self._users.put(user)

    async def events(self, user_id: str, *, limit: int, cursor: str | None = None) -> Page[StoredEvent]:
        """Newest first, the merged guests' among them; empty for a user who has done nothing yet.

        Raises:
            InvalidInputError: The cursor is not one of this list's.
            NotFoundError: Nobody has ever named such a user.
        """
        page = await self._events.page(user_id, limit=limit, cursor=cursor)
        if not page.rows:
            await self._users.get(user_id)
        return page

    async def merge(self, user_id: str, anonymous_id: str) -> bool:
        """A guest becomes the customer; False where it was so already.

        Raises:
            ConflictError: The guest belongs to another user.
        """
        changed = await self._users.merge(user_id, anonymous_id)
        await self._forget_lists(user_id, [anonymous_id])
        return changed

    async def unmerge(self, user_id: str, anonymous_id: str) -> bool:
        """Take a merge back; False where there was none."""
        changed = await self._users.unmerge(user_id, anonymous_id)
        await self._forget_lists(user_id, [anonymous_id])
        return changed

    async def export(self, user_id: str, *, by: str | None = None) -> JsonObject:
        """Every row the service holds about the user. Raises `NotFoundError` where there is none."""
        rows = await self._users.export(user_id)
        await self._audit.write(
            actor=by or "service", action="user.exported", target=self.digest(user_id), detail={}
        )
        return rows

    async def erase(self, user_id: str, *, by: str | None = None) -> Receipt:
        """Delete every row of the user and of merged guests. A user nobody knows gets a receipt of zeros."""
        if self._settle is not None:
            await self._settle()
        guests = await self._users.aliases(user_id)
        digest = self.digest(user_id)
        rows = await self._users.erase(user_id, digest=digest)
        await self._forget_lists(user_id, guests)
        receipt = Receipt(self._new_id(), digest, self._clock.now(), dict(rows))
        await self._audit.write(
            actor=by or "service",
            action="user.erased",
            target=digest,
            detail={"receipt_id": receipt.receipt_id, "rows": dict(rows)},
        )
        return receipt

    def digest(self, user_id: str) -> str:
        """HMAC-SHA-256 of tenant and id, hexadecimal."""
        # The tenant's length first: no two pairs of tenant and id are the same text.
        text = f"{len(self._tenant)}:{self._tenant}{user_id}"
        return hmac.new(self._secret, text.encode(), hashlib.sha256).hexdigest()

    async def _forget_lists(self, user_id: str, guests: Iterable[str]) -> None:
        subjects = list(Subject(user_id=user_id).names())
        subjects += [name for guest in guests for name in Subject(anonymous_id=guest).names()]
        await self._cache.bump(subjects)
