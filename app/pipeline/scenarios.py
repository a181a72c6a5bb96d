"""The built-in pipelines by name: which sources answer, what fills up, what was seen and is left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from app.domain.recommendations import ExcludeSeen

POPULAR, TRENDING, LATEST, CONTENT, CATALOGUE = "popular", "trending", "latest", "content", "catalogue"
PERSONAL, SIMILAR, BASKET = "personal", "similar", "basket"
MODEL_SOURCES = frozenset({PERSONAL, SIMILAR, BASKET})
LAST_RESORTS = (POPULAR, LATEST, CATALOGUE)


@dataclass(frozen=True, slots=True)
class Scenario:
    """A named pipeline.

    Attributes:
        sources: Sources and weights whose scores are blended.
        fallback: Sources that fill the places left, in this order.
        exclude_seen: What of the person's past is left out where the request does not say.
    """

    name: str
    sources: tuple[tuple[str, float], ...]
    fallback: tuple[str, ...] = LAST_RESORTS
    exclude_seen: ExcludeSeen = ExcludeSeen.NONE

    @property
    def asks_model(self) -> bool:
        """Whether a trained model takes part."""
        return any(source in MODEL_SOURCES for source, _ in self.sources)


SCENARIOS: Mapping[str, Scenario] = MappingProxyType(
    {
        scenario.name: scenario
        for scenario in (
            Scenario("home", ((PERSONAL, 1.0),), exclude_seen=ExcludeSeen.ALL),
            Scenario("product", ((SIMILAR, 1.0), (PERSONAL, 0.25)), (CONTENT, *LAST_RESORTS)),
            Scenario("basket", ((BASKET, 1.0),)),
            Scenario("trending", ((TRENDING, 1.0),)),
            Scenario("popular", ((POPULAR, 1.0),), (LATEST, CATALOGUE)),
            Scenario("latest", ((LATEST, 1.0),), (CATALOGUE,)),
            Scenario("rank", ((PERSONAL, 1.0),)),
        )
    }
)
