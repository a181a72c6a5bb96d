"""Keys, jobs, model versions and the audit log in memory."""

from __future__ import annotations

import dataclasses
from datetime import datetime, timedelta
from typing import Any

from app.domain.cursors import decode_cursor, decode_moment, encode_cursor
from app.domain.errors import ConflictError, JobRunningError, NotFoundError
from app.domain.leases import as_it_stands, has_expired
from app.domain.ports import Clock
from app.domain.types import ApiKey, Job, JobState, JsonObject, ModelVersion, Page, VersionState

_ACTIVE = frozenset({JobState.QUEUED, JobState.RUNNING})


class MemoryKeyStore:
    """Keys in a dictionary."""

    def __init__(self) -> None:
        self._keys: dict[str, ApiKey] = {}

    async def add(self, key: ApiKey) -> None:
        """Store a new key."""
        self._keys[key.key_id] = key

    async def get(self, key_id: str) -> ApiKey | None:
        """A key by its public id."""
        return self._keys.get(key_id)

    async def all(self) -> list[ApiKey]:
        """Every key, newest first."""
        return sorted(self._keys.values(), key=lambda key: (key.created_at, key.key_id), reverse=True)

    async def revoke(self, key_id: str, at: datetime) -> None:
        """The first revocation counts. Raises `NotFoundError`."""
        key = self._keys.get(key_id)
        if key is None:
            raise NotFoundError("There is no such key.")
        self._keys[key_id] = dataclasses.replace(key, revoked_at=key.revoked_at or at)

    async def touch(self, key_id: str, at: datetime) -> None:
        """Record a use."""
        if key_id in self._keys:
            self._keys[key_id] = dataclasses.replace(self._keys[key_id], last_used_at=at)


class MemoryJobStore:
    """Jobs in a dictionary."""

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._jobs: dict[str, Job] = {}

    async def create(self, job: Job) -> Job:
        """Raises `JobRunningError` while one is queued or running; a lease that ran out is failed first."""
        await self.fail_expired()
        for old in self._jobs.values():
            if old.state in _ACTIVE:
                raise JobRunningError(old.job_id)
        self._jobs[job.job_id] = dataclasses.replace(job, created_at=job.created_at or self._clock.now())
        return self._jobs[job.job_id]

    async def get(self, job_id: str) -> Job:
        """A job whose lease ran out reads as failed. Raises `NotFoundError`."""
        return as_it_stands(self._kept(job_id), self._clock.now())

    async def page(self, *, limit: int, cursor: str | None) -> Page[Job]:
        """Newest first; a job whose lease ran out reads as failed."""
        now = self._clock.now()
        keyed = {(job.created_at, job.job_id): as_it_stands(job, now) for job in self._jobs.values()}
        return _page(keyed, limit=limit, cursor=cursor)

    async def fail_expired(self) -> list[Job]:
        """Write down that running jobs whose lease ran out have failed; which those were."""
        now = self._clock.now()
        expired = [as_it_stands(job, now) for job in self._jobs.values() if has_expired(job, now)]
        self._jobs |= {job.job_id: job for job in expired}
        return expired

    async def claim(self, *, lease_s: float) -> Job | None:
        """Take the queued job, if any, and mark it running."""
        now = self._clock.now()
        for job in self._jobs.values():
            if job.state is JobState.QUEUED:
                until = now + timedelta(seconds=lease_s)
                return self._change(job, state=JobState.RUNNING, started_at=now, lease_until=until)
        return None

    async def heartbeat(self, job_id: str, *, lease_s: float) -> Job:
        """Keep the lease of a running job; the answer's state says whether it still runs."""
        job = self._kept(job_id)
        if job.state is not JobState.RUNNING:
            return job
        return self._change(job, lease_until=self._clock.now() + timedelta(seconds=lease_s))

    async def progress(
        self, job_id: str, *, stage: str, progress: float, seconds_left: float | None, detail: JsonObject
    ) -> None:
        """Write how far a running job is; nothing changes once it has ended."""
        job = self._jobs.get(job_id)
        if job is not None and job.state is JobState.RUNNING:
            self._change(job, stage=stage, progress=progress, seconds_left=seconds_left, detail=detail)

    async def finish(
        self, job_id: str, state: JobState, *, error: str | None = None, version: str | None = None
    ) -> Job:
        """End it; a second end changes nothing."""
        job = self._kept(job_id)
        if job.state not in _ACTIVE:
            return job
        return self._change(
            job,
            state=state,
            error=error,
            version=version,
            finished_at=self._clock.now(),
            seconds_left=None,
            lease_until=None,
            progress=1.0 if state is JobState.SUCCEEDED else job.progress,
        )

    async def request_cancel(self, job_id: str) -> Job:
        """Ask a running job to stop; a queued one is cancelled at once."""
        await self.fail_expired()
        job = self._kept(job_id)
        if job.state is JobState.RUNNING:
            return self._change(job, cancel_requested=True)
        if job.state is JobState.QUEUED:
            now = self._clock.now()
            return self._change(job, state=JobState.CANCELLED, finished_at=now, cancel_requested=True)
        return job

    def _kept(self, job_id: str) -> Job:
        if job_id not in self._jobs:
            raise NotFoundError("There is no such job.")
        return self._jobs[job_id]

    def _change(self, job: Job, **values: Any) -> Job:  # noqa: ANN401  # fields of Job
        self._jobs[job.job_id] = dataclasses.replace(job, **values)
        return self._jobs[job.job_id]


class MemoryModelVersionStore:
    """Versions in a dictionary, activations in a list."""

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._versions: dict[str, ModelVersion] = {}
        self._activations: list[str] = []

    async def add(self, version: ModelVersion) -> None:
        """Record a published version. Raises `ConflictError` where it is recorded already."""
        if version.version in self._versions:
            raise ConflictError("This version is recorded already.")
        made = version.created_at or self._clock.now()
        self._versions[version.version] = dataclasses.replace(version, created_at=made)

    async def get(self, version: str) -> ModelVersion:
        """Raises `NotFoundError`."""
        if version not in self._versions:
            raise NotFoundError("There is no such model version.")
        return self._versions[version]

    async def page(self, *, limit: int, cursor: str | None) -> Page[ModelVersion]:
        """Newest first."""
        keyed = {(row.created_at, row.version): row for row in self._versions.values()}
        return _page(keyed, limit=limit, cursor=cursor)

    async def live(self) -> ModelVersion | None:
        """The live one."""
        return next((row for row in self._versions.values() if row.state is VersionState.LIVE), None)

    async def activate(self, version: str, *, by: str) -> ModelVersion:
        """Make it live and retire the one that was. Raises `NotFoundError`."""
        row = await self.get(version)
        if row.state is VersionState.LIVE:
            return row
        await self._retire()
        self._activations.append(version)
        return self._make_live(row, by=by)

    async def restore(self, version: str, *, by: str) -> ModelVersion:
        """Make it live in its old place; the live one leaves the history. Raises `NotFoundError`."""
        row = await self.get(version)
        if row.state is VersionState.LIVE:
            return row
        left = await self._retire()
        self._activations = [name for name in self._activations if left is None or name != left.version]
        return self._make_live(row, by=by)

    async def _retire(self) -> ModelVersion | None:
        live = await self.live()
        if live is not None:
            self._versions[live.version] = dataclasses.replace(live, state=VersionState.RETIRED)
        return live

    def _make_live(self, row: ModelVersion, *, by: str) -> ModelVersion:
        self._versions[row.version] = dataclasses.replace(
            row, state=VersionState.LIVE, reason=None, activated_at=self._clock.now(), activated_by=by
        )
        return self._versions[row.version]

    async def previous(self) -> ModelVersion | None:
        """The version live before the live one; one refused since or left by a rollback is passed over."""
        for version in reversed(self._activations):
            row = self._versions[version]
            if row.state is VersionState.RETIRED:
                return row
        return None

    async def mark(self, version: str, state: VersionState, reason: str | None) -> None:
        """Set the state of a version that is not live. Raises `ConflictError` where it is."""
        if state is VersionState.LIVE:
            raise ConflictError("A version becomes live by activation alone.")
        row = await self.get(version)
        if row.state is VersionState.LIVE:
            raise ConflictError("The live version cannot be marked; activate another first.")
        self._versions[version] = dataclasses.replace(row, state=state, reason=reason)


class MemoryAuditLog:
    """Lines in a list.

    Attributes:
        lines: ``(time, actor, action, target, detail)``, oldest first.
    """

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self.lines: list[tuple[datetime, str, str, str, JsonObject]] = []

    async def write(self, *, actor: str, action: str, target: str, detail: JsonObject) -> None:
        """Add a line."""
        self.lines.append((self._clock.now(), actor, action, target, detail))


def _page(keyed: dict[tuple[Any, str], Any], *, limit: int, cursor: str | None) -> Page[Any]:
    keys = sorted(keyed, reverse=True)
    if cursor is not None:
        moment, name = decode_cursor(cursor, str, str)
        keys = [key for key in keys if key < (decode_moment(moment), name)]
    shown = keys[:limit]
    following = encode_cursor(shown[-1][0].isoformat(), shown[-1][1]) if len(keys) > limit else None
    return Page(tuple(keyed[key] for key in shown), following)
