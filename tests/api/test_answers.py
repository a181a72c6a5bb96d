"""What holds of every answer: headers, problems, no trace of the input, nothing of anybody in the log."""

import io
import json
import logging

import pytest
import structlog

from app.telemetry import configure_logging
from tests.api.nasty_run import MAKES_STREAMS
from tests.api.samples import SAMPLES
from tests.api.world import ORIGIN, user_token

CANARY = "canaryzk4"
TEXTS = {"u1", "u2", "i1", "i2", "i7", "a1", "s1", "e1", "r1", "k1", "j1", "v1", "A mug", "blue", "France"}


FOR_BROWSERS = {
    "POST /v1/events",
    "POST /v1/recommendations",
    "GET /v1/users/{user_id}/recommendations",
    "GET /v1/items/{item_id}/similar",
    "GET /v1/popular",
    "GET /v1/trending",
    "GET /v1/latest",
    "POST /v1/rank",
    "POST /v1/page",
}


@pytest.fixture
def log(world):
    """The log of a service at its default level, as text."""
    stream, root = io.StringIO(), logging.getLogger()
    handlers, level, configuration = root.handlers[:], root.level, structlog.get_config()
    configure_logging("INFO", "json", stream)
    # the client of the tests writes the addresses it calls
    logging.getLogger("httpx2").setLevel("WARNING")
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.configure(**configuration)


def marked(value):
    """The sample with the canary in every text that may hold it."""
    if isinstance(value, dict):
        return {name: marked(part) for name, part in value.items()}
    if isinstance(value, list):
        return [marked(part) for part in value]
    return (
        CANARY
        if value in {"u1", "u2", "i1", "i2", "a1", "s1", "e1", "r1", "A mug", "blue", "home ", "k1"}
        else value
    )


def test_log_holds_nothing_of_anybody(world, log):
    headers = {"X-User-Token": user_token(CANARY)}
    for kind in ("sec", "pub", "adm"):
        for route, sample in SAMPLES.items():
            method, path = route.split(" ")
            if kind != "adm" and "/admin/" in path:
                continue
            body = {} if sample.body is None else {"json": marked(sample.body)}
            bad = {} if sample.body is None else {"json": marked(sample.body) | {CANARY: CANARY}}
            url = path.format(**marked(sample.parts))
            for options in (body, bad):
                world.call(method, url, kind=kind, params=sample.query, headers=headers, **options)
    text = log.getvalue()
    assert text.count("http.request.answered") > 50
    assert CANARY not in text
    for key in world.keys.values():
        assert key not in text
        assert key.rsplit("_", 1)[1] not in text


def test_log_line_is_one_line_of_json_with_its_request_id(world, log):
    world.call("GET", "/v1/items/a%0d%0aevil", headers={"X-Request-ID": "r-1"})
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    [answered] = [line for line in lines if line["event"] == "http.request.answered"]
    assert answered["request_id"] == "r-1"
    assert answered["route"] == "/v1/items/{item_id}"
    assert answered["status"] == 422


def test_library_errors_are_logged_without_their_text(log):
    try:
        int(CANARY)
    except ValueError:
        logging.getLogger("library").exception("It failed.")
    [line] = [json.loads(text) for text in log.getvalue().splitlines()]
    assert line["error"] == "ValueError"
    assert CANARY not in log.getvalue()


@pytest.mark.parametrize(
    ("method", "path", "status", "slug"),
    [
        ("GET", "/", 404, "not-found"),
        ("GET", "/v1", 404, "not-found"),
        ("GET", "/v1/items/", 404, "not-found"),
        ("GET", "/v1/none", 404, "not-found"),
        ("GET", "/v1/items/a/b/c", 404, "not-found"),
        ("POST", "/v1/items/i1", 405, "method-not-allowed"),
        ("DELETE", "/v1/events", 405, "method-not-allowed"),
        ("TRACE", "/v1/items", 405, "method-not-allowed"),
        ("OPTIONS", "/v1/items", 405, "method-not-allowed"),
        ("GET", f"/v1/{CANARY}", 404, "not-found"),
    ],
)
def test_router_answers_with_problems_too(world, method, path, status, slug):
    answer = world.call(method, path)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    problem = answer.json()
    assert problem["type"] == f"/problems/{slug}"
    assert problem["request_id"] == answer.headers["x-request-id"]
    assert CANARY not in answer.text


def test_allow_names_every_method_of_the_path(world):
    answer = world.call("POST", "/v1/items/i1")
    assert {name.strip() for name in answer.headers["allow"].split(",")} == {"GET", "PUT", "PATCH", "DELETE"}


@pytest.mark.parametrize("route", sorted(SAMPLES))
def test_route_answers_with_the_common_headers(shared_world, route):
    method, path = route.split(" ")
    sample = SAMPLES[route]
    body = {} if sample.body is None else {"json": sample.body}
    url = path.format(**sample.parts)
    answer = shared_world.call(method, url, kind="adm", params=sample.query, **body)
    assert answer.headers["x-request-id"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "private, no-store"
    assert "server" not in answer.headers
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("route", sorted(SAMPLES))
def test_cors_is_granted_where_a_browsers_key_may_call(shared_world, route):
    method, path = route.split(" ")
    url = path.format(**SAMPLES[route].parts)
    asked = {"Origin": ORIGIN, "Access-Control-Request-Method": method}
    answer = shared_world.client.options(url, headers=asked)
    granted = answer.headers.get("access-control-allow-origin") == ORIGIN
    assert granted == (route in FOR_BROWSERS)


# --- HEAD ---

READ = sorted(route for route in SAMPLES if route.startswith("GET ") and route not in MAKES_STREAMS)
DIFFERS = {"x-request-id", "content-length"}


@pytest.mark.parametrize("route", READ)
def test_head_answers_as_get_without_the_body(world, route):
    sample = SAMPLES[route]
    path = route.removeprefix("GET ").format(**sample.parts)
    head, get = (world.call(m, path, kind="adm", params=sample.query) for m in ("HEAD", "GET"))
    assert (head.status_code, head.content) == (get.status_code, b"")
    # bodies name request ids and times, so that their lengths may differ
    assert {k: v for k, v in head.headers.items() if k not in DIFFERS} == {
        k: v for k, v in get.headers.items() if k not in DIFFERS
    }


def test_head_is_counted_as_itself_on_its_route(world):
    world.call("HEAD", "/v1/items/i1")
    assert world.metrics.registry.get_sample_value(
        "recserve_http_requests_total",
        {"method": "HEAD", "route": "/v1/items/{item_id}", "status": "404"},
    )


def test_head_needs_the_key_that_get_needs(world):
    assert world.call("HEAD", "/v1/items", kind="none").status_code == 401
    assert world.call("HEAD", "/v1/items", kind="pub").status_code == 403


def test_head_of_what_cannot_be_read_is_not_allowed(world):
    assert world.call("HEAD", "/v1/events").status_code == 405
    assert world.call("HEAD", "/v1/admin/jobs/j1/events", kind="adm").status_code == 405
