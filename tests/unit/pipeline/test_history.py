from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from app.domain.types import Interaction, ItemEvents
from app.domain.weights import DEFAULT_WEIGHTS
from app.pipeline.history import NO_PAST, past_of
from tests.unit.pipeline.build import NOW, past


def test_past_of_nothing_is_no_past() -> None:
    assert past_of([], [], NOW, DEFAULT_WEIGHTS) == NO_PAST


def test_past_puts_the_callers_session_last() -> None:
    known = past(("view_item", "a"), session=["b", "c"])
    assert known.query.item_ids == ("a", "b", "c")
    assert known.query.weights[-1] == 1.0


def test_past_is_the_same_at_any_time_of_asking() -> None:
    lines = [Interaction("a", "view_item", NOW - timedelta(days=30)), Interaction("b", "purchase", NOW)]
    assert past_of(lines, [], NOW, DEFAULT_WEIGHTS) == past_of(
        lines, [], NOW + timedelta(days=400), DEFAULT_WEIGHTS
    )


def test_past_tells_seen_from_purchased_and_disliked() -> None:
    known = past(
        ("view_item_list", "shown"),
        ("view_item", "viewed"),
        ("purchase", "bought"),
        ("view_item", "bad"),
        ("dislike", "bad"),
    )
    assert known.seen == {"viewed", "bought", "bad"}
    assert known.purchased == {"bought"}
    assert known.disliked == {"bad"}
    assert known.query.item_ids == ("viewed", "bought")


def test_past_remembers_the_strongest_event_of_each_item_newest_item_last() -> None:
    known = past(("purchase", "a"), ("view_item", "b"), ("view_item", "a"), ("add_to_cart", "b"))
    assert list(known.events.items()) == [("a", "purchase"), ("b", "add_to_cart")]


def test_past_is_of_everything_met_where_the_history_is_only_its_end() -> None:
    ago = NOW - timedelta(days=30)
    stored = [
        Interaction("hidden", "view_item", NOW),
        Interaction("bought", "remove_from_cart", NOW),
        Interaction("short", "remove_from_cart", NOW),
    ]
    met = [
        ItemEvents("hidden", "hide_item", 1, ago),
        ItemEvents("hidden", "view_item", 2, NOW),
        ItemEvents("bought", "purchase", 3, ago),
        ItemEvents("bought", "remove_from_cart", 1, NOW),
        ItemEvents("short", "remove_from_cart", 1, NOW),
        ItemEvents("shown", "view_item_list", 9, NOW),
        ItemEvents("rated", "rate", 2, ago, Decimal("1.5")),
    ]
    known = past_of(stored, ["hidden"], NOW, DEFAULT_WEIGHTS, met=met)
    assert known.disliked == {"hidden", "short", "rated"}
    assert known.purchased == {"bought"}
    assert known.seen == {"hidden", "bought", "short", "rated"}
    assert known.query.item_ids == ()
