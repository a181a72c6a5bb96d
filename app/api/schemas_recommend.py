"""Bodies and answers of the recommendation calls."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field, WithJsonSchema

from app.api.values import PRINTABLE, Answer, Id, Line, Schema, check_line
from app.domain.recommendations import SCENARIOS_OWN, Context, ExcludeSeen, RecommendationRequest
from app.domain.segments import LONGEST
from app.domain.types import JsonObject, Subject
from app.pipeline.filters import OPS

MAX_PLACEMENTS = 10
FieldName = Literal[
    "title",
    "description",
    "categories",
    "price",
    "currency",
    "image_url",
    "url",
    "brand",
    "in_stock",
    "published_at",
    "attributes",
]
N = Annotated[int, Field(ge=1, le=100, description="Places.")]
Scenario = Annotated[
    Line,
    Field(
        description="A named pipeline: home, product, basket, bought_together, buy_again, trending, popular, "
        "latest, or one of your own.",
        examples=["home"],
    ),
]
FilterObject = Annotated[
    JsonObject,
    WithJsonSchema(
        {
            "type": "object",
            "description": (
                'One of {"all": […]}, {"any": […]}, {"not": {…}} or {"field", "op", "value"}; op is one of '
                f"{', '.join(OPS)}. Fields are an item's own and attributes.NAME; a value may be "
                '{"context": FIELD, "times": 1.2}, taken from the item of the context.'
            ),
            "examples": [{"field": "price", "op": "lte", "value": 50}],
        }
    ),
]
FILTER_EXAMPLE = {
    "all": [
        {"field": "price", "op": "lte", "value": 50},
        {"field": "categories", "op": "any_of", "value": ["mugs"]},
    ]
}
REQUEST_EXAMPLE: dict[str, Any] = {
    "scenario": "home",
    "user_id": "u1",
    "context": {"history": ["i1", "i2"]},
    "n": 10,
    "filter": FILTER_EXAMPLE,
    "exclude_item_ids": ["i7"],
    "diversity": 0.3,
    "fields": ["title", "price", "image_url"],
    "explain": True,
}
ANSWER_EXAMPLE: dict[str, Any] = {
    "recommendation_id": "01KAV6T3M0Q4X9E2R7Y8W1Z5BN",
    "scenario": "home",
    "variant": "control",
    "model_version": "multvae-20261124-101500",
    "served_by": "model",
    "degraded": False,
    "reason": None,
    "items": [
        {
            "item_id": "i4",
            "score": 0.83,
            "source": "autoencoder",
            "reason": {"code": "because_you_viewed", "item_id": "i2", "text": "Because you viewed Blue mug"},
            "item": {"title": "Red mug", "price": 9.5, "image_url": None},
        }
    ],
    "filled": 0,
    "next_cursor": "WAwdjjZNHmfX7zHv",
    "experiment": None,
}


ListCursor = Annotated[str, AfterValidator(check_line), Field(json_schema_extra={"pattern": PRINTABLE})]
"""Longer than a line: it holds what the pages before showed."""


Segment = Annotated[Line, Field(min_length=1, max_length=LONGEST)]
Referrer = Annotated[
    str,
    AfterValidator(check_line),
    Field(min_length=1, max_length=2048, json_schema_extra={"pattern": PRINTABLE}),
]


OWN_LENGTH = Field(default=None, description="Places; unset: as many as the scenario has.")


class ContextBody(Schema):
    """What the caller knows about the moment."""

    item_id: Id | None = Field(default=None, description="The page's item.")
    basket: Annotated[list[Id], Field(max_length=100)] = Field(default=[], description="Items in the basket.")
    history: Annotated[list[Id], Field(max_length=200)] = Field(
        default=[], description="A session that the caller keeps itself, most recent last."
    )

    country: Segment | None = Field(
        default=None, description="Of the person, written as in events and users.", examples=["GB"]
    )
    referrer: Referrer | None = Field(
        default=None, description="Where the person came from: an address or a host; the host counts."
    )
    device: Segment | None = Field(
        default=None, description="What the person holds, written as in events.", examples=["mobile"]
    )

    def to_context(self) -> Context:
        """As the service knows it."""
        return Context(
            item_id=self.item_id,
            basket=tuple(self.basket),
            history=tuple(self.history),
            country=self.country,
            referrer=self.referrer,
            device=self.device,
        )


class PersonBody(Schema):
    """For whom."""

    user_id: Id | None = None
    session_id: Id | None = None
    anonymous_id: Id | None = None

    def subject(self) -> Subject:
        """As the service knows it."""
        return Subject(user_id=self.user_id, session_id=self.session_id, anonymous_id=self.anonymous_id)


class ListOptions(Schema):
    """How a list is to be: shared by the calls that give one."""

    filter: FilterObject | None = None
    exclude_item_ids: Annotated[list[Id], Field(max_length=500)] = Field(
        default=[], description="Left out, also by the fallback."
    )
    diversity: Annotated[float, Field(ge=0, le=1)] | None = Field(
        default=None, description="0: by score alone; 1: most diverse; unset: the scenario's own."
    )
    fields: Annotated[list[FieldName], Field(max_length=16)] = Field(
        default=[], description="Item fields to return."
    )
    explain: bool = Field(default=False, description="Say why each item stands there.")
    exclude_seen: Literal["none", "purchased", "all"] | None = Field(
        default=None, description="What of the person's past is left out; unset: the scenario's own rule."
    )

    def apply(self, request: RecommendationRequest) -> RecommendationRequest:
        """The request with these options."""
        return RecommendationRequest(
            scenario=request.scenario,
            subject=request.subject,
            context=request.context,
            n=request.n,
            only_item_ids=request.only_item_ids,
            cursor=request.cursor,
            filter=self.filter,
            exclude_item_ids=tuple(self.exclude_item_ids),
            diversity=self.diversity,
            fields=tuple(self.fields),
            explain=self.explain,
            exclude_seen=None if self.exclude_seen is None else ExcludeSeen(self.exclude_seen),
        )


class RecommendationsBody(PersonBody, ListOptions):
    """One list."""

    model_config = ConfigDict(json_schema_extra={"examples": [REQUEST_EXAMPLE]})

    scenario: Scenario = "home"
    context: ContextBody = ContextBody()
    n: N | None = OWN_LENGTH
    cursor: Annotated[ListCursor, Field(min_length=1, max_length=4096)] | None = Field(
        default=None, description="`next_cursor` of the page before: what earlier pages showed is left out."
    )

    def to_request(self) -> RecommendationRequest:
        """As the service knows it."""
        return self.apply(
            RecommendationRequest(
                scenario=self.scenario,
                subject=self.subject(),
                context=self.context.to_context(),
                n=self.n or SCENARIOS_OWN,
                cursor=self.cursor,
            )
        )


class RankBody(PersonBody):
    """The caller's own list, to be put in order."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"user_id": "u1", "item_ids": ["i4", "i2", "i9"], "explain": True}]}
    )

    scenario: Line = Field(
        default="rank",
        description="`rank`: by this person alone; `search`: your order, moved towards this person.",
    )
    item_ids: Annotated[list[Id], Field(min_length=1, max_length=500)]
    context: ContextBody = ContextBody()
    fields: Annotated[list[FieldName], Field(max_length=16)] = Field(default=[])
    explain: bool = False

    def to_request(self) -> RecommendationRequest:
        """As the service knows it."""
        return RecommendationRequest(
            scenario=self.scenario,
            subject=self.subject(),
            context=self.context.to_context(),
            only_item_ids=tuple(self.item_ids),
            fields=tuple(self.fields),
            explain=self.explain,
        )


class PlacementBody(ListOptions):
    """One list of a page."""

    scenario: Scenario = "home"
    context: ContextBody = ContextBody()
    n: N | None = OWN_LENGTH


class PageBody(PersonBody):
    """Several lists of one page; no item stands in two of them."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "user_id": "u1",
                    "placements": [
                        {"scenario": "home", "n": 8},
                        {"scenario": "product", "n": 4, "context": {"item_id": "i9"}},
                    ],
                }
            ]
        }
    )

    placements: Annotated[list[PlacementBody], Field(min_length=1, max_length=MAX_PLACEMENTS)]

    def to_requests(self) -> list[RecommendationRequest]:
        """As the service knows them."""
        subject = self.subject()
        return [
            placement.apply(
                RecommendationRequest(
                    scenario=placement.scenario,
                    subject=subject,
                    context=placement.context.to_context(),
                    n=placement.n or SCENARIOS_OWN,
                )
            )
            for placement in self.placements
        ]


class ReasonAnswer(Answer):
    """Why an item stands in a list."""

    code: str = Field(description="For programs: because_you_viewed, similar_to, popular, …")
    item_id: str | None
    text: str = Field(description="For people.")


class RecommendedItemAnswer(Answer):
    """One place of a list."""

    item_id: str
    score: float = Field(ge=0, le=1, description="Compares within one answer only.")
    source: str
    reason: ReasonAnswer | None
    item: dict[str, Any] | None = Field(description="The fields that were asked for.")


class RecommendationAnswer(Answer):
    """A list and how it came to be."""

    model_config = ConfigDict(json_schema_extra={"examples": [ANSWER_EXAMPLE]})

    recommendation_id: str = Field(description="Echo it in events: clicks and sales are attributed by it.")
    scenario: str
    variant: str = Field(description="Of the experiment; `control` where the list is in none.")
    model_version: str | None
    served_by: Literal["model", "cache", "stale", "fallback"]
    degraded: bool
    reason: str | None = Field(description="Why it is degraded, or all from the fallback chain.")
    items: list[RecommendedItemAnswer]
    filled: int = Field(ge=0, description="Places that the fallback chain filled, under the same filters.")
    next_cursor: str | None = Field(
        description="For the next page of `POST /v1/recommendations`; null at the end, or after 500 items."
    )
    experiment: str | None = Field(description="The experiment that the variant is of; null: none.")


class PageAnswer(Answer):
    """The page's lists, in the order of the request."""

    placements: list[RecommendationAnswer]


class NeighbourAnswer(Answer):
    """An item of the person's past."""

    item_id: str
    similarity: float
    event: str


class StepAnswer(Answer):
    """What one stage did to an item."""

    stage: Literal["source", "novelty", "rotation", "rule"]
    text: str
    change: float | None = Field(description="Standard deviations of score, where it has that measure.")


class ExplanationAnswer(Answer):
    """Why an item stands in a person's list, or why not."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "user_id": "u1",
                    "item_id": "i4",
                    "eligible": True,
                    "rank": 3,
                    "score": 0.71,
                    "source": "autoencoder",
                    "model_version": "multvae-20261124-101500",
                    "nearest": [{"item_id": "i2", "similarity": 0.64, "event": "view_item"}],
                    "stage": None,
                    "rule": None,
                    "degraded": False,
                    "scenario": "home",
                    "of": 2871,
                    "steps": [
                        {
                            "stage": "source",
                            "text": "autoencoder (weight 1) puts it at 4 of 2,890, +2.31 standard deviations",
                            "change": 2.31,
                        },
                        {"stage": "rule", "text": "the rule black-friday adds 0.80", "change": 0.8},
                    ],
                    "text": "Red mug stands at place 3 of 2,871: Because you viewed Blue mug.",
                }
            ]
        }
    )

    user_id: str
    item_id: str
    eligible: bool = Field(description="Whether it may stand in this person's list at all.")
    rank: int | None = Field(description="Its place, from 1, in the list of everything that may.")
    score: float | None
    source: str | None
    model_version: str | None
    nearest: list[NeighbourAnswer]
    stage: str | None = Field(
        description="The stage that dropped it: catalogue, disliked, seen, scenario, rule, sources."
    )
    rule: str | None = Field(description="What that stage holds against it.")
    degraded: bool
    scenario: str
    of: int = Field(description="How many items may stand in the list.")
    steps: list[StepAnswer] = Field(description="What each stage did to it, in order.")
    text: str = Field(description="All of it in a sentence.")
