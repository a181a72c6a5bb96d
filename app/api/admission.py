"""How many requests may be in the works at once, and who goes first when they are too many."""

from __future__ import annotations

from enum import Enum

from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.context import request_id_of
from app.api.problems import problem
from app.domain.errors import UnavailableError
from app.telemetry import Metrics

HEALTH = frozenset({"/healthz", "/readyz", "/metrics"})
LISTS = ("/recommendations", "/similar", "/explanation")
LIST_CALLS = frozenset(
    {"/v1/recommendations", "/v1/popular", "/v1/trending", "/v1/latest", "/v1/rank", "/v1/page"}
)


class Priority(Enum):
    """Whose request it is. The value is the share of all places up to which it is let in."""

    HEALTH = float("inf")
    RECOMMEND = 1.0
    EVENTS = 0.85
    BATCH = 0.7
    ADMIN = 0.5


class Places:
    """How many requests are in the works, whichever layer answers them.

    Args:
        most: At once.

    Attributes:
        inside: Now.
    """

    def __init__(self, most: int) -> None:
        self._most, self.inside = most, 0

    def enter(self, priority: Priority) -> bool:
        """Take a place, if there is one for this priority; whoever got one gives it back with `leave`."""
        if self.inside >= priority.value * self._most:
            return False
        self.inside += 1
        return True

    def leave(self) -> None:
        """Give the place back."""
        self.inside -= 1


class Admission:
    """Refuses at once what would only wait: 503 costs little, and leaves the rest their time.

    A server's own limit counts idle connections and knows no order. Here the less urgent are refused first:
    administration, then the catalogue and users, then events, recommendations last, health never.

    Args:
        places: For requests in the works.
        metrics: Counts refusals.
    """

    def __init__(self, app: ASGIApp, *, places: Places, metrics: Metrics) -> None:
        self._app, self._places, self._metrics = app, places, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, or pass on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        priority = priority_of(scope["method"], scope["path"])
        if not self._places.enter(priority):
            self._metrics.shed.labels(priority.name.lower()).inc()
            busy = UnavailableError("The service has more requests than it can answer.")
            await problem(busy, request_id=request_id_of(scope))(scope, receive, send)
            return
        try:
            await self._app(scope, receive, send)
        finally:
            self._places.leave()


def priority_of(method: str, path: str) -> Priority:
    """How urgent a call is."""
    if path in HEALTH:
        return Priority.HEALTH
    if path.startswith("/v1/admin"):
        return Priority.ADMIN
    if path == "/v1/events":
        return Priority.EVENTS
    if path in LIST_CALLS or (method in {"GET", "HEAD"} and path.endswith(LISTS)):
        return Priority.RECOMMEND
    return Priority.BATCH
