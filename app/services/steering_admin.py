"""What a merchandiser steers: scenarios, rules, event weights, schedule, cache. Every write is audited."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

from app.domain.errors import FieldError, InvalidInputError, NotFoundError, StorageUnavailableError
from app.domain.fading import CountsFading
from app.domain.ports import AuditLog, DefinitionStore, ListCache
from app.domain.recommendations import Recommendation, RecommendationRequest
from app.domain.steering import Definition, DefinitionKind, Schedule
from app.domain.types import JsonObject, Subject
from app.domain.weights import EventWeight
from app.pipeline.rules import Rule, rule_of
from app.pipeline.scenarios import SCENARIOS, body_of, scenario_of
from app.services.catalogue_stamp import SUBJECT as CATALOGUE
from app.services.popularity import Popularity
from app.services.recommend import Recommend
from app.services.steering import EVENT_WEIGHTS, FADING, SCHEDULE, LiveSteering, schedule_over
from app.telemetry import Metrics

NO_SCENARIO, NO_RULE = "There is no such scenario.", "There is no such rule."


@dataclass(frozen=True, slots=True)
class Described:
    """A scenario or a rule as it stands.

    Attributes:
        definition: None where it is built in.
    """

    name: str
    body: JsonObject
    definition: Definition | None = None


@dataclass(frozen=True, slots=True)
class Compared:
    """A list as it is and as it would be; None where the scenario is not there yet."""

    now: Recommendation | None
    then: Recommendation


class SteeringAdmin:
    """Edits and previews what steers the lists.

    A write acts in this process before it is answered, and within a second in every other one.

    Args:
        definitions: The store.
        live: This process's view of it.
        popularity: Counted anew when weights change.
        recommend: Makes the lists of a preview.
        cache: Emptied on demand.
        audit: Every write.
        metrics: Counts what went wrong.
        schedule: As configured.
    """

    def __init__(
        self,
        *,
        definitions: DefinitionStore,
        live: LiveSteering,
        popularity: Popularity,
        recommend: Recommend,
        cache: ListCache,
        audit: AuditLog,
        metrics: Metrics,
        schedule: Schedule,
    ) -> None:
        self._definitions = definitions
        self._live = live
        self._popularity = popularity
        self._recommend = recommend
        self._cache = cache
        self._audit = audit
        self._metrics = metrics
        self._schedule = schedule

    # --- Scenarios ---

    async def scenarios(self) -> list[Described]:
        """The built-in ones, as they are or as they were edited, and the shop's own; by name."""
        built_in = {name: Described(name, body_of(one)) for name, one in SCENARIOS.items()}
        return sorted(
            [*(built_in | await self._own(DefinitionKind.SCENARIO)).values()], key=lambda one: one.name
        )

    async def scenario(self, name: str) -> Described:
        """One. Raises `NotFoundError`."""
        found = (await self._own(DefinitionKind.SCENARIO)).get(name)
        if found is None and name in SCENARIOS:
            return Described(name, body_of(SCENARIOS[name]))
        if found is None:
            raise NotFoundError(NO_SCENARIO)
        return found

    async def put_scenario(self, name: str, body: JsonObject, *, by: str) -> Described:
        """Create or replace. Raises `InvalidInputError`."""
        scenario_of(name, body)
        return await self._put(DefinitionKind.SCENARIO, name, body, by=by)

    async def delete_scenario(self, name: str, *, by: str) -> None:
        """A shop's own is gone; a built-in one is as it was. Raises `NotFoundError`."""
        await self._delete(DefinitionKind.SCENARIO, name, by=by)

    async def preview(self, name: str, body: JsonObject | None, request: RecommendationRequest) -> Compared:
        """The list of a scenario as it is and under another definition; nothing goes live.

        Raises:
            InvalidInputError: The definition or the request cannot be.
            NotFoundError: There is no such scenario, and no definition is given.
        """
        steering = self._live.current
        if body is None and name not in steering.scenarios:
            raise NotFoundError(NO_SCENARIO)
        request = replace(request, scenario=name)
        scenarios = dict(steering.scenarios)
        if body is not None:
            scenarios[name] = scenario_of(name, body, at="/definition")
        tried = replace(steering, scenarios=scenarios)
        then = await self._recommend.preview(request, tried, at="/request")
        there = name in steering.scenarios
        now = await self._recommend.preview(request, steering, at="/request") if there else None
        return Compared(now, then)

    # --- Rules ---

    async def rules(self) -> list[Described]:
        """All of them, by name."""
        return [*(await self._own(DefinitionKind.RULE)).values()]

    async def rule(self, name: str) -> Described:
        """One. Raises `NotFoundError`."""
        found = (await self._own(DefinitionKind.RULE)).get(name)
        if found is None:
            raise NotFoundError(NO_RULE)
        return found

    async def put_rule(self, name: str, body: JsonObject, *, by: str) -> Described:
        """Create or replace. Raises `InvalidInputError`."""
        self._check_rule(rule_of(name, body))
        return await self._put(DefinitionKind.RULE, name, body, by=by)

    async def delete_rule(self, name: str, *, by: str) -> None:
        """It acts no more. Raises `NotFoundError`."""
        await self._delete(DefinitionKind.RULE, name, by=by)

    async def dry_run(
        self, name: str, body: JsonObject, requests: Sequence[RecommendationRequest]
    ) -> list[Compared]:
        """Lists as they are and with the rule, whatever its schedule says. Raises `InvalidInputError`."""
        rule = rule_of(name, body, at="/rule")
        self._check_rule(rule, at="/rule")
        steering = self._live.current
        others = tuple(one for one in steering.rules if one.name != name)
        tried = replace(steering, rules=(*others, rule))
        compared = []
        for number, request in enumerate(requests):
            at = f"/requests/{number}"
            now = await self._recommend.preview(request, steering, at=at)
            compared.append(Compared(now, await self._recommend.preview(request, tried, at=at)))
        return compared

    async def versions(self, kind: DefinitionKind, name: str) -> list[Definition]:
        """What was ever written under a name, newest first. Raises `NotFoundError`."""
        found = await self._definitions.history(kind, name)
        if not found:
            raise NotFoundError("Nothing was ever written under this name.")
        return found

    # --- Weights of events ---

    @property
    def event_weights(self) -> dict[str, EventWeight]:
        """Those in force."""
        return dict(self._live.current.weights)

    async def put_event_weights(self, body: JsonObject, *, by: str) -> dict[str, EventWeight]:
        """Weights other than the built-in and the configured ones; those left out are as configured."""
        await self._put(DefinitionKind.SETTING, EVENT_WEIGHTS, body, by=by)
        await self._count_anew()
        return self.event_weights

    # --- Fading of counts ---

    @property
    def fading(self) -> CountsFading:
        """What is in force."""
        return self._live.current.fading

    async def put_fading(self, body: JsonObject, *, by: str) -> CountsFading:
        """How counts fade other than configured; what is left out is as configured."""
        await self._put(DefinitionKind.SETTING, FADING, body, by=by)
        await self._count_anew()
        return self.fading

    async def _count_anew(self) -> None:
        try:
            await self._popularity.refresh()
        except StorageUnavailableError:
            # It happens at the next look; sessions and what was counted already go by the new settings.
            self._metrics.degraded.labels("popularity", "storage-unavailable").inc()

    # --- Schedule ---

    async def schedule(self) -> Schedule:
        """The one in force."""
        return await schedule_over(self._schedule, self._definitions)

    async def put_schedule(self, schedule: Schedule, *, by: str) -> Schedule:
        """It counts within seconds, in every process that trains."""
        await self._put(DefinitionKind.SETTING, SCHEDULE, asdict(schedule), by=by)
        return schedule

    # --- Cache ---

    async def purge(self, subject: Subject | None, *, by: str) -> None:
        """Nothing kept for the subject, or for anybody, is served after this."""
        names = [CATALOGUE] if subject is None else [*subject.names()]
        await self._cache.bump(names)
        # Whose lists they were is nothing for a log that is kept.
        target = "all" if subject is None else "one person"
        await self._audit.write(actor=by, action="cache.purged", target=target, detail={})

    async def _own(self, kind: DefinitionKind) -> dict[str, Described]:
        found = await self._definitions.current()
        return {one.name: Described(one.name, one.body or {}, one) for one in found if one.kind is kind}

    async def _put(self, kind: DefinitionKind, name: str, body: JsonObject, *, by: str) -> Described:
        made = await self._definitions.put(kind, name, body, by=by)
        await self._live.refresh()
        detail = {"version": made.version, "body": body}
        await self._audit.write(actor=by, action=f"{kind}.written", target=name, detail=detail)
        return Described(name, body, made)

    async def _delete(self, kind: DefinitionKind, name: str, *, by: str) -> None:
        await self._definitions.delete(kind, name, by=by)
        await self._live.refresh()
        await self._audit.write(actor=by, action=f"{kind}.deleted", target=name, detail={})

    def _check_rule(self, rule: Rule, *, at: str = "") -> None:
        known = self._live.current.scenarios
        unknown = sorted(name for name in rule.scenarios if name not in known)
        if unknown:
            reason = "names a scenario that is not there; there are " + ", ".join(sorted(known))
            raise InvalidInputError("The rule is not valid.", [FieldError(f"{at}/scenarios", reason)])
