"""What each source says of every item, -inf where it says nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from app.domain.recommendations import RecommendationRequest
from app.domain.types import Query
from app.pipeline import candidates, scenarios
from app.pipeline.buy_again import buy_again
from app.pipeline.candidates import Scores, Wanted
from app.pipeline.columns import BoolArray, FloatArray
from app.pipeline.explore import draw
from app.pipeline.history import Past
from app.pipeline.question import Question
from app.pipeline.scenarios import Scenario

SECONDS_PER_DAY = 86_400.0


def named(source: str, question: Question) -> str:
    """What the answer calls a source: a model's by the kind of model."""
    if source in scenarios.MODEL_SOURCES and question.model is not None:
        return question.model.scorer.source
    return source


def scores_of(source: str, question: Question, mask: BoolArray) -> Scores | None:
    """Float (items,) of a source, or None where it has nothing to say.

    Args:
        source: Its name.
        question: What is asked.
        mask: Bool (items,), what may be shown: exploration draws among that.
    """
    if source == scenarios.EXPLORE:
        return draw(question, mask)
    if source in scenarios.MODEL_SOURCES:
        return _model_scores(source, question, mask) if question.model is not None else None
    own = _OWN.get(source)
    if own is not None:
        return own(question)
    return question.popularity.scores(source, question.catalogue, question.request.window_days)


def _catalogue_scores(question: Question) -> FloatArray:
    # What only events made comes last of all: it is nobody's news, but better than a short list.
    catalogue = question.catalogue
    behind = np.where(catalogue.in_range, 0, len(catalogue.items))
    return -(catalogue.rank + behind).astype(np.float64)


def _content_scores(question: Question) -> FloatArray | None:
    """Likeness to the item that the list is about, else to the one the person had to do with last."""
    place = question.about
    if place is None and question.past.events:
        place = question.catalogue.position([*question.past.events][-1])
    return None if place is None or place < 0 else candidates.content(place, question.catalogue)


def _together_scores(question: Question) -> FloatArray | None:
    return question.popularity.together.scores(asked_about(question), question.catalogue)


def asked_about(question: Question) -> tuple[str, ...]:
    """The items that something is to be bought together with: the basket, else the page's item."""
    context = question.request.context
    return context.basket or (() if context.item_id is None else (context.item_id,))


def _segment_scores(question: Question) -> FloatArray | None:
    """Of the first segment of the request's that enough people share."""
    known = question.popularity.segments
    segment = known.first_of(question.request.context.segments())
    return None if segment is None else known.scores(segment, question.catalogue)


def _buy_again_scores(question: Question) -> FloatArray | None:
    past = question.past
    return None if past.now is None else buy_again(past.bought, past.now, question.catalogue)


def _given_scores(question: Question) -> FloatArray | None:
    """The caller's own order, best first."""
    given = question.request.only_item_ids
    if given is None:
        return None
    places = question.catalogue.aligned(given)
    scores: FloatArray = np.full(len(question.catalogue), -np.inf)
    scores[places[places >= 0]] = -np.flatnonzero(places >= 0).astype(np.float64)
    return scores


def _latest_scores(question: Question) -> FloatArray:
    """float64 (items,); without what only events made, unless the caller's own list is ranked."""
    catalogue, window = question.catalogue, question.request.window_days
    since = None if window is None else _window_start(question, window)
    scores = candidates.latest(catalogue, since=since)
    whole = question.request.only_item_ids is not None
    return scores if whole else np.where(catalogue.in_range, scores, -np.inf)


def _model_scores(source: str, question: Question, mask: BoolArray) -> Scores | None:
    model, catalogue, wanted = question.model, question.catalogue, Wanted(mask, question.request.n)
    assert model is not None  # noqa: S101  # the caller has looked
    if source == scenarios.PERSONAL:
        return model.scores(question.past.query, catalogue, wanted)
    if source == scenarios.BASKET:
        return model.scores(_basket(question.request), catalogue, wanted)
    place = question.about
    return None if place is None else model.similar(place, catalogue)


def queries_of(scenario: Scenario, request: RecommendationRequest, past: Past) -> Iterator[Query]:
    """What the scenario's sources will ask a model, likeness aside."""
    for source, _ in (*scenario.sources, *scenario.quotas):
        if source == scenarios.PERSONAL and past.query.item_ids:
            yield past.query
        elif source == scenarios.BASKET and request.context.basket:
            yield _basket(request)


def _basket(request: RecommendationRequest) -> Query:
    basket = request.context.basket
    return Query(basket, (1.0,) * len(basket))


def _window_start(question: Question, days: int) -> float:
    return question.popularity.made_at.timestamp() - days * SECONDS_PER_DAY


_OWN: Mapping[str, Callable[[Question], Scores | None]] = {
    scenarios.LATEST: _latest_scores,
    scenarios.CATALOGUE: _catalogue_scores,
    scenarios.CONTENT: _content_scores,
    scenarios.TOGETHER: _together_scores,
    scenarios.BUY_AGAIN: _buy_again_scores,
    scenarios.GIVEN: _given_scores,
    scenarios.IN_SEGMENT: _segment_scores,
}
_SHARED = frozenset(
    {scenarios.POPULAR, scenarios.IN_SEGMENT, scenarios.TRENDING, scenarios.CONTENT, scenarios.TOGETHER}
)


def shares_of(source: str, scores: Scores) -> FloatArray:
    """Raw scores of a fallback source as shares of its best; plain steps where the scale has no meaning."""
    if source in _SHARED and len(scores):
        shares: FloatArray = np.asarray(scores / scores[0], dtype=np.float64)
        return shares
    return steps(len(scores))


def steps(count: int) -> FloatArray:
    """float64 (count,): falling from 1 by place alone."""
    return np.asarray(1.0 / (1.0 + np.arange(count)), dtype=np.float64)
