"""Bodies and answers of the calls that steer: scenarios, rules, weights, cache."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from app.api.schemas_recommend import (
    FILTER_EXAMPLE,
    FilterObject,
    N,
    RecommendationAnswer,
    RecommendationsBody,
)
from app.api.values import Answer, Id, Line, Schema, Timestamp, matching
from app.domain.recommendations import Recommendation
from app.domain.steering import Definition
from app.domain.types import JsonObject
from app.domain.weights import EventWeight
from app.pipeline.columns import ATTRIBUTE_PREFIX
from app.pipeline.scenarios import LAST_RESORTS, PLACES, FillerName, SourceName
from app.services.steering_admin import Compared, Described

_NAME = r"^[a-z0-9][a-z0-9_-]{0,63}$"
Name = Annotated[
    str,
    matching(_NAME, "must be 1 to 64 lower-case letters, digits, _ and -"),
    Field(json_schema_extra={"pattern": _NAME}),
]
_FIELD = r"^(categories|brand|attributes\..{1,100})$"
CapField = Annotated[
    Line,
    matching(_FIELD, f"must be categories, brand or {ATTRIBUTE_PREFIX}NAME"),
    Field(json_schema_extra={"pattern": _FIELD}),
]
SCENARIO_EXAMPLE: JsonObject = {
    "sources": [
        {"source": "personal", "weight": 1.0, "quota": None},
        {"source": "trending", "weight": 0.2, "quota": None},
        {"source": "latest", "weight": 1.0, "quota": 0.1},
    ],
    "fallback": list(LAST_RESORTS),
    "filter": FILTER_EXAMPLE,
    "exclude_seen": "purchased",
    "diversity": 0.2,
    "novelty": 0.1,
    "rotation": 0.2,
    "n": 10,
}
RULE_EXAMPLE: JsonObject = {
    "kind": "boost",
    "scenarios": ["home"],
    "filter": {"field": "brand", "op": "eq", "value": "Mugs & Co"},
    "strength": 0.5,
    "starts_at": "2026-11-27T00:00:00Z",
    "ends_at": "2026-12-01T00:00:00Z",
}


class SourceBody(Schema):
    """A source of a scenario."""

    source: SourceName
    weight: Annotated[float, Field(gt=0, le=100)] = Field(
        default=1.0, description="Of its scores among those of the sources without a quota."
    )
    quota: Annotated[float, Field(gt=0, le=1)] | None = Field(
        default=None, description="A share of the places for this source alone, evenly spread."
    )


class ScenarioBody(Schema):
    """A scenario: what is left out has its default."""

    model_config = ConfigDict(json_schema_extra={"examples": [SCENARIO_EXAMPLE]})

    sources: Annotated[list[SourceBody], Field(min_length=1, max_length=8)]
    fallback: Annotated[list[FillerName], Field(max_length=8)] = Field(
        default=["popular", "latest", "catalogue"], description="They fill what is left, in this order."
    )
    filter: FilterObject | None = Field(default=None, description="Every item of the list satisfies it.")
    exclude_seen: Literal["none", "purchased", "all"] = Field(
        default="none", description="What of the person's past is left out where the request does not say."
    )
    diversity: Annotated[float, Field(ge=0, le=1)] = Field(
        default=0.0, description="Where the request does not say."
    )
    novelty: Annotated[float, Field(ge=0, le=10)] = Field(
        default=0.0, description="Standard deviations of score that the most popular item loses."
    )
    rotation: Annotated[float, Field(ge=0, le=10)] = Field(
        default=0.0,
        description="Standard deviations lost for each doubling of the times it was shown and not taken up.",
    )
    n: N = Field(default=PLACES, description="Places where the request does not say.")


class DefinitionAnswer(Answer):
    """A scenario or a rule as it stands."""

    name: str
    version: int = Field(description="0 where it is built in.")
    changed_at: Timestamp | None
    changed_by: str | None
    definition: JsonObject

    @classmethod
    def of(cls, described: Described) -> DefinitionAnswer:
        """The answer for one."""
        made = described.definition
        return cls(
            name=described.name,
            version=0 if made is None else made.version,
            changed_at=None if made is None else made.at,
            changed_by=None if made is None else made.by,
            definition=described.body,
        )


class ScenariosAnswer(Answer):
    """All scenarios, by name."""

    scenarios: list[DefinitionAnswer]


class VersionAnswer(Answer):
    """What was written once."""

    version: int
    at: Timestamp
    by: str
    definition: JsonObject | None = Field(description="Null where it was deleted.")

    @classmethod
    def of(cls, made: Definition) -> VersionAnswer:
        """The answer for one."""
        return cls(version=made.version, at=made.at, by=made.by, definition=made.body)


class VersionsAnswer(Answer):
    """What was ever written under a name, newest first."""

    versions: list[VersionAnswer]


class PreviewBody(Schema):
    """A request, and the definition it is tried with."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"definition": SCENARIO_EXAMPLE, "request": {"user_id": "u1", "n": 5}}]
        }
    )

    definition: ScenarioBody | None = Field(default=None, description="Left out: the scenario as it stands.")
    request: RecommendationsBody = RecommendationsBody()


class ComparedAnswer(Answer):
    """A list as it is and as it would be."""

    now: RecommendationAnswer | None = Field(description="Null where the scenario is not there yet.")
    then: RecommendationAnswer
    entered: list[str] = Field(description="Items that come into the list.")
    left: list[str] = Field(description="Items that go out of it.")
    moved: list[str] = Field(description="Items that stand elsewhere among those that stay.")

    @classmethod
    def of(cls, compared: Compared) -> ComparedAnswer:
        """The answer for one."""
        before, after = _ids(compared.now), _ids(compared.then)
        old, new = [one for one in before if one in after], [one for one in after if one in before]
        return cls(
            now=None if compared.now is None else RecommendationAnswer.model_validate(compared.now),
            then=RecommendationAnswer.model_validate(compared.then),
            entered=[one for one in after if one not in before],
            left=[one for one in before if one not in after],
            moved=[one for place, one in enumerate(new) if old[place] != one],
        )


class RuleBody(Schema):
    """A rule: what it does, with which items, where and when."""

    model_config = ConfigDict(json_schema_extra={"examples": [RULE_EXAMPLE]})

    kind: Literal["pin", "boost", "bury", "exclude", "cap"]
    scenarios: Annotated[list[Name], Field(max_length=50)] = Field(
        default=[], description="Where it acts; none: everywhere but on a list of the caller's own."
    )
    item_ids: Annotated[list[Id], Field(max_length=100)] = Field(
        default=[], description="The items it speaks of, beside those of the filter."
    )
    filter: FilterObject | None = Field(default=None, description="The items it speaks of.")
    position: Annotated[int, Field(ge=1, le=100)] | None = Field(
        default=None, description="Of a pin's first item; 1 where it is left out."
    )
    strength: Annotated[float, Field(gt=0, le=100)] | None = Field(
        default=None,
        description="Standard deviations of score that a boost adds and a bury takes; 1 if left out.",
    )
    field: CapField | None = Field(
        default=None, description="A cap counts each of its values apart; left out: all its items together."
    )
    most: Annotated[int, Field(ge=1, le=100)] | None = Field(
        default=None, description="Places that a cap leaves."
    )
    priority: Annotated[int, Field(ge=-1000, le=1000)] = Field(
        default=0, description="The highest acts first."
    )
    active: bool = True
    starts_at: Timestamp | None = None
    ends_at: Timestamp | None = None
    note: Line | None = Field(default=None, description="Why it is there.")


class RulesAnswer(Answer):
    """All rules, by name."""

    rules: list[DefinitionAnswer]


class DryRunBody(Schema):
    """A rule, and the lists it is tried on, whatever its schedule says."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"rule": RULE_EXAMPLE, "requests": [{"user_id": "u1", "n": 5}]}]}
    )

    rule: RuleBody
    requests: Annotated[list[RecommendationsBody], Field(min_length=1, max_length=10)]


class DryRunAnswer(Answer):
    """Each list as it is and as it would be."""

    lists: list[ComparedAnswer]


class WeightBody(Schema):
    """What one event says."""

    weight: Annotated[float, Field(ge=-1000, le=1000)] = Field(
        description="Above 0 for the item, below 0 against it."
    )
    half_life_days: Annotated[float, Field(gt=0, le=36_500)] = Field(
        description="It counts half after so many days."
    )


class EventWeightsBody(Schema):
    """Weights by event; those left out are as configured."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"weights": {"purchase": {"weight": 10, "half_life_days": 60}}}]}
    )

    weights: Annotated[dict[Line, WeightBody], Field(max_length=64)]

    def to_body(self) -> JsonObject:
        """As it is kept."""
        return {name: one.model_dump() for name, one in self.weights.items()}


class EventWeightAnswer(Answer):
    """What one event says."""

    weight: float
    half_life_days: float


class EventWeightsAnswer(Answer):
    """The weights in force."""

    weights: dict[str, EventWeightAnswer]

    @classmethod
    def of(cls, weights: dict[str, EventWeight]) -> EventWeightsAnswer:
        """The answer for all of them."""
        shown = {name: EventWeightAnswer.model_validate(one) for name, one in sorted(weights.items())}
        return cls(weights=shown)


class FadingBody(Schema):
    """What an old count is worth."""

    half_life_days: Annotated[float, Field(gt=0, le=3_650)] = Field(
        description="It is worth half after so many days."
    )
    window_days: Annotated[int, Field(ge=1, le=3_650)] | None = Field(
        default=None,
        description="In place of the half-life: the last so many days count, today included, and no others.",
    )


class PopularityBody(Schema):
    """How counts fade; what is left out is as configured."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "popular": {"half_life_days": 30, "window_days": None},
                    "trending": {"half_life_days": 1, "window_days": None},
                }
            ]
        }
    )

    popular: FadingBody | None = Field(default=None, description="In popular lists.")
    trending: FadingBody | None = Field(
        default=None,
        description="In trending lists: of the recent rate. The usual rate that it is held against has seven "
        "times its half-life, or is that of the window before.",
    )


class FadingAnswer(Answer):
    """What an old count is worth."""

    half_life_days: float
    window_days: int | None


class PopularityAnswer(Answer):
    """How counts fade now."""

    popular: FadingAnswer
    trending: FadingAnswer


class ScheduleBody(Schema):
    """When models are trained again by themselves; null: not for this reason."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"every_s": 86400, "after_events": None}]})

    every_s: Annotated[float, Field(ge=1, le=31_536_000)] | None = Field(
        default=None, description="Seconds from one training to the next."
    )
    after_events: Annotated[int, Field(ge=1, le=10**12)] | None = Field(
        default=None, description="New event lines since the last one."
    )


class ScheduleAnswer(Answer):
    """The schedule in force."""

    every_s: float | None
    after_events: int | None


def _ids(answer: Recommendation | None) -> list[str]:
    return [] if answer is None else [item.item_id for item in answer.items]
