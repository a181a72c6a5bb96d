"""What is added to and taken from scores before the best are picked: boosts and buries, novelty, rotation."""

from __future__ import annotations

import numpy as np

from app.pipeline import blend
from app.pipeline.candidates import Scores
from app.pipeline.columns import FloatArray
from app.pipeline.question import Question
from app.pipeline.rules import lifts


def adjustments(question: Question) -> FloatArray | None:
    """float64 (items,): standard deviations of score added or taken; None where nothing is."""
    boosts = lifts(question.rules, question.catalogue, question.about)
    parts = [part for part in (boosts, novelty(question), rotation(question)) if part is not None]
    return None if not parts else np.asarray(sum(parts), dtype=np.float64)


def adjusted(scores: Scores, by: FloatArray | None) -> Scores:
    """Float (items,): the scores themselves where nothing adjusts them, else z-scores with what does.

    What a source says nothing of stays at -inf: a boost moves an item, it does not make it a candidate.
    """
    return scores if by is None else blend.standardised(scores) + by


def novelty(question: Question) -> FloatArray | None:
    """What popularity costs: the scenario's novelty in standard deviations for the most popular item.

    It falls with the logarithm of the counts, to nothing for an item that nobody did anything with.
    """
    if question.scenario.novelty <= 0:
        return None
    demand = question.popularity.demand(question.catalogue)
    return None if demand is None else -question.scenario.novelty * demand


def rotation(question: Question) -> FloatArray | None:
    """What being shown and not taken up costs: the scenario's rotation for each doubling of the times."""
    strength, shown = question.scenario.rotation, question.past.shown
    if strength <= 0 or not shown:
        return None
    places = question.catalogue.aligned(tuple(shown))
    times = np.array([*shown.values()], dtype=np.float64)
    cost = np.zeros(len(question.catalogue))
    cost[places[places >= 0]] = -strength * np.log2(1.0 + times[places >= 0])
    return cost
