"""Everything an answer is made from."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from app.domain.recommendations import RecommendationRequest
from app.pipeline.candidates import ModelView, PopularView
from app.pipeline.catalogue import CatalogueSnapshot
from app.pipeline.clauses import Clause
from app.pipeline.history import NO_PAST, Past
from app.pipeline.rules import Rule
from app.pipeline.scenarios import Scenario


@dataclass(frozen=True, slots=True)
class Question:
    """A request with what is known.

    Attributes:
        clause: The request's own filter.
        rules: Those that act in the scenario now, in their order.
        shown: Marks of what earlier pages of the list showed.
    """

    request: RecommendationRequest
    scenario: Scenario
    catalogue: CatalogueSnapshot
    popularity: PopularView
    past: Past = NO_PAST
    model: ModelView | None = None
    clause: Clause | None = None
    rules: tuple[Rule, ...] = ()
    shown: NDArray[np.uint32] | None = None

    @property
    def about(self) -> int | None:
        """The position of the item that the list is about."""
        item_id = self.request.context.item_id
        place = -1 if item_id is None else self.catalogue.position(item_id)
        return place if place >= 0 else None

    @property
    def diversity(self) -> float:
        """As the request says, or else the scenario."""
        asked = self.request.diversity
        return self.scenario.diversity if asked is None else asked


def everything(question: Question) -> Question:
    """The same question for every place there is, by score alone: for explanations."""
    size = max(1, len(question.catalogue))
    return replace(question, request=replace(question.request, n=size, diversity=0.0))
