"""The HTTP application: its routes, its middleware, its life."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import fields
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from app import __version__
from app.api import (
    routes_admin_experiments,
    routes_admin_jobs,
    routes_admin_keys,
    routes_admin_models,
    routes_admin_online,
    routes_admin_steering,
    routes_docs,
    routes_events,
    routes_health,
    routes_items,
    routes_recommend,
    routes_users,
)
from app.api.admission import Admission, Places
from app.api.context import AppState
from app.api.drain import Drain
from app.api.hot_events import HotEvents
from app.api.hot_lists import HotLists
from app.api.hot_path import HotLayer, HotPath
from app.api.hot_posts import HotParts
from app.api.middleware import BodyLimit, HeadAsGet, Observe, PublicCors, StrictPath
from app.api.openapi import describe, flat_routes, is_public, is_stream
from app.api.problems import on_http_error, on_recserve_error, on_validation_error
from app.api.replays import Replays
from app.api.reporting import Report
from app.api.settings import ApiSettings
from app.domain.errors import RecserveError
from app.telemetry import Metrics, RequestLines

if TYPE_CHECKING:
    from app.services.container import Services

# One line a module; a new area adds its own.
ROUTERS: tuple[APIRouter, ...] = (
    routes_health.router,
    routes_events.router,
    routes_items.router,
    routes_recommend.list_router,
    routes_recommend.router,
    routes_users.router,
    routes_admin_jobs.router,
    routes_admin_models.router,
    routes_admin_keys.router,
    routes_admin_steering.router,
    routes_admin_experiments.router,
    routes_admin_online.router,
)


def create_app(
    services: Services,
    settings: ApiSettings,
    *,
    metrics: Metrics | None = None,
    drain: Drain | None = None,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    lines: RequestLines | None = None,
    on_started: Callable[[], None] = lambda: None,
    on_stopped: Callable[[], Awaitable[None]] | None = None,
) -> FastAPI:
    """The application over these use cases; it starts and stops them.

    Args:
        services: One tenant's use cases.
        settings: The HTTP layer's settings.
        metrics: Where to count; a new registry by default.
        drain: Thrown by the server when it is told to stop.
        now: The clock that dates events.
        lines: The quick way to log requests; None: the usual one.
        on_started: Called once every use case has started.
        on_stopped: Called once every use case has stopped.
    """
    state = AppState(
        services=services,
        settings=settings,
        metrics=metrics or Metrics(),
        drain=drain or Drain(),
        replays=Replays(),
        now=now,
    )
    app = FastAPI(
        title="recserve",
        version=__version__,
        description="Recommendations that follow each shopper click by click.",
        lifespan=_lifespan(state, on_started, on_stopped),
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        exception_handlers={
            RecserveError: on_recserve_error,
            RequestValidationError: on_validation_error,
            HTTPException: on_http_error,
        },
    )
    # flat, not included as a tree: so tests, CORS and the OpenAPI can walk every route
    for router in (*ROUTERS, *([routes_docs.router] if settings.docs else [])):
        app.router.routes.extend(router.routes)
    app.openapi = _once(lambda: describe(app))  # type: ignore[method-assign]  # FastAPI's documented way
    public = [route.path_regex for route in flat_routes(app) if is_public(route)]
    streams = [route.path_regex for route in flat_routes(app) if is_stream(route)]
    # the last added is the outermost
    app.add_middleware(HeadAsGet, is_stream=lambda path: any(regex.match(path) for regex in streams))
    app.add_middleware(BodyLimit, max_bytes=settings.max_body_bytes)
    app.add_middleware(
        PublicCors,
        origins=settings.cors_origins,
        is_public=lambda path: any(regex.match(path) for regex in public),
    )
    app.add_middleware(StrictPath)
    places, report = Places(settings.most_in_flight), Report(state["metrics"], lines)
    app.add_middleware(Observe, report=report, drain=state["drain"])
    app.add_middleware(Admission, places=places, report=report, drain=state["drain"])
    parts = HotParts(services=services, settings=settings, report=report, drain=state["drain"], places=places)
    app.add_middleware(HotLists, parts=parts)
    app.add_middleware(HotEvents, parts=parts, now=now)
    hot = HotPath(parts=parts)
    app.add_middleware(HotLayer, hot=hot, parts=parts)
    app.state.takers = (hot,)
    return app


def _lifespan(
    state: AppState, on_started: Callable[[], None], on_stopped: Callable[[], Awaitable[None]] | None
) -> Callable[[FastAPI], AbstractAsyncContextManager[AppState]]:
    services = state["services"]

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[AppState]:
        async with AsyncExitStack() as running:
            if on_stopped is not None:
                running.push_async_callback(on_stopped)
            for field in fields(services):
                service = getattr(services, field.name)
                if hasattr(service, "start"):
                    await service.start()
                    running.push_async_callback(service.stop)
            on_started()
            yield state

    return lifespan


def _once(make: Callable[[], dict[str, Any]]) -> Callable[[], dict[str, Any]]:
    made: dict[str, Any] = {}

    def get() -> dict[str, Any]:
        if not made:
            made.update(make())
        return made

    return get
