"""One list from start to end: candidates, filters, blend, rerank, and the chain that fills what is left."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from app.domain.recommendations import Context, ExcludeSeen, RecommendationRequest
from app.domain.types import Query
from app.pipeline import blend, candidates, scenarios
from app.pipeline.candidates import ModelView, PopularView
from app.pipeline.catalogue import CatalogueSnapshot
from app.pipeline.columns import BoolArray, FloatArray, IntArray
from app.pipeline.filters import Clause
from app.pipeline.history import NO_PAST, Past
from app.pipeline.rerank import category_vectors, diversified, pool_size
from app.pipeline.scenarios import Scenario

SECONDS_PER_DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class Question:
    """Everything an answer is made from."""

    request: RecommendationRequest
    scenario: Scenario
    catalogue: CatalogueSnapshot
    popularity: PopularView
    past: Past = NO_PAST
    model: ModelView | None = None
    clause: Clause | None = None


@dataclass(frozen=True, slots=True)
class Listed:
    """A list as positions of the catalogue.

    Attributes:
        scores: float64 (places,), 0 to 1, falling where nothing was diversified.
        sources: Which source put each there.
        filled: Places that the fallback chain filled.
    """

    positions: IntArray
    scores: FloatArray
    sources: tuple[str, ...]
    filled: int


@dataclass(slots=True)
class _Draft:
    """A list while it grows."""

    n: int
    mask: BoolArray
    positions: list[IntArray] = field(default_factory=list)
    scores: list[FloatArray] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)

    @property
    def missing(self) -> int:
        return self.n - len(self.sources)

    def take(self, picked: IntArray, shares: FloatArray, source: str) -> None:
        """Put places at the end. Their scores are scaled below what stands there already."""
        floor = float(self.scores[-1].min()) if self.scores else 1.0
        if not len(picked):
            return
        self.positions.append(picked)
        self.scores.append(shares * floor)
        self.sources.extend([source] * len(picked))
        self.mask[picked] = False

    def listed(self, own: int) -> Listed:
        none = np.zeros(0)
        return Listed(
            positions=np.concatenate([*self.positions, none.astype(np.int64)]),
            scores=np.concatenate([*self.scores, none]),
            sources=tuple(self.sources),
            filled=len(self.sources) - own,
        )


def listed(question: Question) -> Listed:
    """The answer's places.

    Raises:
        ModelFailedError: The model's scores are not finite.
    """
    draft = _Draft(question.request.n, admissible(question))
    own = _take_own(question, draft)
    for source in question.scenario.fallback:
        if draft.missing <= 0 or not draft.mask.any():
            break
        scores = _scores(source, question)
        if scores is not None:
            picked = blend.top(scores, draft.mask, draft.missing, question.catalogue.rank)
            draft.take(picked, _shares_of(source, scores[picked]), source)
    return draft.listed(own)


def admissible(question: Question) -> BoolArray:
    """Bool (items,): what may be shown at all; no source and no fallback shows anything else."""
    catalogue, request = question.catalogue, question.request
    if request.only_item_ids is None:
        mask = catalogue.eligible.copy()
    else:
        mask = np.zeros(len(catalogue), dtype=np.bool_)
        mask[catalogue.positions(request.only_item_ids)] = True
        mask &= catalogue.eligible
    for _, _, part in restrictions(question):
        mask &= part
    return mask


def restrictions(question: Question) -> Iterator[tuple[str, str, BoolArray]]:
    """Stage, rule and bool (items,) of what it lets through, for each restriction of the request."""
    catalogue, request, past = question.catalogue, question.request, question.past
    yield "disliked", "the person's events speak against it", _all_but(catalogue, past.disliked)
    seen = request.exclude_seen or question.scenario.exclude_seen
    if seen is ExcludeSeen.ALL:
        yield "seen", "the person has met it before", _all_but(catalogue, past.seen)
    elif seen is ExcludeSeen.PURCHASED:
        yield "seen", "the person has bought it", _all_but(catalogue, past.purchased)
    if request.only_item_ids is None:
        yield "context", "it is what the list is about", _all_but(catalogue, _asked_about(request.context))
    yield "excluded", "the request excludes it", _all_but(catalogue, request.exclude_item_ids)
    if request.category is not None:
        yield "filter", "it is not of the category", catalogue.column("categories").holds(request.category)
    if question.clause is not None:
        yield "filter", "it does not satisfy the filter", question.clause.mask(catalogue)


def _asked_about(context: Context) -> tuple[str, ...]:
    return (*context.basket, *([context.item_id] if context.item_id is not None else []))


def _all_but(catalogue: CatalogueSnapshot, item_ids: frozenset[str] | tuple[str, ...]) -> BoolArray:
    mask = np.ones(len(catalogue), dtype=np.bool_)
    if item_ids:
        mask[catalogue.positions(tuple(item_ids))] = False
    return mask


def _take_own(question: Question, draft: _Draft) -> int:
    """Fill places from the scenario's own sources; returns how many."""
    parts = [
        (weight, scores, source)
        for source, weight in question.scenario.sources
        if (scores := _scores(source, question)) is not None
    ]
    if not parts or not draft.mask.any():
        return 0
    z_scores = blend.blended([(weight, scores) for weight, scores, _ in parts])
    request, catalogue = question.request, question.catalogue
    pool = blend.top(z_scores, draft.mask, pool_size(request.n, request.diversity), catalogue.rank)
    if request.diversity > 0 and len(pool):
        vectors = question.model.unit_vectors(pool) if question.model is not None else None
        vectors = vectors if vectors is not None else category_vectors(catalogue, pool)
        pool = pool[diversified(z_scores[pool], vectors, request.n, request.diversity)]
    source = parts[0][2]
    draft.take(pool, blend.shares(z_scores[pool]), _named(source, question))
    return len(draft.sources)


def _named(source: str, question: Question) -> str:
    """What the answer calls a source: a model's by the kind of model."""
    if source in scenarios.MODEL_SOURCES and question.model is not None:
        return question.model.scorer.source
    return source


def _scores(source: str, question: Question) -> FloatArray | None:
    """float64 (items,) of a source, or None where it has nothing to say."""
    if source in scenarios.MODEL_SOURCES:
        return _model_scores(source, question) if question.model is not None else None
    catalogue, window = question.catalogue, question.request.window_days
    if source == scenarios.LATEST:
        return _latest_scores(question)
    if source == scenarios.CATALOGUE:
        # What only events made comes last of all: it is nobody's news, but better than a short list.
        behind = np.where(catalogue.in_range, 0, len(catalogue.items))
        return -(catalogue.rank + behind).astype(np.float64)
    if source == scenarios.CONTENT:
        place = _anchor(question)
        return None if place is None else candidates.content(place, catalogue)
    return question.popularity.scores(source, catalogue, window)


def _latest_scores(question: Question) -> FloatArray:
    """float64 (items,); without what only events made, unless the caller's own list is ranked."""
    catalogue, window = question.catalogue, question.request.window_days
    since = None if window is None else _window_start(question, window)
    scores = candidates.latest(catalogue, since=since)
    whole = question.request.only_item_ids is not None
    return scores if whole else np.where(catalogue.in_range, scores, -np.inf)


def _model_scores(source: str, question: Question) -> FloatArray | None:
    model, catalogue = question.model, question.catalogue
    assert model is not None  # noqa: S101  # the caller has looked
    if source == scenarios.PERSONAL:
        return model.scores(question.past.query, catalogue)
    if source == scenarios.BASKET:
        basket = question.request.context.basket
        return model.scores(Query(basket, (1.0,) * len(basket)), catalogue)
    place = _anchor(question)
    return None if place is None else model.similar(place, catalogue)


def _anchor(question: Question) -> int | None:
    item_id = question.request.context.item_id
    place = -1 if item_id is None else question.catalogue.position(item_id)
    return place if place >= 0 else None


def _window_start(question: Question, days: int) -> float:
    return question.popularity.made_at.timestamp() - days * SECONDS_PER_DAY


def _shares_of(source: str, scores: FloatArray) -> FloatArray:
    """Raw scores of a fallback source as shares of its best; plain steps where the scale has no meaning."""
    if source in {scenarios.POPULAR, scenarios.TRENDING, scenarios.CONTENT} and len(scores):
        shares: FloatArray = scores / scores[0]
        return shares
    return np.asarray(1.0 / (1.0 + np.arange(len(scores))), dtype=np.float64)


def everything(question: Question) -> Question:
    """The same question for every place there is, by score alone: for explanations."""
    size = max(1, len(question.catalogue))
    return replace(question, request=replace(question.request, n=size, diversity=0.0))
