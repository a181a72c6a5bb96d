"""The system's clock."""

from __future__ import annotations

from datetime import UTC, datetime


class SystemClock:
    """Wall time, UTC."""

    def now(self) -> datetime:
        """The current time with a UTC offset."""
        return datetime.now(UTC)
