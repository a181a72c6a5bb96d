from __future__ import annotations

import numpy as np
import pytest

from app.domain.recommendations import Reason
from app.domain.types import JsonObject
from app.pipeline.candidates import bind
from app.pipeline.explain import anchors, neighbours, reason_for, shown
from tests.unit.pipeline.build import NOW, TableScorer, catalogue, item, past

IDS = ["a", "b", "c", "d"]
SNAPSHOT = catalogue(item("a", title="Blue mug"), "b", "c", "d")
VECTORS = np.array([[0, 0], [1, 0], [0, 1], [0.8, 0.6], [0, 2]], np.float32)


def test_anchor_is_the_past_item_whose_vector_is_nearest() -> None:
    model = bind(TableScorer(IDS, {}, vectors=VECTORS), SNAPSHOT)
    near = anchors(("a", "b", "nobody"), SNAPSHOT.positions(["c", "d"]), model, SNAPSHOT)
    assert [near.nearest(0), near.nearest(1)] == ["a", "b"]
    assert near.likeness.tolist() == [pytest.approx([0.8, 0.6]), pytest.approx([0.0, 1.0])]


def test_anchor_without_vectors_is_the_past_item_that_speaks_most_for_it() -> None:
    model = bind(TableScorer(IDS, {"a": {"c": 1.0}, "b": {"c": 2.0}}), SNAPSHOT)
    near = anchors(("a", "b"), SNAPSHOT.positions(["c", "d"]), model, SNAPSHOT)
    assert near.nearest(0) == "b"
    assert near.nearest(1) is None


def test_anchor_is_the_newer_of_two_that_are_equally_near() -> None:
    model = bind(TableScorer(IDS, {"a": {"c": 1.0}, "b": {"c": 1.0}}), SNAPSHOT)
    assert anchors(("a", "b"), SNAPSHOT.positions(["c"]), model, SNAPSHOT).nearest(0) == "b"


def test_there_is_no_anchor_without_a_model() -> None:
    assert anchors(("a",), SNAPSHOT.positions(["c"]), None, SNAPSHOT).nearest(0) is None


def test_neighbours_stand_nearest_first_with_what_was_done() -> None:
    model = bind(TableScorer(IDS, {}, vectors=VECTORS), SNAPSHOT)
    of = past(("purchase", "a"), ("view_item", "b"))
    near = anchors(tuple(of.events), SNAPSHOT.positions(["d"]), model, SNAPSHOT)
    assert [(one.item_id, one.event) for one in neighbours(near, 0, of, most=5)] == [
        ("b", "view_item"),
        ("a", "purchase"),
    ]


@pytest.mark.parametrize(
    ("source", "event", "scenario", "code", "text"),
    [
        ("sequence", "view_item", "home", "because_you_viewed", "Because you viewed Blue mug"),
        ("sequence", "purchase", "home", "because_you_bought", "Because you bought Blue mug"),
        ("sequence", "add_to_cart", "home", "because_you_added", "Because you put in your basket Blue mug"),
        ("sequence", "view_item", "product", "similar_to", "Similar to Blue mug"),
        ("content", "view_item", "product", "similar_to", "Similar to Blue mug"),
        ("sequence", "view_item", "basket", "bought_together", "Often bought together with Blue mug"),
    ],
)
def test_reason_names_the_nearest_item(source: str, event: str, scenario: str, code: str, text: str) -> None:
    of = past((event, "a"))
    reason = reason_for(source, "a", scenario=scenario, past=of, catalogue=SNAPSHOT)
    assert reason == Reason(code, "a", text)


@pytest.mark.parametrize("title", [None, "", "   ", "\t\u00a0\n"])
def test_reason_names_an_item_without_a_readable_title_by_its_id(title: str | None) -> None:
    snapshot = catalogue(item("a", title=title))
    reason = reason_for("sequence", "a", scenario="product", past=past(), catalogue=snapshot)
    assert reason.text == "Similar to a"


@pytest.mark.parametrize(
    ("source", "code"),
    [("popular", "popular"), ("trending", "trending"), ("latest", "new"), ("catalogue", "from_catalogue")],
)
def test_reason_of_a_list_for_everybody_names_nobodys_past(source: str, code: str) -> None:
    reason = reason_for(source, "a", scenario="home", past=past(("view_item", "a")), catalogue=SNAPSHOT)
    assert (reason.code, reason.item_id) == (code, None)


def test_reason_without_a_nearest_item_still_says_something() -> None:
    assert reason_for("sequence", None, scenario="home", past=past(), catalogue=SNAPSHOT).code == "for_you"


def test_shown_fields_are_as_json_writes_them() -> None:
    one = item("a", price="9.50", categories=["mugs"], published_at=NOW, attributes={"x": [1]})
    expected: JsonObject = {
        "price": 9.5,
        "categories": ["mugs"],
        "published_at": "2026-11-24T12:00:00.000000Z",
        "attributes": {"x": [1]},
        "title": None,
    }
    assert shown(one, list(expected)) == expected
