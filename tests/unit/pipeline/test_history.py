from __future__ import annotations

from datetime import timedelta

from app.domain.types import Interaction
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
