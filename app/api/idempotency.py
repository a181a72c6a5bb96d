"""The route class that honours `Idempotency-Key` on `POST`."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from app.api.auth import authenticate, bearer
from app.api.bodies import read_raw
from app.api.replays import Replays
from app.domain.errors import FieldError, InvalidInputError

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
_SANE_KEY = re.compile(r"[!-~]{1,128}")
Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class IdempotentRoute(APIRoute):
    """A route whose `POST` is done once for each `Idempotency-Key`.

    Only answers that succeeded are remembered, so a refused call can be repeated under the same key.
    """

    def get_route_handler(self) -> Handler:
        """FastAPI's handler, behind the memory of answers."""
        handle = super().get_route_handler()

        async def once(request: Request) -> Response:
            given = request.headers.get(HEADER)
            if given is None or request.method != "POST":
                return await handle(request)
            return await _once(request, handle, _checked(given))

        return once


def _checked(given: str) -> str:
    if _SANE_KEY.fullmatch(given) is None:
        fault = FieldError(f"header:{HEADER}", "must be 1 to 128 visible ASCII characters")
        raise InvalidInputError("A header is not valid.", [fault])
    return given


async def _once(request: Request, handle: Handler, given: str) -> Response:
    # the key is looked at first and each time: an answer must not outlive the key it was given to
    key = await authenticate(request.state.services, await bearer(request))
    replays: Replays = request.state.replays
    body = await read_raw(request, timeout_s=request.state.settings.body_timeout_s)
    fingerprint = hashlib.sha256(body).digest()
    place = replays.place(key_id=key.key_id, address=request.url.path, given=given, fingerprint=fingerprint)
    if place.fingerprint != fingerprint:
        fault = FieldError(f"header:{HEADER}", "was used before with another body")
        raise InvalidInputError("An idempotency key stands for one request.", [fault])
    async with place.turn:
        if place.answer is not None:
            return _again(place.answer)
        answer = await handle(request)
        if answer.status_code < 300:
            place.answer = answer
        return answer


def _again(answer: Response) -> Response:
    copy = Response(answer.body, status_code=answer.status_code, media_type=answer.media_type)
    copy.headers[REPLAYED] = "true"
    return copy
