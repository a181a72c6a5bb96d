"""A person's past as the stages read it: the model's query, what was seen, what is not wanted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from app.domain.types import Interaction, Query
from app.domain.weights import UNKNOWN_WEIGHT, EventWeight, query_from

SESSION_EVENT = "view_item"
# Of several things done with one item, the strongest explains best.
STRENGTH = (
    "purchase",
    "add_to_cart",
    "add_to_wishlist",
    "like",
    "rate",
    "select_item",
    "view_item",
)


@dataclass(frozen=True, slots=True)
class Past:
    """What is known of a person.

    Attributes:
        query: Positive interactions, oldest first.
        disliked: Items whose labels add up to less than 0; never shown.
        seen: Items with any event that has a weight.
        purchased: Items that were bought.
        events: The strongest event a positive item had, newest item last.
    """

    query: Query = field(default_factory=lambda: Query((), ()))
    disliked: frozenset[str] = frozenset()
    seen: frozenset[str] = frozenset()
    purchased: frozenset[str] = frozenset()
    events: Mapping[str, str] = field(default_factory=dict)


NO_PAST = Past()


def past_of(
    stored: Sequence[Interaction],
    session: Sequence[str],
    now: datetime,
    weights: Mapping[str, EventWeight],
) -> Past:
    """The past of stored interactions (oldest first) and of a session that the caller keeps itself.

    Labels are taken as of the newest interaction rather than the time of asking, so that the same events give
    the same list at any time; only what a session adds happens now.
    """
    if not stored and not session:
        return NO_PAST
    as_of = now if session else max(line.happened_at for line in stored)
    views = [Interaction(item_id=item_id, name=SESSION_EVENT, happened_at=as_of) for item_id in session]
    history = [*stored, *views]
    query, disliked = query_from(history, as_of, weights)
    counted = [line for line in history if weights.get(line.name, UNKNOWN_WEIGHT).weight != 0]
    return Past(
        query=query,
        disliked=disliked,
        seen=frozenset(line.item_id for line in counted),
        purchased=frozenset(line.item_id for line in counted if line.name == "purchase"),
        events=_strongest(counted, frozenset(query.item_ids)),
    )


def _strongest(lines: Iterable[Interaction], positive: frozenset[str]) -> dict[str, str]:
    events: dict[str, str] = {}
    for line in lines:
        if line.item_id not in positive:
            continue
        # Taken out and put back, so that the newest item stands last.
        before = events.pop(line.item_id, line.name)
        events[line.item_id] = min(before, line.name, key=_strength)
    return events


def _strength(name: str) -> int:
    return STRENGTH.index(name) if name in STRENGTH else len(STRENGTH)
