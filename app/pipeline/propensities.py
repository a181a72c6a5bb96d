"""With which probability each place of a list holds what it holds: what is off a draw, and what is not."""

from __future__ import annotations

from collections.abc import Sequence

from app.pipeline.admission import admissible
from app.pipeline.columns import IntArray
from app.pipeline.explore import pool
from app.pipeline.question import Question
from app.pipeline.rules import PINNED, RuleKind
from app.pipeline.scenarios import EXPLORE
from app.pipeline.sources import named

Propensities = tuple[float | None, ...]


def propensities(question: Question, positions: IntArray, sources: Sequence[str]) -> Propensities:
    """One a place, or none at all where chance has no part in the list.

    A place that the exploration's quota filled has k / size: k of its pool are drawn, each with the same
    chance. Every other place is settled by scores and rules: 1. Null where it is not known: of a drawn place
    under a cap, which may have passed over what was drawn, and of the whole list where the draw is added to
    other sources' scores.

    Args:
        question: What was asked.
        positions: int64 (places,): of the catalogue.
        sources: Which source put each there.
    """
    scenario = question.scenario
    quotas = [source for source, _ in scenario.quotas]
    if EXPLORE not in quotas:
        mixed = any(source == EXPLORE for source, _ in scenario.sources)
        return (None,) * len(sources) if mixed else ()
    drawn = sources.count(EXPLORE)
    capped = any(rule.kind is RuleKind.CAP for rule in question.rules)
    chance = None if capped or not drawn else drawn / _size(question, positions, sources, quotas)
    return tuple(chance if source == EXPLORE else 1.0 for source in sources)


def _size(question: Question, positions: IntArray, sources: Sequence[str], quotas: Sequence[str]) -> int:
    """Of the pool, without what pins and the quotas before it had taken by then."""
    before = {PINNED, *(named(source, question) for source in quotas[: quotas.index(EXPLORE)])}
    mask = admissible(question)
    mask[[int(place) for place, source in zip(positions, sources, strict=True) if source in before]] = False
    return len(pool(question, mask))
