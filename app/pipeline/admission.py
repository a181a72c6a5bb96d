"""What may be shown at all: the catalogue, the person's past, the request, the scenario, the rules."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import numpy as np

from app.domain.recommendations import Context, ExcludeSeen
from app.pipeline.clauses import kept_mask
from app.pipeline.columns import BoolArray, IntArray
from app.pipeline.question import Question
from app.pipeline.rules import RuleKind


@dataclass(frozen=True, slots=True)
class Restriction:
    """What one stage lets through: all but a few items, or those of a mask.

    Attributes:
        stage: Of the pipeline.
        rule: In words: what it holds against an item.
        without: int64 (some,): positions.
        within: Bool (items,).
    """

    stage: str
    rule: str
    without: IntArray | None = None
    within: BoolArray | None = None

    def narrow(self, mask: BoolArray) -> None:
        """Take from the mask what it does not let through."""
        if self.without is not None:
            mask[self.without] = False
        if self.within is not None:
            mask &= self.within

    def lets_through(self, place: int) -> bool:
        """Whether the item at the position passes."""
        if self.without is not None and place in self.without:
            return False
        return self.within is None or bool(self.within[place])


def admissible(question: Question) -> BoolArray:
    """Bool (items,): what may be shown at all; no source and no fallback shows anything else."""
    catalogue, request = question.catalogue, question.request
    if request.only_item_ids is None:
        mask = catalogue.eligible.copy()
    else:
        mask = np.zeros(len(catalogue), dtype=np.bool_)
        mask[catalogue.positions(request.only_item_ids)] = True
        mask &= catalogue.eligible
    for part in restrictions(question):
        part.narrow(mask)
    return mask


def restrictions(question: Question) -> Iterator[Restriction]:
    """Each restriction of the request that leaves anything out, in the stages' order."""
    catalogue, request = question.catalogue, question.request
    for stage, rule, item_ids in _unwanted(question):
        if item_ids:
            yield Restriction(stage, rule, without=catalogue.positions(tuple(item_ids)))
    if question.shown is not None:
        within = ~np.isin(catalogue.marks, question.shown)
        yield Restriction("paged", "an earlier page showed it", within=within)
    if request.category is not None:
        within = catalogue.column("categories").holds(request.category)
        yield Restriction("filter", "it is not of the category", within=within)
    if question.clause is not None:
        within = kept_mask(question.clause, catalogue, question.about)
        yield Restriction("filter", "it does not satisfy the filter", within=within)
    yield from _steered(question)


def _unwanted(question: Question) -> Iterator[tuple[str, str, Collection[str]]]:
    """Stage, rule and ids of what is left out by name."""
    request, past = question.request, question.past
    yield "disliked", "the person's events speak against it", past.disliked
    seen = request.exclude_seen or question.scenario.exclude_seen
    if seen is ExcludeSeen.ALL:
        yield "seen", "the person has met it before", past.seen
    elif seen is ExcludeSeen.PURCHASED:
        yield "seen", "the person has bought it", past.purchased
    if request.only_item_ids is None:
        yield "context", "it is what the list is about", _asked_about(request.context)
    yield "excluded", "the request excludes it", request.exclude_item_ids


def _steered(question: Question) -> Iterator[Restriction]:
    catalogue, scenario = question.catalogue, question.scenario
    if scenario.clause is not None:
        why = f"it does not satisfy the filter of the scenario {scenario.name}"
        yield Restriction("scenario", why, within=kept_mask(scenario.clause, catalogue, question.about))
    for rule in question.rules:
        if rule.kind is RuleKind.EXCLUDE:
            within = ~rule.mask(catalogue, question.about)
            yield Restriction("rule", f"the rule {rule.name} excludes it", within=within)


def _asked_about(context: Context) -> tuple[str, ...]:
    return (*context.basket, *([context.item_id] if context.item_id is not None else []))
