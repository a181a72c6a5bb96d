"""One door to the database: how connections are made, how long a use of them may take, what a failure is.

Every use of the database is one transaction inside `Database.read` or `Database.write`. Both keep a deadline
by leaving the work behind, because a stopped PostgreSQL answers neither a statement nor its cancellation.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
import structlog
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from app.adapters.sql.failures import is_outage, lost_connection
from app.domain.errors import InvalidInputError, StorageUnavailableError

T = TypeVar("T")
Work = Callable[[AsyncConnection], Awaitable[T]]

POOL_SIZE = 5
POOL_TIMEOUT_S = 1.0
LOCK_TIMEOUT_S = 0.5
ROWS_AT_ONCE = 1000
# SQLite: the event log has four indexes in no order of time; by default most are written out each group.
WRITER_CACHE_KIB = 16 * 1024
# Readers are up to ten, and the system keeps the file's pages anyway.
READER_CACHE_KIB = 2 * 1024
CHECKPOINT_PAGES = 4000
PRIVATE_MODE = 0o600
UNAVAILABLE = "The database did not answer in time."
_WRITES = "recserve_writes"

_log = structlog.get_logger(__name__)


def async_url(url: str) -> sa.URL:
    """The address with its async driver.

    >>> async_url("sqlite:///shop.db").drivername
    'sqlite+aiosqlite'

    Raises:
        InvalidInputError: It is neither `sqlite:///FILE` nor `postgresql://…`.
    """
    try:
        parsed = sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError):
        raise InvalidInputError("The database address cannot be read.") from None
    backend = parsed.drivername.partition("+")[0]
    if backend == "sqlite":
        if not parsed.database or parsed.database == ":memory:":
            raise InvalidInputError("SQLite needs a file: sqlite:///FILE.")
        return parsed.set(drivername="sqlite+aiosqlite")
    if backend in {"postgresql", "postgres"}:
        query = {("ssl" if name == "sslmode" else name): value for name, value in parsed.query.items()}
        return parsed.set(drivername="postgresql+asyncpg", query=query)
    raise InvalidInputError("The database is sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME.")


def make_engine(url: str, *, deadline_s: float) -> AsyncEngine:
    """An engine for transactions, with the settings of its database; it connects at first use."""
    parsed = async_url(url)
    if parsed.get_backend_name() == "sqlite":
        engine = _sqlite_engine(parsed, deadline_s=deadline_s, cache_kib=WRITER_CACHE_KIB)
        sa.event.listen(engine.sync_engine, "begin", _begin)
        return engine
    return _postgresql_engine(parsed, deadline_s=deadline_s)


def make_single(url: str, *, deadline_s: float) -> AsyncEngine:
    """An engine for single statements, each a transaction by itself: no round trips to begin and end one."""
    parsed = async_url(url)
    options = {"isolation_level": "AUTOCOMMIT", "skip_autocommit_rollback": True}
    if parsed.get_backend_name() == "sqlite":
        return _sqlite_engine(parsed, deadline_s=deadline_s, cache_kib=READER_CACHE_KIB, **options)
    return _postgresql_engine(parsed, deadline_s=deadline_s, **options)


def _begin(connection: sa.Connection) -> None:
    # A deferred transaction that reads and then writes fails at once when another writer was faster.
    writes = connection.get_execution_options().get(_WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _sqlite_engine(
    url: sa.URL,
    *,
    deadline_s: float,
    cache_kib: int,
    **options: Any,  # noqa: ANN401  # create_engine's own
) -> AsyncEngine:
    # isolation_level None: the driver starts no transaction by itself, `_begin` does.
    engine = create_async_engine(
        url,
        pool_size=POOL_SIZE,
        max_overflow=POOL_SIZE,
        pool_timeout=min(POOL_TIMEOUT_S, deadline_s),
        # The connection used last has its pages in memory.
        pool_use_lifo=True,
        hide_parameters=True,
        connect_args={"isolation_level": None},
        **options,
    )
    busy_ms = int(min(deadline_s, 30.0) * 1000 * 2 / 3)

    def connected(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
        cursor = connection.cursor()
        for pragma in (
            f"busy_timeout = {busy_ms}",
            "journal_mode = WAL",
            "synchronous = FULL",
            f"cache_size = -{cache_kib}",
            f"wal_autocheckpoint = {CHECKPOINT_PAGES}",
            "foreign_keys = ON",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    sa.event.listen(engine.sync_engine, "connect", connected)
    return engine


def _postgresql_engine(url: sa.URL, *, deadline_s: float, **options: Any) -> AsyncEngine:  # noqa: ANN401  # create_engine's own
    return create_async_engine(
        url,
        pool_size=POOL_SIZE,
        max_overflow=POOL_SIZE,
        pool_timeout=min(POOL_TIMEOUT_S, deadline_s),
        hide_parameters=True,
        connect_args={
            "timeout": min(POOL_TIMEOUT_S, deadline_s),
            "server_settings": {
                "application_name": "recserve",
                "lock_timeout": str(int(LOCK_TIMEOUT_S * 1000)),
                "statement_timeout": str(int(deadline_s * 1000)),
                "timezone": "UTC",
            },
        },
        **options,
    )


def make_private_file(path: Path) -> None:
    """Create the database file (and its folder) readable by its owner alone, or make it so."""
    path.parent.mkdir(parents=True, exist_ok=True)
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, PRIVATE_MODE))
    path.chmod(PRIVATE_MODE)


async def _twice(attempt: Callable[[], Awaitable[T]]) -> T:
    try:
        return await attempt()
    except sa.exc.DBAPIError as error:
        if not lost_connection(error):
            raise
    return await attempt()


class Database:
    """A database and its deadlines.

    Args:
        url: `sqlite:///FILE` or `postgresql://…`.
        deadline_s: How long one `read` or `write` may take, waiting for a connection included.

    Raises:
        InvalidInputError: The address cannot be used.
    """

    def __init__(self, url: str, *, deadline_s: float = 1.5) -> None:
        self.engine = make_engine(url, deadline_s=deadline_s)
        self._single = make_single(url, deadline_s=deadline_s)
        self.url = url
        self.deadline_s = deadline_s
        self._abandoned: set[asyncio.Task[Any]] = set()
        self._writer: asyncio.Lock | None = asyncio.Lock() if self.is_sqlite else None
        self._opened = False

    @property
    def is_sqlite(self) -> bool:
        """Whether the database is one file, with one writer at a time."""
        return self.engine.dialect.name == "sqlite"

    async def fetch(
        self,
        statement: sa.Executable,
        parameters: Mapping[str, Any] | None = None,
        *,
        deadline_s: float | None = None,
    ) -> Sequence[sa.Row[Any]]:
        """The rows of one statement that reads; tried again once on a connection that had died.

        Raises:
            StorageUnavailableError: No answer within the deadline, or the database is down.
        """

        async def work(connection: AsyncConnection) -> Sequence[sa.Row[Any]]:
            return (await connection.execute(statement, parameters)).all()

        if deadline_s is not None:
            return await self.read(work, deadline_s=deadline_s)
        return await self._within(self._fetch(work), None)

    async def fetch_long(
        self, statement: sa.Executable, make: Callable[[sa.Row[Any]], T], *, deadline_s: float
    ) -> list[T]:
        """What `make` makes of each row of a long answer, whose rows are never in memory all at once.

        Raises:
            StorageUnavailableError: No answer within the deadline, or the database is down.
        """

        async def work(connection: AsyncConnection) -> list[T]:
            made: list[T] = []
            async with connection.stream(statement) as result:
                async for rows in result.partitions(ROWS_AT_ONCE):
                    made.extend(map(make, rows))
            return made

        if self.is_sqlite:
            # On the transactions' connections a scan would push out the pages that the writer keeps.
            return await self._within(self._fetch(work), deadline_s)
        return await self.read(work, deadline_s=deadline_s)

    async def read(self, work: Work[T], *, deadline_s: float | None = None) -> T:
        """Run `work` in a transaction that only reads; tried again once on a connection that had died.

        Raises:
            StorageUnavailableError: No answer within the deadline, or the database is down.
        """
        return await self._within(self._read(work, deadline_s), deadline_s)

    async def write(self, work: Work[T], *, deadline_s: float | None = None) -> T:
        """Run `work` in a transaction of its own and commit it.

        Raises:
            StorageUnavailableError: No answer within the deadline, or the database is down. The work may
                still have been committed.
        """
        return await self._within(self._write(work, deadline_s), deadline_s)

    async def write_once(self, work: Work[T]) -> T:
        """Run `work`, which is a single statement and so a transaction by itself.

        Raises:
            StorageUnavailableError: As in `write`.
        """
        return await self._within(self._once(work), None)

    async def ping(self) -> bool:
        """Whether the database answers."""
        try:
            await self.fetch(sa.select(1))
        except StorageUnavailableError:
            return False
        return True

    async def close(self) -> None:
        """Let go of all connections; work left behind is stopped."""
        for task in tuple(self._abandoned):
            task.cancel()
        if self._abandoned:
            await asyncio.wait(self._abandoned, timeout=self.deadline_s)
        await self._single.dispose()
        await self.engine.dispose()

    async def _fetch(self, work: Work[T]) -> T:
        return await _twice(lambda: self._once(work))

    async def _once(self, work: Work[T]) -> T:
        async with self._connect(self._single) as connection:
            return await work(connection)

    async def _read(self, work: Work[T], deadline_s: float | None) -> T:
        return await _twice(lambda: self._transaction(work, deadline_s, writes=False))

    async def _write(self, work: Work[T], deadline_s: float | None) -> T:
        if self._writer is None:
            return await self._transaction(work, deadline_s, writes=True)
        async with self._writer:
            return await self._transaction(work, deadline_s, writes=True)

    async def _transaction(self, work: Work[T], deadline_s: float | None, *, writes: bool) -> T:
        async with self._connect(self.engine) as connection:
            await connection.execution_options(**{_WRITES: writes})
            async with connection.begin():
                if deadline_s is not None and not self.is_sqlite:
                    await connection.exec_driver_sql(
                        f"SET LOCAL statement_timeout = {int(deadline_s * 1000)}"
                    )
                return await work(connection)

    @asynccontextmanager
    async def _connect(self, engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
        if self.is_sqlite and not self._opened:
            make_private_file(Path(str(self.engine.url.database)))
            self._opened = True
        async with engine.connect() as connection:
            yield connection

    async def _within(self, work: Coroutine[Any, Any, T], deadline_s: float | None) -> T:
        task = asyncio.ensure_future(work)
        try:
            done, _ = await asyncio.wait({task}, timeout=deadline_s or self.deadline_s)
        except asyncio.CancelledError:
            # The caller has gone; what has begun ends by itself, whole or not at all.
            self._abandon(task)
            raise
        if not done:
            self._abandon(task)
            task.cancel()
            _log.warning("database.timed_out", deadline_s=deadline_s or self.deadline_s)
            raise StorageUnavailableError(UNAVAILABLE)
        error = task.exception()
        if error is not None and is_outage(error):
            _log.warning("database.failed", error=type(error).__name__)
            raise StorageUnavailableError(UNAVAILABLE) from error
        return task.result()

    def _abandon(self, task: asyncio.Task[Any]) -> None:
        self._abandoned.add(task)
        task.add_done_callback(self._forget)

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._abandoned.discard(task)
        if not task.cancelled() and task.exception() is not None:
            _log.info("database.abandoned_work_failed", error=type(task.exception()).__name__)
