"""What belongs to one request: its id, the application's state, the key it came with."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, TypedDict, cast

from fastapi import Depends
from starlette.requests import Request
from starlette.types import Scope

from app.api.drain import Drain
from app.api.replays import Replays
from app.api.settings import ApiSettings
from app.domain.ids import new_request_id
from app.telemetry import Metrics

if TYPE_CHECKING:
    from app.services.container import Services
    from app.services.recommend import Look

REQUEST_ID_HEADER = "X-Request-ID"
LOOK = "recserve.look"
"""In the scope of a request that has looked for its list already."""
_REQUEST_ID_KEY = "recserve.request_id"
_SANE_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")


class AppState(TypedDict):
    """What the lifespan gives to every request."""

    services: Services
    settings: ApiSettings
    metrics: Metrics
    drain: Drain
    replays: Replays
    now: Callable[[], datetime]


def begin_request(scope: Scope, given: str | None) -> str:
    """Take the caller's request id if it is sane, make one otherwise; remember it in the scope."""
    sane = given is not None and _SANE_REQUEST_ID.fullmatch(given) is not None
    request_id = given if given is not None and sane else new_request_id()
    scope[_REQUEST_ID_KEY] = request_id
    return request_id


def request_id_of(scope: Scope) -> str | None:
    """The id of the request that this scope belongs to."""
    return cast("str | None", scope.get(_REQUEST_ID_KEY))


async def services_of(request: Request) -> Services:
    """The use cases."""
    return cast("Services", request.state.services)


async def look_of(request: Request) -> Look | None:
    """What the cache gave for this request already."""
    return cast("Look | None", request.scope.get(LOOK))


async def settings_of(request: Request) -> ApiSettings:
    """The HTTP layer's settings."""
    return cast("ApiSettings", request.state.settings)


async def metrics_of(request: Request) -> Metrics:
    """The process's figures."""
    return cast("Metrics", request.state.metrics)


async def now_of(request: Request) -> datetime:
    """The time at which the request is handled, UTC; one time for all of its events."""
    clock: Callable[[], datetime] = request.state.now
    return clock()


async def drain_of(request: Request) -> Drain:
    """Whether the process is on its way out."""
    return cast("Drain", request.state.drain)


if TYPE_CHECKING:
    ServicesDep = Annotated[Services, Depends(services_of)]
    LookDep = Annotated[Look | None, Depends(look_of)]
else:
    # at run time the annotation needs no type: FastAPI only calls the dependency
    ServicesDep = Annotated[object, Depends(services_of)]
    LookDep = Annotated[object, Depends(look_of)]
SettingsDep = Annotated[ApiSettings, Depends(settings_of)]
MetricsDep = Annotated[Metrics, Depends(metrics_of)]
DrainDep = Annotated[Drain, Depends(drain_of)]
NowDep = Annotated[datetime, Depends(now_of)]
