"""Connections that bring no request in time are closed."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class TimedProtocol(HttpToolsProtocol):
    """Uvicorn's protocol, but a request's head must arrive whole within `head_s`, from its first byte on.

    A new connection must bring one in that time too. Uvicorn would hold silent sockets and half-sent heads
    for good; once an answer has gone out, its own keep-alive timer counts.
    """

    head_s: ClassVar[float] = 10.0
    _head_open = False
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:  # noqa: ANN401 (as the library has it)
        """A new connection owes a request."""
        super().connection_made(transport)
        self._arm()

    def on_message_begin(self) -> None:
        """The first line of a head has begun."""
        self._head_open = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The head is whole."""
        self._head_open = False
        super().on_headers_complete()

    def data_received(self, data: bytes) -> None:
        """Most heads come in one piece, and need no timer."""
        super().data_received(data)
        if not self._head_open:
            self._disarm()
        elif self._timer is None:
            self._arm()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is owed any more."""
        self._disarm()
        super().connection_lost(exc)

    def _arm(self) -> None:
        self._timer = self.loop.call_later(self.head_s, self._close)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _close(self) -> None:
        self._timer = None
        if self.transport is not None and not self.transport.is_closing():
            self.transport.close()
