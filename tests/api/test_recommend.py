from __future__ import annotations

from typing import Any

import pytest

from app.domain.types import Item
from app.pipeline.scenarios import SCENARIOS
from tests.api.world import World, user_token

ITEMS = [
    {"item_id": "i1", "title": "Blue mug", "price": 9.5, "categories": ["mugs"], "currency": "EUR"},
    {"item_id": "i2", "title": "Red mug", "price": 12, "categories": ["mugs"]},
    {"item_id": "i3", "title": "Bag", "price": 60, "categories": ["bags"]},
    {"item_id": "i4", "title": "Hidden mug", "price": 1, "categories": ["mugs"], "hidden": True},
]
ANSWER_FIELDS = {
    "recommendation_id",
    "scenario",
    "experiment",
    "variant",
    "model_version",
    "served_by",
    "degraded",
    "reason",
    "items",
    "filled",
    "next_cursor",
}
LISTS = [
    ("POST", "/v1/recommendations", {"user_id": "nobody"}),
    ("POST", "/v1/recommendations", {}),
    ("GET", "/v1/users/nobody/recommendations", None),
    ("GET", "/v1/items/nothing/similar", None),
    ("GET", "/v1/popular", None),
    ("GET", "/v1/trending", None),
    ("GET", "/v1/latest", None),
    ("POST", "/v1/rank", {"user_id": "nobody", "item_ids": ["i1"]}),
]


@pytest.fixture
def shop(world: World) -> World:
    """Four items, one of them hidden."""
    assert world.call("POST", "/v1/items:batch", json={"items": ITEMS}).status_code == 200
    return world


def ids(answer: dict[str, Any]) -> list[str]:
    return [item["item_id"] for item in answer["items"]]


def ask(world: World, **body: Any) -> dict[str, Any]:
    response = world.call("POST", "/v1/recommendations", json=body)
    assert response.status_code == 200, response.text
    return dict(response.json())


def view(world: World, event_id: str, item_id: str, **fields: Any) -> None:
    event = {"event_id": event_id, "event": "view_item", "user_id": "u1", "items": [{"item_id": item_id}]}
    answer = world.call("POST", "/v1/events", json={"events": [event | fields]})
    assert answer.json()["accepted"] == 1, answer.text


@pytest.mark.parametrize(("method", "path", "body"), LISTS)
def test_every_list_of_an_empty_database_is_an_answer(
    world: World, method: str, path: str, body: dict[str, Any] | None
) -> None:
    response = world.call(method, path, json=body)
    assert response.status_code == 200
    answer = response.json()
    assert set(answer) == ANSWER_FIELDS
    assert (answer["items"], answer["filled"], answer["served_by"]) == ([], 0, "fallback")
    assert answer["degraded"] is False


@pytest.mark.parametrize(("method", "path", "body"), LISTS)
def test_every_list_holds_items_that_may_be_shown(
    shop: World, method: str, path: str, body: dict[str, Any] | None
) -> None:
    answer = shop.call(method, path, json=body).json()
    expected = {"i1"} if path == "/v1/rank" else {"i1", "i2", "i3"}
    assert set(ids(answer)) == expected
    assert all(0 < item["score"] <= 1 for item in answer["items"])


@pytest.mark.parametrize("scenario", [name for name, one in SCENARIOS.items() if not one.needs_list])
def test_every_scenario_answers(shop: World, scenario: str) -> None:
    answer = ask(shop, scenario=scenario, context={"item_id": "i1", "basket": ["i2"]})
    assert answer["scenario"] == scenario
    assert ids(answer) == ["i3"], "what the list is about stands not in it"


def test_next_list_follows_an_accepted_event(shop: World) -> None:
    first = ask(shop, user_id="u1")
    assert set(ids(first)) == {"i1", "i2", "i3"}
    view(shop, "e1", "i2")
    assert set(ids(ask(shop, user_id="u1"))) == {"i1", "i3"}
    assert set(ids(ask(shop, user_id="u1", exclude_seen="purchased"))) == {"i1", "i2", "i3"}


def test_hidden_item_leaves_the_very_next_list(shop: World) -> None:
    assert "i1" in ids(ask(shop, user_id="u1"))
    assert shop.call("PATCH", "/v1/items/i1", json={"hidden": True}).status_code == 200
    assert "i1" not in ids(ask(shop, user_id="u1"))


def test_same_question_again_comes_from_the_cache_under_a_new_id(shop: World) -> None:
    first, second = ask(shop, user_id="u1"), ask(shop, user_id="u1")
    assert second["served_by"] == "cache"
    assert first["recommendation_id"] != second["recommendation_id"]
    assert first["items"] == second["items"]


def test_filter_exclusion_and_fields_shape_the_list(shop: World) -> None:
    answer = ask(
        shop,
        filter={"all": [{"field": "categories", "op": "any_of", "value": ["mugs"]}]},
        exclude_item_ids=["i2"],
        fields=["title", "price"],
        explain=True,
    )
    assert [(item["item_id"], item["item"]) for item in answer["items"]] == [
        ("i1", {"title": "Blue mug", "price": 9.5})
    ]
    assert answer["items"][0]["reason"] == {"code": "new", "item_id": None, "text": "New in"}


def test_lists_for_everybody_take_a_category_and_a_window(shop: World) -> None:
    for path in ("/v1/popular", "/v1/trending", "/v1/latest"):
        answer = shop.call("GET", f"{path}?n=5&category=bags&window=7d").json()
        assert ids(answer) == ["i3"]


def test_rank_orders_the_callers_list(shop: World) -> None:
    body = {"user_id": "u1", "item_ids": ["i3", "i4", "i1", "nothing", "i3"]}
    answer = shop.call("POST", "/v1/rank", json=body).json()
    assert sorted(ids(answer)) == ["i1", "i3"]


def test_page_shows_no_item_twice(shop: World) -> None:
    placements = [{"scenario": "home", "n": 2}, {"scenario": "latest", "n": 2}]
    lists = shop.call("POST", "/v1/page", json={"user_id": "u1", "placements": placements}).json()[
        "placements"
    ]
    shown = [item_id for answer in lists for item_id in ids(answer)]
    assert sorted(shown) == ["i1", "i2", "i3"]
    assert len({answer["recommendation_id"] for answer in lists}) == 2


@pytest.mark.parametrize(
    ("item_id", "eligible", "stage"),
    [("i1", True, None), ("i2", False, "seen"), ("i4", False, "catalogue"), ("nothing", False, "catalogue")],
)
def test_explanation_says_why_or_why_not(
    shop: World, item_id: str, eligible: bool, stage: str | None
) -> None:
    view(shop, "e1", "i2")
    why = shop.call("GET", f"/v1/users/u1/items/{item_id}/explanation").json()
    assert (why["eligible"], why["stage"]) == (eligible, stage)


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"scenario": "mystery"}, "/scenario"),
        ({"scenario": "rank"}, "/scenario"),
        ({"scenario": "product"}, "/context/item_id"),
        ({"n": 0}, "/n"),
        ({"n": 101}, "/n"),
        ({"n": "5"}, "/n"),
        ({"diversity": 1.1}, "/diversity"),
        ({"fields": ["secret"]}, "/fields/0"),
        ({"context": {"history": ["a\u0000b"]}}, "/context/history/0"),
        ({"filter": {"field": "price", "op": "lte", "value": "50"}}, "/filter/value"),
        ({"filter": {"all": [{"field": "price", "op": "?", "value": 5}]}}, "/filter/all/0/op"),
        ({"unknown": 1}, "/unknown"),
        ({"exclude_seen": "some"}, "/exclude_seen"),
    ],
)
def test_what_cannot_be_asked_is_refused_with_a_pointer(
    shop: World, body: dict[str, Any], pointer: str
) -> None:
    response = shop.call("POST", "/v1/recommendations", json=body)
    assert response.status_code == 422
    assert [error["pointer"] for error in response.json()["errors"]] == [pointer]


@pytest.mark.parametrize("query", ["window=7", "window=0d", "n=0", "n=101", "fields=title", "scenario=home"])
def test_query_of_a_list_for_everybody_is_strict(shop: World, query: str) -> None:
    response = shop.call("GET", f"/v1/popular?{query}")
    assert response.status_code == 422
    assert response.json()["errors"][0]["pointer"] == "?" + query.split("=", maxsplit=1)[0]


def test_page_refuses_a_placement_with_its_pointer(shop: World) -> None:
    body = {"placements": [{}, {"filter": {"any": [1]}}]}
    response = shop.call("POST", "/v1/page", json=body)
    assert response.json()["errors"][0]["pointer"] == "/placements/1/filter/any/0"


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/v1/recommendations", {"user_id": "u1"}),
        ("GET", "/v1/users/u1/recommendations", None),
        ("POST", "/v1/rank", {"user_id": "u1", "item_ids": ["i1"]}),
        ("POST", "/v1/page", {"user_id": "u1", "placements": [{}]}),
    ],
)
def test_browser_needs_the_users_token_to_ask_for_a_user(
    shop: World, method: str, path: str, body: dict[str, Any] | None
) -> None:
    def status(**headers: str) -> int:
        return int(shop.call(method, path, kind="pub", json=body, headers=headers).status_code)

    assert status() == 403
    assert status(**{"X-User-Token": user_token("u2")}) == 403
    assert status(**{"X-User-Token": user_token("u1")}) == 200


def test_browser_asks_as_a_guest_without_a_token(shop: World) -> None:
    body = {"session_id": "s1", "anonymous_id": "a1", "context": {"history": ["i1"]}}
    response = shop.call("POST", "/v1/recommendations", kind="pub", json=body)
    assert response.status_code == 200
    assert "i1" not in ids(response.json())


def test_browser_may_not_ask_for_explanations(shop: World) -> None:
    path, token = "/v1/users/u1/items/i1/explanation", {"X-User-Token": user_token("u1")}
    assert shop.call("GET", path, kind="pub", headers=token).status_code == 403


def test_guest_merged_into_a_user_brings_the_past_along(shop: World) -> None:
    event = {"event_id": "e1", "event": "view_item", "anonymous_id": "a1", "items": [{"item_id": "i2"}]}
    shop.call("POST", "/v1/events", json={"events": [event]})
    assert "i2" in ids(ask(shop, user_id="u1"))
    assert shop.call("POST", "/v1/users/u1/merge", json={"anonymous_id": "a1"}).status_code == 200
    assert "i2" not in ids(ask(shop, user_id="u1"))


def test_erased_user_gets_the_cold_start_list_at_once(shop: World) -> None:
    cold = ids(ask(shop, user_id="u1"))
    view(shop, "e1", "i2")
    assert ids(ask(shop, user_id="u1")) != cold
    assert shop.call("DELETE", "/v1/users/u1").status_code == 200
    assert ids(ask(shop, user_id="u1")) == cold


@pytest.mark.parametrize("window", ["7", "0d", "week", "-1d", "1000d", "7d%0A"])
def test_window_at_fault_is_said_in_words(world, window):
    answer = world.call("GET", f"/v1/popular?window={window}")
    assert answer.json()["errors"] == [
        {"pointer": "?window", "reason": "must be a number of days from 1d to 999d, such as 7d"}
    ]


def stocked(world: World, count: int) -> World:
    items = [{"item_id": f"n{number:03}", "title": f"Item {number}"} for number in range(count)]
    assert world.call("POST", "/v1/items:batch", json={"items": items}).status_code == 200
    return world


def test_pages_of_a_list_repeat_no_item_whatever_happens_between(world: World) -> None:
    stocked(world, 25)
    shown: list[str] = []
    cursor = None
    for page in range(3):
        answer = ask(world, user_id="u1", n=10, cursor=cursor, exclude_seen="none")
        shown += ids(answer)
        cursor = answer["next_cursor"]
        view(world, f"e{page}", ids(answer)[0])
        world.clock.move(seconds=600)
        world.run(world.services.steering.purge, None, by="test")
    assert len(shown) == len(set(shown)) == 25
    assert cursor is None


def test_pages_go_on_to_the_last_item_that_a_cursor_may_hold(world: World) -> None:
    world.run(world.stores.items.put, [Item(item_id=f"i{number}", title="x") for number in range(600)])
    shown: list[str] = []
    answer = ask(world, scenario="latest", n=100)
    while answer["next_cursor"] is not None:
        shown += ids(answer)
        answer = ask(world, scenario="latest", n=100, cursor=answer["next_cursor"])
    shown += ids(answer)
    assert len(shown) == len(set(shown)) == 500


def test_page_from_the_cache_has_the_same_cursor(world: World) -> None:
    stocked(world, 5)
    first, second = ask(world, n=2), ask(world, n=2)
    assert second["served_by"] == "cache"
    assert first["next_cursor"] == second["next_cursor"] is not None


@pytest.mark.parametrize(
    "change", [{"scenario": "latest"}, {"user_id": "u2"}, {"exclude_item_ids": ["n001"]}]
)
def test_cursor_of_another_list_is_refused(world: World, change: dict[str, Any]) -> None:
    stocked(world, 5)
    asked = {"user_id": "u1", "n": 2}
    cursor = ask(world, **asked)["next_cursor"]
    answer = world.call("POST", "/v1/recommendations", json=asked | change | {"cursor": cursor})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/cursor")
    assert ids(ask(world, **asked | {"n": 3, "explain": True, "cursor": cursor}))


@pytest.mark.parametrize("cursor", ["nonsense", "AAAA", "é", "A" * 4000])
def test_cursor_that_no_list_gave_is_refused(world: World, cursor: str) -> None:
    answer = world.call("POST", "/v1/recommendations", json={"cursor": cursor})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/cursor")


def explained(world: World, item_id: str, **query: str) -> dict[str, Any]:
    asked = "&".join(f"{name}={value}" for name, value in query.items())
    answer = world.call("GET", f"/v1/users/u1/items/{item_id}/explanation?{asked}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_explanation_says_what_each_stage_did(shop: World) -> None:
    rules = {
        "more-bags": {"kind": "boost", "filter": {"field": "categories", "op": "eq", "value": "bags"}},
        "no-red": {"kind": "exclude", "item_ids": ["i2"]},
        "one-each": {"kind": "cap", "field": "categories", "most": 1, "scenarios": ["latest"]},
    }
    for name, rule in rules.items():
        assert shop.call("PUT", f"/v1/admin/rules/{name}", kind="adm", json=rule).status_code == 200
    bag = explained(shop, "i3", scenario="latest")
    assert (bag["eligible"], bag["rank"], bag["scenario"]) == (True, 1, "latest")
    assert bag["text"] == "Bag stands at place 1 of 2: New in."
    assert [step["stage"] for step in bag["steps"]] == ["source", "rule", "rule"]
    assert bag["steps"][0]["text"].startswith("latest (weight 1) puts it at ")
    assert bag["steps"][1:] == [
        {"stage": "rule", "text": "the rule more-bags adds 1.00", "change": 1.0},
        {"stage": "rule", "text": "the rule one-each counts it: 1 at most", "change": None},
    ]
    red = explained(shop, "i2")
    assert (red["stage"], red["rule"]) == ("rule", "the rule no-red excludes it")
    assert red["text"] == "Red mug is not shown: the rule no-red excludes it."
    hidden = explained(shop, "i4")
    assert hidden["text"] == "Hidden mug is not shown: it is hidden."


def test_explanation_names_the_cap_that_left_no_place(shop: World) -> None:
    rule = {"kind": "cap", "field": "categories", "most": 1}
    assert shop.call("PUT", "/v1/admin/rules/few", kind="adm", json=rule).status_code == 200
    capped = [explained(shop, item_id, scenario="latest") for item_id in ("i1", "i2")]
    [shown, left] = sorted(capped, key=lambda one: not one["eligible"])
    assert shown["eligible"]
    assert (left["stage"], left["rule"]) == ("rule", "the cap few leaves it no place")
