"""Scenarios and rules: list, edit, try out. A write acts on the very next list."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Query

from app.api.auth import Caller, Needs
from app.api.bodies import Body
from app.api.context import ServicesDep
from app.api.queries import admin_router
from app.api.schemas_steering import (
    ComparedAnswer,
    DefinitionAnswer,
    DryRunAnswer,
    DryRunBody,
    EventWeightsAnswer,
    EventWeightsBody,
    Name,
    PopularityAnswer,
    PopularityBody,
    PreviewBody,
    RuleBody,
    RulesAnswer,
    ScenarioBody,
    ScenariosAnswer,
    ScheduleAnswer,
    ScheduleBody,
    VersionAnswer,
    VersionsAnswer,
)
from app.api.values import Id
from app.domain.steering import DefinitionKind, Schedule
from app.domain.types import Subject

router = admin_router()

Admin = Annotated[Caller, Needs("admin")]
QueryId = Annotated[Id | None, Query(description="Whose lists.")]
PathName = Annotated[Name, Path(description="1 to 64 lower-case letters, digits, `_` and `-`.")]


# --- Scenarios ---


@router.get("/admin/scenarios", response_model=ScenariosAnswer, summary="List scenarios")
async def list_scenarios(_: Admin, services: ServicesDep) -> ScenariosAnswer:
    """The built-in ones, as they are or as they were edited, and the shop's own."""
    return ScenariosAnswer(
        scenarios=[DefinitionAnswer.of(one) for one in await services.steering.scenarios()]
    )


@router.get("/admin/scenarios/{name}", response_model=DefinitionAnswer, summary="Read a scenario")
async def get_scenario(_: Admin, name: PathName, services: ServicesDep) -> DefinitionAnswer:
    """As it stands."""
    return DefinitionAnswer.of(await services.steering.scenario(name))


@router.put("/admin/scenarios/{name}", response_model=DefinitionAnswer, summary="Write a scenario")
async def put_scenario(
    caller: Admin, name: PathName, body: Annotated[ScenarioBody, Body(ScenarioBody)], services: ServicesDep
) -> DefinitionAnswer:
    """A new version, live at once here and within a second in other processes."""
    return DefinitionAnswer.of(
        await services.steering.put_scenario(name, body.model_dump(mode="json"), by=caller.actor)
    )


@router.delete("/admin/scenarios/{name}", status_code=204, summary="Delete a scenario")
async def delete_scenario(caller: Admin, name: PathName, services: ServicesDep) -> None:
    """A shop's own is gone; a built-in one is as it was. The versions stay."""
    await services.steering.delete_scenario(name, by=caller.actor)


@router.get(
    "/admin/scenarios/{name}/versions", response_model=VersionsAnswer, summary="List a scenario's versions"
)
async def scenario_versions(_: Admin, name: PathName, services: ServicesDep) -> VersionsAnswer:
    """Newest first. To bring one back, write its definition again."""
    found = await services.steering.versions(DefinitionKind.SCENARIO, name)
    return VersionsAnswer(versions=[VersionAnswer.of(one) for one in found])


@router.post("/admin/scenarios/{name}/preview", response_model=ComparedAnswer, summary="Try a scenario out")
async def preview_scenario(
    _: Admin, name: PathName, body: Annotated[PreviewBody, Body(PreviewBody)], services: ServicesDep
) -> ComparedAnswer:
    """The list as it is and under the definition given; nothing goes live."""
    definition = None if body.definition is None else body.definition.model_dump(mode="json")
    return ComparedAnswer.of(await services.steering.preview(name, definition, body.request.to_request()))


# --- Rules ---


@router.get("/admin/rules", response_model=RulesAnswer, summary="List rules")
async def list_rules(_: Admin, services: ServicesDep) -> RulesAnswer:
    """All of them, whether their time is now or not."""
    return RulesAnswer(rules=[DefinitionAnswer.of(one) for one in await services.steering.rules()])


@router.get("/admin/rules/{name}", response_model=DefinitionAnswer, summary="Read a rule")
async def get_rule(_: Admin, name: PathName, services: ServicesDep) -> DefinitionAnswer:
    """As it stands."""
    return DefinitionAnswer.of(await services.steering.rule(name))


@router.put("/admin/rules/{name}", response_model=DefinitionAnswer, summary="Write a rule")
async def put_rule(
    caller: Admin, name: PathName, body: Annotated[RuleBody, Body(RuleBody)], services: ServicesDep
) -> DefinitionAnswer:
    """It acts on the next list, within its schedule."""
    return DefinitionAnswer.of(
        await services.steering.put_rule(name, body.model_dump(mode="json"), by=caller.actor)
    )


@router.delete("/admin/rules/{name}", status_code=204, summary="Delete a rule")
async def delete_rule(caller: Admin, name: PathName, services: ServicesDep) -> None:
    """It acts no more."""
    await services.steering.delete_rule(name, by=caller.actor)


@router.get("/admin/rules/{name}/versions", response_model=VersionsAnswer, summary="List a rule's versions")
async def rule_versions(_: Admin, name: PathName, services: ServicesDep) -> VersionsAnswer:
    """Newest first."""
    found = await services.steering.versions(DefinitionKind.RULE, name)
    return VersionsAnswer(versions=[VersionAnswer.of(one) for one in found])


@router.post("/admin/rules/{name}/dry-run", response_model=DryRunAnswer, summary="Try a rule out")
async def dry_run(
    _: Admin, name: PathName, body: Annotated[DryRunBody, Body(DryRunBody)], services: ServicesDep
) -> DryRunAnswer:
    """Each list as it is and with the rule; nothing goes live."""
    requests = [request.to_request() for request in body.requests]
    compared = await services.steering.dry_run(name, body.rule.model_dump(mode="json"), requests)
    return DryRunAnswer(lists=[ComparedAnswer.of(one) for one in compared])


# --- Settings that act without retraining ---


@router.get(
    "/admin/settings/event-weights", response_model=EventWeightsAnswer, summary="Read the weights of events"
)
async def get_event_weights(_: Admin, services: ServicesDep) -> EventWeightsAnswer:
    """Those in force: built in, configured, written here."""
    return EventWeightsAnswer.of(services.steering.event_weights)


@router.put(
    "/admin/settings/event-weights", response_model=EventWeightsAnswer, summary="Write the weights of events"
)
async def put_event_weights(
    caller: Admin, body: Annotated[EventWeightsBody, Body(EventWeightsBody)], services: ServicesDep
) -> EventWeightsAnswer:
    """Sessions, trending and popular lists go by them at once, models from their next training on."""
    weights = await services.steering.put_event_weights(body.to_body(), by=caller.actor)
    return EventWeightsAnswer.of(weights)


@router.get("/admin/settings/popularity", response_model=PopularityAnswer, summary="Read how old counts fade")
async def get_popularity(_: Admin, services: ServicesDep) -> PopularityAnswer:
    """What is in force: configured, written here."""
    return PopularityAnswer.model_validate(services.steering.fading)


@router.put(
    "/admin/settings/popularity", response_model=PopularityAnswer, summary="Write how old counts fade"
)
async def put_popularity(
    caller: Admin, body: Annotated[PopularityBody, Body(PopularityBody)], services: ServicesDep
) -> PopularityAnswer:
    """Popular and trending lists go by it at once."""
    fading = await services.steering.put_fading(body.model_dump(mode="json"), by=caller.actor)
    return PopularityAnswer.model_validate(fading)


@router.get("/admin/schedule", response_model=ScheduleAnswer, summary="Read the schedule of training")
async def get_schedule(_: Admin, services: ServicesDep) -> ScheduleAnswer:
    """The one written here, else the configured one."""
    return ScheduleAnswer.model_validate(await services.steering.schedule())


@router.put("/admin/schedule", response_model=ScheduleAnswer, summary="Write the schedule of training")
async def put_schedule(
    caller: Admin, body: Annotated[ScheduleBody, Body(ScheduleBody)], services: ServicesDep
) -> ScheduleAnswer:
    """In place of the configured one, within seconds, in every process that trains."""
    wanted = Schedule(body.every_s, body.after_events)
    return ScheduleAnswer.model_validate(await services.steering.put_schedule(wanted, by=caller.actor))


@router.delete("/admin/cache", status_code=204, summary="Empty the cache")
async def purge_cache(
    caller: Admin,
    services: ServicesDep,
    user_id: QueryId = None,
    session_id: QueryId = None,
    anonymous_id: QueryId = None,
) -> None:
    """Nothing kept for this person, or for anybody where nobody is named, is served after it."""
    subject = Subject(user_id=user_id, session_id=session_id, anonymous_id=anonymous_id)
    await services.steering.purge(subject if subject != Subject() else None, by=caller.actor)
