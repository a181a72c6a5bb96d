"""Plain calls with a body, answered in front of the routes.

Routing, dependencies and middleware cost more than most of what is asked. So a plain body is read and
answered here, with the same authentication, limits, figures, log line, headers and bytes. All else goes on to
the route, which stays the reference: other callers, unusual or wrong bodies, and whatever could not be done,
which the route then says in its own place ([ADR 0013](../../docs/adr/0013-hot-events.md),
[ADR 0019](../../docs/adr/0019-live-lists.md)).
"""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import structlog
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.admission import Places, Priority
from app.api.auth import COUNTED, address_of
from app.api.context import begin_request
from app.api.drain import Drain
from app.api.plain_calls import FAILED, Head, late, plain_caller, plain_head, read_whole, send_plain
from app.api.reporting import Report
from app.api.settings import ApiSettings
from app.domain.errors import RateLimitedError

if TYPE_CHECKING:
    from app.services.container import Services


@dataclass(frozen=True, slots=True)
class HotParts:
    """What every layer in front of the routes stands on.

    Attributes:
        services: The use cases.
        settings: The HTTP layer's settings.
        report: Told of every answer.
        drain: Whether the process is on its way out.
        places: Shared with `Admission`: one of them is held while a request is in the works.
    """

    services: Services
    settings: ApiSettings
    report: Report
    drain: Drain
    places: Places


class HotPost(ABC):
    """Answers plain calls to one route, passes on everything else untouched.

    Args:
        app: What stands behind it.
        parts: What it stands on.
    """

    path: ClassVar[str]
    key_scope: ClassVar[str]
    priority: ClassVar[Priority]
    status: ClassVar[int]

    def __init__(self, app: ASGIApp, *, parts: HotParts) -> None:
        self._app, self._parts, self._services = app, parts, parts.services
        self._raw_path = self.path.encode()

    @abstractmethod
    async def answer(self, raw: bytes) -> bytes | None:
        """The body of the answer; None where the route must give it. What this raises, the route raises."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass on."""
        if scope["type"] == "http" and scope["method"] == "POST" and scope.get("raw_path") == self._raw_path:
            rest = await self._answered(scope, receive, send)
            if rest is None:
                return
            receive = rest
        await self._app(scope, receive, send)

    async def _answered(self, scope: Scope, receive: Receive, send: Send) -> Receive | None:
        """Answer; or give what the route reads the body from."""
        started = time.monotonic()
        parts = self._parts
        head = plain_head(scope["headers"], with_body=True)
        if head is None or scope["query_string"] or parts.drain.started:
            return receive
        if head.length > parts.settings.max_body_bytes or not self._may(head, scope):
            return receive
        if not parts.places.enter(self.priority):
            return receive
        request_id = begin_request(scope, head.request_id)
        try:
            with (
                parts.report.metrics.in_flight.track_inprogress(),
                structlog.contextvars.bound_contextvars(request_id=request_id),
            ):
                raw, rest = await self._read(receive)
                body = None if raw is None else await self._attempt(raw, scope)
                if body is None:
                    return rest
                await self._send(send, body, request_id, started)
        finally:
            parts.places.leave()
        return None

    async def _attempt(self, raw: bytes, scope: Scope) -> bytes | None:
        try:
            return await self.answer(raw)
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001  # the route raises it
            scope[FAILED] = error
            return None

    def _may(self, head: Head, scope: Scope) -> bool:
        """Whether the key is good, and the request counted against it."""
        key = plain_caller(self._services.keys, head.token, self.key_scope)
        if key is None:
            return False
        try:
            counted = self._services.quotas.spend_at_hand(key, address_of(scope))
        except RateLimitedError:
            return False  # and again by the route, which counts it and has the words
        scope[COUNTED] = counted
        return counted

    async def _read(self, receive: Receive) -> tuple[bytes | None, Receive]:
        try:
            async with asyncio.timeout(self._parts.settings.body_timeout_s):
                return await read_whole(receive)
        except TimeoutError:
            return None, late

    async def _send(self, send: Send, body: bytes, request_id: str, started: float) -> None:
        report = self._parts.report
        try:
            closing = self._parts.drain.started
            await send_plain(send, status=self.status, body=body, request_id=request_id, closing=closing)
        finally:
            took_s = time.monotonic() - started
            report.answered(
                method="POST", route=self.path, status=self.status, took_s=took_s, request_id=request_id
            )
