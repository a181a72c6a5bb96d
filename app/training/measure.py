"""A fitted model beside the baselines on the test slice, and against rivals on what came after them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from app.domain.moments import rfc3339
from app.domain.ports import Scorer
from app.domain.types import JsonObject
from app.evaluation import beyond, protocol
from app.evaluation.splits import TimeSplit
from app.training.build import Plan
from app.training.evaluate import as_score, baselines, cases
from app.training.fitted import Fitted
from app.training.preprocess import Labelled, days_of, moment

RIVAL_MAX_LENGTH = 200


@dataclass(frozen=True, slots=True)
class Rival:
    """A model that the new one is held against on the same slice.

    Attributes:
        scorer: As it serves.
        window_end: When the last event happened that it learned from; it is asked about what came after.
    """

    scorer: Scorer
    window_end: datetime | None = None


def measure(
    chosen: Plan, tested: Fitted, labelled: Labelled, split: TimeSplit, rivals: Mapping[str, Rival]
) -> JsonObject:
    """The model and the baselines on the test slice, and each rival on what came after its window."""
    facts = tested.numbers.interactions
    items = beyond.catalogue(facts.user, facts.item, n_items=facts.n_items)
    people = _cases(labelled, split.test_from, tested.numbers.item_ids, chosen.max_length)
    others = {
        name: protocol.evaluate(counted.score, people, items) for name, counted in baselines(facts).items()
    }
    return {
        "protocol": {
            "kind": "time_split",
            "validation_from": rfc3339(moment(split.validation_from)),
            "test_from": rfc3339(moment(split.test_from)),
            "people": len(people),
        },
        "test": protocol.evaluate(tested.score, people, items),
        "baselines": others,
        "rivals": dict(_duels(chosen, tested, labelled, split, rivals)),
    }


def _duels(
    chosen: Plan, tested: Fitted, labelled: Labelled, split: TimeSplit, rivals: Mapping[str, Rival]
) -> Iterator[tuple[str, JsonObject]]:
    facts = tested.numbers.interactions
    items = beyond.catalogue(facts.user, facts.item, n_items=facts.n_items)
    for name, rival in rivals.items():
        since = split.test_from
        if rival.window_end is not None:
            # Strictly later: it learned from the events of that last moment, which may be a whole day's.
            since = max(since, float(np.nextafter(days_of(rival.window_end), np.inf)))
        ours = _cases(labelled, since, tested.numbers.item_ids, chosen.max_length)
        if not len(ours):
            continue
        their_ids = list(rival.scorer.item_ids)
        theirs = _cases(labelled, since, their_ids, RIVAL_MAX_LENGTH)
        their_items = items.renumbered(tested.numbers.item_ids, their_ids)
        yield (
            name,
            {
                "since": rfc3339(moment(since)),
                "candidate": protocol.evaluate(tested.score, ours, items),
                "rival": protocol.evaluate(as_score(rival.scorer), theirs, their_items),
            },
        )


def _cases(labelled: Labelled, since: float, item_ids: list[str], max_length: int) -> protocol.Cases:
    return cases(
        labelled.before(since),
        labelled.between(since, float("inf")),
        item_ids,
        now=since,
        max_length=max_length,
    )
