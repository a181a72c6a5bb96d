"""What the lists brought, over HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import Query
from starlette.responses import PlainTextResponse, Response

from app.api.auth import Caller, Needs
from app.api.context import ServicesDep
from app.api.queries import admin_router
from app.api.schemas_online import CELL, OnlineAnswer
from app.api.schemas_steering import Name
from app.api.tables import CSV, as_csv
from app.api.values import Timestamp
from app.services.container import Services

router = admin_router()

COLUMNS = (
    *CELL,
    "impressions",
    "sessions",
    "clicks",
    "carts",
    "purchases",
    "figure",
    "currency",
    "value",
    "low",
    "high",
)

Admin = Annotated[Caller, Needs("admin")]
Since = Annotated[
    Timestamp | None, Query(description="Lists answered from then on; seven days before `until` by default.")
]
Until = Annotated[Timestamp | None, Query(description="And before then; until now by default.")]
ScenarioName = Annotated[Name | None, Query(description="Of this scenario alone.")]


@router.get("/admin/metrics/online", response_model=OnlineAnswer, summary="Online figures")
async def online(
    _: Admin,
    services: ServicesDep,
    since: Since = None,
    until: Until = None,
    scenario: ScenarioName = None,
) -> OnlineAnswer:
    """What lists brought by scenario, experiment, variant and model version, with 95 % intervals.

    An event counts for the list whose `recommendation_id` it carries, however late it comes.
    """
    return await _answer(services, since, until, scenario)


@router.get(
    "/admin/metrics/online.csv",
    response_class=PlainTextResponse,
    responses={200: {"content": {CSV: {}}}},
    summary="Online figures as a table",
)
async def online_table(
    _: Admin,
    services: ServicesDep,
    since: Since = None,
    until: Until = None,
    scenario: ScenarioName = None,
) -> Response:
    """The same, a line for each figure."""
    answer = await _answer(services, since, until, scenario)
    return as_csv(COLUMNS, answer.rows())


async def _answer(
    services: Services, since: datetime | None, until: datetime | None, scenario: str | None
) -> OnlineAnswer:
    return OnlineAnswer.of(await services.online.figures(since=since, until=until, scenario=scenario))
