"""Open-loop load: requests leave when they are due, whether or not earlier ones have been answered.

A closed loop asks less of a server that is slow, and so never sees what waiting costs. Here a request's time
runs from the moment when it was due, the wait for a free connection included.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, field

import numpy as np

from benchmarks.serving.load import Load, Measured

MOST_CONNECTIONS = 256
PATIENCE_S = 10.0
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


@dataclass(slots=True)
class _Seen:
    """Times of the answers with 2xx in ms, and how many others there were."""

    times_ms: list[float] = field(default_factory=list)
    failed: int = 0


class _Pool:
    """Connections to one server, opened as they are needed."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._free: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        self._places = asyncio.Semaphore(MOST_CONNECTIONS)

    async def ask(self, request: bytes) -> int:
        """The answer's status. Raises `OSError` or `EOFError` where there is none."""
        async with self._places:
            reader, writer = (
                self._free.pop() if self._free else await asyncio.open_connection("127.0.0.1", self._port)
            )
            try:
                writer.write(request)
                head = await reader.readuntil(b"\r\n\r\n")
                length = _LENGTH.search(head)
                await reader.readexactly(int(length[1]) if length else 0)
            except BaseException:
                writer.close()
                raise
            self._free.append((reader, writer))
            return int(head.split(b" ", 2)[1])

    async def close(self) -> None:
        for _, writer in self._free:
            writer.close()
            await writer.wait_closed()


def offered(load: Load, *, port: int, rate: float, seconds: float, turn: int = 0) -> Measured:
    """Offer so many requests a second for so long.

    Args:
        load: What to ask; its connections are not looked at.
        port: The server's, on loopback.
        rate: Requests a second, evenly spaced.
        seconds: For how long requests leave.
        turn: The number of this run, so that two runs of a POST never send the same.
    """
    return asyncio.run(_offered(load, port=port, rate=rate, seconds=seconds, turn=turn))


async def _offered(load: Load, *, port: int, rate: float, seconds: float, turn: int) -> Measured:
    loop, pool, seen = asyncio.get_running_loop(), _Pool(port), _Seen()
    began = loop.time()
    asked = []
    for number in range(max(1, round(rate * seconds))):
        due = began + number / rate
        if (wait := due - loop.time()) > 0:
            await asyncio.sleep(wait)
        request = request_of(load, number, turn=turn)
        asked.append(asyncio.create_task(_timed(pool, request, due, seen)))
    await asyncio.gather(*asked)
    taken = loop.time() - began
    await pool.close()
    times = np.array(seen.times_ms or [1000 * PATIENCE_S])
    return Measured(
        rate=len(seen.times_ms) / taken,
        p50_ms=float(np.percentile(times, 50)),
        p99_ms=float(np.percentile(times, 99)),
        failed=seen.failed,
    )


async def _timed(pool: _Pool, request: bytes, due: float, seen: _Seen) -> None:
    try:
        status = await asyncio.wait_for(pool.ask(request), PATIENCE_S)
    except (OSError, EOFError, TimeoutError):
        seen.failed += 1
        return
    if 200 <= status < 300:
        seen.times_ms.append(1000 * (asyncio.get_running_loop().time() - due))
    else:
        seen.failed += 1


def request_of(load: Load, number: int, *, turn: int = 0) -> bytes:
    """The bytes of one request."""
    body = (load.body or "").replace("{n}", str(turn * 10_000_000 + number)).encode()
    path = load.path.replace("{n}", str(number * 7919 % load.spread))
    lines = [
        f"{'GET' if load.body is None else 'POST'} {path} HTTP/1.1",
        "Host: 127.0.0.1",
        *(f"{name}: {value}" for name, value in load.headers.items()),
        f"Content-Length: {len(body)}",
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body
