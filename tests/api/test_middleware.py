import io
import json
import logging

import pytest
import structlog
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, StreamingResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from app.api.drain import Drain
from app.api.middleware import BodyLimit, Observe, PublicCors, StrictPath
from app.api.problems import on_recserve_error
from app.api.reporting import Report
from app.api.values import SLASH_IN_PATH
from app.domain.errors import RecserveError
from app.telemetry import Metrics, configure_logging

CANARY = "canary-7f3a"


async def echo_path(request: Request) -> PlainTextResponse:
    return PlainTextResponse(request.path_params["name"].replace(SLASH_IN_PATH, "|"))


async def size(request: Request) -> JSONResponse:
    return JSONResponse(len(await request.body()))


async def crash(request: Request) -> PlainTextResponse:
    raise RuntimeError(f"{CANARY} {request.query_params}")


async def crash_midway(_: Request) -> StreamingResponse:
    async def parts():
        yield b"half"
        raise RuntimeError(CANARY)

    return StreamingResponse(parts())


@pytest.fixture
def drain() -> Drain:
    return Drain()


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def client(drain: Drain, metrics: Metrics):
    app = Starlette(
        routes=[
            Route("/names/{name}", echo_path),
            Route("/size", size, methods=["GET", "POST"]),
            Route("/crash", crash),
            Route("/midway", crash_midway),
        ],
        exception_handlers={RecserveError: on_recserve_error},
    )
    app.add_middleware(BodyLimit, max_bytes=1000)
    app.add_middleware(PublicCors, origins=("https://shop.example",), is_public=lambda path: path == "/size")
    app.add_middleware(StrictPath)
    app.add_middleware(Observe, report=Report(metrics), drain=drain)
    with TestClient(app) as made:
        yield made


@pytest.fixture
def log_lines():
    """The log as it leaves the process; the ones before are put back."""
    stream, root = io.StringIO(), logging.getLogger()
    handlers, level, configuration = root.handlers[:], root.level, structlog.get_config()
    configure_logging("DEBUG", "json", stream)
    logging.getLogger("httpx2").setLevel("WARNING")
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.configure(**configuration)


def test_request_id_is_taken_when_sane_and_echoed(client):
    assert client.get("/size", headers={"X-Request-ID": "abc-1.2_3"}).headers["x-request-id"] == "abc-1.2_3"


@pytest.mark.parametrize("given", ["", "a b", "x" * 129, 'a"b', "a;b", "é".encode()])
def test_request_id_is_made_when_the_given_one_is_not_sane(client, given):
    made = client.get("/size", headers={"X-Request-ID": given}).headers["x-request-id"]
    assert len(made) == 32


def test_every_answer_carries_the_security_headers(client):
    for path in ("/size", "/none", "/crash", "/names/%ff"):
        headers = client.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cache-control"] == "private, no-store"
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "server" not in headers


def test_crash_answers_a_constant_problem(client, metrics):
    answer = client.get("/crash", params={"q": CANARY})
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert CANARY not in answer.text
    assert answer.json()["request_id"] == answer.headers["x-request-id"]
    assert b"recserve_http_crashes_total" in metrics.exposition()


def test_crash_is_logged_without_its_message(client, log_lines):
    client.get("/crash", params={"q": CANARY}, headers={"X-Request-ID": "r1"})
    lines = log_lines()
    crashed = next(line for line in lines if line["event"] == "http.request.crashed")
    assert crashed["error"] == "RuntimeError"
    assert crashed["request_id"] == "r1"
    assert any("test_middleware.py" in frame for frame in crashed["frames"])
    assert CANARY not in json.dumps(lines)


def test_crash_after_the_head_cuts_the_answer(client):
    with pytest.raises(ConnectionAbortedError):
        client.get("/midway")


def test_access_line_names_the_template_and_nothing_of_the_request(client, log_lines):
    client.get(f"/names/{CANARY}?x={CANARY}", headers={"Authorization": f"Bearer {CANARY}"})
    lines = log_lines()
    answered = next(line for line in lines if line["event"] == "http.request.answered")
    assert answered["route"] == "/names/{name}"
    assert answered["status"] == 200
    assert CANARY not in json.dumps(lines)


def test_metrics_are_counted_by_template(client, metrics):
    for n in range(50):
        client.get(f"/names/{n}")
        client.get(f"/unknown/{n}")
        client.request(f"M{n}", "/size")
    text = metrics.exposition().decode()
    assert 'recserve_http_requests_total{method="GET",route="/names/{name}",status="200"} 50.0' in text
    assert 'route="unmatched",status="404"} 50.0' in text
    assert 'method="other"' in text
    assert len([line for line in text.splitlines() if line.startswith("recserve_http_requests_total{")]) == 3


@pytest.mark.parametrize(
    ("path", "name"),
    [("a%2Fb", "a|b"), ("a%2fb", "a|b"), ("%C3%A9", "é"), ("%252F", "%2F"), ("a%20b", "a b")],
)
def test_path_keeps_encoded_slashes_apart(client, path, name):
    assert client.get(f"/names/{path}").text == name


@pytest.mark.parametrize("path", ["/names/%ff", "/names/%ed%a0%80", "/names/%EF%B7%90", "/%c0%af"])
def test_path_is_refused_when_not_utf8_or_reserved(client, path):
    answer = client.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")


def test_body_is_taken_up_to_the_limit(client):
    assert client.post("/size", content=b"x" * 1000).json() == 1000


@pytest.mark.parametrize("stream", [False, True])
def test_body_over_the_limit_is_refused_and_the_connection_closed(client, stream):
    content = iter([b"x" * 600, b"x" * 600]) if stream else b"x" * 1200
    answer = client.post("/size", content=content)
    assert answer.status_code == 413
    assert answer.json()["type"] == "/problems/too-large"
    assert answer.headers["connection"] == "close"


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate", "GZIP", "gzip, identity", "x"])
def test_compressed_body_is_refused(client, encoding):
    answer = client.post("/size", content=b"x", headers={"Content-Encoding": encoding})
    assert answer.status_code == 415


@pytest.mark.parametrize("length", ["9" * 5000, "-1", "1e3", "٣"])
def test_strange_content_length_never_crashes(client, length):
    answer = client.post("/size", content=b"x", headers={"Content-Length": length.encode()})
    assert answer.status_code in {200, 413}


def test_draining_closes_every_connection(client, drain):
    assert "connection" not in client.get("/size").headers
    drain.start()
    assert client.get("/size").headers["connection"] == "close"


def test_cors_allows_the_listed_origin_on_public_paths(client):
    headers = client.get("/size", headers={"Origin": "https://shop.example"}).headers
    assert headers["access-control-allow-origin"] == "https://shop.example"
    assert "access-control-allow-credentials" not in headers
    assert "X-Request-ID" in headers["access-control-expose-headers"]


def test_cors_preflight_is_answered_on_public_paths(client):
    asked = {"Origin": "https://shop.example", "Access-Control-Request-Method": "POST"}
    answer = client.options("/size", headers=asked | {"Access-Control-Request-Headers": "authorization"})
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == "https://shop.example"


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "*",
        "",
        "http://shop.example",
        "https://shop.example:443",
        "https://shop.example:8443",
        "https://shop.example/",
        "https://shop.example.evil.example",
        "https://evilshop.example",
        "https://evil.example/https://shop.example",
        "https://shop.example@evil.example",
        "https://SHOP.EXAMPLE",
        "https://shop.example ",
        "https://shop.example\t",
        "https://shop.example%00",
        "https://shop.example%2eevil.example",
        "https://xn--shp-tna.example",
        "https://shop.example,https://evil.example",
        "file://",
        "chrome-extension://shop.example",
    ],
)
def test_cors_grants_nothing_to_another_origin(client, origin):
    asked = {"Origin": origin}
    granted = "access-control-allow-origin"
    answer = client.get("/size", headers=asked)
    # a client may strip blanks around a header's value before it leaves
    assert granted not in answer.headers or origin.strip() == "https://shop.example"
    preflight = client.options("/size", headers=asked | {"Access-Control-Request-Method": "POST"})
    assert granted not in preflight.headers or origin.strip() == "https://shop.example"


def test_cors_grants_nothing_on_other_paths(client):
    headers = client.get("/names/a", headers={"Origin": "https://shop.example"}).headers
    assert not [name for name in headers if name.startswith("access-control-")]
