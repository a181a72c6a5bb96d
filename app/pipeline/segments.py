"""What is popular with people of one country, from one site, on one kind of device."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from operator import itemgetter

import numpy as np

from app.domain.fading import Fading
from app.domain.segments import Segment
from app.domain.weights import EventWeight
from app.pipeline.catalogue import CatalogueSnapshot
from app.pipeline.columns import FloatArray
from app.pipeline.popularity import daily_counts

ENOUGH_PEOPLE = 25
"""Fewer people than these say less of a segment's taste than all people do."""
MOST_OF_A_KIND = 50
ITEMS_KEPT = 200


@dataclass(frozen=True, slots=True)
class Segments:
    """The popular items of each segment that has enough people.

    Attributes:
        popular: By segment: ids and float64 counts, the greatest first.
    """

    popular: Mapping[Segment, tuple[tuple[str, ...], FloatArray]] = field(default_factory=dict)

    def first_of(self, named: Iterable[Segment]) -> Segment | None:
        """The first of them that has counts."""
        return next((segment for segment in named if segment in self.popular), None)

    def scores(self, segment: Segment, catalogue: CatalogueSnapshot) -> FloatArray:
        """float64 (items,): counts of the segment's people, -inf for items that few or none of them had."""
        item_ids, counts = self.popular[segment]
        scores: FloatArray = np.full(len(catalogue), -np.inf)
        places = catalogue.aligned(item_ids)
        scores[places[places >= 0]] = counts[places >= 0]
        return scores


NO_SEGMENTS = Segments()


def segments(
    lines: Iterable[tuple[Segment, str, str, str, int]],
    weights: Mapping[str, EventWeight],
    *,
    now: datetime,
    fading: Fading,
) -> Segments:
    """What is popular in each segment, faded as in popular lists.

    Args:
        lines: ``(segment, item_id, event name, day, people)``, each segment's side by side.
        weights: What each event says.
        now: The time of counting.
        fading: How old counts are taken.
    """
    found = {}
    for segment, own in groupby(lines, itemgetter(0)):
        counts = daily_counts((line[1:] for line in own), weights)
        scores = counts.popular(now, fading)
        best = np.argsort(-scores, kind="stable")[:ITEMS_KEPT]
        best = best[scores[best] > 0]
        if len(best):
            found[segment] = tuple(counts.item_ids[place] for place in best.tolist()), scores[best]
    return Segments(found)
