"""What every request passes through, from the outside in. Plain ASGI: nothing here buffers an answer."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from urllib.parse import unquote_to_bytes

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.context import REQUEST_ID_HEADER, begin_request, request_id_of
from app.api.drain import Drain
from app.api.problems import internal_problem, problem
from app.api.reporting import SECURITY_HEADERS, UNMATCHED, Report, named_method
from app.api.values import SLASH_IN_PATH
from app.domain.errors import (
    RecserveError,
    TooLargeError,
    UnavailableError,
    UnreadableInputError,
    UnsupportedMediaError,
)
from app.telemetry import failure

_log = structlog.get_logger(__name__)
# After these the rest of the body is still on its way: the connection cannot be used again.
_BODY_LEFT_BEHIND = frozenset({408, 413, 415})
_SLASH_IN_PATH = SLASH_IN_PATH.encode()


class Observe:
    """Outermost: request id, one log line and the figures a request, security headers, the 500 of a bug."""

    def __init__(self, app: ASGIApp, *, report: Report, drain: Drain) -> None:
        self._app, self._report, self._drain = app, report, drain
        self._metrics = report.metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, and say how it went."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = begin_request(scope, Headers(scope=scope).get(REQUEST_ID_HEADER))
        started, status = time.monotonic(), 0

        async def sender(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                self._dress(MutableHeaders(scope=message), request_id, status)
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                with self._metrics.in_flight.track_inprogress():
                    await self._app(scope, receive, sender)
            except asyncio.CancelledError:
                if status or not self._drain.started:
                    raise
                _log.warning("http.request.cut", route=_route_of(scope))
                stopping = UnavailableError("The service is stopping.")
                await problem(stopping, request_id=request_id)(scope, receive, sender)
            except Exception as error:  # noqa: BLE001  # the last line of defence: logged, counted, answered as 500
                self._metrics.crashes.labels(_route_of(scope)).inc()
                _log.error("http.request.crashed", route=_route_of(scope), **failure(error))
                if status:
                    # the head is out: only a cut connection can still say that the answer is not whole
                    raise ConnectionAbortedError from None
                await internal_problem(request_id=request_id)(scope, receive, sender)
            finally:
                self._report.answered(
                    method=named_method(scope),
                    route=_route_of(scope),
                    status=status,
                    took_s=time.monotonic() - started,
                    request_id=request_id,
                )

    def _dress(self, headers: MutableHeaders, request_id: str, status: int) -> None:
        headers[REQUEST_ID_HEADER] = request_id
        for name, value in SECURITY_HEADERS.items():
            headers.setdefault(name, value)
        if self._drain.started or status in _BODY_LEFT_BEHIND:
            headers["Connection"] = "close"


class StrictPath:
    """Decodes the path as strict UTF-8, and keeps an encoded slash from parting it.

    Servers decode paths leniently: `%ff` becomes a replacement character, `%2F` a separator. An item whose id
    holds a slash would have no address, and two ids could share one.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Decode, then pass on."""
        raw: bytes | None = scope.get("raw_path")
        if scope["type"] == "http" and raw is not None and b"%" in raw:
            try:
                scope["path"] = self._decode(raw)
            except UnreadableInputError as error:
                await problem(error, request_id=request_id_of(scope))(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _decode(self, raw: bytes) -> str:
        try:
            if SLASH_IN_PATH in unquote_to_bytes(raw).decode():
                raise UnreadableInputError("The path holds a noncharacter.")
        except UnicodeDecodeError:
            raise UnreadableInputError("The path is not UTF-8.") from None
        return unquote_to_bytes(re.sub(b"%2[Ff]", _SLASH_IN_PATH, raw)).decode()


class BodyLimit:
    """Counts the body's bytes as they arrive; refuses too many, and any compression of them."""

    def __init__(self, app: ASGIApp, *, max_bytes: int) -> None:
        self._app, self._max_bytes = app, max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, or pass on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        error = self._refusal(Headers(scope=scope))
        if error is not None:
            await problem(error, request_id=request_id_of(scope))(scope, receive, send)
            return
        taken = 0

        async def counting() -> Message:
            nonlocal taken
            message = await receive()
            if message["type"] == "http.request":
                taken += len(message.get("body", b""))
                if taken > self._max_bytes:
                    raise self._too_large()
            return message

        await self._app(scope, counting, send)

    def _refusal(self, headers: Headers) -> RecserveError | None:
        if headers.get("content-encoding", "identity").strip().lower() not in {"", "identity"}:
            return UnsupportedMediaError("Send the body as it is, without Content-Encoding.")
        length = headers.get("content-length", "0")
        # more digits than any real length has would only cost time to convert
        if length.isdecimal() and int(length[:20]) > self._max_bytes:
            return self._too_large()
        return None

    def _too_large(self) -> TooLargeError:
        return TooLargeError(f"The body is larger than {self._max_bytes} bytes; nothing was stored.")


class PublicCors:
    """CORS for what a `pub` key may call, and for nothing else: other paths never see the middleware."""

    def __init__(self, app: ASGIApp, *, origins: tuple[str, ...], is_public: Callable[[str], bool]) -> None:
        self._app, self._is_public = app, is_public
        self._cors = CORSMiddleware(
            app,
            allow_origins=origins,
            allow_methods=("GET", "POST"),
            allow_headers=("Authorization", "Content-Type", "X-User-Token", REQUEST_ID_HEADER),
            expose_headers=(REQUEST_ID_HEADER, "Retry-After"),
            max_age=600,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Through the CORS rules, or past them."""
        public = scope["type"] == "http" and self._is_public(scope["path"])
        await (self._cors if public else self._app)(scope, receive, send)


class HeadAsGet:
    """`HEAD` wherever `GET` is: the same work and headers; the server leaves the body out.

    A stream has no end to wait for, so it goes without.
    """

    def __init__(self, app: ASGIApp, *, is_stream: Callable[[str], bool]) -> None:
        self._app, self._is_stream = app, is_stream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, as `GET` where it was `HEAD`."""
        if scope["type"] != "http" or scope["method"] != "HEAD" or self._is_stream(scope["path"]):
            await self._app(scope, receive, send)
            return
        asked = dict(scope, method="GET")
        try:
            await self._app(asked, receive, send)
        finally:
            # for the figures and the log line, which are of the outer scope
            scope["route"] = asked.get("route")


def _route_of(scope: Scope) -> str:
    return getattr(scope.get("route"), "path", UNMATCHED)
