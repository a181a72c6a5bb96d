"""What each source says of every item, -inf where it says nothing."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from app.domain.recommendations import RecommendationRequest
from app.domain.types import Query
from app.pipeline import candidates, scenarios
from app.pipeline.columns import FloatArray
from app.pipeline.history import Past
from app.pipeline.question import Question
from app.pipeline.scenarios import Scenario

SECONDS_PER_DAY = 86_400.0


def named(source: str, question: Question) -> str:
    """What the answer calls a source: a model's by the kind of model."""
    if source in scenarios.MODEL_SOURCES and question.model is not None:
        return question.model.scorer.source
    return source


def scores_of(source: str, question: Question) -> FloatArray | None:
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
        place = question.about
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
        return model.scores(_basket(question.request), catalogue)
    place = question.about
    return None if place is None else model.similar(place, catalogue)


def queries_of(scenario: Scenario, request: RecommendationRequest, past: Past) -> Iterator[Query]:
    """What the scenario's sources will ask a model, likeness aside."""
    for source, _ in scenario.sources:
        if source == scenarios.PERSONAL and past.query.item_ids:
            yield past.query
        elif source == scenarios.BASKET and request.context.basket:
            yield _basket(request)


def _basket(request: RecommendationRequest) -> Query:
    basket = request.context.basket
    return Query(basket, (1.0,) * len(basket))


def _window_start(question: Question, days: int) -> float:
    return question.popularity.made_at.timestamp() - days * SECONDS_PER_DAY


def shares_of(source: str, scores: FloatArray) -> FloatArray:
    """Raw scores of a fallback source as shares of its best; plain steps where the scale has no meaning."""
    if source in {scenarios.POPULAR, scenarios.TRENDING, scenarios.CONTENT} and len(scores):
        shares: FloatArray = scores / scores[0]
        return shares
    return steps(len(scores))


def steps(count: int) -> FloatArray:
    """float64 (count,): falling from 1 by place alone."""
    return np.asarray(1.0 / (1.0 + np.arange(count)), dtype=np.float64)
