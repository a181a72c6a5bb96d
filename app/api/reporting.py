"""What is said of every answered request, whichever layer answered it: headers, figures, a log line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import structlog
from starlette.types import Scope

from app.telemetry import Metrics, RequestLines

SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "private, no-store",
}
UNMATCHED = "unmatched"
"""The route of a request that reached none."""
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_log = structlog.get_logger("app.api.middleware")


@dataclass(frozen=True, slots=True)
class Report:
    """Counts and logs.

    Args:
        metrics: Where to count.
        lines: The quick way to log; None: structlog's.
    """

    metrics: Metrics
    lines: RequestLines | None = None

    def answered(self, *, method: str, route: str, status: int, took_s: float, request_id: str) -> None:
        """Tell of an answer that has gone out, or could not."""
        self.on(method, route, status)(took_s, request_id)

    def on(self, method: str, route: str, status: int) -> Callable[[float, str], None]:
        """How to tell of answers of one kind: seconds, request id."""
        kind, lines = self.metrics.answers(method, route, status), self.lines

        def quickly(took_s: float, request_id: str) -> None:
            kind.add(took_s)
            lines.add(kind.line, took_s, request_id)  # type: ignore[union-attr]  # given only where there are some

        def usually(took_s: float, request_id: str) -> None:
            kind.add(took_s)
            with structlog.contextvars.bound_contextvars(request_id=request_id):
                took_ms = round(took_s * 1000, 1)
                _log.info("http.request.answered", method=method, route=route, status=status, took_ms=took_ms)

        return usually if lines is None else quickly


@lru_cache(maxsize=1)
def raw_security_headers() -> tuple[tuple[bytes, bytes], ...]:
    """The security headers as ASGI takes them."""
    return tuple((name.lower().encode(), value.encode()) for name, value in SECURITY_HEADERS.items())


def named_method(scope: Scope) -> str:
    """The method as figures and log lines have it."""
    return scope["method"] if scope["method"] in _METHODS else "other"
