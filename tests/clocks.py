"""A clock that stands until it is moved."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


class FixedClock:
    """Wall time under the test's control."""

    def __init__(self, at: datetime = NOON) -> None:
        self._at = at

    def now(self) -> datetime:
        """The time it was set to."""
        return self._at

    def move(self, *, seconds: float) -> None:
        """Forward (or back, below 0)."""
        self._at += timedelta(seconds=seconds)
