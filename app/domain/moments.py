"""Times as the service writes them, over HTTP, in files and in the commands' answers alike."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import overload


@overload
def rfc3339(moment: datetime) -> str: ...


@overload
def rfc3339(moment: None) -> None: ...


@overload
def rfc3339(moment: datetime | None) -> str | None: ...


def rfc3339(moment: datetime | None) -> str | None:
    """In UTC, to the microsecond; None for no time.

    >>> rfc3339(datetime.fromisoformat("2026-11-24T12:00:00+02:00"))
    '2026-11-24T10:00:00.000000Z'
    """
    if moment is None:
        return None
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
