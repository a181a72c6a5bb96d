"""The commonest answer, a kept list to a server's plain call, given in front of the routes.

Routing, parameters and dependencies cost many times what finding the list does. So what is plain beyond doubt
is answered here, with the same authentication, figures, log line, headers and bytes; all else, and every list
that is not kept, goes to the route, which stays the reference ([ADR 0011](../../docs/adr/0011-hot-path.md)).

`HotPath` answers on the wire, before there is an ASGI scope; `HotLayer` whatever comes to the application.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.auth import COUNTED, address_of
from app.api.context import LOOK, REQUEST_ID_HEADER, begin_request
from app.api.drain import Drain
from app.api.reporting import Report, raw_security_headers
from app.domain.errors import InvalidInputError, RateLimitedError
from app.domain.ids import new_request_id, new_ulid
from app.domain.types import ApiKey, KeyKind

if TYPE_CHECKING:
    from app.api.wire import WireProtocol
    from app.services.container import Services
    from app.services.recommend import Look

ROUTE = "/v1/users/{user_id}/recommendations"
SCOPE = "recommend"
MOST_HEADS = 1024
# Ids that read the same before and after decoding; the route knows what to do with others.
_PATH = re.compile(rb"/v1/users/([A-Za-z0-9._~@:-]{1,128})/recommendations")
_FIRST_LINE = re.compile(rb"GET " + _PATH.pattern)
_SCENARIO = re.compile(rb"[a-z0-9_-]{1,64}")
_PLACES = re.compile(rb"[1-9][0-9]?|100")
_JSON = (b"content-type", b"application/json")
# What the rules for other origins add to every answer that a browser may see.
_VARY = (b"vary", b"Origin")
_BEARER = b"Bearer "
_REQUEST_ID = REQUEST_ID_HEADER.lower().encode()
# An answer on the wire is: status and what the server adds, the length, this, the request's id, and the rest.
_MIDDLE = b"\r\n%b: %b\r\n%b: %b\r\n%b: " % (*_JSON, *_VARY, _REQUEST_ID)
_LAST = b"\r\n%b\r\n" % b"".join(b"%b: %b\r\n" % header for header in raw_security_headers())
_REQUEST_ID_LINE = re.compile(rb"(?i)\r\nx-request-id: ([A-Za-z0-9._-]{1,128})(?=\r\n)")
# Whoever sends one of these wants more of the answer than a plain call does.
_NOT_PLAIN = frozenset(
    {b"origin", b"x-user-token", b"content-length", b"content-encoding", b"transfer-encoding", b"expect"}
)
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


class HotPath:
    """Answers plain calls for kept lists.

    On the wire it reads nothing itself: a head is taken only if it is, but for the user's id and the
    request's, byte for byte one that the parser has read and this has found plain.

    Args:
        services: Use cases.
        report: Is told of every answer.
        drain: Once thrown, the route says that the connection ends.
    """

    start = b"GET /v1/users/"

    def __init__(self, *, services: Services, report: Report, drain: Drain) -> None:
        self._recommend, self._keys, self._quotas = services.recommend, services.keys, services.quotas
        self._drain, self._answered = drain, report.on("GET", ROUTE, 200)
        self._report = report
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
        if plain is None or _REQUEST_ID in rest.lower() or self._caller(plain) is None:
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
            self._done(connection, made, started, look, counted=counted)

        return self.look_for(plain, line[1].decode("ascii"), client[0] if client else "", done)

    def _done(
        self, connection: WireProtocol, request_id: str, started: float, look: Look, *, counted: bool
    ) -> None:
        body = None if connection.leaving else self.kept(look, counted=counted)
        if body is None:
            if not connection.pass_on({LOOK: look, COUNTED: counted}):
                # Nobody is there to be answered.
                self._report.on("GET", ROUTE, 0)(time.monotonic() - started, request_id)
            return
        headers = connection.server_state.default_headers
        if headers is not self._head_of:
            self._head_of, self._head = headers, _first_part(headers)
        try:
            connection.answer(
                b"%b%d%b%b%b%b" % (self._head, len(body), _MIDDLE, request_id.encode("ascii"), _LAST, body)
            )
        finally:
            self._answered(time.monotonic() - started, request_id)

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
        """The answer's body, told as given; None: the route makes it."""
        if not counted or self._drain.started:
            return None
        return self._recommend.kept(look, new_ulid())

    def _spent(self, key: ApiKey, address: str) -> bool:
        try:
            return self._quotas.spend_at_hand(key, address)
        except RateLimitedError:
            return False

    def _caller(self, plain: _Plain) -> ApiKey | None:
        """The key, if it is good for this."""
        key = self._keys.recognise(plain.token)
        return None if key is None or key.kind is KeyKind.PUB or SCOPE not in key.scopes else key


class HotLayer:
    """The application's outermost layer: answers what is plain and kept, passes on all else untouched."""

    def __init__(self, app: ASGIApp, *, hot: HotPath, report: Report, drain: Drain) -> None:
        self._app, self._hot, self._report, self._drain = app, hot, report, drain

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
        body = self._hot.kept(look, counted=counted)
        if body is None:
            return False
        request_id = begin_request(scope, plain.request_id)
        try:
            await _send(send, body, request_id)
        finally:
            took_s = time.monotonic() - started
            self._report.answered(method="GET", route=ROUTE, status=200, took_s=took_s, request_id=request_id)
        return True


async def _send(send: Send, body: bytes, request_id: str) -> None:
    headers = [
        (b"content-length", b"%d" % len(body)),
        _JSON,
        _VARY,
        (_REQUEST_ID, request_id.encode()),
        *raw_security_headers(),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _first_part(added: list[tuple[bytes, bytes]]) -> bytes:
    lines = b"".join(b"%b: %b\r\n" % header for header in added)
    return b"HTTP/1.1 200 OK\r\n%bcontent-length: " % lines


def _plain(scope: Mapping[str, Any]) -> _Plain | None:
    query, headers = _plain_query(scope["query_string"]), _plain_headers(scope["headers"])
    return None if query is None or headers is None else _Plain(headers[0], *query, headers[1])


@lru_cache(maxsize=1024)
def _plain_query(query: bytes) -> tuple[str, int] | None:
    """Scenario and places."""
    given: dict[bytes, bytes] = {b"scenario": b"home", b"n": b"10"}
    pairs = [part.partition(b"=") for part in query.split(b"&")] if query else []
    names = [name for name, _, _ in pairs]
    if len(set(names)) < len(names) or not given.keys() >= set(names):
        return None
    given |= {name: value for name, _, value in pairs}
    if _SCENARIO.fullmatch(given[b"scenario"]) is None or _PLACES.fullmatch(given[b"n"]) is None:
        return None
    return given[b"scenario"].decode(), int(given[b"n"])


def _plain_headers(headers: list[tuple[bytes, bytes]]) -> tuple[str, str | None] | None:
    """The key's text and the caller's request id."""
    token: bytes | None = None
    request_id: bytes | None = None
    for name, value in headers:
        if name == b"authorization":
            if token is not None or not value.startswith(_BEARER):
                return None
            token = value[len(_BEARER) :]
        elif name == _REQUEST_ID:
            if request_id is not None:
                return None
            request_id = value
        elif name in _NOT_PLAIN:
            return None
    if token is None or not token.isascii():
        return None
    return token.decode("ascii"), None if request_id is None else request_id.decode("latin-1")
