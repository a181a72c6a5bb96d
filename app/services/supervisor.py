"""Runs queued jobs, one child process after the other, and makes sure that none is left behind."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from time import monotonic
from typing import Any

import structlog

from app.domain.errors import DETAILS_LOGGED, RecserveError, StorageUnavailableError
from app.domain.ports import Child, ChildLauncher, JobStore
from app.domain.types import Job, JobState
from app.telemetry import Metrics

MAX_ERROR = 300
LINES_LOGGED = 20
_End = tuple[JobState, str | None]

_log = structlog.get_logger(__name__)


class Supervisor:
    """Claims a job, starts its child, keeps the lease, and ends both together.

    Args:
        jobs: The queue.
        launcher: Starts the child.
        metrics: Counts what could not be done.
        lease_s: A job whose supervisor or child is silent for so long has failed.
        timeout_s: A job that takes longer is stopped.
        start_s: How long a child may take to its first sign of life: on a busy machine it is served last.
        poll_s: Seconds between two looks into the queue, for jobs that another process queued.
    """

    def __init__(
        self,
        *,
        jobs: JobStore,
        launcher: ChildLauncher,
        metrics: Metrics,
        lease_s: float,
        timeout_s: float,
        start_s: float = 180.0,
        poll_s: float = 1.0,
    ) -> None:
        self._jobs = jobs
        self._launcher = launcher
        self._metrics = metrics
        self._lease_s = lease_s
        self._timeout_s = timeout_s
        self._start_s = max(start_s, lease_s)
        self._poll_s = poll_s
        self._beat_s = min(1.0, lease_s / 4)
        self._woken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to look for jobs."""
        self._task = asyncio.create_task(self._run(), name="jobs.supervise")

    async def stop(self) -> None:
        """Stop; a running child is killed and its job fails."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    def wake(self) -> None:
        """Look into the queue now."""
        self._woken.set()

    async def _run(self) -> None:
        while True:
            try:
                # While a job of ours runs there is no other, so between two of them is often enough.
                for lost in await self._jobs.fail_expired():
                    _log.warning("job.lease_expired", job_id=lost.job_id, error=lost.error)
                job = await self._jobs.claim(lease_s=self._lease_s)
                if job is not None:
                    await self._supervise(job)
                    continue
            except StorageUnavailableError:
                self._metrics.degraded.labels("job_queue", "storage-unavailable").inc()
                _log.warning("job.queue.unavailable")
            await self._nap(self._poll_s)

    async def _supervise(self, job: Job) -> None:
        _log.info("job.started", job_id=job.job_id, model=job.model)
        end: _End = (JobState.FAILED, "The service was stopped while the job ran.")
        starting = asyncio.ensure_future(self._launcher.start(job.job_id))
        try:
            child = await asyncio.shield(starting)
        except OSError as error:
            await self._end(job, JobState.FAILED, f"The training process did not start: {error.strerror}.")
            return
        except asyncio.CancelledError:
            # Half started is started: it must not be left to itself, nor its row.
            with contextlib.suppress(OSError):
                await (await starting).kill()
            await asyncio.shield(self._end(job, *end))
            raise
        try:
            end = await self._attend(job, child)
        finally:
            # Also when this task is cancelled: the child goes first, then the row says so.
            await child.kill()
            await asyncio.shield(self._end(job, *end, last_words=child.last_words()))

    async def _attend(self, job: Job, child: Child) -> _End:
        """Wait for the child's end or a reason to end it; how the job is to be marked if nobody has yet."""
        ended = asyncio.ensure_future(child.wait())
        started = kept = monotonic()
        try:
            while True:
                await self._nap(self._beat_s, ended)
                if ended.done():
                    return JobState.FAILED, _epitaph(ended.result(), child.last_words())
                if monotonic() - started > self._timeout_s:
                    return JobState.FAILED, f"It took longer than {self._timeout_s:g} seconds."
                if child.silent_s() > (self._lease_s if child.has_spoken() else self._start_s):
                    return JobState.FAILED, "The training process stopped responding."
                verdict = await self._keep_lease(job)
                kept = monotonic() if verdict is _KEPT else kept
                if monotonic() - kept > self._lease_s:
                    return JobState.FAILED, "The database was not reachable for the length of the lease."
                if isinstance(verdict, tuple):
                    return verdict
        finally:
            ended.cancel()

    async def _keep_lease(self, job: Job) -> _End | object:
        try:
            row = await self._jobs.heartbeat(job.job_id, lease_s=self._lease_s)
        except StorageUnavailableError:
            self._metrics.degraded.labels("job_heartbeat", "storage-unavailable").inc()
            return None
        if row.cancel_requested:
            return JobState.CANCELLED, None
        if row.state is not JobState.RUNNING:
            return JobState.FAILED, "The job was ended elsewhere."
        return _KEPT

    async def _end(self, job: Job, state: JobState, error: str | None, *, last_words: str = "") -> None:
        """Write the end; a child that finished wrote its own before, which stands."""
        try:
            row = await self._jobs.finish(job.job_id, state, error=error)
        except RecserveError as failure:
            self._metrics.degraded.labels("job_finish", failure.slug).inc()
            _log.error("job.end.not_written", job_id=job.job_id, reason=failure.slug)
            return
        _log.info("job.ended", job_id=job.job_id, state=row.state, error=row.error, version=row.version)
        # A plain reason that the child found stands in the row; more is of use after a death or a bug.
        is_plain = row.error != error and not (row.error or "").endswith(f"{DETAILS_LOGGED}.")
        if row.state is JobState.FAILED and last_words and not is_plain:
            _log.warning("job.child.said", job_id=job.job_id, lines=last_words.splitlines()[-LINES_LOGGED:])

    async def _nap(self, seconds: float, ended: asyncio.Future[int] | None = None) -> None:
        """Sleep until woken, until the child ended, or so many seconds."""
        woken = asyncio.create_task(self._woken.wait())
        waited: set[asyncio.Future[Any]] = {woken} if ended is None else {woken, ended}
        try:
            await asyncio.wait(waited, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            woken.cancel()
            self._woken.clear()


_KEPT = object()


def _epitaph(code: int, last_words: str) -> str:
    """How a child ended that wrote no end of its own."""
    if code < 0:
        return f"The training process was killed by {signal.Signals(-code).name}."
    if code == 0:
        return "The training process ended without a result."
    lines = last_words.strip().splitlines()
    last = f": {lines[-1].strip()[:MAX_ERROR]}" if lines else "."
    return f"The training process ended with code {code}{last}"
