"""A TCP proxy that misbehaves on demand, and a balancer that does not."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable, Iterator

CHUNK = 64 * 1024


class Proxy:
    """Between a client and one server on loopback.

    Attributes:
        delay_s: Held back before each chunk of an answer, give or take `jitter_s`.
        jitter_s: See `delay_s`.
        reset_share: Of the chunks of answers, how many break their connection instead.
        garbage: Answers are replaced by random bytes.
        stalled: Nothing passes, and nothing is closed.
        target: The server's port; where new connections go.
    """

    def __init__(self, target: int) -> None:
        self.target = target
        self.delay_s = self.jitter_s = self.reset_share = 0.0
        self.garbage = False
        self._open = asyncio.Event()
        self._open.set()
        self._cuts = 0
        self._chance = random.Random(7)
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self.port = 0

    async def start(self) -> None:
        """Listen on a free port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Break every connection and listen no more."""
        if self._server is not None:
            self._server.close()
        self.break_all()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def calm(self) -> None:
        """Behave again."""
        self.delay_s = self.jitter_s = self.reset_share = 0.0
        self.garbage = False
        self._cuts = 0
        self._open.set()

    def stall(self) -> None:
        """Let nothing pass until `calm`."""
        self._open.clear()

    def cut_next_answer(self) -> None:
        """The server gets the next request; its answer breaks the connection instead."""
        self._cuts += 1

    def break_all(self) -> None:
        """Reset every connection."""
        for writer in tuple(self._writers):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, back}
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await asyncio.gather(self._pass(reader, back), self._answer(there, writer))
        except asyncio.CancelledError:
            # This task ends here; asyncio's own look at it afterwards would print the cancellation.
            return
        finally:
            self._tasks.discard(task)
            for end in (writer, back):
                self._writers.discard(end)
                end.transport.abort()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while chunk := await reader.read(CHUNK):
                await self._open.wait()
                writer.write(chunk)
                await writer.drain()
        writer.transport.abort()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while chunk := await reader.read(CHUNK):
                await self._open.wait()
                if self._breaks():
                    break
                if self.delay_s:
                    await asyncio.sleep(self.delay_s + self._chance.uniform(-1, 1) * self.jitter_s)
                writer.write(self._chance.randbytes(len(chunk)) if self.garbage else chunk)
                await writer.drain()
        writer.transport.abort()

    def _breaks(self) -> bool:
        if self._cuts:
            self._cuts -= 1
            return True
        return self._chance.random() < self.reset_share


class Balancer(Proxy):
    """Sends each new connection to the next server that says it is ready.

    Args:
        targets: The servers' ports.
        is_ready: Asks one.
        every_s: Seconds between two looks at each.
    """

    def __init__(
        self, targets: list[int], is_ready: Callable[[int], Awaitable[bool]], *, every_s: float
    ) -> None:
        super().__init__(targets[0])
        self._targets, self._is_ready, self._every_s = targets, is_ready, every_s
        self._turn = self._endless(targets)
        self._ready = set(targets)
        self._looking: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listen, and begin to look."""
        await super().start()
        self._looking = asyncio.create_task(self._look())

    async def stop(self) -> None:
        """See `Proxy`."""
        if self._looking is not None:
            self._looking.cancel()
        await super().stop()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.target = next(port for port in self._turn if port in self._ready or not self._ready)
        await super()._serve(reader, writer)

    def _endless(self, targets: list[int]) -> Iterator[int]:
        while True:
            yield from targets

    async def _look(self) -> None:
        while True:
            for port in self._targets:
                if await self._is_ready(port):
                    self._ready.add(port)
                else:
                    self._ready.discard(port)
            await asyncio.sleep(self._every_s)
