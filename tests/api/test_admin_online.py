"""Lists, clicks and sales through the API come out as figures."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.world import World

PATH = "/v1/admin/metrics/online"


@pytest.fixture
def shop(world: World) -> World:
    items = [{"item_id": f"i{number}"} for number in range(3)]
    assert world.call("POST", "/v1/items:batch", json={"items": items}).status_code == 200
    return world


def figures(world: World, **query: Any) -> Any:
    world.run(world.services.exposures.flush)
    world.clock.move(seconds=1)
    answer = world.call("GET", PATH, kind="adm", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def send(world: World, name: str, recommendation_id: str, **fields: Any) -> None:
    event = {
        "event_id": f"{name}-{recommendation_id}",
        "event": name,
        "user_id": "u1",
        "items": [{"item_id": "i1"}],
        "recommendation_id": recommendation_id,
    }
    answer = world.call("POST", "/v1/events", json={"events": [event | fields]})
    assert answer.json()["accepted"] == 1, answer.text


def test_nothing_shown_has_no_figures(world: World) -> None:
    found = figures(world, until="2026-11-24T13:00:00+01:00")
    assert found["figures"] == []
    assert (found["since"], found["until"]) == ("2026-11-17T12:00:00.000000Z", "2026-11-24T12:00:00.000000Z")


def test_made_kept_and_quick_answers_all_count(shop: World) -> None:
    for _ in range(3):
        assert shop.call("GET", "/v1/users/u1/recommendations").status_code == 200
    shop.call("POST", "/v1/recommendations", json={"user_id": "u1"})
    shop.call("POST", "/v1/recommendations", json={"session_id": "s1"})
    shop.call("POST", "/v1/page", json={"user_id": "u1", "placements": [{"scenario": "popular"}]})
    shop.call("POST", "/v1/rank", json={"user_id": "u1", "item_ids": ["i1"]})
    shop.call("GET", "/v1/users/u1/items/i1/explanation")
    counts = {row["scenario"]: (row["impressions"], row["sessions"]) for row in figures(shop)["figures"]}
    assert counts == {"home": (5, 2), "popular": (1, 1), "rank": (1, 1)}


def test_clicks_and_sales_are_told_by_the_list_they_name(shop: World) -> None:
    lists = [
        shop.call("POST", "/v1/recommendations", json={"session_id": f"s{number}"}).json()[
            "recommendation_id"
        ]
        for number in range(4)
    ]
    for one in lists[:2]:
        send(shop, "select_item", one)
    send(shop, "add_to_cart", lists[0])
    send(shop, "purchase", lists[0], value=20, currency="EUR")
    [row] = figures(shop, scenario="home")["figures"]
    assert [row[name] for name in ("impressions", "sessions", "clicks", "carts", "purchases")] == [
        4,
        4,
        2,
        1,
        1,
    ]
    assert (row["variant"], row["model_version"]) == ("control", None)
    assert row["ctr"] == pytest.approx({"value": 0.5, "low": 0.1500, "high": 0.8500}, abs=1e-4)
    assert row["conversion"] == pytest.approx({"value": 0.25, "low": 0.0456, "high": 0.6994}, abs=1e-4)
    [revenue] = row["revenue"]
    assert (revenue["currency"], revenue["total"]) == ("EUR", 20.0)
    assert revenue["per_session"] == pytest.approx({"value": 5.0, "low": -4.7998, "high": 14.7998}, abs=1e-4)


def test_window_that_is_empty_is_refused(world: World) -> None:
    query = {"since": "2026-11-24T12:00:00Z", "until": "2026-11-24T12:00:00Z"}
    answer = world.call("GET", PATH, kind="adm", params=query)
    assert answer.status_code == 422
    assert answer.json()["errors"] == [{"pointer": "?since", "reason": "must be before until"}]


def test_window_from_the_first_of_days_has_a_beginning(world: World) -> None:
    found = world.call("GET", PATH, kind="adm", params={"until": "0001-01-03T00:00:00Z"})
    assert found.status_code in {200, 422}


def test_erasure_takes_lists_that_are_not_written_yet(shop: World) -> None:
    shop.call("GET", "/v1/users/u1/recommendations")
    receipt = shop.call("DELETE", "/v1/users/u1").json()
    assert receipt["rows"]["exposures"] == 1
    assert figures(shop)["figures"] == []
