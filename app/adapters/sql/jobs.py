"""The queue of retraining jobs in SQL, and the lease that says who runs one."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from app.adapters.sql.counters import insert_into
from app.adapters.sql.engine import Database
from app.adapters.sql.tables import jobs
from app.domain.cursors import decode_cursor, decode_moment, encode_cursor
from app.domain.errors import ConflictError, JobRunningError, NotFoundError
from app.domain.leases import LEASE_RAN_OUT, as_it_stands
from app.domain.ports import Clock
from app.domain.types import Job, JobState, JsonObject, Page

_NOT_FOUND = "There is no such job."
_ACTIVE = (str(JobState.QUEUED), str(JobState.RUNNING))
_ATTEMPTS = 5


class SqlJobStore:
    """One tenant's jobs; a partial unique index lets one at most be queued or running."""

    def __init__(self, database: Database, *, tenant: str, clock: Clock) -> None:
        self._database = database
        self._tenant = tenant
        self._clock = clock
        self._mine = jobs.c.tenant == tenant
        self._active = sa.and_(self._mine, jobs.c.state.in_(_ACTIVE))

    async def create(self, job: Job) -> Job:
        """Queue it.

        Raises:
            JobRunningError: One is queued or running; a lease that ran out is failed first.
        """

        async def work(connection: AsyncConnection) -> Job | None:
            now = self._clock.now()
            await self._fail_expired(connection, now)
            new = dataclasses.replace(job, created_at=job.created_at or now)
            insert = insert_into(connection, jobs).values(tenant=self._tenant, **_values(new))
            made = await connection.execute(
                insert.on_conflict_do_nothing(
                    index_elements=[jobs.c.tenant], index_where=jobs.c.state.in_(_literals())
                ).returning(jobs)
            )
            row = made.one_or_none()
            if row is not None:
                return _job(row)
            active = (
                await connection.execute(sa.select(jobs.c.job_id).where(self._active))
            ).scalar_one_or_none()
            if active is not None:
                raise JobRunningError(active)
            return None

        for _ in range(_ATTEMPTS):
            # None: the one that stood in the way ended between the two statements.
            if (created := await self._database.write(work)) is not None:
                return created
        raise ConflictError("Jobs begin and end too fast to queue another.")

    async def get(self, job_id: str) -> Job:
        """A job whose lease ran out reads as failed. Raises `NotFoundError`."""
        rows = await self._database.fetch(self._named(job_id))
        if not rows:
            raise NotFoundError(_NOT_FOUND)
        return as_it_stands(_job(rows[0]), self._clock.now())

    async def page(self, *, limit: int, cursor: str | None) -> Page[Job]:
        """Newest first; a job whose lease ran out reads as failed."""
        statement = (
            sa.select(jobs)
            .where(self._mine)
            .order_by(jobs.c.created_at.desc(), jobs.c.job_id.desc())
            .limit(limit + 1)
        )
        if cursor is not None:
            moment, job_id = decode_cursor(cursor, str, str)
            statement = statement.where(
                sa.tuple_(jobs.c.created_at, jobs.c.job_id)
                < sa.tuple_(
                    sa.bindparam(None, decode_moment(moment), type_=jobs.c.created_at.type),
                    sa.bindparam(None, job_id, type_=jobs.c.job_id.type),
                )
            )
        now = self._clock.now()
        rows = [as_it_stands(_job(row), now) for row in await self._database.fetch(statement)]
        return Page(tuple(rows[:limit]), _cursor(rows[limit - 1]) if len(rows) > limit else None)

    async def fail_expired(self) -> list[Job]:
        """Write down that running jobs whose lease ran out have failed; which those were."""
        # Asked once a second: a look comes before the write, which would hold up the other writers.
        if not await self._database.fetch(sa.select(jobs.c.job_id).where(self._expired(self._clock.now()))):
            return []

        async def work(connection: AsyncConnection) -> list[Job]:
            return await self._fail_expired(connection, self._clock.now())

        return await self._database.write(work)

    async def claim(self, *, lease_s: float) -> Job | None:
        """Take the queued job, if any, and mark it running."""
        queued = sa.select(jobs.c.job_id).where(self._mine, jobs.c.state == str(JobState.QUEUED))
        waiting = await self._database.fetch(queued)
        if not waiting:
            return None

        async def work(connection: AsyncConnection) -> Job | None:
            now = self._clock.now()
            taken = await connection.execute(
                sa.update(jobs)
                .where(self._mine, jobs.c.job_id == waiting[0].job_id, jobs.c.state == str(JobState.QUEUED))
                .values(
                    state=str(JobState.RUNNING), started_at=now, lease_until=now + timedelta(seconds=lease_s)
                )
                .returning(jobs)
            )
            row = taken.one_or_none()
            return None if row is None else _job(row)

        return await self._database.write(work)

    async def heartbeat(self, job_id: str, *, lease_s: float) -> Job:
        """Keep the lease of a running job; the answer's state says whether it still runs."""

        async def work(connection: AsyncConnection) -> Job:
            until = self._clock.now() + timedelta(seconds=lease_s)
            await self._change(connection, job_id, (JobState.RUNNING,), {"lease_until": until})
            return await self._one(connection, job_id)

        return await self._database.write(work)

    async def progress(
        self, job_id: str, *, stage: str, progress: float, seconds_left: float | None, detail: JsonObject
    ) -> None:
        """Write how far a running job is; nothing changes once it has ended."""
        values = {"stage": stage, "progress": progress, "seconds_left": seconds_left, "detail": detail}

        async def work(connection: AsyncConnection) -> None:
            await self._change(connection, job_id, (JobState.RUNNING,), values)

        await self._database.write(work)

    async def finish(
        self, job_id: str, state: JobState, *, error: str | None = None, version: str | None = None
    ) -> Job:
        """End it; a second end changes nothing."""

        async def work(connection: AsyncConnection) -> Job:
            values: dict[str, Any] = {
                "state": str(state),
                "error": error,
                "version": version,
                "finished_at": self._clock.now(),
                "seconds_left": None,
                "lease_until": None,
            }
            if state is JobState.SUCCEEDED:
                values["progress"] = 1.0
            await self._change(connection, job_id, (JobState.QUEUED, JobState.RUNNING), values)
            return await self._one(connection, job_id)

        return await self._database.write(work)

    async def request_cancel(self, job_id: str) -> Job:
        """Ask a running job to stop; a queued one is cancelled at once."""

        async def work(connection: AsyncConnection) -> Job:
            await self._fail_expired(connection, self._clock.now())
            ended = {"state": str(JobState.CANCELLED), "finished_at": self._clock.now()}
            await self._change(connection, job_id, (JobState.QUEUED,), ended | {"cancel_requested": True})
            await self._change(connection, job_id, (JobState.RUNNING,), {"cancel_requested": True})
            return await self._one(connection, job_id)

        return await self._database.write(work)

    def _expired(self, now: datetime) -> sa.ColumnElement[bool]:
        return sa.and_(self._mine, jobs.c.state == str(JobState.RUNNING), jobs.c.lease_until < now)

    async def _fail_expired(self, connection: AsyncConnection, now: datetime) -> list[Job]:
        ended = await connection.execute(
            sa.update(jobs)
            .where(self._expired(now))
            .values(
                state=str(JobState.FAILED),
                error=LEASE_RAN_OUT,
                finished_at=jobs.c.lease_until,
                lease_until=None,
                seconds_left=None,
            )
            .returning(jobs)
        )
        return [_job(row) for row in ended]

    async def _change(
        self,
        connection: AsyncConnection,
        job_id: str,
        states: Sequence[JobState],
        values: dict[str, Any],
    ) -> None:
        await connection.execute(
            sa.update(jobs)
            .where(self._mine, jobs.c.job_id == job_id, jobs.c.state.in_([str(state) for state in states]))
            .values(**values)
        )

    async def _one(self, connection: AsyncConnection, job_id: str) -> Job:
        row = (await connection.execute(self._named(job_id))).one_or_none()
        if row is None:
            raise NotFoundError(_NOT_FOUND)
        return _job(row)

    def _named(self, job_id: str) -> sa.Select[Any]:
        return sa.select(jobs).where(self._mine, jobs.c.job_id == job_id)


def _literals() -> list[sa.ColumnElement[str]]:
    # Literal, not bound: the database matches the predicate against the index's by its text.
    return [sa.literal_column(f"'{state}'") for state in _ACTIVE]


_FIELDS = tuple(field.name for field in dataclasses.fields(Job))


def _values(job: Job) -> dict[str, Any]:
    return {name: getattr(job, name) for name in _FIELDS} | {"state": str(job.state)}


def _job(row: sa.Row[Any]) -> Job:
    values = {name: getattr(row, name) for name in _FIELDS}
    return Job(**values | {"state": JobState(row.state)})


def _cursor(job: Job) -> str:
    return encode_cursor(job.created_at.isoformat() if job.created_at else "", job.job_id)
