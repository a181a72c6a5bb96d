"""The OpenAPI document: FastAPI's own, plus what it cannot see: hand-parsed bodies and problem answers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pydantic.json_schema import models_json_schema
from starlette.responses import StreamingResponse

from app.api.auth import PUB_SCOPES, Requirement
from app.api.bodies import JSON, BatchReader, BodyReader
from app.api.idempotency import HEADER, IdempotentRoute
from app.api.problems import MEDIA_TYPE

T = TypeVar("T")
_REF = "#/components/schemas/{model}"
_JSON = dict[str, Any]

_PROBLEM_SCHEMA: _JSON = {
    "type": "object",
    "description": "RFC 9457. `errors` names the fields at fault; `job_id` the running job.",
    "required": ["type", "title", "status", "detail", "instance", "request_id"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "instance": {"type": "string", "format": "uri"},
        "request_id": {"type": "string"},
        "job_id": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["pointer", "reason"],
                "properties": {"pointer": {"type": "string"}, "reason": {"type": "string"}},
            },
        },
    },
}
_IDEMPOTENCY_PARAMETER: _JSON = {
    "name": HEADER,
    "in": "header",
    "required": False,
    "description": "The same key again is answered again, not done again (in this process, for an hour).",
    "schema": {"type": "string", "minLength": 1, "maxLength": 128, "pattern": "^[!-~]+$"},
}
# status -> (slug, title, detail)
_PROBLEMS: dict[int, tuple[str, str, str]] = {
    400: ("unreadable-input", "The input cannot be read", "The body is not JSON: see line 1, column 9."),
    401: ("unauthorized", "A valid key is needed", "Send a key: Authorization: Bearer rk_…"),
    403: ("forbidden", "This key may not do that", "This key lacks the scope catalogue:write."),
    404: ("not-found", "Not found", "There is no such item."),
    405: (
        "method-not-allowed",
        "Method not allowed",
        "The header `Allow` names the methods of this address.",
    ),
    408: ("body-timeout", "The body did not arrive in time", "The request's body did not arrive in time."),
    409: ("conflict", "In conflict with the current state", "The guest belongs to another user."),
    413: ("too-large", "Too large", "The body is larger than 524288 bytes; nothing was stored."),
    415: (
        "unsupported-media-type",
        "Unsupported media type",
        "Send Content-Type: application/json, in UTF-8.",
    ),
    422: ("invalid-input", "The input is not valid", "The body is not valid."),
    429: ("rate-limited", "Too many requests", "The key's requests of this minute are used up."),
    503: ("storage-unavailable", "The database is not available", "Try again in a moment."),
}


def flat_routes(app: FastAPI) -> list[APIRoute]:
    """The application's own routes."""
    return [route for route in app.routes if isinstance(route, APIRoute)]


def dependencies_of(route: APIRoute, kind: type[T]) -> Iterator[T]:
    """The route's dependencies of a class, such as `Requirement`."""
    stack: list[Dependant] = [route.dependant]
    while stack:
        dependant = stack.pop()
        if isinstance(dependant.call, kind):
            yield dependant.call
        stack.extend(dependant.dependencies)


def scope_of(route: APIRoute) -> str | None:
    """The scope the route needs; None where it is open."""
    return next((needed.scope for needed in dependencies_of(route, Requirement)), None)


def reader_of(route: APIRoute) -> BodyReader[Any] | BatchReader | None:
    """What reads the route's body; None where it has none."""
    whole: list[BodyReader[Any] | BatchReader] = [*dependencies_of(route, BodyReader)]
    return next(iter([*whole, *dependencies_of(route, BatchReader)]), None)


def is_public(route: APIRoute) -> bool:
    """Whether a browser's key may call it."""
    return scope_of(route) in PUB_SCOPES


def is_stream(route: APIRoute) -> bool:
    """Whether its answer comes bit by bit."""
    return route.response_class is StreamingResponse


def describe(app: FastAPI) -> _JSON:
    """The OpenAPI document of an application whose routes are all in place."""
    document = get_openapi(
        title=app.title, version=app.version, description=app.description, routes=app.routes
    )
    components = document.setdefault("components", {}).setdefault("schemas", {})
    for unused in ("HTTPValidationError", "ValidationError"):
        components.pop(unused, None)
    components["Problem"] = _PROBLEM_SCHEMA
    document["components"]["responses"] = {str(s): _problem_response(s, *p) for s, p in _PROBLEMS.items()}
    described = [route for route in flat_routes(app) if route.include_in_schema]
    components |= _body_schemas(described)
    for route in described:
        for method in route.methods or ():
            _complete(document["paths"][route.path_format][method.lower()], route)
    return document


def _complete(operation: _JSON, route: APIRoute) -> None:
    reader = reader_of(route)
    if reader is not None:
        schema = {"$ref": _REF.format(model=reader.model.__name__)}
        operation["requestBody"] = {
            "required": not reader.optional,
            "content": {JSON: {"schema": schema}},
        }
    if isinstance(route, IdempotentRoute) and "POST" in (route.methods or ()):
        operation.setdefault("parameters", []).append(_IDEMPOTENCY_PARAMETER)
    responses = operation["responses"]
    for status in sorted(_statuses(route, has_body=reader is not None)):
        responses[str(status)] = {"$ref": f"#/components/responses/{status}"}


def _statuses(route: APIRoute, *, has_body: bool) -> set[int]:
    # a route's own answers have a model; those it only names are problems
    named = {status for status, answer in route.responses.items() if "model" not in answer}
    statuses = {400, 413, 415, 422} | {status for status in named if isinstance(status, int)}
    if scope_of(route) is not None:
        statuses |= {401, 403, 429, 503}
    if "{" in route.path:
        statuses.add(404)
    if has_body:
        statuses.add(408)
    return statuses & set(_PROBLEMS)


def _body_schemas(routes: Iterable[APIRoute]) -> _JSON:
    models = {reader.model for route in routes if (reader := reader_of(route)) is not None}
    inputs = sorted(((model, "validation") for model in models), key=lambda pair: pair[0].__name__)
    _, schema = models_json_schema(inputs, ref_template=_REF)  # type: ignore[arg-type]  # the literal is widened by the tuple
    return dict(schema.get("$defs", {}))


def _problem_response(status: int, slug: str, title: str, detail: str) -> _JSON:
    example = {
        "type": f"/problems/{slug}",
        "title": title,
        "status": status,
        "detail": detail,
        "instance": "urn:recserve:request:4f1c2d",
        "request_id": "4f1c2d",
    }
    if status == 422:
        example["errors"] = [{"pointer": "/price", "reason": "must be a number"}]
    return {
        "description": title,
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}, "example": example}},
    }
