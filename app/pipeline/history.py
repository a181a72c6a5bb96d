"""A person's past as the stages read it: the model's query, what was seen, what is not wanted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from app.domain.types import Interaction, ItemEvents, Query
from app.domain.weights import UNKNOWN_WEIGHT, EventWeight, label, query_from

SESSION_EVENT = "view_item"
SHOWN_EVENT = "view_item_list"
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
        bought: When each item was bought, oldest first.
        shown: How often an item stood in a list of this person's since they last did anything with it.
        now: The time of asking.
    """

    query: Query = field(default_factory=lambda: Query((), ()))
    disliked: frozenset[str] = frozenset()
    seen: frozenset[str] = frozenset()
    purchased: frozenset[str] = frozenset()
    events: Mapping[str, str] = field(default_factory=dict)
    bought: Mapping[str, tuple[datetime, ...]] = field(default_factory=dict)
    shown: Mapping[str, int] = field(default_factory=dict)
    now: datetime | None = field(default=None, compare=False)


NO_PAST = Past()


def past_of(
    stored: Sequence[Interaction],
    session: Sequence[str],
    now: datetime,
    weights: Mapping[str, EventWeight],
    *,
    met: Sequence[ItemEvents] = (),
) -> Past:
    """The past of stored interactions (oldest first) and of a session that the caller keeps itself.

    Labels are taken as of the newest interaction rather than the time of asking, so that the same events give
    the same list at any time; only what a session adds happens now.

    Args:
        stored: The newest interactions: what the model is asked with.
        session: Items viewed, most recent last.
        now: The time of asking.
        weights: What each event says.
        met: Everything the person ever had to do with, where `stored` is only the end of it.
    """
    if not stored and not session:
        return NO_PAST
    as_of = now if session else max(line.happened_at for line in stored)
    views = [Interaction(item_id=item_id, name=SESSION_EVENT, happened_at=as_of) for item_id in session]
    history = [*stored, *views]
    known = _labels_over_all(stored, views, met, as_of, weights)
    query, disliked = query_from(history, as_of, weights, known=known)
    counted = [line for line in history if _counts(line.name, weights)]
    seen = {(line.item_id, line.name) for line in counted}
    seen.update((one.item_id, one.name) for one in met if _counts(one.name, weights))
    return Past(
        query=query,
        disliked=disliked,
        seen=frozenset(item_id for item_id, _ in seen),
        purchased=frozenset(item_id for item_id, name in seen if name == "purchase"),
        events=_strongest(counted, frozenset(query.item_ids)),
        bought=_bought(stored),
        shown=_shown(history),
        now=now,
    )


def _counts(name: str, weights: Mapping[str, EventWeight]) -> bool:
    return weights.get(name, UNKNOWN_WEIGHT).weight != 0


def _labels_over_all(
    stored: Sequence[Interaction],
    views: Sequence[Interaction],
    met: Sequence[ItemEvents],
    as_of: datetime,
    weights: Mapping[str, EventWeight],
) -> dict[str, float]:
    """Sums of labels of the items with lines that `stored` does not hold.

    Every line of one name counts as if it had happened with the newest one: a sum is all that is known.
    """
    held = Counter(line.item_id for line in stored)
    there = Counter[str]()
    for one in met:
        there[one.item_id] += one.count
    sums = {item_id: 0.0 for item_id, count in there.items() if count > held[item_id]}
    for one in met:
        if one.item_id in sums:
            line = Interaction(one.item_id, one.name, one.newest_at, value=one.value)
            sums[one.item_id] += one.count * label(line, as_of, weights)
    for view in views:
        if view.item_id in sums:
            sums[view.item_id] += label(view, as_of, weights)
    return sums


def _bought(lines: Iterable[Interaction]) -> dict[str, tuple[datetime, ...]]:
    bought: dict[str, list[datetime]] = {}
    for line in lines:
        if line.name == "purchase":
            bought.setdefault(line.item_id, []).append(line.happened_at)
    return {item_id: tuple(moments) for item_id, moments in bought.items()}


def _shown(lines: Iterable[Interaction]) -> dict[str, int]:
    shown = Counter[str]()
    for line in lines:
        if line.name == SHOWN_EVENT:
            shown[line.item_id] += 1
        else:
            shown.pop(line.item_id, None)
    return dict(shown)


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
