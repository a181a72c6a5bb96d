"""Which key may call what, against the checked-in table `access.txt`."""

from __future__ import annotations

import time
from pathlib import Path

import jwt
import pytest

from app.adapters.memory_stores import memory_stores
from app.api.auth import BAD_PROOF, NO_PROOF, NO_PROOF_HERE, OTHER_USER
from app.api.settings import ApiSettings
from tests.api.build import build_services
from tests.api.nasty_run import routes_of
from tests.api.samples import SAMPLES
from tests.api.world import TOKEN_SECRET, running, user_token
from tests.clocks import FixedClock

TABLE = Path(__file__).with_name("access.txt")
KINDS = ("none", "pub", "sec", "adm", "revoked", "expired")
OPEN = {"GET /healthz", "GET /readyz", "GET /metrics"}


def table() -> dict[str, dict[str, str]]:
    rows = [line.split() for line in TABLE.read_text().splitlines() if line and not line.startswith("#")]
    return {f"{method} {path}": dict(zip(KINDS, cells, strict=True)) for method, path, *cells in rows}


def verdict(status: int) -> str:
    return str(status) if status in {401, 403} else "may"


def attempt(world, route, kind):
    method, path = route.split(" ")
    sample = SAMPLES[route]
    body = {} if sample.body is None else {"json": sample.body}
    headers = {"X-User-Token": user_token("u1")} if kind == "pub" else {}
    url = path.format(**sample.parts)
    return world.call(method, url, kind=kind, params=sample.query, headers=headers, **body)


def test_table_has_a_row_for_every_route_and_no_other(shared_world):
    assert set(table()) == set(routes_of(shared_world))


@pytest.mark.parametrize("route", sorted(SAMPLES))
def test_route_admits_the_keys_of_its_row(world, route):
    assert {kind: verdict(attempt(world, route, kind).status_code) for kind in KINDS} == table()[route]


def test_only_a_few_routes_are_open():
    assert {route for route, row in table().items() if row["none"] == "may"} == OPEN


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer ",
        "Basic dTpw",
        "rk_sec_x_y",
        "Bearer rk_sec_x_y",
        "Bearer rk_sec_x",
        "Bearer é",
        "Bearer \x00",
    ],
)
def test_odd_credentials_are_no_credentials(world, header):
    answer = world.client.get("/v1/items", headers={"Authorization": header.encode()})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.json()["type"] == "/problems/unauthorized"


@pytest.mark.parametrize("kind", ["pub", "sec", "adm"])
def test_key_with_one_letter_changed_is_refused(world, kind):
    key = world.keys[kind]
    changed = key[:-1] + ("a" if key[-1] != "a" else "b")
    answer = world.client.get("/v1/popular", headers={"Authorization": f"Bearer {changed}"})
    assert answer.status_code == 401


@pytest.mark.parametrize("name", ["key", "api_key", "access_token"])
def test_key_in_the_query_is_refused(world, name):
    answer = world.call("GET", f"/v1/items?{name}={world.keys['sec']}")
    assert answer.status_code == 422
    assert world.keys["sec"] not in answer.text


@pytest.mark.parametrize("kind", ["sec", "adm"])
def test_server_key_from_a_page_of_another_site_is_refused(world, kind):
    answer = world.call("GET", "/v1/items", kind=kind, headers={"Origin": "https://shop.example"})
    assert answer.status_code == 403
    same_site = world.call("GET", "/v1/items", kind=kind, headers={"Origin": "http://testserver"})
    assert same_site.status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/v1/recommendations", {"user_id": "u1"}),
        ("GET", "/v1/users/u1/recommendations", None),
        ("POST", "/v1/rank", {"user_id": "u1", "item_ids": ["i1"]}),
        ("POST", "/v1/page", {"user_id": "u1", "placements": [{"scenario": "home"}]}),
    ],
)
@pytest.mark.parametrize("token", [None, "u2", "expired", "nonsense"])
def test_browser_speaks_for_nobody_but_its_token(world, method, path, body, token):
    made = {"u2": user_token("u2"), "expired": user_token("u1", exp=1), "nonsense": "a.b.c"}
    headers = {"X-User-Token": made[token]} if token else {}
    options = {} if body is None else {"json": body}
    assert world.call(method, path, kind="pub", headers=headers, **options).status_code == 403
    good = {"X-User-Token": user_token("u1")}
    assert world.call(method, path, kind="pub", headers=good, **options).status_code == 200


@pytest.mark.parametrize(
    ("token", "reason"),
    [(None, NO_PROOF), ("a.b.c", BAD_PROOF), ("expired", BAD_PROOF), ("u2", OTHER_USER)],
)
def test_browser_is_told_why_it_speaks_for_nobody(world, token, reason):
    made = {"u2": user_token("u2"), "expired": user_token("u1", exp=1)}
    headers = {} if token is None else {"X-User-Token": made.get(token, token)}
    answer = world.call("POST", "/v1/recommendations", kind="pub", headers=headers, json={"user_id": "u1"})
    assert (answer.status_code, answer.json()["detail"]) == (403, f"The user_id {reason}.")


def test_browser_is_told_that_no_secret_is_set(tmp_path):
    clock = FixedClock()
    stores = memory_stores(clock=clock)
    services = build_services(stores, clock, folder=tmp_path)
    with running(services, stores, clock, settings=ApiSettings()) as world:
        headers = {"X-User-Token": user_token("u1")}
        answer = world.call(
            "POST", "/v1/recommendations", kind="pub", headers=headers, json={"user_id": "u1"}
        )
    assert (answer.status_code, answer.json()["detail"]) == (403, f"The user_id {NO_PROOF_HERE}.")


def test_token_of_sub_and_exp_alone_is_enough(world):
    bare = jwt.encode({"sub": "u1", "exp": int(time.time()) + 600}, TOKEN_SECRET, algorithm="HS256")
    answer = world.call(
        "POST", "/v1/recommendations", kind="pub", headers={"X-User-Token": bare}, json={"user_id": "u1"}
    )
    assert answer.status_code == 200


def test_guest_needs_no_token(world):
    answer = world.call("POST", "/v1/recommendations", kind="pub", json={"session_id": "s1"})
    assert answer.status_code == 200


def test_key_with_fewer_scopes_may_do_only_those(world):
    body = {"kind": "sec", "scopes": ["catalogue:read"]}
    key = world.call("POST", "/v1/admin/keys", kind="adm", json=body).json()["key"]
    headers = {"Authorization": f"Bearer {key}"}
    assert world.client.get("/v1/items", headers=headers).status_code == 200
    assert world.client.put("/v1/items/i1", headers=headers, json={}).status_code == 403
    assert world.client.get("/v1/admin/keys", headers=headers).status_code == 403
