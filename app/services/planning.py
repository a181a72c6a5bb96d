"""A request becomes a plan, and a plan the key under which its list is kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from app.domain.errors import FieldError, InvalidInputError
from app.domain.ports import Scorer
from app.domain.recommendations import SCENARIOS_OWN, RecommendationRequest, ServedBy
from app.domain.types import Subject
from app.pipeline.experiments import Arm
from app.pipeline.filters import parse_filter
from app.pipeline.paging import shown_before
from app.pipeline.rules import acting
from app.pipeline.scenarios import BASKET, Scenario
from app.pipeline.segments import Segments
from app.pipeline.steering import Steering
from app.services.answer_codec import list_key
from app.services.answering import Plan
from app.services.catalogue_stamp import SUBJECT as CATALOGUE_SUBJECT
from app.services.reading import NO_SUBJECT
from app.telemetry import Metrics, Tally

MOST_SHORTS = 4096


class LiveModel(Protocol):
    """Which model answers now."""

    @property
    def current(self) -> Scorer | None:
        """The live scorer; None where there is none."""

    def beside(self, version: str) -> Scorer | None:
        """The scorer of a version that an experiment asks; None while it is not loaded."""


@dataclass(frozen=True, slots=True)
class Short:
    """The key of a plain list, whoever's it is.

    Attributes:
        of: Steering, model and counts that it was worked out for.
        served: Counts such lists.
    """

    of: tuple[Steering, Scorer | None, str]
    key: str
    served: Tally


class Planner:
    """Makes plans under what is in force now.

    Args:
        models: Gives the live scorer.
        steering: Gives scenarios, rules and experiments.
        counts_version: Of what many people did.
        segments: What is popular with whom.
        metrics: Counts what went wrong.
    """

    def __init__(
        self,
        *,
        models: LiveModel,
        steering: Callable[[], Steering],
        counts_version: Callable[[], str],
        segments: Callable[[], Segments],
        metrics: Metrics,
    ) -> None:
        self._models, self._steering, self._counts_version = models, steering, counts_version
        self._segments = segments
        self._metrics = metrics
        self._shorts: dict[tuple[str, int, tuple[str, str] | None], Short] = {}

    def plan(self, request: RecommendationRequest, *, at: str = "", steering: Steering | None = None) -> Plan:
        """The plan of a request.

        Args:
            request: What is asked.
            at: Where the request stands in the body, for pointers.
            steering: In place of the one in force.

        Raises:
            InvalidInputError: A scenario that does not exist, a filter that cannot be read.
        """
        steering = steering or self._steering()
        arm = self._arm(steering, request.scenario, request.subject)
        scenarios = steering.scenarios if arm is None else {**steering.scenarios, **arm.scenarios}
        return self._planned(request, _scenario(request, scenarios, at=at), steering, arm, at=at)

    def plan_of_given(self, request: RecommendationRequest) -> Plan:
        """The plan for the caller's own items.

        Raises:
            InvalidInputError: There is no such scenario over a given list.
        """
        steering = self._steering()
        scenario = steering.scenarios.get(request.scenario)
        if scenario is None or not scenario.needs_list:
            named = (name for name, one in steering.scenarios.items() if one.needs_list)
            fault = FieldError("/scenario", "is not one of " + ", ".join(named))
            raise InvalidInputError("There is no such scenario over a given list.", [fault])
        arm = self._arm(steering, request.scenario, request.subject)
        scenario = scenario if arm is None else arm.scenarios.get(scenario.name, scenario)
        return self._planned(request, scenario, steering, arm, at="")

    def key(self, plan: Plan) -> str:
        """What tells the plan's list from every other one of the same subjects."""
        personal = plan.scorer is not None and plan.request.subject != NO_SUBJECT
        return list_key(
            plan.request,
            model_version=plan.scorer.version if plan.scorer is not None else None,
            # A person's list changes with their events; everybody's list with the counts.
            counts_version=None if personal else self._counts_version(),
            steering_version=plan.steering_version,
            arm=None if plan.arm is None else plan.arm.named,
        )

    def short(self, subject: Subject, scenario: str, n: int) -> Short:
        """How lists of this kind are kept now; worked out anew when something it hangs on changes.

        Raises:
            InvalidInputError: As `plan`.
        """
        steering = self._steering()
        arm = self._arm(steering, scenario, subject)
        now = (steering, self._scorer(arm), self._counts_version())
        kind = (scenario, n, None if arm is None else arm.named)
        short = self._shorts.get(kind)
        if short is None or short.of != now:
            if short is not None and short.of[0] is not steering:
                # Those of another steering may hold models that no experiment asks any more.
                self._shorts.clear()
            plan = self.plan(RecommendationRequest(scenario=scenario, subject=subject, n=n), steering=now[0])
            counter = self._metrics.lists.labels(plan.scenario.name, ServedBy.CACHE.value)
            if len(self._shorts) >= MOST_SHORTS:
                self._shorts.clear()
            short = self._shorts[kind] = Short(now, self.key(plan), self._metrics.tally(counter))
        return short

    def _arm(self, steering: Steering, scenario: str, subject: Subject) -> Arm | None:
        """The variant this person meets, where it can be made.

        A list whose model is not there is nobody's: counted for the control, it would be one that only part
        of the control's people could get.
        """
        split = steering.splits.get(scenario)
        arm = None if split is None else split.arm_of(subject)
        if arm is not None and arm.model_version is not None and self._scorer(arm) is None:
            self._metrics.degraded.labels("experiment", "model-not-loaded").inc()
            return None
        return arm

    def _scorer(self, arm: Arm | None) -> Scorer | None:
        version = None if arm is None else arm.model_version
        return self._models.current if version is None else self._models.beside(version)

    def _planned(
        self,
        request: RecommendationRequest,
        scenario: Scenario,
        steering: Steering,
        arm: Arm | None,
        *,
        at: str,
    ) -> Plan:
        request = self._of_one_segment(request, scenario)
        if request.n == SCENARIOS_OWN:
            request = replace(request, n=scenario.n)
        clause = None if request.filter is None else parse_filter(request.filter, pointer=f"{at}/filter")
        return Plan(
            request=request,
            scenario=scenario,
            clause=clause,
            scorer=self._scorer(arm) if scenario.asks_model else None,
            arm=arm,
            rules=acting(steering.rules, request.scenario),
            steering_version=steering.version,
            fading=steering.fading,
            shown=None if request.cursor is None else shown_before(request, at=at),
        )

    def _of_one_segment(self, request: RecommendationRequest, scenario: Scenario) -> RecommendationRequest:
        """The request without the segments that change nothing, so that its list is kept as one without."""
        context = request.context
        named = [*context.segments()]
        if not named:
            return request
        segment = self._segments().first_of(named) if scenario.asks_segments else None
        return replace(request, context=context.of_segment(segment))


def subjects_of(plan: Plan) -> tuple[str, ...]:
    """What the list depends on and is stamped with."""
    return (*plan.request.subject.names(), CATALOGUE_SUBJECT)


def _scenario(request: RecommendationRequest, scenarios: Mapping[str, Scenario], *, at: str) -> Scenario:
    """The pipeline the request names. Raises `InvalidInputError`."""
    scenario = scenarios.get(request.scenario)
    if scenario is None:
        named = (name for name, one in scenarios.items() if not one.needs_list)
        fault = FieldError(f"{at}/scenario", "is not one of " + ", ".join(named))
        raise InvalidInputError("The scenario is unknown.", [fault])
    if scenario.needs_list:
        fault = FieldError(f"{at}/scenario", "needs the items to rank: use POST /v1/rank")
        raise InvalidInputError(f"The scenario {scenario.name} has a call of its own.", [fault])
    if scenario.needs_item and request.context.item_id is None:
        fault = FieldError(f"{at}/context/item_id", f"is required by the scenario {scenario.name}")
        raise InvalidInputError("The scenario needs an item.", [fault])
    if scenario.main_source == BASKET and not request.context.basket:
        # An empty basket is a basket page's usual state: the personal list stands there.
        return replace(scenarios["home"], name=scenario.name)
    return scenario
