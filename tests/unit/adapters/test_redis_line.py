"""One connection, many questions, against a server that the test holds in its hand."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import ConnectionPool
from redis.exceptions import ConnectionError as RedisConnectionError

from app.adapters.redis_line import Line, LineFullError

PING = b"*1\r\n$4\r\nPING\r\n"
TIMEOUT_S = 0.3


class Server:
    """Takes connections and answers each question as `answers` says; None: not at all, b"": it hangs up."""

    def __init__(self) -> None:
        self.connections = 0
        self.answers: list[bytes | None] = []
        self.asked = 0
        self.serving: set[asyncio.Task[Any]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self.serving.add(task)
        try:
            await self.answer(reader, writer)
        finally:
            writer.close()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        buffer = b""
        while piece := await reader.read(65536):
            buffer += piece
            while buffer.startswith(PING):
                buffer = buffer[len(PING) :]
                self.asked += 1
                answer = self.answers.pop(0) if self.answers else b":%d\r\n" % self.asked
                if answer == b"":
                    return
                if answer is not None:
                    writer.write(answer)


@pytest.fixture
async def server() -> AsyncIterator[tuple[Server, Line]]:
    made = Server()
    listening = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]

    async def greet(_: Any) -> None:
        """Nothing is asked of the server before the line does."""

    pool = ConnectionPool.from_url(f"redis://127.0.0.1:{port}", redis_connect_func=greet)  # type: ignore[no-untyped-call]
    line = Line(pool, timeout_s=TIMEOUT_S, most=100)
    yield made, line
    line.close()
    listening.close()
    await asyncio.gather(*made.serving, return_exceptions=True)


async def test_answers_come_in_the_order_of_the_questions(server: tuple[Server, Line]) -> None:
    made, line = server
    assert await asyncio.gather(*(line.answer(PING) for _ in range(50))) == list(range(1, 51))
    assert await line.answer(PING) == 51
    assert made.connections == 1


async def test_question_without_an_answer_ends_the_connection_and_the_next_has_a_new_one(
    server: tuple[Server, Line],
) -> None:
    made, line = server
    made.answers = [None, None]
    found = await asyncio.gather(line.answer(PING), line.answer(PING), return_exceptions=True)
    assert [type(one) for one in found] == [TimeoutError, TimeoutError]
    assert await line.answer(PING) == 3
    assert made.connections == 2


async def test_connection_that_has_grown_old_costs_no_question(server: tuple[Server, Line]) -> None:
    made, line = server
    assert await line.answer(PING) == 1
    made.answers = [b""]
    assert await line.answer(PING) == 3
    assert made.connections == 2


async def test_server_that_always_hangs_up_is_asked_no_more_than_twice(server: tuple[Server, Line]) -> None:
    made, line = server
    assert await line.answer(PING) == 1
    made.answers = [b"", b"", b""]
    with pytest.raises(RedisConnectionError):
        await line.answer(PING)
    assert made.asked == 3


async def test_too_many_questions_are_refused_at_once(server: tuple[Server, Line]) -> None:
    made, line = server
    made.answers = [None] * 100
    found = await asyncio.gather(*(line.answer(PING) for _ in range(101)), return_exceptions=True)
    assert [type(one) for one in found] == [*[TimeoutError] * 100, LineFullError]


@pytest.mark.parametrize("answer", [b"?what\r\n", b":1\r\n:2\r\n"])
async def test_answer_to_nothing_ends_the_connection(server: tuple[Server, Line], answer: bytes) -> None:
    made, line = server
    made.answers = [answer]
    with contextlib.suppress(RedisConnectionError):  # before or after the first answer is read
        assert await line.answer(PING) == 1
    assert await line.answer(PING) == 2
    assert made.connections == 2


async def test_error_of_the_server_is_that_questions_alone(server: tuple[Server, Line]) -> None:
    made, line = server
    made.answers = [b"-ERR no\r\n", b":7\r\n"]
    found = await asyncio.gather(line.answer(PING), line.answer(PING), return_exceptions=True)
    assert str(found[0]) == "ERR no"
    assert found[1] == 7
    assert made.connections == 1


async def test_server_that_is_not_there_is_said(unused_tcp_port: int) -> None:
    pool = ConnectionPool.from_url(f"redis://127.0.0.1:{unused_tcp_port}")  # type: ignore[no-untyped-call]
    line = Line(pool, timeout_s=TIMEOUT_S)
    with pytest.raises((RedisConnectionError, TimeoutError)):
        await line.answer(PING)
