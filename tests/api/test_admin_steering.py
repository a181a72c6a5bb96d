"""What an administrator writes acts on the very next list."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from app.adapters.memory_stores import MemoryAuditLog
from app.pipeline.scenarios import SCENARIOS
from tests.api.world import World
from tests.clocks import NOON

ITEMS = [
    {"item_id": "mug1", "title": "Blue mug", "price": 10, "categories": ["mugs"], "brand": "A"},
    {"item_id": "mug2", "title": "Red mug", "price": 12, "categories": ["mugs"], "brand": "A"},
    {"item_id": "mug3", "title": "Big mug", "price": 30, "categories": ["mugs"], "brand": "B"},
    {"item_id": "bag1", "title": "Bag", "price": 60, "categories": ["bags"], "brand": "B"},
    {"item_id": "bag2", "title": "Sack", "price": 5, "categories": ["bags"], "brand": "C"},
]
POPULAR = {"sources": [{"source": "popular"}], "fallback": ["catalogue"]}


@pytest.fixture
def shop(world: World) -> World:
    """Five items, the more popular the earlier they stand."""
    assert world.call("POST", "/v1/items:batch", json={"items": ITEMS}).status_code == 200
    events = [
        {
            "event_id": f"{item['item_id']}-{person}",
            "event": "view_item",
            "user_id": f"p{person}",
            "items": [{"item_id": item["item_id"]}],
        }
        for place, item in enumerate(ITEMS)
        for person in range((5 - place) ** 2)
    ]
    assert world.call("POST", "/v1/events", json={"events": events}).json()["accepted"] == len(events)
    world.run(world.services.recommend._popularity.refresh)
    return world


def admin(world: World, method: str, path: str, **options: Any) -> Any:
    answer = world.call(method, f"/v1/admin/{path}", kind="adm", **options)
    assert answer.status_code < 300, answer.text
    return answer.json() if answer.content else None


def ask(world: World, scenario: str = "popular", **body: Any) -> list[str]:
    answer = world.call("POST", "/v1/recommendations", json={"scenario": scenario, **body})
    assert answer.status_code == 200, answer.text
    return [item["item_id"] for item in answer.json()["items"]]


def refusal(world: World, method: str, path: str, body: Any) -> str:
    answer = world.call(method, f"/v1/admin/{path}", kind="adm", json=body)
    assert answer.status_code == 422, answer.text
    return answer.json()["errors"][0]["pointer"]


# --- Scenarios ---


def test_scenario_says_how_long_its_lists_are_where_the_request_does_not(world: World) -> None:
    items = [{"item_id": f"long{number:02}"} for number in range(30)]
    world.call("POST", "/v1/items:batch", json={"items": items})
    body = {"sources": [{"source": "latest"}], "n": 4}
    answer = world.call("PUT", "/v1/admin/scenarios/home", kind="adm", json=body)
    assert answer.json()["definition"]["n"] == 4
    for _ in range(2):  # made and kept, by every call
        short = world.call("GET", "/v1/users/u1/recommendations").json()
        posted = world.call("POST", "/v1/recommendations", json={"user_id": "u1"}).json()
        page = world.call("POST", "/v1/page", json={"placements": [{"scenario": "home"}]}).json()
        assert [len(one["items"]) for one in (short, posted, *page["placements"])] == [4, 4, 4]
    assert len(world.call("GET", "/v1/users/u1/recommendations?n=7").json()["items"]) == 7
    assert len(world.call("GET", "/v1/latest").json()["items"]) == 10
    refused = world.call("PUT", "/v1/admin/scenarios/home", kind="adm", json=body | {"n": 101})
    assert refused.json()["errors"][0]["pointer"] == "/n"


def test_built_in_scenarios_are_listed_as_they_are(world: World) -> None:
    listed = {one["name"]: one for one in admin(world, "GET", "scenarios")["scenarios"]}
    assert set(listed) == set(SCENARIOS)
    assert {one["version"] for one in listed.values()} == {0}
    home = listed["home"]["definition"]
    assert home["sources"][0] == {"source": "personal", "weight": 1.0, "quota": None}
    assert admin(world, "PUT", "scenarios/home", json=home)["definition"] == home


def test_shop_adds_a_scenario_of_its_own(shop: World) -> None:
    only_mugs = POPULAR | {"filter": {"field": "categories", "op": "any_of", "value": ["mugs"]}}
    assert shop.call("POST", "/v1/recommendations", json={"scenario": "mugs"}).status_code == 422

    made = admin(shop, "PUT", "scenarios/mugs", json=only_mugs)

    assert (made["name"], made["version"], made["definition"]["fallback"]) == ("mugs", 1, ["catalogue"])
    assert ask(shop, "mugs") == ["mug1", "mug2", "mug3"]
    assert shop.call("GET", "/v1/users/u1/recommendations?scenario=mugs").json()["scenario"] == "mugs"


def test_edited_scenario_acts_on_the_next_list_and_goes_back(shop: World) -> None:
    assert ask(shop) == ["mug1", "mug2", "mug3", "bag1", "bag2"]
    cheap = POPULAR | {"filter": {"field": "price", "op": "lte", "value": 12}}
    admin(shop, "PUT", "scenarios/popular", json=cheap)
    assert ask(shop) == ["mug1", "mug2", "bag2"]
    admin(shop, "DELETE", "scenarios/popular")
    assert ask(shop) == ["mug1", "mug2", "mug3", "bag1", "bag2"]
    assert admin(shop, "GET", "scenarios/popular")["version"] == 0
    versions = admin(shop, "GET", "scenarios/popular/versions")["versions"]
    assert [(one["version"], one["definition"] is None) for one in versions] == [(2, True), (1, False)]


def test_quota_gives_a_source_its_share_of_places(shop: World) -> None:
    shared = {"sources": [{"source": "popular"}, {"source": "latest", "quota": 0.5}], "fallback": []}
    admin(shop, "PUT", "scenarios/items-and-news", json=shared)
    for number, item_id in enumerate(("bag2", "bag1")):
        published = {"published_at": f"2026-11-0{number + 1}T00:00:00Z"}
        assert shop.call("PATCH", f"/v1/items/{item_id}", json=published).status_code == 200

    answer = shop.call("POST", "/v1/recommendations", json={"scenario": "items-and-news", "n": 4}).json()

    assert [item["source"] for item in answer["items"]] == ["popular", "latest", "popular", "latest"]
    assert len({item["item_id"] for item in answer["items"]}) == 4


def test_novelty_takes_from_what_is_popular(shop: World) -> None:
    admin(shop, "PUT", "scenarios/popular", json=POPULAR | {"novelty": 10})
    assert ask(shop)[0] == "bag2"


def test_preview_shows_both_lists_and_changes_nothing(shop: World) -> None:
    tried = {"definition": POPULAR | {"novelty": 10}, "request": {"n": 2}}
    shown = admin(shop, "POST", "scenarios/popular/preview", json=tried)
    assert [item["item_id"] for item in shown["now"]["items"]] == ["mug1", "mug2"]
    assert (shown["entered"], shown["left"]) == (["bag2", "bag1"], ["mug1", "mug2"])
    assert ask(shop, n=2) == ["mug1", "mug2"]
    new = admin(shop, "POST", "scenarios/new/preview", json=tried)
    assert new["now"] is None
    answer = shop.call("POST", "/v1/admin/scenarios/new/preview", kind="adm", json={})
    assert answer.status_code == 404


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"sources": []}, "/sources"),
        ({"sources": [{"source": "magic"}]}, "/sources/0/source"),
        ({"sources": [{"source": "popular"}, {"source": "popular"}]}, "/sources/1/source"),
        ({"sources": [{"source": "popular", "quota": 0.7}, {"source": "latest", "quota": 0.6}]}, "/sources"),
        ({"fallback": ["catalogue", "catalogue"]}, "/fallback/1"),
        ({"filter": {"all": [{"field": "price", "op": "like", "value": 1}]}}, "/filter/all/0/op"),
        ({"diversity": 2}, "/diversity"),
        ({"surprise": 1}, "/surprise"),
    ],
)
def test_scenario_at_fault_is_pointed_at(world: World, change: dict[str, Any], pointer: str) -> None:
    assert refusal(world, "PUT", "scenarios/mine", POPULAR | change) == pointer
    assert refusal(world, "POST", "scenarios/mine/preview", {"definition": POPULAR | change}).endswith(
        pointer
    )
    assert "mine" not in {one["name"] for one in admin(world, "GET", "scenarios")["scenarios"]}


def test_missing_scenario_and_rule_are_404s(world: World) -> None:
    for path in ("scenarios/none", "scenarios/none/versions", "rules/none", "rules/none/versions"):
        assert world.call("GET", f"/v1/admin/{path}", kind="adm").status_code == 404
    for path in ("scenarios/home", "rules/none"):
        assert world.call("DELETE", f"/v1/admin/{path}", kind="adm").status_code == 404


# --- Rules ---

BAGS = {"field": "categories", "op": "any_of", "value": ["bags"]}


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({"kind": "exclude", "item_ids": ["mug1"]}, ["mug2", "mug3", "bag1", "bag2"]),
        ({"kind": "exclude", "filter": BAGS}, ["mug1", "mug2", "mug3"]),
        ({"kind": "pin", "item_ids": ["bag2"]}, ["bag2", "mug1", "mug2", "mug3", "bag1"]),
        (
            {"kind": "pin", "item_ids": ["bag2", "bag1"], "position": 2},
            ["mug1", "bag2", "bag1", "mug2", "mug3"],
        ),
        ({"kind": "boost", "filter": BAGS, "strength": 9}, ["bag1", "bag2", "mug1", "mug2", "mug3"]),
        ({"kind": "bury", "item_ids": ["mug1"], "strength": 9}, ["mug2", "mug3", "bag1", "bag2", "mug1"]),
        ({"kind": "cap", "field": "categories", "most": 1}, ["mug1", "bag1"]),
        ({"kind": "cap", "field": "brand", "most": 1}, ["mug1", "mug3", "bag2"]),
        ({"kind": "cap", "filter": BAGS, "most": 1}, ["mug1", "mug2", "mug3", "bag1"]),
    ],
)
def test_rule_acts_on_the_next_list(shop: World, rule: dict[str, Any], expected: list[str]) -> None:
    before = ask(shop)
    dry = admin(
        shop, "POST", "rules/mine/dry-run", json={"rule": rule, "requests": [{"scenario": "popular"}]}
    )
    [tried] = dry["lists"]
    assert [item["item_id"] for item in tried["then"]["items"]] == expected
    assert ask(shop) == before, "a dry run changes nothing"

    admin(shop, "PUT", "rules/mine", json=rule)
    assert ask(shop) == expected
    admin(shop, "DELETE", "rules/mine")
    assert ask(shop) == before


def test_pin_never_shows_what_may_not_be_shown(shop: World) -> None:
    admin(shop, "PUT", "rules/mine", json={"kind": "pin", "item_ids": ["mug1", "bag2"]})
    assert shop.call("PATCH", "/v1/items/mug1", json={"hidden": True}).status_code == 200
    answer = shop.call("POST", "/v1/recommendations", json={"scenario": "popular", "n": 2}).json()
    assert [(one["item_id"], one["source"]) for one in answer["items"]] == [
        ("bag2", "pinned"),
        ("mug2", "popular"),
    ]
    assert answer["filled"] == 0
    assert ask(shop, filter={"field": "price", "op": "gte", "value": 12}) == ["mug2", "mug3", "bag1"]


def test_rule_keeps_to_its_scenarios_and_its_time(shop: World) -> None:
    times = {"starts_at": "2026-11-24T13:00:00Z", "ends_at": "2026-11-24T14:00:00Z"}
    rule = {"kind": "exclude", "item_ids": ["mug1"], "scenarios": ["popular"], **times}
    admin(shop, "PUT", "rules/later", json=rule)
    assert "mug1" in ask(shop)
    shop.clock.move(seconds=(NOON + timedelta(hours=1) - shop.clock.now()).total_seconds())
    assert "mug1" not in ask(shop)
    assert "mug1" in ask(shop, "latest")
    shop.clock.move(seconds=3600)
    assert "mug1" in ask(shop)


def test_rule_switched_off_does_not_act(shop: World) -> None:
    admin(shop, "PUT", "rules/mine", json={"kind": "exclude", "item_ids": ["mug1"], "active": False})
    assert "mug1" in ask(shop)


def test_rule_acts_on_a_callers_own_list_only_where_it_names_it(shop: World) -> None:
    def ranked() -> set[str]:
        answer = shop.call("POST", "/v1/rank", json={"item_ids": ["mug1", "mug2"]}).json()
        return {item["item_id"] for item in answer["items"]}

    rule = {"kind": "exclude", "item_ids": ["mug1"]}
    admin(shop, "PUT", "rules/mine", json=rule)
    assert ranked() == {"mug1", "mug2"}
    admin(shop, "PUT", "rules/mine", json=rule | {"scenarios": ["rank"]})
    assert ranked() == {"mug2"}


@pytest.mark.parametrize(
    ("rule", "pointer"),
    [
        ({"kind": "hide"}, "/kind"),
        ({"kind": "pin"}, "/item_ids"),
        ({"kind": "pin", "item_ids": ["mug1"], "filter": BAGS}, "/filter"),
        ({"kind": "exclude"}, "/filter"),
        ({"kind": "cap"}, "/most"),
        ({"kind": "cap", "most": 1, "field": "price"}, "/field"),
        ({"kind": "boost", "most": 1}, "/most"),
        ({"kind": "cap", "most": 1, "strength": 2}, "/strength"),
        ({"kind": "boost", "scenarios": ["mystery"]}, "/scenarios"),
        ({"kind": "boost", "filter": {"not": {"field": "price"}}}, "/filter/not/op"),
        (
            {"kind": "boost", "starts_at": "2026-11-25T00:00:00Z", "ends_at": "2026-11-24T00:00:00Z"},
            "/ends_at",
        ),
    ],
)
def test_rule_at_fault_is_pointed_at(world: World, rule: dict[str, Any], pointer: str) -> None:
    assert refusal(world, "PUT", "rules/mine", rule) == pointer
    body = {"rule": rule, "requests": [{}]}
    assert refusal(world, "POST", "rules/mine/dry-run", body) == f"/rule{pointer}"
    assert admin(world, "GET", "rules") == {"rules": []}


# --- Weights and cache ---


def test_weights_act_at_once_on_sessions_and_popular_lists(shop: World) -> None:
    event = {"event_id": "w", "event": "add_to_wishlist", "user_id": "u9", "items": [{"item_id": "bag2"}]}
    assert shop.call("POST", "/v1/events", json={"events": [event]}).json()["accepted"] == 1
    shop.run(shop.services.recommend._popularity.refresh)
    assert ask(shop)[0] == "mug1"

    weights = {"add_to_wishlist": {"weight": 100, "half_life_days": 30}}
    answer = admin(shop, "PUT", "settings/event-weights", json={"weights": weights})

    assert answer["weights"]["add_to_wishlist"]["weight"] == 100
    assert answer["weights"]["purchase"]["weight"] == 8
    assert answer == admin(shop, "GET", "settings/event-weights")
    assert ask(shop)[0] == "bag2"
    assert "bag2" in ask(shop, "popular", user_id="u9")
    weights["add_to_wishlist"]["weight"] = -5
    admin(shop, "PUT", "settings/event-weights", json={"weights": weights})
    assert "bag2" not in ask(shop, "popular", user_id="u9"), "what is against an item leaves the next list"


def test_fading_acts_at_once_on_popular_and_trending_lists(world: World) -> None:
    """Many people long ago, a few today: which comes first is how fast old counts fade."""
    days_ago = {
        "classic": [(30, person) for person in range(10)],
        "fresh": [(0, person) for person in range(3)],
    }
    events = [
        {
            "event_id": f"{item_id}-{person}",
            "event": "view_item",
            "user_id": f"p{person}",
            "timestamp": (NOON - timedelta(days=days)).isoformat(),
            "items": [{"item_id": item_id}],
        }
        for item_id, times in days_ago.items()
        for days, person in times
    ]
    assert world.call("POST", "/v1/events", json={"events": events}).json()["accepted"] == len(events)
    world.run(world.services.recommend._popularity.refresh)
    configured = admin(world, "GET", "settings/popularity")
    assert configured["popular"] == {"half_life_days": 14.0, "window_days": None}
    assert configured["trending"] == {"half_life_days": 2.0, "window_days": None}

    assert ask(world)[0] == "fresh"
    longer = {"popular": {"half_life_days": 90}}
    assert admin(world, "PUT", "settings/popularity", json=longer)["trending"] == configured["trending"]
    assert ask(world)[0] == "classic"
    window = {"popular": {"half_life_days": 90, "window_days": 7}}
    answer = admin(world, "PUT", "settings/popularity", json=window)
    assert answer == admin(world, "GET", "settings/popularity")
    counted = world.call("POST", "/v1/recommendations", json={"scenario": "popular"}).json()["items"]
    assert [item["item_id"] for item in counted if item["source"] == "popular"] == ["fresh"]

    def trending() -> list[str]:
        answer = world.call("POST", "/v1/recommendations", json={"scenario": "trending"}).json()
        return [item["item_id"] for item in answer["items"] if item["source"] == "trending"]

    assert trending() == ["fresh"]
    wide = {"trending": {"half_life_days": 2, "window_days": 40}}
    admin(world, "PUT", "settings/popularity", json=wide)
    assert sorted(trending()) == ["classic", "fresh"], "both rose against the forty days before"
    assert admin(world, "PUT", "settings/popularity", json={}) == configured


def test_counts_older_than_the_configured_half_life_reaches_are_read_when_a_longer_one_is_set(
    world: World,
) -> None:
    events = [
        {"event_id": "old", "event": "purchase", "user_id": "a", "items": [{"item_id": "old"}]},
        {"event_id": "new", "event": "view_item", "user_id": "a", "items": [{"item_id": "new"}]},
    ]
    events[0]["timestamp"] = (NOON - timedelta(days=200)).isoformat()
    assert world.call("POST", "/v1/events", json={"events": events}).json()["accepted"] == 2
    world.run(world.services.recommend._popularity.refresh)
    assert world.services.recommend._popularity.current.counts.item_ids == ("new",)
    admin(world, "PUT", "settings/popularity", json={"popular": {"half_life_days": 365}})
    assert ask(world)[0] == "old"


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"popular": {"half_life_days": 0}}, "/popular/half_life_days"),
        ({"popular": {}}, "/popular/half_life_days"),
        ({"trending": {"half_life_days": 1, "window_days": 0}}, "/trending/window_days"),
        ({"latest": {"half_life_days": 1}}, "/latest"),
    ],
)
def test_fading_at_fault_is_pointed_at(world: World, body: dict[str, Any], pointer: str) -> None:
    assert refusal(world, "PUT", "settings/popularity", body) == pointer


@pytest.mark.parametrize("name", sorted(SCENARIOS))
def test_built_in_scenario_can_be_written_as_it_is_read(world: World, name: str) -> None:
    read = admin(world, "GET", f"scenarios/{name}")["definition"]
    assert admin(world, "PUT", f"scenarios/{name}", json=read)["definition"] == read


def test_schedule_is_the_configured_one_until_another_is_written(world: World) -> None:
    assert admin(world, "GET", "schedule") == {"every_s": None, "after_events": None}
    written = {"every_s": 3600.0, "after_events": 1000}
    assert admin(world, "PUT", "schedule", json=written) == written
    assert admin(world, "GET", "schedule") == written
    assert refusal(world, "PUT", "schedule", {"every_s": 0}) == "/every_s"


def test_emptied_cache_gives_a_list_made_anew(shop: World) -> None:
    def served_by(**person: str) -> str:
        return shop.call("POST", "/v1/recommendations", json={"scenario": "home", **person}).json()[
            "served_by"
        ]

    for person in ({"user_id": "u1"}, {"user_id": "u2"}):
        served_by(**person)
        assert served_by(**person) == "cache"
    admin(shop, "DELETE", "cache?user_id=u1")
    assert served_by(user_id="u1") != "cache"
    assert served_by(user_id="u2") == "cache"
    admin(shop, "DELETE", "cache")
    assert served_by(user_id="u2") != "cache"


def test_every_write_stands_in_the_audit_log(shop: World) -> None:
    admin(shop, "PUT", "scenarios/mine", json=POPULAR)
    admin(shop, "DELETE", "scenarios/mine")
    admin(shop, "PUT", "rules/mine", json={"kind": "boost", "item_ids": ["mug1"]})
    admin(shop, "DELETE", "rules/mine")
    admin(shop, "PUT", "settings/event-weights", json={"weights": {}})
    admin(shop, "PUT", "settings/popularity", json={})
    admin(shop, "PUT", "schedule", json={"after_events": 10})
    admin(shop, "DELETE", "cache?user_id=u1")
    log = shop.stores.audit
    assert isinstance(log, MemoryAuditLog)
    written = [(action, target) for _, actor, action, target, _ in log.lines if actor.startswith("key:")]
    assert written == [
        ("scenario.written", "mine"),
        ("scenario.deleted", "mine"),
        ("rule.written", "mine"),
        ("rule.deleted", "mine"),
        ("setting.written", "event-weights"),
        ("setting.written", "popularity"),
        ("setting.written", "schedule"),
        ("cache.purged", "one person"),
    ]
