"""Small catalogues, models and questions to test the pipeline with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.domain.fading import fading_of
from app.domain.recommendations import RecommendationRequest
from app.domain.types import Interaction, Item, Query
from app.domain.weights import DEFAULT_WEIGHTS
from app.pipeline.candidates import bind, popular_view
from app.pipeline.catalogue import CatalogueSnapshot, empty_catalogue
from app.pipeline.filters import parse_filter
from app.pipeline.history import NO_PAST, Past, past_of
from app.pipeline.popularity import daily_counts
from app.pipeline.question import Question
from app.pipeline.run import Listed, listed
from app.pipeline.scenarios import SCENARIOS

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
FADING = fading_of(14.0)


def item(item_id: str, *, price: str | None = None, categories: Sequence[str] = (), **fields: Any) -> Item:
    return Item(
        item_id=item_id,
        price=None if price is None else Decimal(price),
        categories=tuple(categories),
        **fields,
    )


def catalogue(*items: Item | str) -> CatalogueSnapshot:
    rows = [Item(item_id=one) if isinstance(one, str) else one for one in items]
    return empty_catalogue().with_changes(rows, revision=1)


def past(*lines: tuple[str, str], session: Sequence[str] = ()) -> Past:
    """`(event, item)` lines, oldest first, a minute apart, ending now."""
    history = [
        Interaction(item_id=item_id, name=name, happened_at=NOW.replace(minute=0, second=place))
        for place, (name, item_id) in enumerate(lines)
    ]
    return past_of(history, session, NOW, DEFAULT_WEIGHTS)


class TableScorer:
    """Scores of an item are what the table says of each asked item, weighted and added."""

    def __init__(
        self,
        item_ids: Sequence[str],
        table: Mapping[str, Mapping[str, float]],
        *,
        vectors: NDArray[np.float32] | None = None,
        source: str = "transitions",
        version: str = "table-1",
        missing: float = 0.0,
    ) -> None:
        self.version = version
        self.model = "table"
        self.source = source
        self.item_ids = tuple(item_ids)
        self.item_vectors = vectors
        self.asked: list[Query] = []
        self._table = table
        self._missing = missing

    def score(self, queries: Sequence[Query]) -> NDArray[np.float32]:
        self.asked.extend(queries)
        scores = np.full((len(queries), len(self.item_ids) + 1), self._missing, np.float32)
        for row, query in enumerate(queries):
            for item_id, weight in zip(query.item_ids, query.weights, strict=True):
                for other, value in self._table.get(item_id, {}).items():
                    scores[row, self.item_ids.index(other) + 1] += weight * value
        scores[:, 0] = -np.inf
        return scores


def question(
    snapshot: CatalogueSnapshot,
    *,
    scorer: Any = None,
    of: Past = NO_PAST,
    counts: Sequence[tuple[str, str, str, int]] = (),
    filter_: Any = None,
    **request: Any,
) -> Question:
    asked = RecommendationRequest(**request)
    return Question(
        request=asked,
        scenario=SCENARIOS[asked.scenario],
        catalogue=snapshot,
        popularity=popular_view(daily_counts(counts, DEFAULT_WEIGHTS), NOW, FADING, snapshot),
        past=of,
        model=None if scorer is None else bind(scorer, snapshot),
        clause=None if filter_ is None else parse_filter(filter_),
    )


def ids(snapshot: CatalogueSnapshot, made: Listed) -> list[str]:
    return [snapshot.items[place].item_id for place in made.positions]


def answer(snapshot: CatalogueSnapshot, **options: Any) -> list[str]:
    return ids(snapshot, listed(question(snapshot, **options)))
