"""The parts of the serving benchmark that decide what its table says."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from benchmarks.serving import claims, pictures
from benchmarks.serving.claims import Claim
from benchmarks.serving.load import Load, parsed
from benchmarks.serving.offered import offered, request_of

PRINTED = """Running 2s test @ http://127.0.0.1:9/
  1 threads and 32 connections
  Latency Distribution
     50%    1.50ms
     75%    2.00ms
     90%    3.00ms
     99%  250.00us
  1000 requests in 2.00s, 1.00MB read
  Socket errors: connect 1, read 2, write 0, timeout 4
  Non-2xx or 3xx responses: 100
Requests/sec:    500.00
"""


def test_wrk_output_is_read_and_failures_count_for_nothing() -> None:
    found = parsed(PRINTED)
    assert (found.rate, found.p50_ms, found.p99_ms, found.failed) == (450.0, 1.5, 0.25, 107)


@pytest.mark.parametrize(
    ("target", "value", "holds"),
    [
        (claims.HIT, 0.70, True),
        (claims.HIT, 0.69, False),
        (claims.START_S, 3.0, True),
        (claims.START_S, 3.1, False),
    ],
)
def test_claim_holds_on_the_right_side_of_its_target(
    target: claims.Target, value: float, holds: bool
) -> None:
    assert Claim(target, value, None, {}).body()["holds"] is holds


def test_ratio_compares_what_ran_in_the_same_round() -> None:
    assert claims.ratio([10.0, 100.0, 30.0], [5.0, 100.0, 10.0]) == 2.0


@contextlib.contextmanager
def answering(statuses: list[int]) -> Iterator[tuple[int, list[str]]]:
    """A server that answers with these in turn, and the paths that it was asked for."""
    paths: list[str] = []
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            with lock:
                status = statuses[len(paths) % len(statuses)]
                paths.append(self.path)
            self.send_response(status)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.server_port, paths
        finally:
            server.shutdown()
            thread.join()


def test_every_request_that_is_due_is_sent_and_only_good_answers_count() -> None:
    with answering([200, 200, 503]) as (port, paths):
        found = offered(Load("/x/{n}", {"A": "b"}, spread=5), port=port, rate=300, seconds=0.1)
    assert len(paths) == 30
    assert found.failed == 10
    assert 0 < found.p50_ms <= found.p99_ms
    assert set(paths) == {"/x/0", "/x/1", "/x/2", "/x/3", "/x/4"}


def test_nobody_there_is_all_failures() -> None:
    with answering([200]) as (port, _):
        pass
    found = offered(Load("/", {}), port=port, rate=100, seconds=0.05)
    assert (found.rate, found.failed) == (0.0, 5)


def test_offered_posts_never_send_the_same_twice() -> None:
    load = Load("/y", {"Authorization": "Bearer k"}, body='{"a": "{n}"}')
    one, other = request_of(load, 3, turn=1), request_of(load, 3, turn=2)
    assert one.startswith(b"POST /y HTTP/1.1\r\n")
    assert one.endswith(b'Authorization: Bearer k\r\nContent-Length: 17\r\n\r\n{"a": "10000003"}')
    assert one != other


def test_picture_is_drawn_of_all_parts(tmp_path: Path) -> None:
    rate = {"rate": 5, "p50_ms": 1.0, "p99_ms": 2.0, "failed": 0}
    body = {
        "curve": [{"connections": 1, **rate}, {"connections": 2, **rate}],
        "sizes": [{"items": 10, "p50_ms": 1.0, "p99_ms": 2.0, "model_p50_ms": 0.5}],
        "offered": [{"lists": lists, "offered": 7, **rate} for lists in ("kept", "live")],
    }
    pictures.draw(body, tmp_path / "x.png")
    assert (tmp_path / "x.png").read_bytes().startswith(b"\x89PNG")
