"""The commonest answer, a kept list to a server's plain call, given in front of the routes.

Routing, parameters and dependencies cost many times what finding the list does. So what is plain beyond doubt
is answered here, with the same authentication, figures, log line, headers and bytes; all else, and every list
that is not kept, goes to the route, which stays the reference ([ADR 0011](../../docs/adr/0011-hot-path.md)).
"""

from __future__ import annotations

import re
import time
from functools import lru_cache
from typing import TYPE_CHECKING

from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.auth import COUNTED, address_of
from app.api.context import REQUEST_ID_HEADER, begin_request
from app.api.drain import Drain
from app.api.reporting import Report, raw_security_headers
from app.domain.errors import InvalidInputError, RateLimitedError
from app.domain.types import KeyKind

if TYPE_CHECKING:
    from app.services.container import Services

ROUTE = "/v1/users/{user_id}/recommendations"
SCOPE = "recommend"
# Ids that read the same before and after decoding; the route knows what to do with others.
_PATH = re.compile(rb"/v1/users/([A-Za-z0-9._~@:-]{1,128})/recommendations")
_SCENARIO = re.compile(rb"[a-z0-9_-]{1,64}")
_PLACES = re.compile(rb"[1-9][0-9]?|100")
_JSON = (b"content-type", b"application/json")
# What the rules for other origins add to every answer that a browser may see.
_VARY = (b"vary", b"Origin")
_BEARER = b"Bearer "
_REQUEST_ID = REQUEST_ID_HEADER.lower().encode()
# Whoever sends one of these wants more of the answer than a plain call does.
_NOT_PLAIN = frozenset(
    {b"origin", b"x-user-token", b"content-length", b"content-encoding", b"transfer-encoding", b"expect"}
)


class HotPath:
    """Outermost: answers what is plain and kept, passes on everything else untouched."""

    def __init__(self, app: ASGIApp, *, services: Services, report: Report, drain: Drain) -> None:
        self._app, self._services, self._report, self._drain = app, services, report, drain

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass on."""
        started = time.monotonic()
        if scope["type"] == "http" and scope["method"] == "GET" and not self._drain.started:
            path = _PATH.fullmatch(scope.get("raw_path") or b"")
            if path is not None and await self._answered(scope, send, path[1], started):
                return
        await self._app(scope, receive, send)

    async def _answered(self, scope: Scope, send: Send, user_id: bytes, started: float) -> bool:
        """Answer, where the call is plain and its list kept."""
        query, headers = _plain_query(scope["query_string"]), _plain_headers(scope["headers"])
        if query is None or headers is None or not self._may(headers[0], scope):
            return False
        try:
            body = await self._services.recommend.kept(user_id.decode("ascii"), scenario=query[0], n=query[1])
        except InvalidInputError:
            return False  # which the route will say in full
        if body is None:
            return False
        request_id = begin_request(scope, headers[1])
        try:
            await _send(send, body, request_id)
        finally:
            took_s = time.monotonic() - started
            self._report.answered(method="GET", route=ROUTE, status=200, took_s=took_s, request_id=request_id)
        return True

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
