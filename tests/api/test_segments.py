"""Newcomers get what is popular with their like, where enough people are."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from app.pipeline.segments import ENOUGH_PEOPLE
from tests.api.world import World

PATH = "/v1/recommendations"


def bought(
    world: World,
    item_id: str,
    people: str,
    *,
    count: int = ENOUGH_PEOPLE,
    at: datetime | None = None,
    **context: str,
) -> None:
    events = [
        {
            "timestamp": (at or world.clock.now()).isoformat(),
            "event_id": f"{people}{number}",
            "event": "purchase",
            "user_id": f"{people}{number}",
            "items": [{"item_id": item_id}],
            "context": context,
        }
        for number in range(count)
    ]
    assert world.call("POST", "/v1/events", json={"events": events}).json()["accepted"] == count


@pytest.fixture
def shop(world: World) -> World:
    world.call("POST", "/v1/items:batch", json={"items": [{"item_id": one} for one in "abcdef"]})
    bought(world, "a", "gb", country="GB", referrer="https://www.news.example/today")
    bought(world, "b", "fr", country="FR", device="mobile")
    bought(world, "c", "es", country="ES", count=ENOUGH_PEOPLE - 1)
    bought(world, "d", "many", count=2 * ENOUGH_PEOPLE)
    counted(world)
    return world


def counted(world: World) -> None:
    popularity = world.services.recommend._popularity
    world.run(popularity.refresh)
    world.run(popularity.refresh_segments)


def asked(world: World, scenario: str = "home", **fields: Any) -> Any:
    answer = world.call("POST", PATH, json={"scenario": scenario, "explain": True, **fields})
    assert answer.status_code == 200, answer.text
    return answer.json()


def first(answer: Any) -> tuple[str, str, str]:
    item = answer["items"][0]
    return item["item_id"], item["source"], item["reason"]["text"]


@pytest.mark.parametrize(
    ("context", "expected"),
    [
        ({"country": "GB"}, ("a", "popular_in_segment", "Popular in GB")),
        ({"country": "FR"}, ("b", "popular_in_segment", "Popular in FR")),
        ({"device": "mobile"}, ("b", "popular_in_segment", "Popular on mobile")),
        (
            {"country": "ES", "referrer": "news.example"},
            ("a", "popular_in_segment", "Popular with visitors from news.example"),
        ),
        ({"country": "ES"}, ("d", "popular", "Popular right now")),
        ({}, ("d", "popular", "Popular right now")),
    ],
)
def test_newcomer_gets_what_is_popular_in_the_first_segment_with_enough_people(
    shop: World, context: dict[str, str], expected: tuple[str, str, str]
) -> None:
    for person in ({"user_id": "new"}, {"session_id": "s"}, {}):
        assert first(asked(shop, context=context, **person)) == expected
        kept = asked(shop, context=context, **person)
        assert (kept["served_by"], first(kept)) == ("cache", expected)


def test_segments_that_change_nothing_share_the_plain_list(shop: World) -> None:
    asked(shop)
    assert asked(shop, context={"country": "ES", "device": "watch"})["served_by"] == "cache"
    asked(shop, "popular")
    assert asked(shop, "popular", context={"country": "GB"})["served_by"] == "cache"


def test_person_with_a_past_gets_their_own_list_first(shop: World) -> None:
    shop.call("PATCH", "/v1/items/e", json={"categories": ["mugs"]})
    shop.call("PATCH", "/v1/items/f", json={"categories": ["mugs"]})
    shop.run(shop.services.recommend._catalogue.refresh)
    answer = asked(shop, context={"country": "GB", "history": ["e"]})
    assert [item["item_id"] for item in answer["items"]][:2] == ["f", "a"]


def test_country_of_the_users_row_counts_where_events_name_none(shop: World) -> None:
    for number in range(2 * ENOUGH_PEOPLE):
        shop.call("PUT", f"/v1/users/many{number}", json={"country": "DE"})
    bought(shop, "d", "one more")
    counted(shop)
    assert first(asked(shop, context={"country": "DE"})) == ("d", "popular_in_segment", "Popular in DE")


def test_what_is_too_old_for_popular_lists_is_too_old_for_segments(world: World) -> None:
    world.call("POST", "/v1/items:batch", json={"items": [{"item_id": one} for one in "ab"]})
    long_ago = world.clock.now() - timedelta(days=365)
    bought(world, "a", "old", at=long_ago, country="GB")
    counted(world)
    assert first(asked(world, context={"country": "GB"}))[:2] == ("a", "popular_in_segment")
    bought(world, "b", "new")
    counted(world)
    assert first(asked(world, context={"country": "GB"}))[:2] == ("b", "popular")


def test_segment_is_a_source_of_a_scenario_too(shop: World) -> None:
    body = {"sources": [{"source": "popular_in_segment"}], "fallback": ["popular"]}
    assert shop.call("PUT", "/v1/admin/scenarios/near", kind="adm", json=body).status_code == 200
    answer = asked(shop, "near", context={"country": "GB"}, n=2)
    assert (answer["served_by"], answer["filled"]) == ("model", 1)
    answer = asked(shop, "near", n=2)
    assert (answer["served_by"], answer["reason"], answer["filled"]) == ("fallback", "no-counts", 2)


def test_segment_that_cannot_be_read_is_refused(shop: World) -> None:
    answer = shop.call("POST", PATH, json={"context": {"country": "", "device": "x" * 129}})
    assert answer.status_code == 422
    pointers = {fault["pointer"] for fault in answer.json()["errors"]}
    assert pointers == {"/context/country", "/context/device"}
