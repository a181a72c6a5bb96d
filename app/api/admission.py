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


class Admission:
    """Refuses at once what would only wait: 503 costs little, and leaves the rest their time.

    A server's own limit counts idle connections and knows no order. Here the less urgent are refused first:
    administration, then the catalogue and users, then events, recommendations last, health never.

    Args:
        most: Requests in the works at once.
        metrics: Counts refusals.
    """

    def __init__(self, app: ASGIApp, *, most: int, metrics: Metrics) -> None:
        self._app, self._most, self._metrics = app, most, metrics
        self._inside = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, or pass on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        priority = priority_of(scope["method"], scope["path"])
        if self._inside >= priority.value * self._most:
            self._metrics.shed.labels(priority.name.lower()).inc()
            busy = UnavailableError("The service has more requests than it can answer.")
            await problem(busy, request_id=request_id_of(scope))(scope, receive, send)
            return
        self._inside += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._inside -= 1


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
