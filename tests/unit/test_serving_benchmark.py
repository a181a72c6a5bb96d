"""The parts of the serving benchmark that decide what its table says."""

from __future__ import annotations

import pytest

from benchmarks.serving import claims
from benchmarks.serving.claims import Claim
from benchmarks.serving.load import parsed

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
