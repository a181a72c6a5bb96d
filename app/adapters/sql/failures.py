"""Which of the drivers' errors mean that the database cannot be used now."""

from __future__ import annotations

import asyncio

from sqlalchemy import exc

# SQLSTATE classes of a fault in the statement or its values: the database works, the caller erred.
_FAULT_CLASSES = frozenset({"22", "23", "42"})
# Tables that are not there yet: the database is up but nobody has migrated it.
_NOT_MIGRATED = frozenset({"42P01", "42703"})


def is_outage(error: BaseException) -> bool:
    """Whether the error says that the database is down, locked, full, or not migrated."""
    if isinstance(error, OSError | asyncio.TimeoutError | exc.TimeoutError):
        return True
    if isinstance(error, exc.DBAPIError):
        return _is_dbapi_outage(error)
    # A connection that fails while it is made raises asyncpg's own errors, unwrapped.
    return type(error).__module__.startswith("asyncpg")


def lost_connection(error: exc.DBAPIError) -> bool:
    """Whether a pooled connection turned out to be dead."""
    return bool(error.connection_invalidated)


def sqlstate(error: exc.DBAPIError) -> str | None:
    """PostgreSQL's five-letter code, where there is one."""
    code = getattr(error.orig, "sqlstate", None)
    return str(code) if code else None


def _is_dbapi_outage(error: exc.DBAPIError) -> bool:
    if error.connection_invalidated:
        return True
    code = sqlstate(error)
    if code is not None:
        return code in _NOT_MIGRATED or code[:2] not in _FAULT_CLASSES
    return isinstance(error, exc.OperationalError | exc.InterfaceError) or type(error) is exc.DatabaseError
