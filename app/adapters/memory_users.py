"""Customers and their merged guests in memory."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from app.adapters.memory_state import MemoryState
from app.domain.errors import ConflictError, NotFoundError
from app.domain.exports import event_json, exposure_json, user_json
from app.domain.ports import Clock
from app.domain.types import JsonObject, StoredEvent, Subject, User


class MemoryUserStore:
    """Users in a dictionary."""

    def __init__(self, state: MemoryState, *, clock: Clock) -> None:
        self._state = state
        self._clock = clock

    async def get(self, user_id: str) -> User:
        """One user. Raises `NotFoundError`."""
        if user_id not in self._state.users:
            raise NotFoundError("There is no such user.")
        return self._state.users[user_id]

    async def put(self, user: User) -> User:
        """Create or replace."""
        old, now = self._state.users.get(user.user_id), self._clock.now()
        stored = dataclasses.replace(
            user, created_at=now if old is None else old.created_at, updated_at=now, cold=False
        )
        self._state.users[user.user_id] = stored
        return stored

    async def put_many(self, users: Sequence[User]) -> None:
        """Create or replace each; of one id twice the last counts."""
        for user in users:
            await self.put(user)

    async def merge(self, user_id: str, anonymous_id: str) -> bool:
        """Make a guest's past the user's; a user nobody has seen yet becomes a cold one.

        Raises:
            ConflictError: The guest belongs to another user.
        """
        owner = self._state.aliases.get(anonymous_id)
        if owner not in {None, user_id}:
            raise ConflictError("This guest was merged into another user.")
        now = self._clock.now()
        self._state.users.setdefault(
            user_id, User(user_id=user_id, created_at=now, updated_at=now, cold=True)
        )
        self._state.aliases[anonymous_id] = user_id
        return owner is None

    async def unmerge(self, user_id: str, anonymous_id: str) -> bool:
        """Take a merge back. False where there was none."""
        if self._state.aliases.get(anonymous_id) != user_id:
            return False
        del self._state.aliases[anonymous_id]
        return True

    async def aliases(self, user_id: str) -> tuple[str, ...]:
        """The guests merged into this user."""
        return tuple(sorted(self._state.guests_of(user_id), key=str.encode))

    async def export(self, user_id: str) -> JsonObject:
        """Every row the service holds about the user. Raises `NotFoundError` where there is none."""
        user = self._state.users.get(user_id)
        aliases = await self.aliases(user_id)
        rows = self._state.rows_of(Subject(user_id=user_id))
        shown = self._state.shown_to(user_id)
        if user is None and not (aliases or rows or shown):
            raise NotFoundError("There is no such user.")
        return {
            "user_id": user_id,
            "user": None if user is None else user_json(user),
            "anonymous_ids": list(aliases),
            "events": [event_json(StoredEvent(row.seq, row.event)) for row in rows],
            "exposures": [exposure_json(one) for one in shown],
        }

    async def erase(self, user_id: str, *, digest: str) -> Mapping[str, int]:
        """Delete all rows of the user and of merged guests, leave a tombstone."""
        rows = self._state.rows_of(Subject(user_id=user_id))
        guests = self._state.guests_of(user_id)
        shown = self._state.shown_to(user_id) + [
            one
            for one in self._state.exposures.values()
            if one.subject.user_id is None and one.subject.anonymous_id in guests
        ]
        deleted = {
            "events": sum(max(1, len(row.event.items)) for row in rows),
            "exposures": len(shown),
            "user_aliases": len(guests),
            "users": int(user_id in self._state.users),
        }
        for row in rows:
            del self._state.events[row.event.event_id]
        for one in shown:
            del self._state.exposures[one.recommendation_id]
        for guest in guests:
            del self._state.aliases[guest]
        self._state.users.pop(user_id, None)
        self._state.tombstones.add(digest)
        return deleted
