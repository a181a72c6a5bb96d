"""Why a scenario's own source filled no place, where nothing was wrong."""

from __future__ import annotations

from collections.abc import Mapping

from app.pipeline import scenarios
from app.pipeline.admission import admissible
from app.pipeline.question import Question

NO_ITEMS = "no-items"
UNKNOWN_ITEM = "unknown-item"
NOTHING_NEW = "nothing-new"
NO_COUNTS = "no-counts"
NOTHING_TOGETHER = "nothing-together"
NOTHING_DUE = "nothing-due"
NOTHING_TO_EXPLORE = "nothing-to-explore"
NO_MODEL = "no-model"
COLD_START = "cold-start"
UNKNOWN_TO_MODEL = "unknown-to-model"
NO_CANDIDATES = "no-candidates"

_OF_ITS_OWN: Mapping[str, str] = {
    scenarios.LATEST: NOTHING_NEW,
    scenarios.TOGETHER: NOTHING_TOGETHER,
    scenarios.BUY_AGAIN: NOTHING_DUE,
    scenarios.EXPLORE: NOTHING_TO_EXPLORE,
}


def why_silent(question: Question) -> str:
    """A code for a list without a place of the scenario's own source."""
    if not admissible(question).any():
        return NO_ITEMS
    source = question.scenario.main_source
    if (
        source == scenarios.SIMILAR
        and question.catalogue.position(question.request.context.item_id or "") < 0
    ):
        return UNKNOWN_ITEM
    if source in _OF_ITS_OWN:
        return _OF_ITS_OWN[source]
    if not question.scenario.asks_model:
        return NO_COUNTS
    return _of_the_model(question, source)


def _of_the_model(question: Question, source: str) -> str:
    context = question.request.context
    if question.model is None:
        return NO_MODEL
    if source == scenarios.PERSONAL:
        asked = question.past.query.item_ids
        if not asked:
            return COLD_START
    else:
        asked = context.basket if source == scenarios.BASKET else (context.item_id or "",)
    known = question.model.knows(asked, question.catalogue)
    return NO_CANDIDATES if known else UNKNOWN_TO_MODEL
