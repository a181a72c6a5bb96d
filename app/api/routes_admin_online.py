"""What the lists brought, over HTTP."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query

from app.api.auth import Caller, Needs
from app.api.context import ServicesDep
from app.api.queries import admin_router
from app.api.schemas_online import OnlineAnswer
from app.api.schemas_steering import Name
from app.api.values import Timestamp

router = admin_router()

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
    return OnlineAnswer.of(await services.online.figures(since=since, until=until, scenario=scenario))
