"""Whether this process is on its way out."""

from __future__ import annotations


class Drain:
    """A switch that is thrown once: from then on readiness says no and every connection is closed."""

    def __init__(self) -> None:
        self._started = False

    @property
    def started(self) -> bool:
        """Whether the process is draining."""
        return self._started

    def start(self) -> None:
        """Begin to drain."""
        self._started = True
