"""Experiments over HTTP: who gets which list, and what an edit, a stop, a swap does to it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.adapters.artifacts import open_store
from app.adapters.memory_stores import memory_stores
from app.domain.types import ModelVersion, VersionState
from tests.api.build import build_services
from tests.api.world import World, running
from tests.clocks import FixedClock
from tests.versions import item_ids, make_version
from tests.waiting import until

PATH = "/v1/admin/experiments"
LATEST_FIRST = {"sources": [{"source": "latest"}]}
BODY: dict[str, Any] = {
    "scenarios": ["latest"],
    "variants": [
        {"name": "control", "weight": 1},
        {"name": "cheap", "weight": 1, "overrides": {"filter": {"field": "price", "op": "lte", "value": 2}}},
    ],
}
PEOPLE = [f"u{number}" for number in range(40)]


@pytest.fixture
def shop(world: World) -> World:
    items = [{"item_id": f"i{number}", "price": number, "title": f"I{number}"} for number in range(5)]
    assert world.call("POST", "/v1/items:batch", json={"items": items}).status_code == 200
    live = world.services.recommend._catalogue
    world.run(until, lambda: live._stamp.told_to == live.current.revision > 0)
    return world


@pytest.fixture
def models(tmp_path: Path) -> Iterator[World]:
    """With the versions v1 (live), v2 and v3, and room for one beside the live one."""
    clock = FixedClock()
    stores = memory_stores(clock=clock)
    with running(build_services(stores, clock, folder=tmp_path), stores, clock) as world:
        for name in ("v1", "v2", "v3"):
            made = make_version(tmp_path / "made", name, seed=int(name[1]))
            store = open_store(str(tmp_path / "artifacts"), scratch=tmp_path)
            store.publish(made, model="transitions", version=name)
            row = ModelVersion(name, "transitions", VersionState.CANDIDATE, created_at=clock.now())
            world.run(stores.versions.add, row)
        assert world.call("POST", "/v1/admin/models/v1/activate", kind="adm").status_code == 200
        items = [{"item_id": item_id} for item_id in item_ids(12)]
        assert world.call("POST", "/v1/items:batch", json={"items": items}).status_code == 200
        yield world


def write(world: World, name: str = "cheap-first", **changes: Any) -> Any:
    answer = world.call("PUT", f"{PATH}/{name}", kind="adm", json=BODY | changes)
    assert answer.status_code == 200, answer.text
    return answer.json()


def refused(world: World, name: str = "cheap-first", **changes: Any) -> tuple[int, list[str]]:
    answer = world.call("PUT", f"{PATH}/{name}", kind="adm", json=BODY | changes)
    return answer.status_code, [fault["pointer"] for fault in answer.json().get("errors", [])]


def asked(world: World, user_id: str, scenario: str = "latest") -> Any:
    answer = world.call("GET", f"/v1/users/{user_id}/recommendations?scenario={scenario}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def lists(world: World, scenario: str = "latest") -> dict[str, Any]:
    return {user_id: asked(world, user_id, scenario) for user_id in PEOPLE}


def arms(found: dict[str, Any]) -> dict[str, tuple[str | None, str]]:
    return {user_id: (one["experiment"], one["variant"]) for user_id, one in found.items()}


def size_of(answer: Any) -> int:
    return len(answer["items"])


def test_each_person_has_one_variant_made_kept_and_posted(shop: World) -> None:
    write(shop)
    first, again = lists(shop), lists(shop)
    assert {one["served_by"] for one in again.values()} == {"cache"}
    assert arms(first) == arms(again)
    assert {arm: size_of(one) for arm, one in zip(arms(first).values(), first.values(), strict=True)} == {
        ("cheap-first", "control"): 5,
        ("cheap-first", "cheap"): 3,
    }
    for user_id in PEOPLE[:20]:
        posted = shop.call("POST", "/v1/recommendations", json={"user_id": user_id, "scenario": "latest"})
        varies = ("recommendation_id",)
        assert {k: v for k, v in posted.json().items() if k not in varies} == {
            k: v for k, v in again[user_id].items() if k not in varies
        }
    counts = Counter(arms(first).values())
    assert all(8 <= count <= 32 for count in counts.values())


def test_share_leaves_others_as_they_were_and_grows_without_moving_anybody(shop: World) -> None:
    before = {user_id: size_of(one) for user_id, one in lists(shop).items()}
    write(shop, share=0.3)
    small = arms(lists(shop))
    outside = [user_id for user_id, arm in small.items() if arm == (None, "control")]
    assert 18 <= len(outside) <= 38
    assert {size_of(asked(shop, user_id)) for user_id in outside} == {before[outside[0]]}
    write(shop, share=0.6)
    grown = arms(lists(shop))
    assert all(arm[0] is None or grown[user_id] == arm for user_id, arm in small.items())
    assert grown != small


def test_guests_keep_their_variant_and_people_without_an_id_meet_none(shop: World) -> None:
    write(shop)
    body = {"scenario": "latest", "session_id": "s1"}
    first, again = (shop.call("POST", "/v1/recommendations", json=body).json() for _ in range(2))
    assert first["experiment"] == "cheap-first"
    assert first["variant"] == again["variant"]
    nobody = shop.call("POST", "/v1/recommendations", json={"scenario": "latest"}).json()
    assert (nobody["experiment"], nobody["variant"]) == (None, "control")


def test_stopped_experiment_makes_no_list_and_can_go_on(shop: World) -> None:
    write(shop)
    before = arms(lists(shop))
    stopped = shop.call("POST", f"{PATH}/cheap-first/stop", kind="adm").json()
    assert (stopped["state"], stopped["version"]) == ("stopped", 2)
    assert set(arms(lists(shop)).values()) == {(None, "control")}
    assert shop.call("POST", f"{PATH}/cheap-first/stop", kind="adm").json()["version"] == 2
    write(shop)
    assert arms(lists(shop)) == before


def test_schedule_begins_and_ends_it(shop: World) -> None:
    now = shop.clock.now()
    window = {
        "starts_at": now.replace(minute=30).isoformat(),
        "ends_at": now.replace(minute=40).isoformat(),
    }
    assert write(shop, **window)["state"] == "scheduled"
    assert set(arms(lists(shop)).values()) == {(None, "control")}
    shop.clock.move(seconds=31 * 60)
    assert shop.call("GET", f"{PATH}/cheap-first", kind="adm").json()["state"] == "running"
    assert {arm[0] for arm in arms(lists(shop)).values()} == {"cheap-first"}
    shop.clock.move(seconds=10 * 60)
    assert shop.call("GET", f"{PATH}/cheap-first", kind="adm").json()["state"] == "ended"
    assert set(arms(lists(shop)).values()) == {(None, "control")}


def test_two_on_one_scenario_share_nobody_and_a_third_does_not_fit(shop: World) -> None:
    write(shop, "one", share=0.5)
    alone = arms(lists(shop))
    write(shop, "two", share=0.5)
    both = arms(lists(shop))
    assert {arm[0] for arm in both.values()} == {"one", "two"}
    assert all(arm[0] is None or both[user_id] == arm for user_id, arm in alone.items())
    assert refused(shop, "three", share=0.1) == (422, ["/share"])
    assert write(shop, "three", share=0.1, scenarios=["popular"])["state"] == "running"
    shop.call("DELETE", f"{PATH}/two", kind="adm")
    write(shop, "four", share=0.1)


def test_what_says_who_meets_what_cannot_change_while_it_runs(shop: World) -> None:
    write(shop)
    heavier = [BODY["variants"][0], BODY["variants"][1] | {"weight": 3}]
    assert refused(shop, variants=heavier)[0] == 409
    assert refused(shop, salt="other")[0] == 409
    assert write(shop, note="the note may")["version"] == 2
    shop.call("POST", f"{PATH}/cheap-first/stop", kind="adm")
    assert write(shop, variants=heavier)["state"] == "running"


def test_written_body_comes_back_and_every_write_is_kept_and_audited(shop: World) -> None:
    made = write(shop, share=0.25)
    assert write(shop, **made["definition"])["definition"] == made["definition"]
    assert made["definition"]["variants"][1]["overrides"] == BODY["variants"][1]["overrides"]
    shop.call("DELETE", f"{PATH}/cheap-first", kind="adm")
    assert shop.call("GET", f"{PATH}/cheap-first", kind="adm").status_code == 404
    versions = shop.call("GET", f"{PATH}/cheap-first/versions", kind="adm").json()["versions"]
    assert [one["version"] for one in versions] == [3, 2, 1]
    assert versions[0]["definition"] is None
    assert versions[1]["definition"] == made["definition"]
    actions = [action for _, _, action, _, _ in shop.stores.audit.lines]
    assert [one for one in actions if one.startswith("experiment.")] == [
        "experiment.written",
        "experiment.written",
        "experiment.deleted",
    ]


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"scenarios": ["nowhere"]}, "/scenarios/0"),
        ({"scenarios": []}, "/scenarios"),
        ({"share": 0}, "/share"),
        ({"variants": [BODY["variants"][0]]}, "/variants"),
        ({"variants": [BODY["variants"][0], {"name": "b"}]}, "/variants/1"),
        (
            {"variants": [BODY["variants"][0], {"name": "b", "overrides": {"diversity": 2}}]},
            "/variants/1/overrides/diversity",
        ),
        (
            {
                "variants": [
                    BODY["variants"][0],
                    {"name": "b", "overrides": {"filter": {"field": "price", "op": "?", "value": 1}}},
                ]
            },
            "/variants/1/overrides/filter/op",
        ),
        (
            {
                "variants": [
                    BODY["variants"][0],
                    {"name": "b", "overrides": {"sources": [{"source": "similar"}]}},
                ]
            },
            "/variants/1/overrides/sources",
        ),
        (
            {"variants": [BODY["variants"][0], {"name": "b", "model_version": "v9"}]},
            "/variants/1/model_version",
        ),
        (
            {"scenarios": ["home"], "variants": [BODY["variants"][0], {"name": "b", "model_version": "v9"}]},
            "/variants/1/model_version",
        ),
        ({"control": "a"}, "/control"),
    ],
)
def test_experiment_that_cannot_be_names_the_field(shop: World, changes: dict, pointer: str) -> None:
    assert refused(shop, **changes) == (422, [pointer])


def test_scenario_edited_out_of_its_fit_puts_the_experiment_to_rest(shop: World) -> None:
    write(shop)
    edited = {"sources": [{"source": "similar"}]}
    assert shop.call("PUT", "/v1/admin/scenarios/latest", kind="adm", json=edited).status_code == 200
    body = {"scenario": "latest", "user_id": "u1", "context": {"item_id": "i1"}}
    assert shop.call("POST", "/v1/recommendations", json=body).status_code == 200


def test_figures_are_told_apart_by_variant_where_people_click(shop: World) -> None:
    write(shop)
    found = lists(shop)
    clicked = [user_id for user_id, arm in arms(found).items() if arm[1] == "cheap"][:3]
    events = [
        {
            "event_id": f"click-{user_id}",
            "event": "select_item",
            "user_id": user_id,
            "items": [{"item_id": "i1"}],
            "recommendation_id": found[user_id]["recommendation_id"],
        }
        for user_id in clicked
    ]
    assert shop.call("POST", "/v1/events", json={"events": events}).json()["accepted"] == 3
    shop.run(shop.services.exposures.flush)
    shop.clock.move(seconds=1)
    rows = shop.call("GET", "/v1/admin/metrics/online", kind="adm").json()["figures"]
    counts = Counter(arms(found).values())
    assert {(row["experiment"], row["variant"]): (row["impressions"], row["clicks"]) for row in rows} == {
        ("cheap-first", "control"): (counts["cheap-first", "control"], 0),
        ("cheap-first", "cheap"): (counts["cheap-first", "cheap"], 3),
    }


# --- Models ---


def versus(version: str) -> dict[str, Any]:
    variants = [{"name": "control"}, {"name": "other", "model_version": version}]
    return {"scenarios": ["home"], "variants": variants}


def served(world: World) -> dict[tuple[str | None, str], set[str]]:
    found: dict[tuple[str | None, str], set[str]] = {}
    for one in lists(world, "home").values():
        found.setdefault((one["experiment"], one["variant"]), set()).add(one["model_version"])
    return found


def test_another_model_version_answers_beside_the_live_one(models: World) -> None:
    made = write(models, "models", **versus("v2"))
    assert (made["state"], made["missing_models"]) == ("running", [])
    halves = {("models", "control"): {"v1"}, ("models", "other"): {"v2"}}
    assert served(models) == halves
    assert served(models) == halves  # out of the cache


def test_promoted_mid_way_both_variants_are_of_one_version_and_each_keeps_its_people(models: World) -> None:
    write(models, "models", **versus("v2"))
    before = arms(lists(models, "home"))
    assert models.call("POST", "/v1/admin/models/v2/activate", kind="adm").status_code == 200
    assert served(models) == {("models", "control"): {"v2"}, ("models", "other"): {"v2"}}
    assert arms(lists(models, "home")) == before
    models.call("POST", f"{PATH}/models/stop", kind="adm")
    assert served(models) == {(None, "control"): {"v2"}}


def test_no_more_models_than_the_setting_lets_stand_beside(models: World) -> None:
    write(models, "models", **versus("v2"), share=0.5)
    assert refused(models, "more", **versus("v3"), share=0.5) == (422, ["/variants/1/model_version"])
    models.call("POST", f"{PATH}/models/stop", kind="adm")
    write(models, "more", **versus("v3"), share=0.5)
    models.run(models.services.models._keep_beside)
    assert list(models.services.models._beside) == ["v3"]


def test_model_that_is_not_there_costs_the_experiment_its_lists_and_nobody_an_answer(models: World) -> None:
    write(models, "models", **versus("v2"))
    registry = models.services.models
    registry._beside.clear()
    registry._refused["v2"] = ("damaged", float("inf"))

    assert served(models) == {("models", "control"): {"v1"}, (None, "control"): {"v1"}}

    ready = models.call("GET", "/readyz", kind="none").json()
    assert (ready["status"], ready["dependencies"]["experiments"]["state"]) == ("degraded", "down")
    missing = models.call("GET", f"{PATH}/models", kind="adm").json()["missing_models"]
    assert missing == [{"model_version": "v2", "reason": "damaged"}]
    count = models.services.recommend._metrics.degraded.labels("experiment", "model-not-loaded")
    assert count._value.get() > 0
    registry._refused.clear()
    models.run(registry._keep_beside)
    assert served(models)["models", "other"] == {"v2"}
