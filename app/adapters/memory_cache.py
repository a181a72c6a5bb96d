"""Stamped lists in the process itself, for a service that runs as one process."""

from __future__ import annotations

import random
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count

from app.domain.ports import CacheRead


@dataclass(frozen=True, slots=True)
class _Entry:
    token: str
    body: bytes
    expires_at: float


class MemoryListCache:
    """Lists and the stamps of what they depend on, both bounded, the least used leaving first.

    A stamp that was dropped comes back with a value no stamp had before, so its lists can only be missed.

    Args:
        ttl_s: Seconds a list is kept at most; each up to two thirds less, so that they do not end together.
        entries: Lists kept at most; stamps twice as many.
        monotonic: Seconds that never go back.
    """

    def __init__(
        self, *, ttl_s: float, entries: int, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._ttl_s = ttl_s
        self._entries = entries
        self._monotonic = monotonic
        self._lists: OrderedDict[tuple[tuple[str, ...], str], _Entry] = OrderedDict()
        self._stamps: OrderedDict[str, int] = OrderedDict()
        self._next = count(1)
        self._jitter = random.Random()  # noqa: S311  # spreads ends of life; no secret

    async def read(self, subjects: Sequence[str], key: str) -> CacheRead:
        """Stamps and body."""
        return self._read(subjects, key)

    def look(self, subjects: Sequence[str], key: str, done: Callable[[CacheRead], None]) -> None:
        """As `read`, at once."""
        done(self._read(subjects, key))

    def _read(self, subjects: Sequence[str], key: str) -> CacheRead:
        token = ".".join(str(self._stamp(subject)) for subject in subjects)
        place = (tuple(subjects), key)
        entry = self._lists.get(place)
        if entry is None:
            return CacheRead(body=None, token=token)
        if entry.token != token or entry.expires_at <= self._monotonic():
            del self._lists[place]
            return CacheRead(body=None, token=token)
        self._lists.move_to_end(place)
        return CacheRead(body=entry.body, token=token)

    async def store(self, subjects: Sequence[str], key: str, body: bytes, *, token: str) -> None:
        """Keep the body if no stamp has changed since `token` was read."""
        if token != ".".join(str(self._stamps.get(subject)) for subject in subjects):
            return
        place, life_s = (tuple(subjects), key), self._ttl_s * self._jitter.uniform(1 / 3, 1.0)
        self._lists[place] = _Entry(token=token, body=body, expires_at=self._monotonic() + life_s)
        self._lists.move_to_end(place)
        while len(self._lists) > self._entries:
            self._lists.popitem(last=False)

    async def bump(self, subjects: Sequence[str]) -> None:
        """Change the stamps."""
        for subject in subjects:
            if subject in self._stamps:
                self._stamps[subject] = next(self._next)

    async def ping(self) -> bool:
        """It always works."""
        return True

    def _stamp(self, subject: str) -> int:
        stamp = self._stamps.get(subject)
        if stamp is None:
            stamp = self._stamps[subject] = next(self._next)
            while len(self._stamps) > 2 * self._entries + 16:
                self._stamps.popitem(last=False)
        else:
            self._stamps.move_to_end(subject)
        return stamp
