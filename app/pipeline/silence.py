"""Why a scenario's own source filled no place, where nothing was wrong."""

from __future__ import annotations

from app.pipeline import scenarios
from app.pipeline.question import Question
from app.pipeline.run import admissible

NO_ITEMS = "no-items"
UNKNOWN_ITEM = "unknown-item"
NOTHING_NEW = "nothing-new"
NO_COUNTS = "no-counts"
NO_MODEL = "no-model"
COLD_START = "cold-start"
UNKNOWN_TO_MODEL = "unknown-to-model"
NO_CANDIDATES = "no-candidates"


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
    if source == scenarios.LATEST:
        return NOTHING_NEW
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
