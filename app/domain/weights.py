"""What an event says about taste: its weight, and how fast that fades.

The one place where an event becomes a label. Training and serving both call it, so a history means the same
to a model when it is fitted and when it is asked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from app.domain.types import Interaction, Query

SECONDS_PER_DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class EventWeight:
    """How much one event of a type counts.

    Attributes:
        weight: > 0 speaks for the item, < 0 against it, 0 says nothing.
        half_life_days: After so many days it counts half.
    """

    weight: float
    half_life_days: float


DEFAULT_WEIGHTS: Mapping[str, EventWeight] = MappingProxyType(
    {
        "view_item_list": EventWeight(0.0, 7.0),
        "select_item": EventWeight(1.0, 14.0),
        "view_item": EventWeight(1.0, 14.0),
        "add_to_wishlist": EventWeight(3.0, 60.0),
        "add_to_cart": EventWeight(4.0, 30.0),
        "remove_from_cart": EventWeight(-4.0, 30.0),
        "view_cart": EventWeight(0.0, 7.0),
        "begin_checkout": EventWeight(0.0, 7.0),
        "purchase": EventWeight(8.0, 60.0),
        "refund": EventWeight(-8.0, 60.0),
        "search": EventWeight(0.0, 7.0),
        "rate": EventWeight(3.0, 90.0),
        "like": EventWeight(5.0, 90.0),
        "dislike": EventWeight(-10.0, 365.0),
        "hide_item": EventWeight(-100.0, 3650.0),
    }
)
UNKNOWN_WEIGHT = EventWeight(0.0, 7.0)


def strength(name: str, value: float | None, weights: Mapping[str, EventWeight]) -> float:
    """What an event says at the moment it happens: its type's weight.

    A rating speaks by its value on a scale of 1 to 5: 3 says nothing, 1 as much against as 5 for.
    """
    weight = weights.get(name, UNKNOWN_WEIGHT).weight
    if name == "rate" and value is not None:
        return weight * (min(5.0, max(1.0, value)) - 3.0) / 2.0
    return weight


def label(interaction: Interaction, now: datetime, weights: Mapping[str, EventWeight]) -> float:
    """The interaction's weight at `now`: its `strength`, halved every half-life of its type."""
    half_life_days = weights.get(interaction.name, UNKNOWN_WEIGHT).half_life_days
    age_days = max(0.0, (now - interaction.happened_at).total_seconds() / SECONDS_PER_DAY)
    value = None if interaction.value is None else float(interaction.value)
    return float(strength(interaction.name, value, weights) * 0.5 ** (age_days / half_life_days))


def query_from(
    history: Sequence[Interaction],
    now: datetime,
    weights: Mapping[str, EventWeight],
    *,
    known: Mapping[str, float] = MappingProxyType({}),
) -> tuple[Query, frozenset[str]]:
    """The model's query of a history (oldest first), and the items it speaks against.

    An item whose labels add up to less than 0 is left out of the query and named in the second part.

    Args:
        history: Interactions.
        now: When the labels are taken.
        weights: What each event says.
        known: Sums of labels over more than the history, by item; they stand for the history's own.
    """
    labels = [label(interaction, now, weights) for interaction in history]
    net: dict[str, float] = {}
    for interaction, value in zip(history, labels, strict=True):
        net[interaction.item_id] = net.get(interaction.item_id, 0.0) + value
    net.update(known)
    disliked = frozenset(item_id for item_id, total in net.items() if total < 0)
    kept = [
        (interaction.item_id, value)
        for interaction, value in zip(history, labels, strict=True)
        if value > 0 and interaction.item_id not in disliked
    ]
    return Query(tuple(item for item, _ in kept), tuple(value for _, value in kept)), disliked
