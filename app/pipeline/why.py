"""What each stage did to one item, in words: for the explanation of a place, or of its absence."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from app.domain.recommendations import Step
from app.pipeline import blend
from app.pipeline.adjust import novelty, rotation
from app.pipeline.admission import admissible, restrictions
from app.pipeline.question import Question
from app.pipeline.rules import Caps, RuleKind
from app.pipeline.run import Listed
from app.pipeline.sources import named, scores_of

NO_SCORE = ("sources", "no source gave it a score")


def steps(question: Question, place: int) -> tuple[Step, ...]:
    """What the sources say of the item at a position, and what moves it, in the stages' order."""
    return (*_said(question, place), *_moved(question, place))


def dropped(question: Question, place: int, made: Listed) -> tuple[str, str]:
    """Stage and rule of the first that holds something against an item which stands nowhere."""
    if place < 0:
        return "catalogue", "there is no such item"
    item = question.catalogue.items[place]
    if not question.catalogue.eligible[place]:
        state = "deleted" if item.deleted else "hidden" if item.hidden else "out of stock"
        return "catalogue", f"it is {state}"
    for part in restrictions(question):
        if not part.lets_through(place):
            return part.stage, part.rule
    caps = Caps(question.rules, question.catalogue, question.about)
    caps.count(made.positions.tolist())
    capped = caps.against(place)
    return NO_SCORE if capped is None else ("rule", f"the cap {capped.name} leaves it no place")


def _said(question: Question, place: int) -> Iterator[Step]:
    scenario = question.scenario
    weighed = [(source, f"weight {weight:g}") for source, weight in scenario.sources]
    apart = [(source, f"{share:.0%} of the places") for source, share in scenario.quotas]
    for source, part in (*weighed, *apart):
        scores = scores_of(source, question, admissible(question))
        name = named(source, question)
        if scores is None or not np.isfinite(scores[place]):
            yield Step("source", f"{name} ({part}) says nothing of it", None)
            continue
        score = float(blend.standardised(scores)[place])
        better = int((scores > scores[place]).sum())
        known = int(np.isfinite(scores).sum())
        words = f"{name} ({part}) puts it at {better + 1:,} of {known:,}, {score:+.2f} standard deviations"
        yield Step("source", words, round(score, 6))


def _moved(question: Question, place: int) -> Iterator[Step]:
    costs = (
        ("novelty", "its popularity", novelty(question)),
        ("rotation", "being shown", rotation(question)),
    )
    for stage, what, cost in costs:
        if cost is not None and cost[place] < 0:
            yield Step(stage, f"{what} takes {-cost[place]:.2f}", round(float(cost[place]), 6))
    for rule in question.rules:
        if not rule.mask(question.catalogue, question.about)[place]:
            continue
        if rule.kind in {RuleKind.BOOST, RuleKind.BURY}:
            sign, verb = (1, "adds") if rule.kind is RuleKind.BOOST else (-1, "takes")
            yield Step("rule", f"the rule {rule.name} {verb} {rule.strength:.2f}", sign * rule.strength)
        elif rule.kind is RuleKind.PIN:
            yield Step("rule", f"the rule {rule.name} pins it to place {rule.position}", None)
        elif rule.kind is RuleKind.CAP:
            yield Step("rule", f"the rule {rule.name} counts it: {rule.most} at most", None)
