"""One connection to Redis that many questions share: each goes out at once, its answer comes in its turn.

A command through redis-py's pool costs many times what Redis needs for it. redis-py makes the connection
(address, TLS, password, greeting); from then on its transport is ours.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import Any, NamedTuple

import hiredis
from redis.asyncio.connection import ConnectionPool
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError, ResponseError

MOST_UNANSWERED = 4096
# A late loop is no fault of the server: before a question is given up, what has arrived meanwhile is read.
GRACE_S = 0.001


class LineFullError(RedisError):
    """Too many questions wait for an answer."""


class _Question(NamedTuple):
    """What is asked, who gets the answer or the error, when it was asked, and whether a line broke on it."""

    command: bytes
    done: Callable[[Any], None]
    asked_at: float
    again: bool = False


class _Wire(asyncio.Protocol):
    """The end of one connection; what it still says once the line has left it is nobody's business."""

    def __init__(self, line: Line) -> None:
        self.line: Line | None = line

    def data_received(self, data: bytes) -> None:
        """Answers."""
        if self.line is not None:
            self.line.received(data)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # as the library calls it
        """The server ended it."""
        if self.line is not None:
            self.line.lost()

    def pause_writing(self) -> None:
        """Redis reads more slowly than is asked."""
        if self.line is not None:
            self.line.hold(paused=True)

    def resume_writing(self) -> None:
        """It has caught up."""
        if self.line is not None:
            self.line.hold(paused=False)


class Line:
    """A connection made when first asked, and again after it ended.

    Questions of one turn of the event loop go out as one write. A question without an answer in time ends
    the connection and everything that waits on it: what comes late must not be read as the answer to the
    next. Where the server ended it, which says nothing of the questions, they are put once more on a new one.

    Args:
        pool: Makes the connection, which is never given to the pool.
        timeout_s: Seconds for an answer, and for a connection.
        most: Questions that may wait.
    """

    def __init__(self, pool: ConnectionPool, *, timeout_s: float, most: int = MOST_UNANSWERED) -> None:
        self._pool: Any = pool  # whose methods the stubs leave untyped
        self._timeout_s, self._most = timeout_s, most
        self._connection: Any = None
        self._transport: Any = None
        self._wire: _Wire | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._reader = hiredis.Reader(replyError=ResponseError)
        self._unsent: list[_Question] = []
        self._unanswered: deque[_Question] = deque()
        self._sending = self._paused = self._proven = False
        self._timer: asyncio.TimerHandle | None = None

    def ask(self, command: bytes, done: Callable[[Any], None]) -> None:
        """Put a packed question; `done` is called once, with the answer or an error, and never raises."""
        unsent = self._unsent
        if len(unsent) + len(self._unanswered) >= self._most:
            done(LineFullError())
            return
        unsent.append(_Question(command, done, monotonic()))
        if not self._sending:
            self._sending = True
            asyncio.get_running_loop().call_soon(self._send)

    async def answer(self, command: bytes) -> Any:  # noqa: ANN401 (whatever Redis answers)
        """The answer. Raises redis-py's errors, OSError or TimeoutError."""
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

        def answered(reply: object) -> None:
            if not future.done():
                future.set_result(reply)

        self.ask(command, answered)
        reply = await future
        if isinstance(reply, Exception):
            raise reply
        return reply

    def close(self) -> None:
        """End the connection; the next question makes a new one."""
        if self._connecting is not None:
            self._connecting.cancel()
        self._fail(RedisConnectionError("The connection was closed."))

    # --- What the connection says ---

    def received(self, data: bytes) -> None:
        """Answers, in the order of the questions."""
        reader, unanswered = self._reader, self._unanswered
        self._proven = True
        try:
            reader.feed(data)
            while (reply := reader.gets()) is not False:
                unanswered.popleft().done(reply)
        except (hiredis.ProtocolError, IndexError):
            self._fail(RedisConnectionError("Redis answered what was not asked."))

    def lost(self) -> None:
        """The server ended it. One that had answered before has only grown old."""
        cut, proven = list(self._unanswered), self._proven
        self._unanswered.clear()
        self._drop()
        self._unsent[:0] = [
            question._replace(again=True) for question in cut if proven and not question.again
        ]
        for question in cut:
            if question.again or not proven:
                question.done(RedisConnectionError("The connection was lost."))
        self._send()

    def hold(self, *, paused: bool) -> None:
        """Write no more for now, or go on."""
        self._paused = paused
        if not paused:
            self._send()

    # --- Ours ---

    def _send(self) -> None:
        self._sending = False
        if not self._unsent or self._paused:
            return
        if self._transport is None:
            if self._connecting is None:
                self._connecting = asyncio.create_task(self._connect(), name="redis.line")
            return
        going, self._unsent = self._unsent, []
        self._unanswered.extend(going)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._timeout_s, self._look_at_clock)
        self._transport.write(b"".join([question.command for question in going]))

    async def _connect(self) -> None:
        connection = self._pool.make_connection()
        try:
            async with asyncio.timeout(self._timeout_s):
                await connection.connect()
        except BaseException as error:
            self._connecting = None
            await connection.disconnect(nowait=True)
            if not isinstance(error, Exception):
                raise
            self._fail(error)
            return
        self._connecting = None
        self._connection, self._transport = connection, connection._writer.transport  # noqa: SLF001  # the one way to it
        self._wire = _Wire(self)
        self._transport.set_protocol(self._wire)
        self._send()

    def _look_at_clock(self, *, late: bool = False) -> None:
        loop = asyncio.get_running_loop()
        self._timer = None
        oldest = self._unanswered[0] if self._unanswered else self._unsent[0] if self._unsent else None
        if oldest is None:
            return
        left_s = oldest.asked_at + self._timeout_s - monotonic()
        if left_s > 0:
            self._timer = loop.call_later(left_s, self._look_at_clock)
        elif late:
            self._fail(TimeoutError())
        else:
            self._timer = loop.call_later(GRACE_S, lambda: self._look_at_clock(late=True))

    def _fail(self, error: Exception) -> None:
        """End the connection, and everything that waits."""
        waiting = [*self._unanswered, *self._unsent]
        self._unanswered.clear()
        self._unsent.clear()
        self._drop()
        for question in waiting:
            question.done(error)

    def _drop(self) -> None:
        connection, transport = self._connection, self._transport
        self._connection = self._transport = None
        if self._wire is not None:
            self._wire.line = None
            self._wire = None
        self._reader = hiredis.Reader(replyError=ResponseError)
        self._paused = self._proven = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if transport is not None:
            transport.abort()
            connection._close()  # noqa: SLF001  # or it complains of being left open
