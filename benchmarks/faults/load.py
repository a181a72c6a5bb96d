"""Clients: closed loop where durability counts, open loop where time does."""

from __future__ import annotations

import asyncio
import os
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

from benchmarks.faults.http import LOST, Client, Reply
from tests.waiting import until

SENDERS = 8
PATIENCE_S = 600.0
RETRY_S = 0.05


def an_event(event_id: str, number: int = 0) -> dict[str, object]:
    """A view."""
    return {
        "event_id": event_id,
        "event": "view_item",
        "user_id": f"sender-{number % 50}",
        "items": [{"item_id": f"item-{number % 40}"}],
    }


class Ledger:
    """What was acknowledged, on the disk before anything follows from it."""

    def __init__(self, file: Path) -> None:
        self._file = os.open(file, os.O_CREAT | os.O_APPEND | os.O_WRONLY)
        self.acknowledged: set[str] = set()

    def write(self, ids: Sequence[str]) -> None:
        """Note what a client was told is stored."""
        os.write(self._file, "".join(f"{name}\n" for name in ids).encode())
        os.fsync(self._file)
        self.acknowledged.update(ids)

    def close(self) -> None:
        """Write no more."""
        os.close(self._file)


@dataclass
class Ingest:
    """Senders that never give a batch up before it was acknowledged.

    Attributes:
        port: Where they send; changed while they run, for a service that comes back elsewhere.
        statuses: How many answers of each status.
        slowest_s: The longest that an answer took.
        without_retry_after: 503s that did not say when to come back.
        refusals: What 503s said, and how many said it.
    """

    port: int
    key: str
    ledger: Ledger
    batch: int = 100
    senders: int = SENDERS
    timeout_s: float = 10.0
    statuses: Counter[int] = field(default_factory=Counter)
    slowest_s: float = 0.0
    without_retry_after: int = 0
    refusals: Counter[str] = field(default_factory=Counter)
    last_stored_at: float = 0.0
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)
    _closing: bool = False

    def start(self) -> None:
        """Begin to send."""
        self._tasks = [asyncio.create_task(self._send(number)) for number in range(self.senders)]

    async def stop(self) -> None:
        """Send no new batch; those begun are brought to their end."""
        self._closing = True
        await asyncio.gather(*self._tasks)

    async def until(self, count: int) -> None:
        """Wait until so many events were acknowledged."""
        await until(lambda: len(self.ledger.acknowledged) >= count, within_s=PATIENCE_S)

    async def stored_after(self, moment: float, *, within_s: float) -> float:
        """Seconds from a moment until the first batch was stored; infinite if it took too long."""
        try:
            await until(lambda: self.last_stored_at > moment, within_s=within_s)
        except AssertionError:
            return float("inf")
        return self.last_stored_at - moment

    async def _send(self, number: int) -> None:
        client, port = Client(self.port, self.key, timeout_s=self.timeout_s), self.port
        while not self._closing:
            events = [an_event(uuid.uuid4().hex, number + place) for place in range(self.batch)]
            while True:
                if port != self.port:
                    client.drop()
                    client, port = Client(self.port, self.key, timeout_s=self.timeout_s), self.port
                reply = await self._once(client, events)
                if reply.status == 202:
                    break
                await asyncio.sleep(RETRY_S)
            self.ledger.write([str(event["event_id"]) for event in events])
        client.drop()

    async def _once(self, client: Client, events: list[dict[str, object]]) -> Reply:
        began = monotonic()
        reply = await client.post("/v1/events", {"events": events})
        self.statuses[reply.status] += 1
        if reply.status == 202:
            self.last_stored_at = monotonic()
        if reply.status != LOST:
            self.slowest_s = max(self.slowest_s, monotonic() - began)
        if reply.status == 503:
            self.refusals[str(reply.json.get("detail"))] += 1
            self.without_retry_after += "retry-after" not in reply.headers
        return reply


@dataclass(frozen=True, slots=True)
class Asked:
    """One request of an open loop.

    Attributes:
        at: When it was meant to be sent, in monotonic seconds.
        took_s: From then to its answer.
    """

    at: float
    took_s: float
    reply: Reply


def p99_ms(asked: Sequence[Asked]) -> float:
    """Of how long they took, from when they were meant to be sent."""
    took = sorted(one.took_s for one in asked)
    return 1000 * took[min(len(took) - 1, int(len(took) * 0.99))] if took else float("inf")


class OpenLoop:
    """Requests sent at their times, whatever became of the ones before.

    Args:
        port: The service's.
        key: An API key's text.
        rate: Requests a second.
        path: Of the request of this number.
        clients: Connections.
        queue: Whether a request that finds every connection busy waits for one. Where it does not, as with
            far more load than is answered, it is only counted.

    Attributes:
        asked: What was answered, or had no answer.
        unsent: Those that found every connection busy.
    """

    def __init__(
        self,
        port: int,
        key: str,
        *,
        rate: float,
        path: Callable[[int], str] = lambda number: f"/v1/users/reader-{number % 20}/recommendations?n=5",
        clients: int = 32,
        queue: bool = True,
        send: Callable[[Client, int], Awaitable[Reply]] | None = None,
    ) -> None:
        self._rate, self._path, self._send, self._queue = rate, path, send, queue
        self._idle: asyncio.LifoQueue[Client] = asyncio.LifoQueue()
        for _ in range(clients):
            self._idle.put_nowait(Client(port, key))
        self.asked: list[Asked] = []
        self.unsent = 0
        self._running: asyncio.Task[None] | None = None
        self._flying: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Begin."""
        self._running = asyncio.create_task(self._run())

    async def stop(self) -> list[Asked]:
        """Send no more, wait for what is under way; everything that was asked."""
        assert self._running is not None
        self._running.cancel()
        await asyncio.gather(self._running, return_exceptions=True)
        await asyncio.gather(*self._flying)
        while not self._idle.empty():
            self._idle.get_nowait().drop()
        return self.asked

    async def during(self, seconds: float) -> list[Asked]:
        """Go on for so long; what was to be sent meanwhile, once it is answered."""
        began = monotonic()
        await asyncio.sleep(seconds)
        ended = monotonic()
        await asyncio.gather(*self._flying)
        return [one for one in self.asked if began <= one.at < ended]

    async def _run(self) -> None:
        number, next_at = 0, monotonic()
        while True:
            await asyncio.sleep(max(0.0, next_at - monotonic()))
            if self._queue or not self._idle.empty():
                task = asyncio.create_task(self._one(number, next_at))
                self._flying.add(task)
                task.add_done_callback(self._flying.discard)
                await asyncio.sleep(0)  # it takes its connection
            else:
                self.unsent += 1
            number, next_at = number + 1, next_at + 1 / self._rate

    async def _one(self, number: int, at: float) -> None:
        client = await self._idle.get()
        try:
            if self._send is not None:
                reply = await self._send(client, number)
            else:
                reply = await client.get(self._path(number))
        finally:
            self._idle.put_nowait(client)
        self.asked.append(Asked(at, monotonic() - at, reply))
