"""Letting connections in, many at a time."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

import structlog

AT_ONCE = 32
"""Connections taken in one round of the loop at most; the other processes on the socket want theirs too."""
REST_S = 1.0
_log = structlog.get_logger(__name__)


class Door:
    """Accepts the connections of a listening socket, in place of the loop's own server.

    uvloop's libuv takes one connection a round of the loop (libuv pull request 3696). Under too much load a
    round takes a twentieth of a second or more, and then a balancer's look at the health, on a connection of
    its own, stands behind hundreds of others for longer than it waits.

    Args:
        listener: Listens already.
        protocol: Makes the protocol of one connection.
    """

    def __init__(self, listener: socket.socket, protocol: Callable[[], asyncio.Protocol]) -> None:
        self._listener, self._protocol = listener, protocol
        self._loop = asyncio.get_running_loop()
        self._coming: set[asyncio.Task[object]] = set()
        self._resting: asyncio.TimerHandle | None = None
        listener.setblocking(False)

    def open(self) -> None:
        """Let in."""
        self._resting = None
        self._loop.add_reader(self._listener.fileno(), self._let_in)

    def close(self) -> None:
        """Let nobody in any more."""
        if self._resting is not None:
            self._resting.cancel()
        self._loop.remove_reader(self._listener.fileno())

    async def wait_closed(self) -> None:
        """Wait for those who are in the doorway."""
        await asyncio.gather(*self._coming, return_exceptions=True)

    def _let_in(self) -> None:
        for _ in range(AT_ONCE):
            try:
                connection, _address = self._listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return  # none waits, or another process was faster
            except OSError as error:
                # No descriptor is free: asked again at once, the socket would only say so again.
                _log.error("server.accept_failed", reason=error.strerror)
                self._loop.remove_reader(self._listener.fileno())
                self._resting = self._loop.call_later(REST_S, self.open)
                return
            self._seat(connection)

    def _seat(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        task = self._loop.create_task(self._loop.connect_accepted_socket(self._protocol, connection))
        self._coming.add(task)
        task.add_done_callback(self._seated)

    def _seated(self, task: asyncio.Task[object]) -> None:
        self._coming.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.warning("server.connection_lost", reason=type(error).__name__)
