"""What is asked of a recommendation call and what it answers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from app.domain.segments import KINDS, Segment, segments_of
from app.domain.types import JsonObject, Subject


class ServedBy(StrEnum):
    """Where an answer came from.

    `model` is an answer computed now by the scenario's own source (a trained model, or the counts that a
    popular list asks for); `fallback` is one whose every place was filled by a simpler source; `stale` was
    computed on the last known catalogue because the database did not answer.
    """

    MODEL = "model"
    CACHE = "cache"
    STALE = "stale"
    FALLBACK = "fallback"


class ExcludeSeen(StrEnum):
    """Which items of the person's own past are left out of the list."""

    NONE = "none"
    PURCHASED = "purchased"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class Context:
    """What the caller knows about the moment.

    Attributes:
        item_id: The page's item.
        basket: Items in the basket.
        history: A session that the caller keeps itself, most recent last; read as views that happen now.
        country: Where the person is; `referrer`: the site they came from; `device`: what they hold.
    """

    item_id: str | None = None
    basket: tuple[str, ...] = ()
    history: tuple[str, ...] = ()
    country: str | None = None
    referrer: str | None = None
    device: str | None = None

    def segments(self) -> Iterator[Segment]:
        """Those that the person belongs to."""
        return segments_of(self.country, self.referrer, self.device)

    def of_segment(self, segment: Segment | None) -> Context:
        """The same, of this one segment or of none."""
        value = {} if segment is None else {segment.kind: segment.value}
        country, referrer, device = (value.get(kind) for kind in KINDS)
        return replace(self, country=country, referrer=referrer, device=device)


SCENARIOS_OWN = 0
"""The length of a list whose request does not say it."""


@dataclass(frozen=True, slots=True)
class RecommendationRequest:
    """One list, asked for.

    Attributes:
        scenario: Name of a pipeline.
        n: Places; `SCENARIOS_OWN` is as many as the scenario has.
        filter: The filter language's JSON, not parsed yet.
        diversity: 0 is by score alone, 1 the most diverse; None is the scenario's own.
        exclude_seen: None is the scenario's own rule.
        category: Keep items of this category (the short calls' form of a filter).
        window_days: Popular, trending and latest lists look back so far.
        only_item_ids: Rank these and no others.
        cursor: Of the page before: what was shown already is left out.
    """

    scenario: str = "home"
    subject: Subject = field(default_factory=Subject)
    context: Context = field(default_factory=Context)
    n: int = 10
    filter: JsonObject | None = None
    exclude_item_ids: tuple[str, ...] = ()
    diversity: float | None = None
    fields: tuple[str, ...] = ()
    explain: bool = False
    exclude_seen: ExcludeSeen | None = None
    category: str | None = None
    window_days: int | None = None
    only_item_ids: tuple[str, ...] | None = None
    cursor: str | None = None


def parts(one: Subject | Context) -> JsonObject:
    """The fields of a part of a request by name: what `asdict` says, without its copies of all values."""
    return {name: getattr(one, name) for name in one.__slots__}


@dataclass(frozen=True, slots=True)
class Reason:
    """Why an item stands in a list.

    Attributes:
        code: `because_you_bought`, `popular`, …: for programs.
        item_id: The item of the person's past, or of the page, that speaks for it.
        text: For people.
    """

    code: str
    item_id: str | None
    text: str


@dataclass(frozen=True, slots=True)
class RecommendedItem:
    """One place of a list.

    Attributes:
        score: 0 to 1, falling along the list; compares within one answer only.
        source: Which source put it there.
        item: The fields that were asked for.
    """

    item_id: str
    score: float
    source: str
    reason: Reason | None = None
    item: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Recommendation:
    """An answer.

    Attributes:
        experiment: The experiment whose variant it is; None where it is in none.
        filled: How many places the fallback chain filled.
        degraded: Something that should have taken part did not; `reason` names it.
        next_cursor: Where the next page of this list starts.
        propensities: With which probability each place holds what it holds, null where that is not known;
            empty where chance has no part in the list. Written down, not answered.
    """

    recommendation_id: str
    scenario: str
    variant: str
    model_version: str | None
    served_by: ServedBy
    degraded: bool
    reason: str | None
    items: tuple[RecommendedItem, ...]
    filled: int
    next_cursor: str | None = None
    experiment: str | None = None
    propensities: tuple[float | None, ...] = ()


@dataclass(frozen=True, slots=True)
class Neighbour:
    """An item of the person's past and how near it is to the explained one."""

    item_id: str
    similarity: float
    event: str


@dataclass(frozen=True, slots=True)
class Step:
    """What one stage did to an item.

    Attributes:
        text: In words.
        change: Standard deviations of score; None where it has no such measure.
    """

    stage: str
    text: str
    change: float | None


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why an item stands in a person's list, or why not.

    Attributes:
        rank: Its place, from 1, among everything that may be shown; None where a stage dropped it.
        of: How many may be shown.
        steps: What each stage did to it, in order.
        stage: The stage that dropped it: catalogue, seen, disliked, filter, scenario, rule, sources.
        rule: What that stage holds against it.
        text: All of it in a sentence.
    """

    user_id: str
    item_id: str
    eligible: bool
    rank: int | None
    score: float | None
    source: str | None
    model_version: str | None
    nearest: tuple[Neighbour, ...]
    stage: str | None
    rule: str | None
    degraded: bool
    scenario: str
    of: int
    steps: tuple[Step, ...]
    text: str
