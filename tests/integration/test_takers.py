"""What becomes of a connection whose requests a taker answers, against a real server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import uvicorn

from app.api.drain import Drain
from app.api.server import DrainingServer, listen
from app.api.wire import WireProtocol
from tests.waiting import until

REQUEST = b"GET /taken HTTP/1.1\r\nhost: shop\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\ntaken"
KEEP_ALIVE_S = 1


class Holding:
    """Takes everything and holds it until told what to do with it."""

    start = b"GET /taken"

    def __init__(self) -> None:
        self.held: list[WireProtocol] = []
        self.learned: list[bytes] = []

    def learn(self, data: bytes, scope: Any) -> None:
        self.learned.append(data)

    def take(self, data: bytes, connection: WireProtocol) -> bool:
        if data != REQUEST:
            return False
        self.held.append(connection)
        return True

    async def next(self) -> WireProtocol:
        await until(lambda: bool(self.held))
        return self.held.pop()


class Running:
    def __init__(self, port: int, taker: Holding, server: DrainingServer, task: asyncio.Task[None]) -> None:
        self.port, self.taker, self.server, self.task = port, taker, server, task


async def hello(scope: Any, receive: Any, send: Any) -> None:
    body = b"known" if "known" in scope else b"plain"
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture
async def running() -> AsyncIterator[Running]:
    listener, taker = listen("127.0.0.1", 0), Holding()
    port = listener.getsockname()[1]
    config = uvicorn.Config(
        hello,
        lifespan="off",
        ws="none",
        http=WireProtocol,
        log_config=None,
        timeout_keep_alive=KEEP_ALIVE_S,
    )
    server = DrainingServer(config, drain=Drain(), drain_s=0.0, takers=[taker])
    task = asyncio.create_task(server._serve(sockets=[listener]))
    await until(lambda: server.started)
    yield Running(port, taker, server, task)
    server.should_exit = True
    await task


async def test_taken_and_passed_on_requests_share_a_connection(running: Running) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
    for _ in range(2):
        writer.write(REQUEST)
        assert (await running.taker.next()).answer(ANSWER)
        assert await reader.readexactly(len(ANSWER)) == ANSWER
        writer.write(REQUEST)
        assert (await running.taker.next()).pass_on({"known": True})
        assert (await reader.readuntil(b"known")).startswith(b"HTTP/1.1 200")
    writer.close()


async def test_what_comes_meanwhile_waits_its_turn(running: Running) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
    writer.write(REQUEST)
    taken = await running.taker.next()
    writer.write(b"GET /other HTTP/1.1\r\n")
    await until(lambda: bool(taken._later))
    writer.write(b"host: shop\r\n\r\n" + REQUEST)
    taken.answer(ANSWER)
    assert await reader.readexactly(len(ANSWER)) == ANSWER
    for _ in range(2):  # the last came with another in one piece, and so is the parser's
        assert (await reader.readuntil(b"plain")).startswith(b"HTTP/1.1 200")
    assert running.taker.held == []
    writer.close()


async def test_idle_connection_is_closed_after_its_keep_alive_time(running: Running) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
    writer.write(REQUEST)
    (await running.taker.next()).answer(ANSWER)
    assert await asyncio.wait_for(reader.read(), 20) == ANSWER
    writer.close()


async def test_caller_who_has_gone_is_not_answered(running: Running) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", running.port)
    writer.write(REQUEST)
    taken = await running.taker.next()
    writer.transport.abort()
    await until(lambda: taken.parser is None)
    assert not taken.answer(ANSWER)
    assert not taken.pass_on({})


async def test_server_stops_with_the_answer_that_is_under_way(running: Running) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
    writer.write(REQUEST)
    taken = await running.taker.next()
    running.server.should_exit = True
    await until(lambda: taken.leaving)
    assert not running.task.done()
    assert taken.pass_on({"known": True})
    answer = await asyncio.wait_for(reader.read(), 20)
    assert b"connection: close" in answer
    assert answer.endswith(b"known")
    await asyncio.wait_for(asyncio.shield(running.task), 20)
    writer.close()
