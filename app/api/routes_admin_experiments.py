"""Experiments: list, edit, stop. A write acts on the very next list."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from fastapi import Path, Query
from starlette.responses import PlainTextResponse, Response

from app.api.auth import Caller, Needs
from app.api.bodies import Body
from app.api.context import ServicesDep
from app.api.queries import admin_router
from app.api.routes_admin_online import Until
from app.api.schemas_experiments import ExperimentAnswer, ExperimentBody, ExperimentsAnswer, given
from app.api.schemas_steering import Name, VersionAnswer, VersionsAnswer
from app.api.schemas_trials import TrialAnswer
from app.api.tables import CSV, as_csv
from app.api.values import Timestamp

router = admin_router()

Admin = Annotated[Caller, Needs("admin")]
Begun = Annotated[
    Timestamp | None, Query(description="Lists answered from then on; since who meets what was last written.")
]
COLUMNS = (
    "variant",
    "weight",
    "people",
    "lists",
    "figure",
    "currency",
    "value",
    "low",
    "high",
    "difference_value",
    "difference_low",
    "difference_high",
    "p_value",
    "sample_ratio_p_value",
)
PathName = Annotated[Name, Path(description="1 to 64 lower-case letters, digits, `_` and `-`.")]


@router.get("/admin/experiments", response_model=ExperimentsAnswer, summary="List experiments")
async def list_experiments(_: Admin, services: ServicesDep) -> ExperimentsAnswer:
    """All of them, over or not."""
    return ExperimentsAnswer(
        experiments=[ExperimentAnswer.of(one) for one in await services.experiments.all()]
    )


@router.get("/admin/experiments/{name}", response_model=ExperimentAnswer, summary="Read an experiment")
async def get_experiment(_: Admin, name: PathName, services: ServicesDep) -> ExperimentAnswer:
    """As it stands."""
    return ExperimentAnswer.of(await services.experiments.get(name))


@router.put(
    "/admin/experiments/{name}",
    response_model=ExperimentAnswer,
    responses={409: {}},
    summary="Write an experiment",
)
async def put_experiment(
    caller: Admin,
    name: PathName,
    body: Annotated[ExperimentBody, Body(ExperimentBody)],
    services: ServicesDep,
) -> ExperimentAnswer:
    """It acts on the next list, within its schedule. Who meets what cannot change while it runs: 409."""
    return ExperimentAnswer.of(await services.experiments.put(name, body.to_body(), by=caller.actor))


@router.post("/admin/experiments/{name}/stop", response_model=ExperimentAnswer, summary="Stop an experiment")
async def stop_experiment(caller: Admin, name: PathName, services: ServicesDep) -> ExperimentAnswer:
    """Every list is as ever from now on; the figures stay."""
    return ExperimentAnswer.of(await services.experiments.stop(name, by=caller.actor))


@router.delete("/admin/experiments/{name}", status_code=204, summary="Delete an experiment")
async def delete_experiment(caller: Admin, name: PathName, services: ServicesDep) -> None:
    """Stopped, and listed no more. Its versions and its figures stay."""
    await services.experiments.delete(name, by=caller.actor)


@router.get(
    "/admin/experiments/{name}/figures", response_model=TrialAnswer, summary="An experiment's figures"
)
async def experiment_figures(
    _: Admin, name: PathName, services: ServicesDep, since: Begun = None, until: Until = None
) -> TrialAnswer:
    """What each variant's people did, against the control's, with intervals and p-values.

    `warning` says where the people are not split as the weights say.
    """
    return TrialAnswer.of(await services.trials.figures(name, since=since, until=until))


@router.get(
    "/admin/experiments/{name}/figures.csv",
    response_class=PlainTextResponse,
    responses={200: {"content": {CSV: {}}}},
    summary="An experiment's figures as a table",
)
async def experiment_table(
    _: Admin, name: PathName, services: ServicesDep, since: Begun = None, until: Until = None
) -> Response:
    """The same, a line for each variant and figure."""
    answer = TrialAnswer.of(await services.trials.figures(name, since=since, until=until))
    return as_csv(COLUMNS, answer.rows())


@router.get(
    "/admin/experiments/{name}/versions",
    response_model=VersionsAnswer,
    summary="List an experiment's versions",
)
async def experiment_versions(_: Admin, name: PathName, services: ServicesDep) -> VersionsAnswer:
    """Newest first."""
    found = await services.experiments.versions(name)
    kept = [one if one.body is None else replace(one, body=given(one.body)) for one in found]
    return VersionsAnswer(versions=[VersionAnswer.of(one) for one in kept])
