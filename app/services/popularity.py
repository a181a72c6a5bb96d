"""What is popular, kept at hand: read from the event store in the background, never by a request."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from time import monotonic
from typing import Protocol
from zlib import crc32

import numpy as np
import structlog

from app.domain.errors import StorageUnavailableError
from app.domain.fading import CountsFading
from app.domain.ports import Clock, EventStore
from app.domain.types import Item
from app.domain.weights import EventWeight
from app.pipeline import blend
from app.pipeline.candidates import popular_view
from app.pipeline.catalogue import CatalogueSnapshot
from app.pipeline.popularity import DailyCounts, daily_counts
from app.pipeline.segments import ENOUGH_PEOPLE, MOST_OF_A_KIND, NO_SEGMENTS, Segments, segments
from app.pipeline.together import NOTHING_TOGETHER, Together, together
from app.services.live_catalogue import LiveCatalogue
from app.telemetry import Metrics, failure

_log = structlog.get_logger(__name__)

REST = 20
"""The store is left alone for so many times as long as it took to count."""
LAST_RESORT_ITEMS = 500
SAVE_EVERY_S = 60.0
RARELY_EVERY_S = 60.0
"""Seconds between two counts of baskets and segments, which take longer and change more slowly."""
BASKET_DAYS = 365
BASKET_LINES = 200_000
"""Of the newest purchases: what is bought together changes slowly, and older lines say little more."""
SEGMENT_LINES = 100_000
"""Of the newest lines: what is popular with people of a kind needs many people, not all there ever were."""
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


class LastResort(Protocol):
    """The list of popular items on disk, for a start without a database."""

    def load(self) -> list[Item]:
        """The items, most popular first; empty where there are none."""

    def save(self, items: Sequence[Item]) -> None:
        """Replace them in one step."""


@dataclass(frozen=True, slots=True)
class Counted:
    """Counts as of a moment.

    Attributes:
        version: Changes when any of it does; the same in every process that read the same.
        together: What is bought together.
        segments: What is popular with whom.
    """

    counts: DailyCounts
    at: datetime
    version: str
    together: Together = NOTHING_TOGETHER
    segments: Segments = NO_SEGMENTS


class Popularity:
    """Counts by item and day, read again when new events came.

    Args:
        events: The store.
        catalogue: Names what may be shown, for the list on disk.
        clock: Wall time.
        weights: What each event counts; may change while it runs.
        fading: How old counts are taken now; may change while it runs.
        last_resort: The list on disk.
        metrics: Counts failures.
        poll_s: Seconds between two looks for new events.
    """

    def __init__(
        self,
        *,
        events: EventStore,
        catalogue: LiveCatalogue,
        clock: Clock,
        weights: Mapping[str, EventWeight],
        fading: Callable[[], CountsFading],
        last_resort: LastResort,
        metrics: Metrics,
        poll_s: float = 5.0,
    ) -> None:
        self._events = events
        self._catalogue = catalogue
        self._clock = clock
        self._weights = weights
        self._fading = fading
        self._last_resort = last_resort
        self._metrics = metrics
        self._poll_s = poll_s
        self._seq = -1
        self._weighed = dict(weights)
        self._span_days = 0.0
        self._since = LONG_AGO
        self._current = _counted([], self._weighed, clock.now())
        self._baskets_at = -1
        self._segments_of: object = None
        self._rarely_looked = -RARELY_EVERY_S
        self._saved: tuple[str, int] | None = None
        self._saved_at = 0.0
        # One after the other, so that what was begun earlier never ends later.
        self._turn = asyncio.Lock()
        self._follower: asyncio.Task[None] | None = None

    @property
    def current(self) -> Counted:
        """The last counts there are."""
        return self._current

    async def load_last_resort(self) -> None:
        """Take the list on disk, for the catalogue and the counts alike, until the database answers."""
        items = await asyncio.to_thread(self._last_resort.load)
        if not items or self._catalogue.loaded:
            return
        self._catalogue.seed(items)
        today = self._clock.now().date().isoformat()
        rows = [(item.item_id, "purchase", today, len(items) - place) for place, item in enumerate(items)]
        self._current = _counted(rows, {"purchase": EventWeight(1.0, 1.0)}, self._clock.now())
        _log.warning("popularity.last_resort.taken", items=len(items))

    async def refresh(self) -> None:
        """Count again if anything new came, or weighs otherwise. Raises `StorageUnavailableError`."""
        async with self._turn:
            await self._refresh()

    async def _refresh(self) -> None:
        new, highest = await self._events.count_since(max(self._seq, 0))
        today, weights, span_days = self._clock.now().date(), dict(self._weights), self._fading().span_days
        same = (self._current.at.date(), self._weighed, self._span_days) == (today, weights, span_days)
        if self._seq >= 0 and not new and same:
            return
        now = self._clock.now()
        since = now - timedelta(days=span_days)
        rows = await self._events.daily_counts(since)
        if not rows:
            # A shop's old export: all of it is long ago, and still says what sells.
            since = LONG_AGO
            rows = await self._events.daily_counts(since)
        counted = await asyncio.to_thread(_counted, rows, weights, now)
        self._current = replace(
            counted,
            together=self._current.together,
            segments=self._current.segments,
            version=self._version(counted.version),
        )
        self._seq, self._weighed, self._span_days, self._since = highest, weights, span_days, since

    async def refresh_baskets(self) -> None:
        """Count what is bought together anew, if anything came since. Raises `StorageUnavailableError`."""
        async with self._turn:
            if self._baskets_at == self._seq:
                return
            now = self._clock.now()
            lines = await self._events.baskets(now - timedelta(days=BASKET_DAYS), lines=BASKET_LINES)
            if not lines:
                lines = await self._events.baskets(LONG_AGO, lines=BASKET_LINES)
            found = await asyncio.to_thread(together, lines)
            self._baskets_at = self._seq
            version = self._version(self._current.version)
            self._current = replace(self._current, together=found, version=version)

    async def refresh_segments(self) -> None:
        """Count what is popular with whom, if it may be other. Raises `StorageUnavailableError`."""
        async with self._turn:
            now, weights, fading = self._clock.now(), dict(self._weights), self._fading()
            state = (self._seq, now.date(), weights, fading)
            if self._segments_of == state:
                return
            # Of the events that popular lists count: where they name no segment, no older ones are read.
            lines = await self._events.segment_counts(
                self._since, lines=SEGMENT_LINES, people=ENOUGH_PEOPLE, most=MOST_OF_A_KIND
            )
            count = partial(segments, lines, weights, now=now, fading=fading.popular)
            found = await asyncio.to_thread(count)
            self._segments_of = state
            version = self._version(self._current.version)
            self._current = replace(self._current, segments=found, version=version)

    def _version(self, version: str) -> str:
        """With what is counted more rarely: the same in every process that read the same."""
        segments_of = crc32(repr(self._segments_of).encode())
        return f"{version.partition('.')[0]}.{self._baskets_at}.{segments_of:x}"

    async def save_last_resort(self) -> None:
        """Write the best of what may be shown to disk, if it may have changed."""
        async with self._turn:
            snapshot, counted = self._catalogue.current, self._current
            state = (counted.version, snapshot.revision)
            if state == self._saved or not self._catalogue.loaded:
                return
            await asyncio.to_thread(self._save, snapshot, counted)
            self._saved, self._saved_at = state, monotonic()

    def follow(self) -> None:
        """Start counting by itself."""
        self._follower = asyncio.create_task(self._follow(), name="popularity.follow")

    async def stop(self) -> None:
        """Stop counting."""
        if self._follower is not None:
            self._follower.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._follower
            self._follower = None

    def _save(self, snapshot: CatalogueSnapshot, counted: Counted) -> None:
        view = popular_view(counted.counts, counted.at, self._fading(), snapshot)
        scores = view.scores("popular", snapshot, None)
        fresh = np.where(np.isnan(snapshot.fresh_at), 0.0, snapshot.fresh_at)
        best = blend.top(scores, snapshot.eligible, LAST_RESORT_ITEMS, snapshot.rank)
        rest = snapshot.eligible & snapshot.in_range
        rest[best] = False
        newest = blend.top(fresh, rest, LAST_RESORT_ITEMS - len(best), snapshot.rank)
        self._last_resort.save([snapshot.items[place] for place in (*best, *newest)])

    async def _follow(self) -> None:
        while True:
            began = monotonic()
            await self._step()
            await asyncio.sleep(max(self._poll_s, REST * (monotonic() - began)))

    async def _step(self) -> None:
        try:
            await self.refresh()
            if monotonic() - self._rarely_looked >= RARELY_EVERY_S:
                self._rarely_looked = monotonic()
                await self.refresh_baskets()
                await self.refresh_segments()
            if self._saved is None or monotonic() - self._saved_at >= SAVE_EVERY_S:
                await self.save_last_resort()
        except StorageUnavailableError:
            self._metrics.degraded.labels("popularity", "storage-unavailable").inc()
            _log.warning("popularity.refresh_failed", reason="storage-unavailable")
        except Exception as error:  # noqa: BLE001  # the follower outlives a full disk or a bug: logged, counted
            self._metrics.degraded.labels("popularity", type(error).__name__).inc()
            _log.error("popularity.refresh_crashed", **failure(error))


def _counted(
    rows: Sequence[tuple[str, str, str, int]], weights: Mapping[str, EventWeight], at: datetime
) -> Counted:
    ordered = sorted(rows)
    digest = hashlib.blake2b(digest_size=8)
    digest.update(repr((at.date(), sorted((name, str(one)) for name, one in weights.items()))).encode())
    # Line by line: one text of them all would be as large as the lines.
    for row in ordered:
        digest.update(repr(row).encode())
    return Counted(counts=daily_counts(ordered, weights), at=at, version=digest.hexdigest())
