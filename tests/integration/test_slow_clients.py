"""Clients that say nothing, or take their time, against a real server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import uvicorn

from app.api.server import listen
from app.api.wire import WireProtocol

HEAD_S = 0.3
REQUEST = b"GET / HTTP/1.1\r\nhost: shop\r\n\r\n"


class Hasty(WireProtocol):
    head_s = HEAD_S


async def hello(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"hi"})


@pytest.fixture
async def port() -> AsyncIterator[int]:
    listener = listen("127.0.0.1", 0)
    config = uvicorn.Config(
        hello, lifespan="off", http=Hasty, ws="none", log_config=None, timeout_keep_alive=60
    )
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve(sockets=[listener]))
    yield listener.getsockname()[1]
    server.should_exit = True
    await running


async def closed(reader: asyncio.StreamReader) -> bytes:
    """What still came before the server closed."""
    return await asyncio.wait_for(reader.read(), 20)


@pytest.mark.parametrize("sent", [b"", b"GET / HT", REQUEST[:-2]])
async def test_connection_without_a_whole_head_is_closed(port: int, sent: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    assert await closed(reader) == b""
    writer.close()


async def test_head_that_comes_byte_by_byte_is_given_no_more_time(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    end = asyncio.create_task(closed(reader))
    for byte in b"GET / HTTP/1.1\r\nx: " + b"y" * 10_000:
        if end.done():
            break
        writer.write(bytes([byte]))
        await asyncio.wait({end}, timeout=HEAD_S / 10)
    assert await end == b""
    writer.close()


async def test_second_head_on_a_connection_is_timed_as_the_first(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(REQUEST)
    assert (await reader.readuntil(b"hi")).startswith(b"HTTP/1.1 200")
    writer.write(REQUEST[:10])
    assert await closed(reader) == b""
    writer.close()


async def test_idle_connection_between_requests_is_left_to_the_keep_alive_timer(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for _ in range(2):
        writer.write(REQUEST)
        assert (await reader.readuntil(b"hi")).startswith(b"HTTP/1.1 200")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(1), 2 * HEAD_S)
    writer.close()
