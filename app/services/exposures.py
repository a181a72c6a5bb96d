"""Lists that were answered, written down behind the answers: in groups, and never in their way."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from datetime import datetime, timedelta
from typing import NamedTuple

import structlog

from app.domain.errors import StorageUnavailableError
from app.domain.exposures import Exposure
from app.domain.ports import Clock, ExposureStore
from app.domain.recommendations import Recommendation
from app.domain.types import Subject
from app.services.answer_codec import facts, facts_of
from app.telemetry import Metrics, failure

_log = structlog.get_logger(__name__)

MOST_HELD = 2048
GROUP = 256
WRITE_EVERY_S = 1.0
FORGET_EVERY_S = 600.0
FORGOTTEN_AT_ONCE = 2000


class _Shown(NamedTuple):
    """An answer, as it is or as the cache keeps it: it is read only when it is written."""

    answer: Recommendation | bytes
    recommendation_id: str
    subject: Subject
    at: datetime


class Exposures:
    """Takes lists as they are answered and writes them a moment later.

    What comes in faster than it is written is dropped and counted, and so is what the database does not take:
    the figures lack some lists then, but no answer waits.

    Args:
        store: Where they are kept.
        clock: Wall time.
        metrics: Counts what was dropped.
        keep_days: Older ones are deleted.
        most_held: How many may wait to be written.
        write_every_s: Seconds between two groups.
    """

    def __init__(
        self,
        *,
        store: ExposureStore,
        clock: Clock,
        metrics: Metrics,
        keep_days: float = 90.0,
        most_held: int = MOST_HELD,
        write_every_s: float = WRITE_EVERY_S,
    ) -> None:
        self._store = store
        self._clock = clock
        self._metrics = metrics
        self._keep = timedelta(days=keep_days)
        self._most_held = most_held
        self._write_every_s = write_every_s
        self._full = metrics.tally(metrics.exposures_dropped.labels("full"))
        self._held: deque[_Shown] = deque()
        self._writing = asyncio.Lock()
        self._forgot_at: datetime | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to write."""
        self._task = asyncio.create_task(self._run(), name="exposures")

    async def stop(self) -> None:
        """Write what is held, and stop."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None
        await self.flush()

    def add(self, answer: Recommendation | bytes, *, recommendation_id: str, subject: Subject) -> None:
        """Take a list that is being answered."""
        if len(self._held) >= self._most_held:
            self._full.n += 1
            return
        self._held.append(_Shown(answer, recommendation_id, subject, self._clock.now()))

    async def flush(self) -> None:
        """Write what is held now."""
        async with self._writing:
            for _ in range(-(-len(self._held) // GROUP)):
                group = [self._held.popleft() for _ in range(min(GROUP, len(self._held)))]
                await self._write(group)

    async def forget_old(self) -> None:
        """Delete what is older than it is kept."""
        before = self._clock.now() - self._keep
        while await self._store.forget(before, most=FORGOTTEN_AT_ONCE) == FORGOTTEN_AT_ONCE:
            pass

    async def _write(self, group: list[_Shown]) -> None:
        try:
            # Reading kept lists takes longer than a request may be held up.
            await self._store.append(await asyncio.to_thread(_exposures, group))
        except StorageUnavailableError:
            self._metrics.exposures_dropped.labels("storage-unavailable").inc(len(group))

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._write_every_s)
            try:
                await self.flush()
                await self._forget_sometimes()
            except StorageUnavailableError:
                self._metrics.degraded.labels("exposures", "storage-unavailable").inc()
            except Exception as error:  # noqa: BLE001  # the writer outlives any bug: logged, counted
                self._metrics.degraded.labels("exposures", type(error).__name__).inc()
                _log.error("exposures.writer_crashed", **failure(error))

    async def _forget_sometimes(self) -> None:
        now = self._clock.now()
        if self._forgot_at is None or now - self._forgot_at >= timedelta(seconds=FORGET_EVERY_S):
            self._forgot_at = now
            await self.forget_old()


def _exposures(group: list[_Shown]) -> list[Exposure]:
    return [exposure for shown in group if (exposure := _exposure(shown)) is not None]


def _exposure(shown: _Shown) -> Exposure | None:
    answer = shown.answer
    of_list = facts(answer) if isinstance(answer, bytes) else facts_of(answer)
    if of_list is None:
        return None
    return Exposure(
        recommendation_id=shown.recommendation_id,
        subject=shown.subject,
        shown_at=shown.at,
        **of_list._asdict(),
    )
