"""The commonest answer, a person's list to a server's plain call, given in front of the routes.

Routing, parameters and dependencies cost many times what finding the list does, and more than making it. So
what is plain beyond doubt is answered here, with the same authentication, figures, log line, headers and
bytes, kept or not; all else goes to the route, which stays the reference
([ADR 0011](../../docs/adr/0011-hot-path.md), [ADR 0019](../../docs/adr/0019-live-lists.md)).

`HotPath` answers on the wire, before there is an ASGI scope; `HotLayer` whatever comes to the application.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import structlog
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.admission import Priority
from app.api.auth import COUNTED, address_of
from app.api.context import LOOK, begin_request
from app.api.hot_posts import HotParts
from app.api.plain_calls import JSON, REQUEST_ID, VARY, plain_caller, plain_head, send_plain
from app.api.reporting import raw_security_headers
from app.domain.errors import InvalidInputError, RateLimitedError
from app.domain.ids import new_request_id, new_ulid
from app.domain.recommendations import SCENARIOS_OWN, RecommendationRequest
from app.domain.types import ApiKey, Subject

if TYPE_CHECKING:
    from app.api.wire import WireProtocol
    from app.services.recommend import Look

ROUTE = "/v1/users/{user_id}/recommendations"
SCOPE = "recommend"
MOST_HEADS = 1024
# Ids that read the same before and after decoding; the route knows what to do with others.
_PATH = re.compile(rb"/v1/users/([A-Za-z0-9._~@:-]{1,128})/recommendations")
_FIRST_LINE = re.compile(rb"GET " + _PATH.pattern)
_SCENARIO = re.compile(rb"[a-z0-9_-]{1,64}")
_PLACES = re.compile(rb"[1-9][0-9]?|100")
# An answer on the wire is: status and what the server adds, the length, this, the request's id, and the rest.
_MIDDLE = b"\r\n%b: %b\r\n%b: %b\r\n%b: " % (*JSON, *VARY, REQUEST_ID)
_LAST = b"\r\n%b\r\n" % b"".join(b"%b: %b\r\n" % header for header in raw_security_headers())
_REQUEST_ID_LINE = re.compile(rb"(?i)\r\nx-request-id: ([A-Za-z0-9._-]{1,128})(?=\r\n)")
# These change what becomes of the connection.
_OF_CONNECTION = frozenset({b"connection", b"keep-alive", b"upgrade", b"proxy-connection"})


class Done(Protocol):
    """Gets what a look gave, and whether the call was counted against its key."""

    def __call__(self, look: Look, *, counted: bool) -> None:
        """Called once."""


class _Plain(NamedTuple):
    """A plain call, but for whose list it asks."""

    token: str
    scenario: str
    n: int
    request_id: str | None = None


class _Call(NamedTuple):
    """A plain call on the wire that has looked for its list."""

    connection: WireProtocol
    plain: _Plain
    request_id: str
    started: float
    look: Look
    counted: bool


class HotPath:
    """Answers plain calls for a person's list.

    On the wire it reads nothing itself: a head is taken only if it is, but for the user's id and the
    request's, byte for byte one that the parser has read and this has found plain.

    Once the drain is thrown everything goes to the route, which says that the connection ends.

    Args:
        parts: What it stands on.
    """

    start = b"GET /v1/users/"

    def __init__(self, *, parts: HotParts) -> None:
        services = parts.services
        self._recommend, self._keys, self._quotas = services.recommend, services.keys, services.quotas
        self._drain, self._places, self._report = parts.drain, parts.places, parts.report
        self._answered = parts.report.on("GET", ROUTE, 200)
        self._making: set[asyncio.Task[None]] = set()
        # What follows the path in a head, to the end of it. It holds a key, so only good ones come in.
        self._heads: dict[bytes, _Plain] = {}
        self._head_of: list[tuple[bytes, bytes]] | None = None
        self._head = b""

    def learn(self, data: bytes, scope: Mapping[str, Any]) -> None:
        """Remember a plain head."""
        line = _FIRST_LINE.match(data)
        if line is None or scope["http_version"] != "1.1" or scope["raw_path"] != line[0][4:]:
            return
        rest = _REQUEST_ID_LINE.sub(b"", data[line.end() :], count=1)
        plain = _plain(scope)
        if plain is None or REQUEST_ID in rest.lower() or self._caller(plain) is None:
            return
        if any(name in _OF_CONNECTION and value != b"keep-alive" for name, value in scope["headers"]):
            return
        if len(self._heads) >= MOST_HEADS:
            self._heads.clear()
        self._heads[rest] = plain._replace(request_id=None)

    def take(self, data: bytes, connection: WireProtocol) -> bool:
        """Answer a head that is known to be plain, once it is known whether the list is kept."""
        started = time.monotonic()
        line = _FIRST_LINE.match(data)
        if line is None or self._drain.started:
            return False
        rest = data[line.end() :]
        plain, request_id = self._heads.get(rest), None
        if plain is None:
            given = _REQUEST_ID_LINE.search(rest)
            if given is None:
                return False
            plain, request_id = self._heads.get(rest[: given.start()] + rest[given.end() :]), given[1]
            if plain is None:
                return False
        client = connection.client

        def done(look: Look, *, counted: bool) -> None:
            made = new_request_id() if request_id is None else request_id.decode("ascii")
            call = _Call(connection, plain, made, started, look, counted)
            body = None if connection.leaving else self.kept(look, counted=counted)
            if body is not None:
                self._send(call, body)
            elif connection.leaving or not counted:
                self._pass_on(call)
            else:
                task = asyncio.get_running_loop().create_task(self._make(call), name="hot_path.make")
                self._making.add(task)
                task.add_done_callback(self._making.discard)

        return self.look_for(plain, line[1].decode("ascii"), client[0] if client else "", done)

    async def _make(self, call: _Call) -> None:
        body = await self.made(call.plain, call.look, call.request_id)
        if body is None or call.connection.leaving:
            self._pass_on(call)
        else:
            self._send(call, body)

    def _send(self, call: _Call, body: bytes) -> None:
        connection, request_id = call.connection, call.request_id
        headers = connection.server_state.default_headers
        if headers is not self._head_of:
            self._head_of, self._head = headers, _first_part(headers)
        try:
            connection.answer(
                b"%b%d%b%b%b%b" % (self._head, len(body), _MIDDLE, request_id.encode("ascii"), _LAST, body)
            )
        finally:
            self._answered(time.monotonic() - call.started, request_id)

    def _pass_on(self, call: _Call) -> None:
        if not call.connection.pass_on({LOOK: call.look, COUNTED: call.counted}):
            # Nobody is there to be answered.
            self._report.on("GET", ROUTE, 0)(time.monotonic() - call.started, call.request_id)

    # --- For the wire and the application ---

    def look_for(self, plain: _Plain, user_id: str, address: str, done: Done) -> bool:
        """Look for the list if the caller may have it; `done` gets the look and whether the call was counted.

        Returns:
            False, and `done` is not called, where the route must say what is wrong.
        """
        key = self._caller(plain)
        if key is None:
            return False
        try:
            counted = self._quotas.spend_at_hand(key, address)
            if counted:
                self._recommend.look(
                    user_id, scenario=plain.scenario, n=plain.n, done=lambda look: done(look, counted=True)
                )
                return True
            # Asked of Redis beside the list, not before it: where it does not answer, one wait is enough.
            self._quotas.ask_for_more(key, address)

            def looked(look: Look) -> None:
                done(look, counted=self._spent(key, address))

            self._recommend.look(user_id, scenario=plain.scenario, n=plain.n, done=looked)
        except (InvalidInputError, RateLimitedError):
            return False  # and again by the route, in its words
        return True

    def kept(self, look: Look, *, counted: bool) -> bytes | None:
        """The answer's body out of the cache, told as given; None: it has to be made."""
        if not counted or self._drain.started:
            return None
        return self._recommend.kept(look, new_ulid())

    async def made(self, plain: _Plain, look: Look, request_id: str) -> bytes | None:
        """The body of an answer that is made now, told as given; None: the route has to answer."""
        if self._drain.started or not self._places.enter(Priority.RECOMMEND):
            return None
        request = RecommendationRequest(plain.scenario, Subject(user_id=look.user_id), n=plain.n)
        try:
            with (
                self._report.metrics.in_flight.track_inprogress(),
                structlog.contextvars.bound_contextvars(request_id=request_id),
            ):
                body = await self._recommend.body(request, look=look)
        except Exception:  # noqa: BLE001  # the route meets it again, and says so in its own place
            return None
        finally:
            self._places.leave()
        return None if self._drain.started else body

    def _spent(self, key: ApiKey, address: str) -> bool:
        try:
            return self._quotas.spend_at_hand(key, address)
        except RateLimitedError:
            return False

    def _caller(self, plain: _Plain) -> ApiKey | None:
        """The key, if it is good for this."""
        return plain_caller(self._keys, plain.token, SCOPE)


class HotLayer:
    """The application's outermost layer: answers what is plain, passes on all else untouched."""

    def __init__(self, app: ASGIApp, *, hot: HotPath, parts: HotParts) -> None:
        self._app, self._hot, self._report, self._drain = app, hot, parts.report, parts.drain

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass on."""
        started = time.monotonic()
        if scope["type"] == "http" and scope["method"] == "GET" and LOOK not in scope:
            path = _PATH.fullmatch(scope.get("raw_path") or b"")
            if path is not None and not self._drain.started:
                plain = _plain(scope)
                if plain is not None and await self._answered(scope, send, plain, path[1], started):
                    return
        await self._app(scope, receive, send)

    async def _answered(
        self, scope: Scope, send: Send, plain: _Plain, user_id: bytes, started: float
    ) -> bool:
        future: asyncio.Future[tuple[Look, bool]] = asyncio.get_running_loop().create_future()

        def done(look: Look, *, counted: bool) -> None:
            if not future.done():
                future.set_result((look, counted))

        if not self._hot.look_for(plain, user_id.decode("ascii"), address_of(scope), done):
            return False
        look, counted = await future
        scope[LOOK], scope[COUNTED] = look, counted
        request_id = begin_request(scope, plain.request_id)
        body = self._hot.kept(look, counted=counted)
        if body is None and counted:
            body = await self._hot.made(plain, look, request_id)
        if body is None:
            return False
        try:
            await send_plain(send, status=200, body=body, request_id=request_id)
        finally:
            took_s = time.monotonic() - started
            self._report.answered(method="GET", route=ROUTE, status=200, took_s=took_s, request_id=request_id)
        return True


def _first_part(added: list[tuple[bytes, bytes]]) -> bytes:
    lines = b"".join(b"%b: %b\r\n" % header for header in added)
    return b"HTTP/1.1 200 OK\r\n%bcontent-length: " % lines


def _plain(scope: Mapping[str, Any]) -> _Plain | None:
    query, head = _plain_query(scope["query_string"]), plain_head(scope["headers"], with_body=False)
    return None if query is None or head is None else _Plain(head.token, *query, head.request_id)


@lru_cache(maxsize=1024)
def _plain_query(query: bytes) -> tuple[str, int] | None:
    """Scenario and places, `SCENARIOS_OWN` where they are not said."""
    given: dict[bytes, bytes] = {b"scenario": b"home"}
    pairs = [part.partition(b"=") for part in query.split(b"&")] if query else []
    names = [name for name, _, _ in pairs]
    if len(set(names)) < len(names) or not set(names) <= {b"scenario", b"n"}:
        return None
    given |= {name: value for name, _, value in pairs}
    if _SCENARIO.fullmatch(given[b"scenario"]) is None or _PLACES.fullmatch(given.get(b"n", b"1")) is None:
        return None
    return given[b"scenario"].decode(), int(given.get(b"n", SCENARIOS_OWN))
