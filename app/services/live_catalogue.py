"""The catalogue as this process knows it, brought up to date before every list that is made."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence

import structlog

from app.domain.errors import StorageUnavailableError
from app.domain.ports import ItemStore
from app.domain.types import Item
from app.pipeline.catalogue import CatalogueSnapshot, empty_catalogue
from app.services.catalogue_stamp import CatalogueStamp
from app.telemetry import Metrics, failure

_log = structlog.get_logger(__name__)

ROWS_ON_THE_LOOP = 200


class LiveCatalogue:
    """A snapshot that follows the item store by its revision.

    Args:
        items: The store.
        stamp: Told of the revisions that are seen.
        metrics: Counts failures.
        poll_s: Seconds between two looks while nobody asks.
        hung_s: A read that takes longer is given up, so that those after it get their turn.
        load_s: The same, of the rows of the first read, which are all that there are.
    """

    def __init__(
        self,
        *,
        items: ItemStore,
        stamp: CatalogueStamp,
        metrics: Metrics,
        poll_s: float = 1.0,
        hung_s: float = 2.0,
        load_s: float = 180.0,
    ) -> None:
        self._items = items
        self._stamp = stamp
        self._metrics = metrics
        self._poll_s = poll_s
        self._hung_s, self._load_s = hung_s, load_s
        self._loading: asyncio.Task[CatalogueSnapshot] | None = None
        self._snapshot = empty_catalogue()
        self._loaded = False
        self._running: asyncio.Task[CatalogueSnapshot] | None = None
        self._next: asyncio.Task[CatalogueSnapshot] | None = None
        self._follower: asyncio.Task[None] | None = None

    @property
    def current(self) -> CatalogueSnapshot:
        """What is known now."""
        return self._snapshot

    @property
    def loaded(self) -> bool:
        """Whether it was ever read from the database."""
        return self._loaded

    def seed(self, rows: Sequence[Item]) -> None:
        """Start from these rows until the database answers."""
        if not self._loaded:
            self._snapshot = empty_catalogue().with_changes(rows, revision=0)

    async def refresh(self) -> CatalogueSnapshot:
        """The catalogue as it is now or later: every write acknowledged before this call is in it.

        Raises:
            StorageUnavailableError: The database did not answer.
        """
        # The one under way may have asked before the write that this caller wants to see: share the next.
        task = self._next
        if task is None:
            task = self._next = asyncio.create_task(self._after(self._running), name="catalogue.refresh")
            task.add_done_callback(_look_at)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.cancelled() and not _is_cancelled():
                # Given up as hung: that is the database's failure, and nobody cancelled this caller.
                raise StorageUnavailableError("The catalogue could not be read in time.") from None
            raise

    def follow(self) -> None:
        """Start looking by itself."""
        self._stamp.begin(self._snapshot.revision)
        self._follower = asyncio.create_task(self._follow(), name="catalogue.follow")

    async def stop(self) -> None:
        """Stop looking."""
        for task in (self._follower, self._next, self._running):
            if task is not None:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError, StorageUnavailableError):
                    await task
        self._follower = None

    async def _after(self, running: asyncio.Task[CatalogueSnapshot] | None) -> CatalogueSnapshot:
        if running is not None:
            await asyncio.wait({running}, timeout=self._hung_s)
            if running is self._loading:
                # A million rows take longer than any hung read; to begin anew would never end.
                await asyncio.wait({running}, timeout=self._load_s)
            running.cancel()  # Does nothing to one that has ended.
        task = self._running = asyncio.current_task()
        self._next = None
        try:
            snapshot = await self._read()
        finally:
            mine = self._running is task
            if mine:
                self._running = self._loading = None
        if mine:
            self._snapshot, self._loaded = snapshot, True
        return self._snapshot

    async def _read(self) -> CatalogueSnapshot:
        revision = await self._items.revision()
        base = self._snapshot if self._loaded and self._snapshot.revision <= revision else empty_catalogue()
        if self._loaded and base.revision == revision:
            return self._snapshot
        if not self._loaded:
            self._loading = self._running
        rows = await self._items.changed_since(base.revision)
        newest = max([revision, *(row.revision for row in rows)])
        if len(rows) <= ROWS_ON_THE_LOOP:
            return base.with_changes(rows, revision=newest)
        return await asyncio.to_thread(_built, base, rows, newest)

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(self._poll_s)
            try:
                snapshot = await self.refresh()
            except StorageUnavailableError:
                self._metrics.degraded.labels("catalogue_poll", "storage-unavailable").inc()
                _log.warning("catalogue.poll_failed", reason="storage-unavailable")
                continue
            except Exception as error:  # noqa: BLE001  # the follower outlives any bug: logged, counted
                self._metrics.degraded.labels("catalogue_poll", type(error).__name__).inc()
                _log.error("catalogue.poll_crashed", **failure(error))
                continue
            await self._stamp.saw(snapshot.revision)


def _built(base: CatalogueSnapshot, rows: Sequence[Item], revision: int) -> CatalogueSnapshot:
    snapshot = base.with_changes(rows, revision=revision)
    # Built here rather than by the first request that needs it.
    snapshot.column("categories")
    return snapshot


def _is_cancelled() -> bool:
    current = asyncio.current_task()
    return current is not None and current.cancelling() > 0


def _look_at(task: asyncio.Task[CatalogueSnapshot]) -> None:
    # Whoever asked may have given up waiting; a failure then has no other reader.
    if not task.cancelled():
        task.exception()
