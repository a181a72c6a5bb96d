"""The stamp of the catalogue: what every kept list hangs on, changed once for each write."""

from __future__ import annotations

from collections.abc import Sequence

from app.domain.ports import ListCache

SUBJECT = "catalogue"
"""What lists that depend on the catalogue are stamped with."""


class CatalogueStamp:
    """Knows which of the catalogue's revisions the cache was told of, so that it is told of each only once.

    A second change of the stamp would throw away the lists that were made since the first.

    Args:
        cache: Holds the lists.
    """

    def __init__(self, cache: ListCache) -> None:
        self._cache = cache
        self._told_to = 0
        self._told: set[int] = set()

    @property
    def told_to(self) -> int:
        """The cache was told of every revision up to this one."""
        return self._told_to

    def begin(self, revision: int) -> None:
        """No list is older than this revision."""
        self._told_to = revision

    async def wrote(self, revision: int, *, others: Sequence[str] = ()) -> None:
        """After a write of this process: its lists are out of date, and those of `others`."""
        # Counted before it is done, as the follower may look meanwhile.
        self._told.add(revision)
        try:
            await self._cache.bump((*others, SUBJECT) if revision > self._told_to else others)
        except BaseException:
            self._told.discard(revision)
            raise

    async def saw(self, revision: int) -> None:
        """The catalogue is at this revision: tell of writes that were not of this process.

        A writer outside of it, such as an import, cannot reach a cache inside it; and one that was killed
        between its commit and the cache told nobody.
        """
        told = sum(self._told_to < one <= revision for one in self._told)
        strange = revision != self._told_to + told
        if strange:
            await self._cache.bump((SUBJECT,))
        # Not before: a writer that relies on it answers its caller at once.
        self._told_to = revision
        self._told = {one for one in self._told if one > revision}
