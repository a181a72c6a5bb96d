"""What may be shown at all: the catalogue, the person's past, the request, the scenario, the rules."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from app.domain.recommendations import Context, ExcludeSeen
from app.pipeline.catalogue import CatalogueSnapshot
from app.pipeline.clauses import kept_mask
from app.pipeline.columns import BoolArray
from app.pipeline.question import Question
from app.pipeline.rules import RuleKind


def admissible(question: Question) -> BoolArray:
    """Bool (items,): what may be shown at all; no source and no fallback shows anything else."""
    catalogue, request = question.catalogue, question.request
    if request.only_item_ids is None:
        mask = catalogue.eligible.copy()
    else:
        mask = np.zeros(len(catalogue), dtype=np.bool_)
        mask[catalogue.positions(request.only_item_ids)] = True
        mask &= catalogue.eligible
    for _, _, part in restrictions(question):
        mask &= part
    return mask


def restrictions(question: Question) -> Iterator[tuple[str, str, BoolArray]]:
    """Stage, rule and bool (items,) of what it lets through, for each restriction of the request."""
    catalogue, request, past = question.catalogue, question.request, question.past
    yield "disliked", "the person's events speak against it", _all_but(catalogue, past.disliked)
    seen = request.exclude_seen or question.scenario.exclude_seen
    if seen is ExcludeSeen.ALL:
        yield "seen", "the person has met it before", _all_but(catalogue, past.seen)
    elif seen is ExcludeSeen.PURCHASED:
        yield "seen", "the person has bought it", _all_but(catalogue, past.purchased)
    if request.only_item_ids is None:
        yield "context", "it is what the list is about", _all_but(catalogue, _asked_about(request.context))
    yield "excluded", "the request excludes it", _all_but(catalogue, request.exclude_item_ids)
    if question.shown is not None:
        yield "paged", "an earlier page showed it", ~np.isin(catalogue.marks, question.shown)
    if request.category is not None:
        yield "filter", "it is not of the category", catalogue.column("categories").holds(request.category)
    if question.clause is not None:
        yield "filter", "it does not satisfy the filter", question.clause.mask(catalogue, question.about)
    yield from _steered(question)


def _steered(question: Question) -> Iterator[tuple[str, str, BoolArray]]:
    catalogue, scenario = question.catalogue, question.scenario
    if scenario.clause is not None:
        why = f"it does not satisfy the filter of the scenario {scenario.name}"
        yield "scenario", why, kept_mask(scenario.clause, catalogue, question.about)
    for rule in question.rules:
        if rule.kind is RuleKind.EXCLUDE:
            yield "rule", f"the rule {rule.name} excludes it", ~rule.mask(catalogue, question.about)


def _asked_about(context: Context) -> tuple[str, ...]:
    return (*context.basket, *([context.item_id] if context.item_id is not None else []))


def _all_but(catalogue: CatalogueSnapshot, item_ids: frozenset[str] | tuple[str, ...]) -> BoolArray:
    mask = np.ones(len(catalogue), dtype=np.bool_)
    if item_ids:
        mask[catalogue.positions(tuple(item_ids))] = False
    return mask
