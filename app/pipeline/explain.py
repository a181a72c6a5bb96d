"""Why an item stands in a list: which source, and which item of the person's past speaks for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import numpy as np

from app.domain.moments import rfc3339
from app.domain.recommendations import Neighbour, Reason
from app.domain.segments import COUNTRY, DEVICE, REFERRER, Segment
from app.domain.types import Item
from app.pipeline import scenarios
from app.pipeline.candidates import ModelView
from app.pipeline.catalogue import CatalogueSnapshot
from app.pipeline.columns import FloatArray, IntArray
from app.pipeline.history import Past
from app.pipeline.rules import PINNED

PAST_LOOKED_AT = 50
PAST_ASKED = 16
"""Without item vectors the model is asked about each past item alone; fewer, because that costs."""

BECAUSE = {
    "purchase": ("because_you_bought", "Because you bought"),
    "add_to_cart": ("because_you_added", "Because you put in your basket"),
    "add_to_wishlist": ("because_you_saved", "Because you saved"),
    "like": ("because_you_liked", "Because you liked"),
    "rate": ("because_you_rated", "Because you rated"),
}
VIEWED = ("because_you_viewed", "Because you viewed")
PLAIN = {
    scenarios.POPULAR: ("popular", "Popular right now"),
    scenarios.TRENDING: ("trending", "Trending right now"),
    scenarios.LATEST: ("new", "New in"),
    scenarios.CATALOGUE: ("from_catalogue", "From our range"),
    scenarios.BUY_AGAIN: ("buy_again", "Time to buy it again"),
    scenarios.EXPLORE: ("explored", "New, and few have seen it"),
    PINNED: ("pinned", "Picked by us"),
}
WHERE = {COUNTRY: "in", REFERRER: "with visitors from", DEVICE: "on"}
FOR_YOU = ("for_you", "Chosen for you")


@dataclass(frozen=True, slots=True)
class Anchors:
    """The items that may speak for a candidate, and how near each is to each candidate.

    Attributes:
        item_ids: The items.
        likeness: float64 (candidates, items).
    """

    item_ids: tuple[str, ...]
    likeness: FloatArray

    def nearest(self, candidate: int) -> str | None:
        """The item nearest to a candidate; the newer one of equals; None where none is near."""
        row = self.likeness[candidate]
        if not len(row) or not np.isfinite(row).any():
            return None
        return self.item_ids[len(row) - 1 - int(np.argmax(row[::-1]))]


def anchors(
    item_ids: Sequence[str], candidates: IntArray, model: ModelView | None, catalogue: CatalogueSnapshot
) -> Anchors:
    """Likeness of candidates to the newest of the items that the model knows."""
    if model is None:
        return Anchors((), np.zeros((len(candidates), 0)))
    known = [item_id for item_id in item_ids if model.knows([item_id], catalogue)][-PAST_LOOKED_AT:]
    candidate_vectors = model.unit_vectors(candidates)
    if candidate_vectors is not None:
        own = model.unit_vectors(catalogue.positions(known))
        if own is not None:
            return Anchors(tuple(known), candidate_vectors @ own.T)
    known = known[-PAST_ASKED:]
    return Anchors(tuple(known), model.said_by_each(known, candidates))


def neighbours(near: Anchors, candidate: int, past: Past, *, most: int) -> tuple[Neighbour, ...]:
    """The nearest items of the past, nearest first."""
    row = near.likeness[candidate]
    order = [int(place) for place in np.argsort(-row, kind="stable") if np.isfinite(row[place])]
    return tuple(
        Neighbour(near.item_ids[place], round(float(row[place]), 6), past.events[near.item_ids[place]])
        for place in order[:most]
    )


def reason_for(
    source: str,
    nearest: str | None,
    *,
    scenario: str,
    past: Past,
    catalogue: CatalogueSnapshot,
    segment: Segment | None = None,
) -> Reason:
    """The reason of one place of a list."""
    if source == scenarios.IN_SEGMENT and segment is not None:
        return Reason(scenarios.IN_SEGMENT, None, f"Popular {WHERE[segment.kind]} {segment.value}")
    if source in PLAIN:
        return Reason(PLAIN[source][0], None, PLAIN[source][1])
    if nearest is None:
        return Reason(FOR_YOU[0], None, FOR_YOU[1])
    if source == scenarios.TOGETHER or scenario == "basket":
        code, words = "bought_together", "Often bought together with"
    elif scenario == "product":
        code, words = "similar_to", "Similar to"
    else:
        code, words = BECAUSE.get(past.events.get(nearest, ""), VIEWED)
    return Reason(code, nearest, f"{words} {name_of(nearest, catalogue)}")


def name_of(item_id: str, catalogue: CatalogueSnapshot) -> str:
    """The item's title, else (also where it is blank) its id."""
    place = catalogue.position(item_id)
    title = catalogue.items[place].title if place >= 0 else None
    return title if title is not None and title.strip() else item_id


def shown(item: Item, fields: Sequence[str]) -> dict[str, object]:
    """The fields that were asked for, as JSON writes them."""
    return {name: _written(getattr(item, name)) for name in fields}


def _written(value: object) -> object:
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, datetime):
        return rfc3339(value)
    return list(value) if isinstance(value, tuple) else value
