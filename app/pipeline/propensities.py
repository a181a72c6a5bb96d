"""With which probability each place of a list holds what it holds: what is off a draw, and what is not."""

from __future__ import annotations

from app.pipeline.question import Question
from app.pipeline.rules import RuleKind
from app.pipeline.run import Listed
from app.pipeline.scenarios import EXPLORE

Propensities = tuple[float | None, ...]


def propensities(question: Question, made: Listed) -> Propensities:
    """One a place, or none at all where chance has no part in the list.

    A place that the exploration's quota filled has k / pool: k of its pool are drawn, each with the same
    chance. Every other place is settled by scores and rules: 1. Null where it is not known: of a drawn place
    under a cap, which may have passed over what was drawn, and of the whole list where the draw is added to
    other sources' scores.

    Args:
        question: What was asked.
        made: The list.
    """
    scenario, sources = question.scenario, made.sources
    if all(source != EXPLORE for source, _ in scenario.quotas):
        mixed = any(source == EXPLORE for source, _ in scenario.sources)
        return (None,) * len(sources) if mixed else ()
    drawn = sources.count(EXPLORE)
    capped = any(rule.kind is RuleKind.CAP for rule in question.rules)
    chance = None if capped or not drawn else drawn / made.drawn_from
    return tuple(chance if source == EXPLORE else 1.0 for source in sources)
