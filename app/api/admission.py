"""How many requests may be in the works at once, and who goes first when they are too many."""

from __future__ import annotations

import time
from enum import Enum

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.context import REQUEST_ID_HEADER, begin_request
from app.api.drain import Drain
from app.api.moving_limit import MovingLimit
from app.api.problems import problem
from app.api.reporting import UNMATCHED, Report, named_method, raw_security_headers
from app.domain.errors import UnavailableError

HEALTH = frozenset({"/healthz", "/readyz", "/metrics"})
LISTS = ("/recommendations", "/similar", "/explanation")
LIST_CALLS = frozenset(
    {"/v1/recommendations", "/v1/popular", "/v1/trending", "/v1/latest", "/v1/rank", "/v1/page"}
)
_BUSY = UnavailableError("The service has more requests than it can answer.")
_REQUEST_ID = REQUEST_ID_HEADER.lower().encode()


class Priority(Enum):
    """Whose request it is. The value is the share of all places up to which it is let in."""

    HEALTH = float("inf")
    RECOMMEND = 1.0
    EVENTS = 0.85
    BATCH = 0.7
    ADMIN = 0.5


class Places:
    """How many requests are in the works, whichever layer answers them.

    How many may be moves with what the process can do: see `MovingLimit`.

    Args:
        most: At once, at most.

    Attributes:
        inside: Now.
    """

    def __init__(self, most: int) -> None:
        self._limit, self.inside = MovingLimit(most), 0

    def enter(self, priority: Priority) -> bool:
        """Take a place, if there is one for this priority; whoever got one gives it back with `leave`."""
        self._limit.feel()
        if self.inside >= priority.value * self._limit.current:
            return False
        self.inside += 1
        return True

    def leave(self) -> None:
        """Give the place back."""
        self.inside -= 1


class Admission:
    """Refuses at once what would only wait: 503 costs little, and leaves the rest their time.

    It stands in front of all that costs more: under three times the load most of what is done is to refuse.
    A server's own limit counts idle connections and knows no order. Here the less urgent are refused first:
    administration, then the catalogue and users, then events, recommendations last, health never.

    Args:
        places: For requests in the works.
        report: Is told of refusals.
        drain: Whether refusals close their connection.
    """

    def __init__(self, app: ASGIApp, *, places: Places, report: Report, drain: Drain) -> None:
        self._app, self._places, self._report, self._drain = app, places, report, drain

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, or pass on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        priority = priority_of(scope["method"], scope["path"])
        if not self._places.enter(priority):
            await self._refuse(scope, send, priority)
            return
        try:
            await self._app(scope, receive, send)
        finally:
            self._places.leave()

    async def _refuse(self, scope: Scope, send: Send, priority: Priority) -> None:
        """As `Observe` would have it answered, for less."""
        started = time.monotonic()
        request_id = begin_request(scope, Headers(scope=scope).get(REQUEST_ID_HEADER))
        response = problem(_BUSY, request_id=request_id)
        headers = [
            *response.raw_headers,
            (_REQUEST_ID, request_id.encode()),
            *raw_security_headers(),
            *([(b"connection", b"close")] if self._drain.started else []),
        ]
        await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
        await send({"type": "http.response.body", "body": response.body})
        self._report.metrics.shed.labels(priority.name.lower()).inc()
        self._report.answered(
            method=named_method(scope),
            route=UNMATCHED,
            status=response.status_code,
            took_s=time.monotonic() - started,
            request_id=request_id,
        )


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
