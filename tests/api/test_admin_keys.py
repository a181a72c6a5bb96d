import pytest


def create(world, **options):
    headers = options.pop("headers", {})
    return world.call("POST", "/v1/admin/keys", kind="adm", json={"kind": "sec"} | options, headers=headers)


def test_key_is_shown_once_and_works(world):
    made = create(world, name="shop").json()
    assert made["key"].startswith(f"rk_sec_{made['key_id']}_")
    answer = world.client.get("/v1/items", headers={"Authorization": f"Bearer {made['key']}"})
    assert answer.status_code == 200
    listed = world.call("GET", "/v1/admin/keys", kind="adm")
    assert made["key"] not in listed.text
    assert made["key"].rsplit("_", 1)[1] not in listed.text
    row = next(key for key in listed.json()["keys"] if key["key_id"] == made["key_id"])
    assert (row["name"], row["kind"], row["revoked_at"]) == ("shop", "sec", None)
    assert "digest" not in row


def test_revoked_key_works_no_more(world):
    made = create(world).json()
    assert world.call("DELETE", f"/v1/admin/keys/{made['key_id']}", kind="adm").status_code == 204
    answer = world.client.get("/v1/items", headers={"Authorization": f"Bearer {made['key']}"})
    assert answer.status_code == 401
    rows = world.call("GET", "/v1/admin/keys", kind="adm").json()["keys"]
    assert next(row for row in rows if row["key_id"] == made["key_id"])["revoked_at"] is not None


def test_missing_key_is_a_404(world):
    assert world.call("DELETE", "/v1/admin/keys/none", kind="adm").status_code == 404


def test_key_expires(world):
    made = create(world, expires_at="2026-11-24T13:00:00Z").json()
    headers = {"Authorization": f"Bearer {made['key']}"}
    assert world.client.get("/v1/items", headers=headers).status_code == 200
    world.clock.move(seconds=3600)
    assert world.client.get("/v1/items", headers=headers).status_code == 401


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"kind": "root"}, "/kind"),
        ({"kind": None}, "/kind"),
        ({"name": "a\nb"}, "/name"),
        ({"scopes": []}, "/scopes"),
        ({"scopes": ["everything"]}, "/scopes/0"),
        ({"scopes": ["admin"]}, "/scopes"),
        ({"expires_at": "2026-11-24T12:00:00Z"}, "/expires_at"),
        ({"digest": "00"}, "/digest"),
    ],
)
def test_field_at_fault_is_pointed_at(world, body, pointer):
    answer = create(world, **body)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)


def test_writes_stand_in_the_audit_log(world):
    made = create(world).json()
    world.call("DELETE", f"/v1/admin/keys/{made['key_id']}", kind="adm")
    lines = [line[1:3] for line in world.stores.audit.lines if line[3] == made["key_id"]]
    actor = "key:" + world.keys["adm"].split("_")[2]
    assert lines == [(actor, "key.created"), (actor, "key.revoked")]


# --- Idempotency-Key ---


def test_same_idempotency_key_makes_one_key(world):
    headers = {"Idempotency-Key": "k1"}
    first, second = create(world, headers=headers), create(world, headers=headers)
    assert first.json() == second.json()
    assert (first.status_code, second.status_code) == (201, 201)
    assert "idempotency-replayed" not in first.headers
    assert second.headers["idempotency-replayed"] == "true"
    assert create(world, headers={"Idempotency-Key": "k2"}).json() != first.json()


def test_idempotency_key_stands_for_one_body(world):
    headers = {"Idempotency-Key": "k1"}
    create(world, headers=headers)
    answer = create(world, name="other", headers=headers)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "header:Idempotency-Key")


def test_idempotency_key_belongs_to_its_caller(world):
    headers = {"Idempotency-Key": "k1"}
    first = create(world, headers=headers).json()
    other = create(world, kind="adm").json()["key"]
    answer = world.client.post(
        "/v1/admin/keys", json={"kind": "sec"}, headers=headers | {"Authorization": f"Bearer {other}"}
    )
    assert answer.json()["key_id"] != first["key_id"]


def test_idempotent_answer_does_not_outlive_the_callers_key(world):
    other = create(world, kind="adm").json()
    headers = {"Idempotency-Key": "k1", "Authorization": f"Bearer {other['key']}"}
    assert world.client.post("/v1/admin/keys", json={"kind": "sec"}, headers=headers).status_code == 201
    world.call("DELETE", f"/v1/admin/keys/{other['key_id']}", kind="adm")
    assert world.client.post("/v1/admin/keys", json={"kind": "sec"}, headers=headers).status_code == 401


def test_refused_call_can_be_repeated_under_its_idempotency_key(world):
    headers = {"Idempotency-Key": "k1"}
    assert create(world, kind="root", headers=headers).status_code == 422
    assert create(world, kind="root", headers=headers).status_code == 422


@pytest.mark.parametrize("given", ["", "x" * 129, "é".encode()])
def test_idempotency_key_is_checked(world, given):
    answer = create(world, headers={"Idempotency-Key": given})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "header:Idempotency-Key")


def test_retrain_under_one_idempotency_key_answers_the_same_job(world):
    def retrain(key):
        return world.call("POST", "/v1/admin/retrain", kind="adm", headers={"Idempotency-Key": key})

    first = retrain("k1")
    assert (first.status_code, retrain("k1").json()) == (202, first.json())
    other = retrain("k2")
    assert (other.status_code, other.json()["job_id"]) == (409, first.json()["job_id"])
