import pytest

from tests.api.test_events import event, post


def test_user_is_answered_as_they_were_put(world):
    body = {"country": "France", "attributes": {"tier": "gold"}}
    answer = world.call("PUT", "/v1/users/u1", json=body)
    assert answer.json() == world.call("GET", "/v1/users/u1").json()
    assert {name: answer.json()[name] for name in body} == body


def test_user_seen_in_an_event_is_cold(world):
    post(world, event())
    assert world.call("GET", "/v1/users/u1").json()["cold"] is True


@pytest.mark.parametrize("path", ["/v1/users/none", "/v1/users/none/export", "/v1/users/none/events"])
def test_missing_user_is_a_404(world, path):
    assert world.call("GET", path).status_code == 404


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"country": ""}, "/country"),
        ({"country": 1}, "/country"),
        ({"attributes": {"a": "x" * 1025}}, "/attributes"),
        ({"email": "a@b.c"}, "/email"),
        ({"user_id": "u2"}, "/user_id"),
    ],
)
def test_field_at_fault_is_pointed_at(world, body, pointer):
    answer = world.call("PUT", "/v1/users/u1", json=body)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)
    assert world.call("GET", "/v1/users/u1").status_code == 404


def test_user_that_was_read_is_put_back_without_their_read_only_members(world):
    read = world.call("PUT", "/v1/users/u1", json={"country": "France"}).json()
    answer = world.call("PUT", "/v1/users/u1", json=read)
    read_only = {"cold", "created_at", "updated_at"}
    assert answer.status_code == 422
    assert {error["pointer"] for error in answer.json()["errors"]} == {f"/{name}" for name in read_only}
    rest = {name: value for name, value in read.items() if name not in read_only}
    assert world.call("PUT", "/v1/users/u1", json=rest).status_code == 200


def test_known_user_without_events_has_an_empty_page(world):
    world.call("PUT", "/v1/users/u1", json={})
    assert world.call("GET", "/v1/users/u1/events").json() == {"events": [], "next_cursor": None}


def test_merge_brings_the_guests_past_and_can_be_taken_back(world):
    post(world, event(1, user_id=None, anonymous_id="a1"), event(2))

    def events():
        return {row["event_id"] for row in world.call("GET", "/v1/users/u1/events").json()["events"]}

    assert events() == {"e2"}
    merge = {"json": {"anonymous_id": "a1"}}
    assert world.call("POST", "/v1/users/u1/merge", **merge).json() == {
        "user_id": "u1",
        "anonymous_id": "a1",
        "merged": True,
        "changed": True,
    }
    assert world.call("POST", "/v1/users/u1/merge", **merge).json()["changed"] is False
    assert events() == {"e1", "e2"}
    undone = world.call("DELETE", "/v1/users/u1/merge/a1").json()
    assert (undone["merged"], undone["changed"]) == (False, True)
    assert world.call("DELETE", "/v1/users/u1/merge/a1").json()["changed"] is False
    assert events() == {"e2"}


def test_guest_of_another_user_is_a_conflict(world):
    world.call("POST", "/v1/users/u1/merge", json={"anonymous_id": "a1"})
    answer = world.call("POST", "/v1/users/u2/merge", json={"anonymous_id": "a1"})
    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/conflict")


def test_erasure_leaves_nothing_and_gives_a_receipt(world):
    post(world, event(1), event(2, user_id=None, anonymous_id="a1"))
    world.call("POST", "/v1/users/u1/merge", json={"anonymous_id": "a1"})
    receipt = world.call("DELETE", "/v1/users/u1").json()
    assert receipt["rows"]["events"] == 2
    assert "u1" not in receipt["user_digest"]
    assert world.call("GET", "/v1/users/u1").status_code == 404
    assert world.call("GET", "/v1/users/u1/events").status_code == 404
    again = world.call("DELETE", "/v1/users/u1").json()
    assert (again["user_digest"], sum(again["rows"].values())) == (receipt["user_digest"], 0)


def test_export_holds_the_users_rows_and_nobody_elses(world):
    post(world, event(1), event(2, user_id="other-user"))
    text = world.call("GET", "/v1/users/u1/export").text
    assert '"e1"' in text
    assert "other-user" not in text


def test_export_and_erasure_stand_in_the_audit_log_under_their_key(world):
    post(world, event())
    world.call("GET", "/v1/users/u1/export")
    world.call("DELETE", "/v1/users/u1", kind="adm")
    lines = [line[1:3] for line in world.stores.audit.lines if line[2].startswith("user.")]
    actors = {kind: "key:" + world.keys[kind].split("_")[2] for kind in ("sec", "adm")}
    assert lines == [(actors["sec"], "user.exported"), (actors["adm"], "user.erased")]


def test_events_come_newest_first_a_page_at_a_time(world):
    for n in range(5):
        post(world, event(n))
    first = world.call("GET", "/v1/users/u1/events?limit=3").json()
    post(world, event(9))
    rest = world.call(
        "GET", "/v1/users/u1/events", params={"limit": 3, "cursor": first["next_cursor"]}
    ).json()
    assert [row["event_id"] for row in first["events"] + rest["events"]] == ["e4", "e3", "e2", "e1", "e0"]
    assert rest["next_cursor"] is None
