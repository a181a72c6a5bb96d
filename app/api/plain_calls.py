"""What makes a call plain enough to be answered in front of the routes, and what its answer carries.

The routes stay the reference; whatever is not plain beyond doubt goes on to them, untouched.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from starlette.types import Message, Receive, Send

from app.api.context import REQUEST_ID_HEADER
from app.api.reporting import raw_security_headers
from app.domain.types import ApiKey, KeyKind

if TYPE_CHECKING:
    from app.services.keys import Keys

FAILED = "recserve.failed"
"""In the scope of a request that was read and tried in front of its route, but not done: why."""
JSON = (b"content-type", b"application/json")
# What the rules for other origins add to every answer that a browser may see.
VARY = (b"vary", b"Origin")
REQUEST_ID = REQUEST_ID_HEADER.lower().encode()
# Whoever sends one of these wants more of the answer than a plain call does.
NOT_PLAIN = frozenset({b"origin", b"x-user-token", b"content-encoding", b"transfer-encoding", b"expect"})
_CLOSE = (b"connection", b"close")
_BEARER = b"Bearer "
_AUTHORIZATION, _LENGTH, _TYPE = b"authorization", b"content-length", b"content-type"
_WANTED = frozenset({_AUTHORIZATION, _LENGTH, _TYPE, REQUEST_ID})
_JSON_TYPES = frozenset(
    {b"application/json", b"application/json; charset=utf-8", b"application/json;charset=utf-8"}
)
_MOST_DIGITS = 9


@dataclass(frozen=True, slots=True)
class Head:
    """A plain call's head.

    Attributes:
        token: The key's text.
        request_id: As the caller gives it.
        length: Of the body, in bytes; 0 where none is sent.
    """

    token: str
    request_id: str | None
    length: int = 0


def plain_head(headers: Sequence[tuple[bytes, bytes]], *, with_body: bool) -> Head | None:
    """The head, if it is a plain one: a server's key, nothing given twice, JSON if there is to be a body."""
    found: dict[bytes, bytes] = {}
    for name, value in headers:
        if name in _WANTED:
            if name in found:
                return None
            found[name] = value
        elif name in NOT_PLAIN:
            return None
    token = found.get(_AUTHORIZATION, b"")
    if not token.startswith(_BEARER) or not token.isascii():
        return None
    length = _body_length(found) if with_body else (None if _LENGTH in found else 0)
    if length is None:
        return None
    request_id = found.get(REQUEST_ID)
    given = None if request_id is None else request_id.decode("latin-1")
    return Head(token[len(_BEARER) :].decode("ascii"), given, length)


def _body_length(found: dict[bytes, bytes]) -> int | None:
    length = found.get(_LENGTH, b"")
    if found.get(_TYPE) not in _JSON_TYPES or not length.isdigit() or len(length) > _MOST_DIGITS:
        return None
    return int(length)


def plain_caller(keys: Keys, token: str, scope: str) -> ApiKey | None:
    """The key, if it is a server's that was checked a moment ago and may do this."""
    key = keys.recognise(token)
    return None if key is None or key.kind is KeyKind.PUB or scope not in key.scopes else key


async def read_whole(receive: Receive) -> tuple[bytes | None, Receive]:
    """The body, None where it was cut off, and what gives the same body again."""
    messages: deque[Message] = deque()
    more = True
    while more:
        message = await receive()
        messages.append(message)
        more = message["type"] == "http.request" and message.get("more_body", False)
    parts = [message["body"] for message in messages if message["type"] == "http.request"]

    async def again() -> Message:
        return messages.popleft() if messages else await receive()

    return b"".join(parts) if len(parts) == len(messages) else None, again


async def late() -> NoReturn:
    """The body of a request that took all its time to send it."""
    raise TimeoutError


async def send_plain(send: Send, *, status: int, body: bytes, request_id: str, closing: bool = False) -> None:
    """Send JSON as the routes do, with all that is added to their answers."""
    headers = [
        (b"content-length", b"%d" % len(body)),
        JSON,
        VARY,
        (REQUEST_ID, request_id.encode()),
        *raw_security_headers(),
    ]
    if closing:
        headers.append(_CLOSE)
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
