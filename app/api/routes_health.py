"""Whether the process lives, whether it can serve, and its figures."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from app.api.context import DrainDep, MetricsDep, ServicesDep
from app.api.schemas_health import DependencyAnswer, LiveAnswer, ReadyAnswer
from app.telemetry import METRICS_MEDIA_TYPE

router = APIRouter(tags=["health"])


@router.get("/healthz", response_model=LiveAnswer, summary="The process lives")
async def live() -> LiveAnswer:
    """Answers as long as the process turns its loop."""
    return LiveAnswer()


@router.get(
    "/readyz",
    response_model=ReadyAnswer,
    responses={503: {"model": ReadyAnswer, "description": "It cannot serve now."}},
    summary="The process can serve",
)
async def ready(services: ServicesDep, drain: DrainDep) -> Response:
    """Each dependency with its state; 503 only where nothing can be served, and while draining."""
    report = await services.health.ready()
    serving = report.serving and not drain.started
    answer = ReadyAnswer(
        status="draining" if drain.started else report.status,
        dependencies={
            name: DependencyAnswer.model_validate(dependency)
            for name, dependency in report.dependencies.items()
        },
    )
    return JSONResponse(answer.model_dump(mode="json"), status_code=200 if serving else 503)


@router.get("/metrics", response_class=Response, summary="Figures for Prometheus")
async def metrics(figures: MetricsDep) -> Response:
    """Prometheus's text format."""
    return Response(figures.exposition(), media_type=METRICS_MEDIA_TYPE)
