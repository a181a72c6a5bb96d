"""Connections: those that bring no request in time are closed; what is plain needs no application."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Protocol

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class Taker(Protocol):
    """Answers requests of one kind from the bytes they came in.

    Attributes:
        start: What they begin with.
    """

    start: bytes

    def learn(self, data: bytes, scope: Mapping[str, Any]) -> None:
        """Look at a request that came alone in these bytes, as the parser read it, for the next like it."""

    def take(self, data: bytes, connection: WireProtocol) -> bool:
        """Whether this answers it: by one call of `connection.answer` or `connection.pass_on`, now or later.

        `data` may be anything that begins as `start`, one request or several, whole or in part.
        """


class WireProtocol(HttpToolsProtocol):
    """Uvicorn's protocol with two things added.

    A request's head must arrive whole within `head_s`, from its first byte on; a new connection must bring
    one in that time too. Uvicorn would hold silent sockets and half-sent heads for good; once an answer has
    gone out, its own keep-alive timer counts.

    A request that comes alone, while no other is being answered, is shown to the takers first. What they do
    not take, or pass on, the parser reads as if they were not there. More requests on the connection wait
    meanwhile.

    Args:
        takers: Asked in their order.
    """

    head_s: ClassVar[float] = 10.0

    def __init__(self, *args: Any, takers: Sequence[Taker] = (), **kwargs: Any) -> None:  # noqa: ANN401 (as the library has it)
        super().__init__(*args, **kwargs)
        self._takers = tuple(takers)
        self._head_open = False
        # Between two requests: what comes next is the beginning of one.
        self._between = True
        self._begun = 0
        self._timer: asyncio.TimerHandle | None = None
        self._taken: bytes | None = None
        self._later: list[bytes] = []
        self._passed: Mapping[str, Any] | None = None
        self._answered_at = 0.0
        self.leaving = False

    # --- What takers use ---

    def answer(self, data: bytes) -> bool:
        """Send this, head and body, for the request that was taken. False where the caller has gone."""
        self._taken = None
        transport = self.transport
        if self.parser is None or transport.is_closing():
            return False
        transport.write(data)
        self.server_state.total_requests += 1
        self._answered_at = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self._keep_alive_for(self.timeout_keep_alive)
        if self._later:
            self._go_on()
        return True

    def pass_on(self, known: Mapping[str, Any]) -> bool:
        """Give the request that was taken to the application, these added to its scope. False as above."""
        data, self._taken = self._taken, None
        if self._gone() or data is None:
            return False
        self._passed = known
        self._parse(data)
        if self.leaving:
            super().shutdown()
        if self._later:
            self._go_on()
        return True

    def _gone(self) -> bool:
        return self.parser is None or self.transport.is_closing()

    def _go_on(self) -> None:
        later, self._later = b"".join(self._later), []
        self.flow.resume_reading()
        self.data_received(later)

    # --- What comes in ---

    def connection_made(self, transport: Any) -> None:  # noqa: ANN401 (as the library has it)
        """A new connection owes a request."""
        super().connection_made(transport)
        self._arm()

    def data_received(self, data: bytes) -> None:
        """To a taker or the parser, in the order it came."""
        if self._taken is not None:
            self._later.append(data)
            self.flow.pause_reading()
            return
        for taker in self._takers:
            if data.startswith(taker.start):
                break
        else:
            self._parse(data)
            return
        if (
            self._between
            and not self.flow.write_paused
            and (self.cycle is None or self.cycle.response_complete)
        ):
            self._taken = data
            if taker.take(data, self):
                if self._timer is not None:
                    self._disarm()
                return
            self._taken = None
        self._parse(data)
        if self._begun == 1 and self._between and not self._gone():
            taker.learn(data, self.scope)

    def _parse(self, data: bytes) -> None:
        self._begun = 0
        super().data_received(data)
        # Most heads come in one piece, and need no timer.
        if not self._head_open:
            self._disarm()
        elif self._timer is None:
            self._arm()

    def on_message_begin(self) -> None:
        """The first line of a head has begun."""
        self._head_open, self._between = True, False
        self._begun += 1
        super().on_message_begin()
        if self._passed is not None:
            self.scope.update(self._passed)  # type: ignore[typeddict-item]  # keys of our own
            self._passed = None

    def on_headers_complete(self) -> None:
        """The head is whole."""
        self._head_open = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The body too. After a request to speak something else nothing is known of what comes."""
        self._between = not self.parser.should_upgrade()
        super().on_message_complete()

    # --- The end ---

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is owed any more."""
        self._disarm()
        self._later.clear()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """The server stops: end now, or with the answer that is under way."""
        self.leaving = True
        if self._taken is None:
            super().shutdown()

    def timeout_keep_alive_handler(self) -> None:
        """Close what has been idle; requests that were taken since have not moved the timer."""
        left_s = self._answered_at + self.timeout_keep_alive - self.loop.time()
        if self._taken is not None:
            self._keep_alive_for(self.timeout_keep_alive)
        elif left_s > 0:
            self._keep_alive_for(left_s)
        else:
            super().timeout_keep_alive_handler()

    def _keep_alive_for(self, seconds: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(seconds, self.timeout_keep_alive_handler)

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
