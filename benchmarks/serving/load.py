"""Load with wrk, and what it measured."""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

CONNECTIONS = 32
_UNITS_MS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}
# Each thread of wrk walks through the users from a place of its own.
_SCRIPT = """
local n = 0
function request()
  n = n + 1
  return wrk.format(nil, string.gsub(wrk.path, "{n}", (n * 7919) % SPREAD), nil,
    wrk.body and (string.gsub(wrk.body, "{n}", OFFSET + n)))
end
"""


@dataclass(frozen=True, slots=True)
class Load:
    """What is asked of a server.

    Attributes:
        path: `{n}` in it counts through `spread` numbers.
        body: For a POST; `{n}` in it is a number that never comes again.
        rest_ms: How long a connection rests between an answer and its next question.
    """

    path: str
    headers: Mapping[str, str]
    body: str | None = None
    spread: int = 1
    connections: int = CONNECTIONS
    rest_ms: int = 0


@dataclass(frozen=True, slots=True)
class Measured:
    """One run.

    Attributes:
        rate: Answers with 2xx a second.
        p50_ms: Of all answers.
        p99_ms: Of all answers.
        failed: Answers that were not 2xx, and sockets that broke.
    """

    rate: float
    p50_ms: float
    p99_ms: float
    failed: int


class NoWrkError(Exception):
    """wrk is missing."""


def run(load: Load, *, port: int, seconds: float, turn: int = 0) -> Measured:
    """Drive a server on loopback for so long.

    Args:
        load: What to ask.
        port: The server's.
        seconds: Whole seconds at least 1.
        turn: The number of this run, so that two runs of a POST never send the same.

    Raises:
        NoWrkError: wrk is not installed (Debian's package `wrk`).
    """
    wrk = shutil.which("wrk")
    if wrk is None:
        raise NoWrkError("wrk is missing: install the Debian package wrk.")
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "load.lua"
        script.write_text(_script(load, turn))
        headers = [part for name, value in load.headers.items() for part in ("-H", f"{name}: {value}")]
        command = [
            *(wrk, "-t1", f"-c{load.connections}", f"-d{max(1, round(seconds))}s", "--latency"),
            *("-s", str(script), *headers, f"http://127.0.0.1:{port}/"),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    return parsed(done.stdout)


def _script(load: Load, turn: int) -> str:
    script = _SCRIPT.replace("SPREAD", str(load.spread)).replace("OFFSET", str(turn * 10_000_000))
    script = f"wrk.path = {json.dumps(load.path)}\n{script}"
    if load.rest_ms:
        script += f"function delay() return {load.rest_ms} end\n"
    if load.body is None:
        return script
    return f"wrk.method = 'POST'\nwrk.body = {json.dumps(load.body)}\n{script}"


def parsed(text: str) -> Measured:
    """What wrk printed."""
    total = re.search(r"([\d.]+) requests in ([\d.]+)(us|ms|s|m)", text)
    assert total is not None, text
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    broken = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", text)
    failed = int(bad[1]) if bad else 0
    seconds = float(total[2]) * _UNITS_MS[total[3]] / 1000
    return Measured(
        rate=(float(total[1]) - failed) / seconds,
        p50_ms=_percentile(text, "50%"),
        p99_ms=_percentile(text, "99%"),
        failed=failed + (sum(map(int, broken.groups())) if broken else 0),
    )


def _percentile(text: str, name: str) -> float:
    found = re.search(rf"{name}\s+([\d.]+)(us|ms|s|m)", text)
    assert found is not None, text
    return float(found[1]) * _UNITS_MS[found[2]]


def main() -> int:
    """Ask for kept lists until ended: what others do while something else is measured."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving.load", description=main.__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--key", required=True)
    parser.add_argument("--connections", type=int, default=CONNECTIONS)
    parser.add_argument("--rest-ms", type=int, default=0)
    given = parser.parse_args()
    headers = {"Authorization": f"Bearer {given.key}"}
    load = Load(
        "/v1/users/user-{n}/recommendations",
        headers,
        spread=100,
        connections=given.connections,
        rest_ms=given.rest_ms,
    )
    while True:
        run(load, port=given.port, seconds=5)


if __name__ == "__main__":
    sys.exit(main())
