import json
from datetime import timedelta

import pytest

from app.adapters.memory_stores import memory_stores
from app.api.auth import BAD_PROOF, NO_PROOF, OTHER_USER
from tests.api.build import build_services
from tests.api.samples import EVENT
from tests.api.world import running, user_token
from tests.clocks import NOON, FixedClock


def event(n=1, **changes):
    made = {
        "event_id": f"e{n}",
        "event": "view_item",
        "user_id": "u1",
        "items": [{"item_id": "i1"}],
    } | changes
    return {name: value for name, value in made.items() if value is not ...}


def post(world, *events, kind="sec", **options):
    return world.call("POST", "/v1/events", kind=kind, json={"events": list(events)}, **options)


def rejection(answer, index=0):
    body = answer.json()
    assert answer.status_code == 202
    assert body["results"][index]["status"] == "rejected"
    return {error["pointer"]: error["reason"] for error in body["results"][index]["errors"]}


def stored(world, user_id="u1"):
    answer = world.call("GET", f"/v1/users/{user_id}/events")
    return [] if answer.status_code == 404 else answer.json()["events"]


def test_event_is_stored_as_it_was_sent(world):
    assert post(world, EVENT).json() == {
        "accepted": 1,
        "duplicates": 0,
        "rejected": 0,
        "results": [{"event_id": "e1", "status": "accepted"}],
    }
    [kept] = stored(world)
    assert kept["timestamp"] == "2026-11-24T10:00:00.000000Z"
    assert kept["items"] == [{"item_id": "i1", "quantity": 1.0, "price": 9.5, "index": 0}]
    for name in (
        "event_id",
        "event",
        "user_id",
        "anonymous_id",
        "session_id",
        "value",
        "currency",
        "context",
    ):
        assert kept[name] == EVENT[name]


def test_event_sent_again_is_a_duplicate(world):
    post(world, event())
    body = post(world, event(), event(2), event(2)).json()
    assert [result["status"] for result in body["results"]] == ["duplicate", "accepted", "duplicate"]
    assert (body["accepted"], body["duplicates"]) == (1, 2)
    assert len(stored(world)) == 2


def test_bad_event_never_fails_its_neighbours(world):
    answer = post(world, event(1), event(2, event=...), 7, event(4, items=[{"item_id": ""}]), event(5))
    assert [result["status"] for result in answer.json()["results"]] == [
        "accepted",
        "rejected",
        "rejected",
        "rejected",
        "accepted",
    ]
    assert rejection(answer, 1) == {"/events/1/event": "is required"}
    assert list(rejection(answer, 2)) == ["/events/2"]
    assert list(rejection(answer, 3)) == ["/events/3/items/0/item_id"]
    assert "event_id" not in answer.json()["results"][2]
    assert len(stored(world)) == 2


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"event_id": ...}, "/event_id"),
        ({"event_id": ""}, "/event_id"),
        ({"event_id": 7}, "/event_id"),
        ({"event": "<script>"}, "/event"),
        ({"event": " view_item"}, "/event"),
        ({"event": "x" * 65}, "/event"),
        ({"user_id": "a\nb"}, "/user_id"),
        ({"user_id": "e\u0301"}, "/user_id"),
        ({"user_id": None}, ""),
        ({"timestamp": "2026-11-24T10:00:00"}, "/timestamp"),
        ({"timestamp": 1764000000}, "/timestamp"),
        ({"timestamp": "1969-12-31T23:59:59Z"}, "/timestamp"),
        ({"timestamp": "9999-12-31T23:59:59-12:00"}, "/timestamp"),
        ({"items": [{"item_id": "i1", "quantity": -1}]}, "/items/0/quantity"),
        ({"items": [{"item_id": "i1", "price": -1}]}, "/items/0/price"),
        ({"items": [{"item_id": "i1", "price": "9.5"}]}, "/items/0/price"),
        ({"items": [{"item_id": "i1"}, {"quantity": 1}]}, "/items/1/item_id"),
        ({"items": [{"item_id": "i1", "frobnicate": 1}]}, "/items/0/frobnicate"),
        ({"items": [{"item_id": "i1"}] * 201}, "/items"),
        ({"items": {"item_id": "i1"}}, "/items"),
        ({"value": 1e12}, "/value"),
        ({"value": True}, "/value"),
        ({"currency": "eur"}, "/currency"),
        ({"currency": "XYZ"}, "/currency"),
        ({"recommendation_id": ""}, "/recommendation_id"),
        ({"context": []}, "/context"),
        ({"context": {str(n): n for n in range(65)}}, "/context"),
        ({"context": {"a": "x" * 1025}}, "/context"),
        ({"context": {"a": 2**63}}, "/context/a"),
        ({"context": {"a": ["b\x00"]}}, "/context/a/0"),
        ({"tenant": "other"}, "/tenant"),
        ({"received_at": "2026-11-24T10:00:00Z"}, "/received_at"),
        ({"weight": 99}, "/weight"),
    ],
)
def test_event_is_rejected_with_a_pointer(world, changes, where):
    assert f"/events/0{where}" in rejection(post(world, event(**changes)))
    assert stored(world) == []


@pytest.mark.parametrize("name", ["rate", "Product Reviewed", "product reviewed"])
@pytest.mark.parametrize("value", [0, 0.99, 5.01, 9, -3, 1e9])
def test_rating_outside_one_to_five_is_rejected(world, name, value):
    found = rejection(post(world, event(event=name, value=value)))
    assert found == {"/events/0/value": "must be the stars of the rating, 1 to 5"}
    assert stored(world) == []


@pytest.mark.parametrize("value", [1, 3.5, 5, None, ...])
def test_rating_has_one_to_five_stars_or_leaves_them_out(world, value):
    post(world, event(event="rate", value=value))
    assert stored(world)[0]["value"] == (None if value is ... else value)


def test_stars_bound_ratings_alone(world):
    assert post(world, event(event="purchase", value=9)).json()["accepted"] == 1


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("Product Viewed", "view_item"),
        ("Order Completed", "purchase"),
        ("order completed", "purchase"),
        ("Video Played", "Video Played"),
        ("my.own:event-1", "my.own:event-1"),
        ("refund", "refund"),
    ],
)
def test_event_is_called_by_its_ga4_name(world, sent, kept):
    post(world, event(event=sent))
    assert stored(world)[0]["event"] == kept


def test_ga4_data_layer_is_taken_as_it_is(world):
    item = {
        "item_id": "SKU_12345",
        "item_name": "Stan and Friends Tee",
        "affiliation": "Google Merchandise Store",
        "coupon": "SUMMER_FUN",
        "discount": 2.22,
        "index": 0,
        "item_brand": "Google",
        "item_category": "Apparel",
        "item_category2": "Adult",
        "item_category5": "Short sleeve",
        "item_list_id": "related_products",
        "item_list_name": "Related Products",
        "item_variant": "green",
        "location_id": "ChIJIQBpAG2ahYAR_6128GcTUEo",
        "price": 10.01,
        "google_business_vertical": "retail",
        "quantity": 3,
    }
    purchase = event(
        event="purchase",
        items=[item],
        transaction_id="T_12345",
        value=0.1 + 0.2,
        tax=4.9,
        shipping=5.99,
        currency="USD",
        coupon="SUMMER_SALE",
    )
    assert post(world, purchase).json()["accepted"] == 1
    [kept] = stored(world)
    assert kept["value"] == 0.3
    assert kept["context"] == {
        "transaction_id": "T_12345",
        "tax": 4.9,
        "shipping": 5.99,
        "coupon": "SUMMER_SALE",
    }


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (None, NOON + timedelta(seconds=2)),
        ("2026-11-24T12:04:00Z", NOON + timedelta(minutes=4)),
        ("2026-11-24T12:10:00Z", NOON + timedelta(seconds=2)),
        ("2027-11-24T12:00:00Z", NOON + timedelta(seconds=2)),
        ("1970-01-01T00:00:00Z", None),
    ],
)
def test_time_of_the_event_is_believed_within_reason(world, sent, kept):
    post(world, event(timestamp=sent))
    kept_text = "1970-01-01T00:00:00.000000Z" if kept is None else kept.strftime("%Y-%m-%dT%H:%M:%S.000000Z")
    assert stored(world)[0]["timestamp"] == kept_text
    assert stored(world)[0]["received_at"] == "2026-11-24T12:00:02.000000Z"


@pytest.mark.parametrize(
    ("body", "status", "where"),
    [
        ({}, 422, "/events"),
        ({"events": []}, 422, "/events"),
        ({"events": {}}, 422, "/events"),
        ({"events": None}, 422, "/events"),
        ([], 422, ""),
        ({"events": [], "extra": 1}, 422, "/extra"),
        ({"events": [event()], "key": "rk_pub_x"}, 422, "/key"),
        ({"events": [event(n) for n in range(501)]}, 413, None),
    ],
)
def test_frame_is_refused_whole(world, body, status, where):
    answer = world.call("POST", "/v1/events", json=body)
    assert answer.status_code == status
    if where is not None:
        assert answer.json()["errors"][0]["pointer"] == where
    assert stored(world) == []


def test_five_hundred_events_are_taken_at_once(world):
    assert post(world, *[event(n, context={}) for n in range(500)]).json()["accepted"] == 500


# --- Browsers ---


def test_browser_without_a_token_is_a_guest(world):
    answer = post(world, event(1), event(2, user_id=None, session_id="s1"), kind="pub")
    assert rejection(answer) == {"/events/0/user_id": NO_PROOF}
    assert answer.json()["results"][1]["status"] == "accepted"


def test_browser_with_a_token_speaks_for_its_user_alone(world):
    headers = {"X-User-Token": user_token("u1")}
    answer = post(world, event(1), event(2, user_id="u2"), kind="pub", headers=headers)
    assert [result["status"] for result in answer.json()["results"]] == ["accepted", "rejected"]


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        (user_token("u1", exp=1), BAD_PROOF),
        (user_token("u1", aud="other"), BAD_PROOF),
        ("a.b.c", BAD_PROOF),
        ("x" * 5000, BAD_PROOF),
        (user_token("u2", exp=2_000_000_000 * 2), BAD_PROOF),
        ("u2", OTHER_USER),
    ],
)
def test_browser_is_told_why_its_token_does_not_count(world, token, reason):
    if token == "u2":
        token = user_token(token)
    answer = post(world, event(), kind="pub", headers={"X-User-Token": token})
    assert rejection(answer) == {"/events/0/user_id": reason}
    assert "u2" not in answer.text


def beacon(world, body, **options):
    headers = {"Content-Type": "text/plain;charset=UTF-8"} | options
    return world.client.post("/v1/events", content=json.dumps(body), headers=headers)


def test_beacon_brings_its_key_in_the_body(world):
    body = {"key": world.keys["pub"], "events": [event(user_id=None, session_id="s1")]}
    assert beacon(world, body).json()["accepted"] == 1


def test_beacon_brings_its_token_in_the_body(world):
    body = {"key": world.keys["pub"], "user_token": user_token("u1"), "events": [event()]}
    assert beacon(world, body).json()["accepted"] == 1
    without = {"key": world.keys["pub"], "events": [event(2)]}
    assert beacon(world, without).json()["rejected"] == 1


@pytest.mark.parametrize("kind", ["sec", "adm"])
def test_beacon_with_a_server_key_is_refused(world, kind):
    answer = beacon(world, {"key": world.keys[kind], "events": [event()]})
    assert answer.status_code == 403
    assert world.keys[kind] not in answer.text


@pytest.mark.parametrize("key", [..., "", "rk_pub_x_y", 7, None, ["a"], "\x00"])
def test_beacon_without_a_good_key_is_unauthorized(world, key):
    body = {"events": [event()]} | ({} if key is ... else {"key": key})
    assert beacon(world, body).status_code == 401


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff", b"[" * 1000])
def test_beacon_that_cannot_be_read_learns_nothing(world, content):
    answer = world.client.post("/v1/events", content=content, headers={"Content-Type": "text/plain"})
    assert answer.status_code == 401
    assert "errors" not in answer.json()


def test_beacon_from_the_shop_may_read_its_answer(world):
    body = {"key": world.keys["pub"], "events": [event(user_id=None, session_id="s1")]}
    answer = beacon(world, body, Origin="https://shop.example")
    assert answer.headers["access-control-allow-origin"] == "https://shop.example"


def test_text_is_taken_on_events_alone(world):
    headers = {"Content-Type": "text/plain"}
    assert world.call("POST", "/v1/recommendations", content=b"{}", headers=headers).status_code == 415
    assert world.call("PUT", "/v1/items/i1", content=b"{}", headers=headers).status_code == 415


# --- Unknown items ---


def test_unknown_items_reject_their_events_when_creation_is_off(tmp_path):
    clock = FixedClock()
    stores = memory_stores(clock=clock)
    services = build_services(stores, clock, folder=tmp_path, create_unknown=False)
    with running(services, stores, clock) as world:
        world.call("PUT", "/v1/items/i1", json={})
        lines = [{"item_id": "i1"}, {"item_id": "i2"}]
        answer = post(world, event(0, event="<"), event(1), event(2, items=lines))
        assert [r["status"] for r in answer.json()["results"]] == ["rejected", "accepted", "rejected"]
        assert list(rejection(answer, 2)) == ["/events/2/items/1/item_id"]
        more = [{"item_id": "i3"}, {"item_id": "i1"}, {"item_id": "i4"}]
        answer = post(world, event(3), event(4, event="<"), event(5, items=more), event(6, items=lines))
        assert rejection(answer, 2) == {
            "/events/2/items/0/item_id": "is not in the catalogue",
            "/events/2/items/2/item_id": "is not in the catalogue",
        }
        assert list(rejection(answer, 3)) == ["/events/3/items/1/item_id"]


def test_metrics_count_what_became_of_events(world):
    post(world, event(1), event(1), event(2, event="<"), event(3, timestamp="2030-01-01T00:00:00Z"))
    text = world.client.get("/metrics").text
    assert 'recserve_events_total{status="accepted"} 2.0' in text
    assert 'recserve_events_total{status="duplicate"} 1.0' in text
    assert 'recserve_events_total{status="rejected"} 1.0' in text
    assert "recserve_events_clamped_total 1.0" in text
