"""Query strings: parameters that a route does not know are refused, as unknown fields are."""

from __future__ import annotations

from collections import Counter

from fastapi import APIRouter, Depends
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from starlette.requests import Request

from app.api.idempotency import IdempotentRoute
from app.api.strict_json import MAX_FAULTS, pointer
from app.domain.errors import FieldError, InvalidInputError


async def only_known_parameters(request: Request) -> None:
    """Refuse query parameters that the route does not have, and ones given twice.

    Raises:
        InvalidInputError: With the names at fault.
    """
    if not request.query_params:
        return
    known = _query_names(request.scope["route"].dependant)
    counts = Counter(name for name, _ in request.query_params.multi_items())
    reasons = {name: "is given twice" for name, count in counts.items() if count > 1}
    reasons |= {name: "is not a known parameter" for name in counts if name not in known}
    found = [FieldError(f"?{pointer((name,))[1:]}", why) for name, why in reasons.items()][:MAX_FAULTS]
    if found:
        raise InvalidInputError("The query string is not valid.", found)


def router(*, tag: str, route_class: type[APIRoute] = APIRoute) -> APIRouter:
    """A router of the API: `/v1`, one tag, strict query strings."""
    return APIRouter(
        prefix="/v1", tags=[tag], route_class=route_class, dependencies=[Depends(only_known_parameters)]
    )


def admin_router() -> APIRouter:
    """A router of the administration: as `router`, and each `POST` honours `Idempotency-Key`."""
    return APIRouter(
        prefix="/v1",
        tags=["admin"],
        route_class=IdempotentRoute,
        dependencies=[Depends(only_known_parameters)],
    )


def _query_names(dependant: Dependant) -> set[str]:
    names = {field.alias for field in dependant.query_params}
    for child in dependant.dependencies:
        names |= _query_names(child)
    return names
