"""Events from a shop's server, plain beyond doubt, taken in front of the routes.

Routing, dependencies and middleware cost more than taking an event does. So a plain body is read, stored and
answered here, with the same authentication, limits, figures, log line, headers and bytes. All else goes on to
the route, which stays the reference: other callers, unusual or wrong bodies, and whatever the store refused,
which the route then raises in its own place ([ADR 0013](../../docs/adr/0013-hot-events.md)).
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, NoReturn

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.admission import Places, Priority
from app.api.auth import COUNTED, address_of
from app.api.context import REQUEST_ID_HEADER, begin_request
from app.api.drain import Drain
from app.api.plain_events import PlainEvent, read_plain_batch
from app.api.reporting import Report, raw_security_headers
from app.api.settings import ApiSettings
from app.api.taking import FAILED, answer_of, results_of
from app.domain.errors import RateLimitedError
from app.domain.types import KeyKind

if TYPE_CHECKING:
    from app.services.container import Services

PATH = "/v1/events"
SCOPE = "events:write"
_RAW_PATH = PATH.encode()
_BEARER = b"Bearer "
_AUTHORIZATION, _LENGTH, _TYPE = b"authorization", b"content-length", b"content-type"
_REQUEST_ID = REQUEST_ID_HEADER.lower().encode()
_WANTED = frozenset({_AUTHORIZATION, _LENGTH, _TYPE, _REQUEST_ID})
# Whoever sends one of these wants more than a plain call does.
_NOT_PLAIN = frozenset({b"origin", b"x-user-token", b"content-encoding", b"transfer-encoding", b"expect"})
_JSON = frozenset(
    {b"application/json", b"application/json; charset=utf-8", b"application/json;charset=utf-8"}
)
_ANSWER_TYPE = (b"content-type", b"application/json")
# What the rules for other origins add to every answer that a browser may see.
_VARY = (b"vary", b"Origin")
_CLOSE = (b"connection", b"close")
_MOST_DIGITS = 9


@dataclass(frozen=True, slots=True)
class _Head:
    token: str
    request_id: str | None
    length: int


class HotEvents:
    """Takes plain events, passes on everything else untouched.

    Args:
        app: What stands behind it.
        services: The use cases.
        settings: The HTTP layer's settings.
        report: Told of every answer.
        drain: Whether the process is on its way out.
        places: Shared with `Admission`: one of them is held while a request is in the works.
        now: The clock that dates events.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        services: Services,
        settings: ApiSettings,
        report: Report,
        drain: Drain,
        places: Places,
        now: Callable[[], datetime],
    ) -> None:
        self._app, self._services, self._settings = app, services, settings
        self._report, self._drain, self._places, self._now = report, drain, places, now

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take, or pass on."""
        if scope["type"] == "http" and scope["method"] == "POST" and scope.get("raw_path") == _RAW_PATH:
            rest = await self._taken(scope, receive, send)
            if rest is None:
                return
            receive = rest
        await self._app(scope, receive, send)

    async def _taken(self, scope: Scope, receive: Receive, send: Send) -> Receive | None:
        """Answer; or give what the route reads the body from."""
        started = time.monotonic()
        head = _plain_head(scope["headers"])
        if head is None or scope["query_string"] or self._drain.started:
            return receive
        if head.length > self._settings.max_body_bytes or not self._may(head.token, scope):
            return receive
        if not self._places.enter(Priority.EVENTS):
            return receive
        try:
            with self._report.metrics.in_flight.track_inprogress():
                events, rest = await self._read(receive)
                answer = None if events is None else await self._stored(events, scope)
                if answer is None:
                    return rest
                await self._send(send, answer, begin_request(scope, head.request_id), started)
        finally:
            self._places.leave()
        return None

    def _may(self, token: str, scope: Scope) -> bool:
        """Whether the key is good, and the request counted against it."""
        key = self._services.keys.recognise(token)
        if key is None or key.kind is KeyKind.PUB or SCOPE not in key.scopes:
            return False
        try:
            counted = self._services.quotas.spend_at_hand(key, address_of(scope))
        except RateLimitedError:
            return False  # and again by the route, in its words
        scope[COUNTED] = counted
        return counted

    async def _read(self, receive: Receive) -> tuple[list[PlainEvent] | None, Receive]:
        """The body's events, None where it is not plain, and what gives the same body again."""
        messages: deque[Message] = deque()
        try:
            async with asyncio.timeout(self._settings.body_timeout_s):
                more = True
                while more:
                    message = await receive()
                    messages.append(message)
                    more = message["type"] == "http.request" and message.get("more_body", False)
        except TimeoutError:
            return None, _late
        parts = [message["body"] for message in messages if message["type"] == "http.request"]
        whole = len(parts) == len(messages)

        async def again() -> Message:
            return messages.popleft() if messages else await receive()

        return read_plain_batch(b"".join(parts)) if whole else None, again

    async def _stored(self, events: Sequence[PlainEvent], scope: Scope) -> bytes | None:
        """The answer, once they are committed; None where they could not be."""
        now, metrics = self._now(), self._report.metrics
        try:
            appended = await self._services.ingest.append([event.to_event(now) for event in events])
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001  # the route raises it
            scope[FAILED] = error
            return None
        early = sum(event.is_early(now) for event in events)
        if early:
            metrics.events_clamped.inc(early)
        results = results_of({place: event.event_id for place, event in enumerate(events)}, appended)
        return answer_of(list(results.values()), metrics)

    async def _send(self, send: Send, body: bytes, request_id: str, started: float) -> None:
        headers = [
            (b"content-length", b"%d" % len(body)),
            _ANSWER_TYPE,
            _VARY,
            (_REQUEST_ID, request_id.encode()),
            *raw_security_headers(),
        ]
        if self._drain.started:
            headers.append(_CLOSE)
        try:
            await send({"type": "http.response.start", "status": 202, "headers": headers})
            await send({"type": "http.response.body", "body": body})
        finally:
            took_s = time.monotonic() - started
            self._report.answered(method="POST", route=PATH, status=202, took_s=took_s, request_id=request_id)


async def _late() -> NoReturn:
    """The body of a request that took all its time to send it."""
    raise TimeoutError


def _plain_head(headers: Sequence[tuple[bytes, bytes]]) -> _Head | None:
    found: dict[bytes, bytes] = {}
    for name, value in headers:
        if name in _WANTED:
            if name in found:
                return None
            found[name] = value
        elif name in _NOT_PLAIN:
            return None
    token, length = found.get(_AUTHORIZATION, b""), found.get(_LENGTH, b"")
    if not token.startswith(_BEARER) or not token.isascii() or found.get(_TYPE) not in _JSON:
        return None
    if not length.isdigit() or len(length) > _MOST_DIGITS:
        return None
    request_id = found.get(_REQUEST_ID)
    given = None if request_id is None else request_id.decode("latin-1")
    return _Head(token[len(_BEARER) :].decode("ascii"), given, int(length))
