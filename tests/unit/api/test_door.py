"""Connections that wait are let in many at a time, and a process without descriptors recovers."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Iterator

import pytest
import uvloop

from app.api import door
from app.api.door import AT_ONCE, Door
from tests.waiting import until

WAITING = 3 * AT_ONCE


class _Guest(asyncio.Protocol):
    """Counts those that came."""

    def __init__(self, seen: list[asyncio.Protocol]) -> None:
        self._seen = seen

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._seen.append(self)
        self.transport = transport


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    made = socket.create_server(("127.0.0.1", 0), backlog=2 * WAITING)
    yield made
    made.close()


@pytest.fixture
def waiting(listener: socket.socket) -> Iterator[list[socket.socket]]:
    """Clients that are connected and not yet accepted."""
    made = [socket.create_connection(listener.getsockname()) for _ in range(WAITING)]
    yield made
    for one in made:
        one.close()


async def _rounds_until_all_are_in(listener: socket.socket) -> int:
    seen: list[asyncio.Protocol] = []
    open_door = Door(listener, lambda: _Guest(seen))
    open_door.open()
    rounds = 0
    while len(seen) < WAITING:
        rounds += 1
        assert rounds < WAITING
        await asyncio.sleep(0)
    open_door.close()
    await open_door.wait_closed()
    for guest in seen:
        guest.transport.close()  # type: ignore[attr-defined]
    return rounds


@pytest.mark.usefixtures("waiting")
@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_all_who_wait_are_in_after_few_rounds(new_loop, listener):
    with asyncio.Runner(loop_factory=new_loop) as runner:
        rounds = runner.run(_rounds_until_all_are_in(listener))
    assert rounds <= WAITING / 4


class _Exhausted:
    """A listening socket of a process that has no descriptor left, twice."""

    def __init__(self, real: socket.socket) -> None:
        self._real, self.refusals = real, 2

    def accept(self) -> tuple[socket.socket, object]:
        if self.refusals:
            self.refusals -= 1
            raise OSError(errno.EMFILE, "Too many open files")
        return self._real.accept()

    def fileno(self) -> int:
        return self._real.fileno()

    def setblocking(self, value: bool) -> None:
        self._real.setblocking(value)


@pytest.mark.usefixtures("waiting")
async def test_without_descriptors_it_rests_and_tries_again(listener, monkeypatch):
    monkeypatch.setattr(door, "REST_S", 0.01)
    exhausted, seen = _Exhausted(listener), list[asyncio.Protocol]()
    open_door = Door(exhausted, lambda: _Guest(seen))  # type: ignore[arg-type]
    open_door.open()
    await until(lambda: len(seen) == WAITING)
    assert exhausted.refusals == 0
    open_door.close()
    for guest in seen:
        guest.transport.close()  # type: ignore[attr-defined]


async def test_a_closed_door_lets_nobody_in(listener):
    seen = list[asyncio.Protocol]()
    open_door = Door(listener, lambda: _Guest(seen))
    open_door.open()
    open_door.close()
    await open_door.wait_closed()
    with socket.create_connection(listener.getsockname()):
        for _ in range(10):
            await asyncio.sleep(0)
    assert not seen
