"""RFC 9457: every error leaves as `application/problem+json`, without a word of the input in it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.api.context import request_id_of
from app.api.strict_json import MAX_FAULTS, pointer
from app.api.wording import reason
from app.domain.errors import (
    FieldError,
    InvalidInputError,
    JobRunningError,
    NotFoundError,
    RateLimitedError,
    RecserveError,
    UnauthorizedError,
    UnavailableError,
)

MEDIA_TYPE = "application/problem+json"


class MethodNotAllowedError(RecserveError):
    """The path exists, the method on it does not."""

    slug, title, status = "method-not-allowed", "Method not allowed", 405


class InternalError(RecserveError):
    """A bug. Its answer says nothing but the request id."""


class ProblemResponse(Response):
    """An RFC 9457 document."""

    media_type = MEDIA_TYPE


def problem(
    error: RecserveError, *, request_id: str | None, headers: Mapping[str, str] | None = None
) -> ProblemResponse:
    """The answer that tells the caller about an error."""
    body: dict[str, Any] = {
        "type": f"/problems/{error.slug}",
        "title": error.title,
        "status": error.status,
        "detail": str(error) or error.title,
        "instance": f"urn:recserve:request:{request_id}",
        "request_id": request_id,
    }
    if isinstance(error, InvalidInputError) and error.errors:
        body["errors"] = [{"pointer": e.pointer, "reason": e.reason} for e in error.errors]
    if isinstance(error, JobRunningError):
        body["job_id"] = error.job_id
    return ProblemResponse(
        json.dumps(body), status_code=error.status, headers=dict(headers or {}) | _headers_of(error)
    )


def internal_problem(*, request_id: str | None) -> ProblemResponse:
    """The answer to a bug: constant but for the request id."""
    return problem(InternalError("Something went wrong on our side."), request_id=request_id)


def field_errors(error: ValidationError, at: Sequence[str | int] = ()) -> list[FieldError]:
    """Pydantic's complaints about a body, as pointers and reasons."""
    return [
        FieldError(pointer((*at, *_plain(entry["loc"]))), reason(entry))
        for entry in error.errors(include_url=False, include_input=False)[:MAX_FAULTS]
    ]


async def on_recserve_error(request: Request, error: Exception) -> Response:
    """Handler of the service's own errors."""
    assert isinstance(error, RecserveError)  # noqa: S101  # registered for this class alone
    return problem(error, request_id=request_id_of(request.scope))


async def on_validation_error(request: Request, error: Exception) -> Response:
    """Handler of what FastAPI finds wrong with path, query and headers."""
    assert isinstance(error, RequestValidationError)  # noqa: S101  # registered for this class alone
    found = [FieldError(_parameter(entry["loc"]), reason(entry)) for entry in error.errors()[:MAX_FAULTS]]
    invalid = InvalidInputError("A parameter of the request is not valid.", found)
    return problem(invalid, request_id=request_id_of(request.scope))


async def on_http_error(request: Request, error: Exception) -> Response:
    """Handler of the router's own 404 and 405."""
    assert isinstance(error, HTTPException)  # noqa: S101  # registered for this class alone
    known: RecserveError
    headers = dict(error.headers or {})
    match error.status_code:
        case HTTPStatus.NOT_FOUND:
            known = NotFoundError("There is nothing at this address.")
        case HTTPStatus.METHOD_NOT_ALLOWED:
            known = MethodNotAllowedError("The header `Allow` names the methods there are.")
            headers["Allow"] = ", ".join(_methods_at(request))
        case _:
            known = InvalidInputError("The request cannot be handled.")
    return problem(known, request_id=request_id_of(request.scope), headers=headers)


def _methods_at(request: Request) -> list[str]:
    # the router itself names those of the first route alone
    path = request.scope["path"]
    routes = [route for route in request.app.routes if isinstance(route, Route)]
    template = next((route.path for route in routes if route.path_regex.match(path)), None)
    return sorted({m for route in routes if route.path == template for m in route.methods or ()})


def _headers_of(error: RecserveError) -> dict[str, str]:
    if isinstance(error, UnavailableError):
        return {"Retry-After": str(error.retry_after_s)}
    if isinstance(error, RateLimitedError):
        return {
            "Retry-After": str(error.retry_after_s),
            "RateLimit-Policy": f'"minute";q={error.quota};w=60',
            "RateLimit": f'"minute";r=0;t={error.retry_after_s}',
        }
    if isinstance(error, UnauthorizedError):
        return {"WWW-Authenticate": 'Bearer realm="recserve"'}
    return {}


def _plain(loc: Iterable[str | int]) -> list[str | int]:
    # pydantic marks a fault in a dictionary's key with a last part "[key]"
    return [part for part in loc if part != "[key]"]


def _parameter(loc: Sequence[str | int]) -> str:
    kind, *rest = loc
    name = pointer(tuple(rest[:1])).removeprefix("/")
    return f"?{name}" if kind == "query" else f"{kind}:{name}"
