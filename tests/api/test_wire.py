"""Over a socket, what is answered before there is a request for the application is what the routes answer."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
import uvicorn
from hypothesis import given, settings
from hypothesis import strategies as st

from app.api.hot_path import HotPath
from app.api.server import listen
from app.api.wire import WireProtocol
from tests.api.test_hot_path import (
    CALLS,
    RECOMMENDATION_ID,
    call,
    counted,
    figures,
    header_lists,
    layers,
    scope_of,
)
from tests.api.world import World
from tests.waiting import until

ON_THE_WIRE = re.compile(r"[!-~]*")
USERS = st.sampled_from(["u1", "nobody", "a.b-c_d~e:f@g", "x" * 128, "x" * 129, "with%20space", "%ff"])
EXTRAS = st.sampled_from(
    [
        *([] for _ in range(3)),
        [("X-Request-ID", "r-1")],
        [("x-request-id", "r-2")],
        [("X-Request-ID", "not sane")],
        [("X-Request-ID", "r-1"), ("X-Request-ID", "r-2")],
        [("Accept", "*/*"), ("User-Agent", "shop")],
        [("Origin", "https://elsewhere.example")],
        [("Connection", "keep-alive")],
    ]
)
WIRE_CALLS = st.fixed_dictionaries(
    {
        "asked": CALLS.filter(
            lambda asked: ON_THE_WIRE.fullmatch(asked["user"] + asked["query"]) is not None
        ),
        "user": USERS,
        "extra": EXTRAS,
    }
)


class Served:
    """The world's application behind a socket, and one connection to it that is made anew when it ends."""

    def __init__(self, world: World, app: Any) -> None:
        self._world, self._app = world, app
        self._server: uvicorn.Server | None = None
        self._reader: Any = None
        self._writer: Any = None
        self.taken = 0

    async def start(self) -> None:
        listener = listen("127.0.0.1", 0)
        (hot,) = self._world.client.app.state.takers  # type: ignore[attr-defined]
        config = uvicorn.Config(
            self._with_state,
            lifespan="off",
            interface="asgi3",
            proxy_headers=False,
            http=partial(WireProtocol, takers=[Counting(hot, self)]),  # type: ignore[arg-type]
            ws="none",
            log_config=None,
            server_header=False,
        )
        self.port = listener.getsockname()[1]
        self._server = uvicorn.Server(config)
        self._task = asyncio.create_task(self._server.serve(sockets=[listener]))
        await until(lambda: bool(self._server and self._server.started))

    async def stop(self) -> None:
        assert self._server is not None
        if self._writer is not None:
            self._writer.close()
        self._server.should_exit = True
        await self._task

    async def ask(self, request: bytes) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        if self._writer is None:
            self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self.port)
        self._writer.write(request)
        return await self.answer(head=request.startswith(b"HEAD"))

    async def answer(self, *, head: bool = False) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        raw = await asyncio.wait_for(self._reader.readuntil(b"\r\n\r\n"), 20)
        first, *lines = raw[:-4].split(b"\r\n")
        headers = [(name, value) for name, _, value in (line.partition(b": ") for line in lines)]
        length = 0 if head else int(dict(headers)[b"content-length"])
        body = await self._reader.readexactly(length)
        if (b"connection", b"close") in headers:
            self._writer.close()
            self._writer = None
        return int(first.split()[1]), headers, body

    async def _with_state(self, scope: Any, receive: Any, send: Any) -> None:
        await self._app(dict(scope, state=dict(self._world.client.app_state)), receive, send)


class Counting:
    """Counts what a taker takes."""

    def __init__(self, hot: HotPath, served: Served) -> None:
        self._hot, self._served, self.start = hot, served, hot.start

    def learn(self, data: bytes, scope: Any) -> None:
        self._hot.learn(data, scope)

    def take(self, data: bytes, connection: WireProtocol) -> bool:
        taken = self._hot.take(data, connection)
        self._served.taken += taken
        return taken


@asynccontextmanager
async def serving(world: World, app: Any) -> AsyncIterator[Served]:
    made = Served(world, app)
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
def served(settled: World) -> Iterator[Served]:
    made = Served(settled, settled.client.app)
    settled.run(made.start)
    yield made
    settled.run(made.stop)


def request_of(method: str, user: str, query: str, headers: list[tuple[str, str]]) -> bytes:
    target = f"/v1/users/{user}/recommendations" + (f"?{query}" if query else "")
    lines = "".join(f"{name}: {value}\r\n" for name, value in [("host", "shop"), *headers])
    return f"{method} {target} HTTP/1.1\r\n{lines}\r\n".encode("latin-1")


def plain(
    answer: tuple[int, list[tuple[bytes, bytes]], bytes],
) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    """Without what is new in every answer, and what the server adds."""
    status, headers, body = answer
    made = dict(headers)[b"x-request-id"]
    headers = [header for header in headers if header[0] not in {b"date", b"connection"}]
    if len(made) == 32:
        headers = [(name, b"made" if value == made else value) for name, value in headers]
        body = body.replace(made, b"made")
    return status, headers, RECOMMENDATION_ID.sub(b"id", body, count=1)


@given(given_call=WIRE_CALLS)
@settings(max_examples=150)
def test_wire_answers_and_counts_as_the_route_does(settled: World, given_call: dict[str, Any]) -> None:
    asked, extra = given_call["asked"], given_call["extra"]
    user, query = given_call["user"], asked["query"]
    headers = header_lists(settled, asked["kind"], asked["scheme"], extra)
    lower = [(name.lower(), value) for name, value in headers]
    scope = scope_of(settled, asked["method"], user, query, lower)
    _, route = layers(settled)

    async def twice() -> tuple[Any, Any, dict[Any, float]]:
        async with serving(settled, settled.client.app) as served:
            request = request_of(asked["method"], user, query, headers)
            first = await served.ask(request)
            before = figures(settled)
            second = await served.ask(request)
            return first, second, counted(settled, before)

    call(settled, route, scope)  # so that the list is kept
    before = figures(settled)
    expected = call(settled, route, scope)
    expected_counts = counted(settled, before)
    first, second, counts = settled.run(twice)
    if asked["method"] == "HEAD":
        expected = (*expected[:2], b"")
    assert plain(first) == expected
    assert plain(second) == expected
    assert counts == expected_counts


def test_second_plain_call_is_taken_whoever_it_is_for(settled: World, served: Served) -> None:
    headers = header_lists(settled, "sec", "Bearer ", [])

    async def calls() -> None:
        # A key that was not asked about for two seconds is read again before a head with it is learned.
        await served.ask(request_of("GET", "u1", "n=4", headers))
        for user in ("u1", "u2", "u1", "u2", "u2"):
            status, _, _ = await served.ask(request_of("GET", user, "n=4", headers))
            assert status == 200
        named = [*headers, ("X-Request-ID", "r-77")]
        _, answered, body = await served.ask(request_of("GET", "u1", "n=4", named))
        assert dict(answered)[b"x-request-id"] == b"r-77"
        assert b'"served_by":"cache"' in body

    settled.run(calls)
    assert served.taken in {5, 6}


def test_calls_sent_together_are_answered_in_their_order(settled: World, served: Served) -> None:
    headers = header_lists(settled, "sec", "Bearer ", [])

    async def calls() -> list[bytes]:
        await served.ask(request_of("GET", "u1", "n=4", headers))
        ids = [f"r-{number}" for number in range(6)]
        users = ["u1", "nobody", "u1", "%ff", "u1", "u1"]
        together = [
            request_of("GET", user, "n=4", [*headers, ("X-Request-ID", own)])
            for user, own in zip(users, ids, strict=True)
        ]
        served._writer.write(together[0])
        served._writer.write(b"".join(together[1:4]) + together[4][:40])
        await served._writer.drain()
        served._writer.write(together[4][40:] + together[5])
        return [dict((await served.answer())[1])[b"x-request-id"] for _ in ids]

    assert settled.run(calls) == [b"r-0", b"r-1", b"r-2", b"r-3", b"r-4", b"r-5"]


@pytest.mark.parametrize("end", [b" HTTP/1.0\r\n", b" HTTP/1.1\r\nconnection: close\r\n"])
def test_last_call_of_a_connection_is_the_routes(settled: World, served: Served, end: bytes) -> None:
    headers = header_lists(settled, "sec", "Bearer ", [])
    request = request_of("GET", "u1", "n=4", headers)

    async def calls() -> None:
        for _ in range(2):
            status, answered, _ = await served.ask(request.replace(b" HTTP/1.1\r\n", end))
            assert (status, dict(answered)[b"connection"]) == (200, b"close")

    settled.run(calls)
    assert served.taken == 0


def test_bytes_of_a_body_are_never_read_as_a_call(settled: World, served: Served) -> None:
    headers = header_lists(settled, "sec", "Bearer ", [])
    inner = request_of("GET", "u1", "n=4", headers)

    async def calls() -> None:
        await served.ask(inner)
        before = served.taken
        length = str(len(inner))
        outer = request_of("GET", "u1", "n=4", [*headers, ("Content-Length", length)])
        status, _, _ = await served.ask(outer)  # the route does not wait for a body
        served._writer.write(inner)
        assert status == 200
        status, _, _ = await served.ask(request_of("GET", "u1", "n=101", headers))
        assert status == 422
        assert served.taken == before

    settled.run(calls)
