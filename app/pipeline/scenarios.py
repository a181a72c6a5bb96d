"""Named pipelines: which sources answer, what fills up, what is left out; built in, or as a shop wrote it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from app.domain.errors import FieldError, InvalidInputError
from app.domain.recommendations import ExcludeSeen
from app.domain.types import JsonObject
from app.pipeline.clauses import Clause
from app.pipeline.filters import parse_filter

POPULAR, TRENDING, LATEST, CONTENT, CATALOGUE = "popular", "trending", "latest", "content", "catalogue"
PERSONAL, SIMILAR, BASKET = "personal", "similar", "basket"
TOGETHER, BUY_AGAIN, EXPLORE, GIVEN = "bought_together", "buy_again", "explore", "given"
IN_SEGMENT = "popular_in_segment"
MODEL_SOURCES = frozenset({PERSONAL, SIMILAR, BASKET})
SourceName = Literal[
    "personal",
    "similar",
    "basket",
    "content",
    "bought_together",
    "buy_again",
    "explore",
    "trending",
    "popular_in_segment",
    "popular",
    "latest",
    "catalogue",
    "given",
]
FillerName = Literal[
    "content", "bought_together", "trending", "popular_in_segment", "popular", "latest", "catalogue"
]
LAST_RESORTS = (POPULAR, LATEST, CATALOGUE)
PLACES = 10
OVER_A_GIVEN_LIST = ("rank", "search")
"""Scenarios of `POST /v1/rank`, over a list of the caller's own."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """A named pipeline.

    Attributes:
        sources: Sources and weights whose scores are blended.
        fallback: Sources that fill the places left, in this order.
        exclude_seen: What of the person's past is left out where the request does not say.
        quotas: Sources that get a share of the places, 0 to 1, for themselves.
        clause: What every item of the list satisfies, beside the request's own filter.
        diversity: Where the request does not say.
        novelty: Standard deviations of score that the most popular items lose, 0 for none.
        n: Places where the request does not say.
        version: Of its definition; 0 where it is built in.
    """

    name: str
    sources: tuple[tuple[str, float], ...]
    fallback: tuple[str, ...] = LAST_RESORTS
    exclude_seen: ExcludeSeen = ExcludeSeen.NONE
    quotas: tuple[tuple[str, float], ...] = ()
    clause: Clause | None = None
    diversity: float = 0.0
    novelty: float = 0.0
    rotation: float = 0.0
    n: int = PLACES
    version: int = 0

    @property
    def asks_model(self) -> bool:
        """Whether a trained model takes part."""
        return any(source in MODEL_SOURCES for source, _ in (*self.sources, *self.quotas))

    @property
    def asks_segments(self) -> bool:
        """Whether it matters which segment a person is of."""
        return IN_SEGMENT in self.fallback or any(
            source == IN_SEGMENT for source, _ in (*self.sources, *self.quotas)
        )

    @property
    def main_source(self) -> str:
        """The source that the list is mostly of."""
        return (self.sources or self.quotas)[0][0]

    @property
    def needs_item(self) -> bool:
        """Whether the list is about an item that the request has to name."""
        return self.main_source in {SIMILAR, CONTENT}

    @property
    def needs_list(self) -> bool:
        """Whether it orders a list that the request has to give."""
        return self.name in OVER_A_GIVEN_LIST or any(
            source == GIVEN for source, _ in (*self.sources, *self.quotas)
        )


SCENARIOS: Mapping[str, Scenario] = MappingProxyType(
    {
        scenario.name: scenario
        for scenario in (
            Scenario(
                "home",
                ((PERSONAL, 1.0),),
                (CONTENT, IN_SEGMENT, *LAST_RESORTS),
                exclude_seen=ExcludeSeen.ALL,
            ),
            Scenario("product", ((SIMILAR, 1.0), (PERSONAL, 0.25)), (CONTENT, *LAST_RESORTS)),
            Scenario("bought_together", ((TOGETHER, 1.0),), (CONTENT, *LAST_RESORTS)),
            Scenario("basket", ((BASKET, 1.0),), (TOGETHER, *LAST_RESORTS)),
            Scenario("buy_again", ((BUY_AGAIN, 1.0),)),
            Scenario("trending", ((TRENDING, 1.0),)),
            Scenario("popular", ((POPULAR, 1.0),), (LATEST, CATALOGUE)),
            Scenario("latest", ((LATEST, 1.0),), (CATALOGUE,)),
            Scenario("rank", ((PERSONAL, 1.0),)),
            Scenario("search", ((GIVEN, 1.0), (PERSONAL, 0.5))),
        )
    }
)


def scenario_of(name: str, body: JsonObject, *, version: int = 0, at: str = "") -> Scenario:
    """The scenario that a definition describes.

    Args:
        name: Its name.
        body: As `body_of` writes it; members left out have their defaults.
        version: Of the definition.
        at: Where the body stands in the request's, for pointers.

    Raises:
        InvalidInputError: Its parts do not fit together; with pointers.
    """
    given = [(part["source"], part.get("weight", 1.0), part.get("quota")) for part in body["sources"]]
    faults = [*_twice((source for source, _, _ in given), f"{at}/sources", "/source")]
    fallback = tuple(body.get("fallback", LAST_RESORTS))
    faults += _twice(fallback, f"{at}/fallback")
    if sum(quota for _, _, quota in given if quota is not None) > 1:
        faults.append(FieldError(f"{at}/sources", "have quotas of more than 1 in all"))
    if faults:
        raise InvalidInputError("The scenario is not valid.", faults)
    filter_ = body.get("filter")
    return Scenario(
        name=name,
        sources=tuple((source, weight) for source, weight, quota in given if quota is None),
        fallback=fallback,
        exclude_seen=ExcludeSeen(body.get("exclude_seen", ExcludeSeen.NONE)),
        quotas=tuple((source, quota) for source, _, quota in given if quota is not None),
        clause=None if filter_ is None else parse_filter(filter_, pointer=f"{at}/filter"),
        diversity=body.get("diversity", 0.0),
        novelty=body.get("novelty", 0.0),
        rotation=body.get("rotation", 0.0),
        n=body.get("n", PLACES),
        version=version,
    )


def body_of(scenario: Scenario) -> JsonObject:
    """A built-in scenario as a definition."""
    blended = [{"source": source, "weight": weight, "quota": None} for source, weight in scenario.sources]
    apart = [{"source": source, "weight": 1.0, "quota": share} for source, share in scenario.quotas]
    return {
        "sources": [*blended, *apart],
        "fallback": list(scenario.fallback),
        "filter": None,
        "exclude_seen": scenario.exclude_seen.value,
        "diversity": scenario.diversity,
        "novelty": scenario.novelty,
        "rotation": scenario.rotation,
        "n": scenario.n,
    }


def _twice(names: Iterable[str], pointer: str, member: str = "") -> list[FieldError]:
    met: set[str] = set()
    faults = []
    for place, name in enumerate(names):
        if name in met:
            faults.append(FieldError(f"{pointer}/{place}{member}", "stands there twice"))
        met.add(name)
    return faults
