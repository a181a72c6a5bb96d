"""What is added to and taken from scores before the best are picked: boosts and buries, novelty, rotation."""

from __future__ import annotations

import numpy as np

from app.pipeline import blend
from app.pipeline.candidates import Scores
from app.pipeline.question import Question
from app.pipeline.rules import Adjustments, Rule, are_relative, lifts, moving


def adjustments(question: Question) -> Adjustments | None:
    """float32 (items,): standard deviations of score added or taken; None where nothing is."""
    steady, turn = _steady(question), rotation(question)
    if steady is None or turn is None:
        return turn if steady is None else steady
    return steady + turn


def _steady(question: Question) -> Adjustments | None:
    """What is the same for everybody, kept unless rules hang on a page's item."""
    rules = moving(question.rules)
    if not rules:
        return novelty(question)
    if are_relative(rules):
        return _boosted(question, rules)
    of = (rules, question.scenario.novelty, question.popularity.made_at)
    return question.catalogue.remembered(of, lambda: _boosted(question, rules))


def _boosted(question: Question, rules: tuple[Rule, ...]) -> Adjustments:
    boosts, cost = lifts(rules, question.catalogue, question.about), novelty(question)
    return boosts if cost is None else boosts + cost


def adjusted(scores: Scores, by: Adjustments | None) -> Scores:
    """Float (items,): the scores with what adjusts them, on their own scale."""
    return scores if by is None else blend.lifted(scores, by, blend.scale(scores)[1])


def novelty(question: Question) -> Adjustments | None:
    """What popularity costs: the scenario's novelty in standard deviations for the most popular item.

    It falls with the logarithm of the counts, to nothing for an item that nobody did anything with.
    """
    if question.scenario.novelty <= 0:
        return None
    demand = question.popularity.demand(question.catalogue)
    return None if demand is None else demand * np.float32(-question.scenario.novelty)


def rotation(question: Question) -> Adjustments | None:
    """What being shown and not taken up costs: the scenario's rotation for each doubling of the times."""
    strength, shown = question.scenario.rotation, question.past.shown
    if strength <= 0 or not shown:
        return None
    places = question.catalogue.aligned(tuple(shown))
    times = np.array([*shown.values()], dtype=np.float64)
    cost = np.zeros(len(question.catalogue), dtype=np.float32)
    cost[places[places >= 0]] = -strength * np.log2(1.0 + times[places >= 0])
    return cost
