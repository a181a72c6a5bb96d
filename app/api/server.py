"""The listening side: a socket, and a server that leaves without dropping a request."""

from __future__ import annotations

import asyncio
import errno
import signal
import socket
from collections.abc import Callable, Sequence
from time import monotonic
from types import FrameType
from typing import TYPE_CHECKING

import structlog
import uvicorn

from app.api.door import Door
from app.api.drain import Drain
from app.api.wire import Taker, WireProtocol

if TYPE_CHECKING:
    from starlette.types import ASGIApp

GRACE_S = 5
HURRY_S = 1.0
_log = structlog.get_logger(__name__)


class PortTakenError(Exception):
    """The address cannot be listened on; the message says what to change."""


class DrainingServer(uvicorn.Server):
    """Uvicorn, but SIGTERM drains before it stops.

    Left to itself uvicorn refuses connections at once and resets the idle ones, which loses requests of
    every load balancer that has not looked at readiness yet. Here the first SIGTERM only throws the switch:
    readiness says no, answers carry `Connection: close`, everything is served; `drain_s` later the server
    stops. A second signal stops at once and cuts what has not been answered. SIGINT, a person at a
    terminal, stops without the wait.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        *,
        drain: Drain,
        drain_s: float,
        takers: Sequence[Taker] = (),
        tell: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(config)
        self._takers, self._tell = takers, tell
        self._drain, self._drain_s = drain, drain_s
        self._stop_at: float | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002  # the signature of a signal handler
        """Drain, stop or hurry, as the signal and the ones before it say."""
        if self._stop_at is not None:
            self.should_exit = self.force_exit = True
            return
        self._drain.start()
        self._stop_at = monotonic() + (self._drain_s if sig == signal.SIGTERM else 0.0)

    async def on_tick(self, counter: int) -> bool:
        """Called by uvicorn ten times a second; stops when the drain is over."""
        if self._stop_at is not None and monotonic() >= self._stop_at:
            self.should_exit = True
        self._tell()
        return await super().on_tick(counter)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the application, then let connections in by our own door."""
        await super().startup(sockets=[])
        for listener in sockets or []:
            door = Door(listener, self._protocol)
            door.open()
            self.servers.append(door)  # type: ignore[arg-type]  # closed and waited for as a server is

    def _protocol(self) -> asyncio.Protocol:
        return WireProtocol(self.config, self.server_state, self.lifespan.state, takers=self._takers)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop listening, let requests end, stop the application; in a hurry the requests are cut."""
        await super().shutdown(sockets)
        if not self.force_exit:
            return
        # Uvicorn leaves the application as it stands then; but a child of it is to be ended, a row written.
        for task in self.server_state.tasks:
            task.cancel()
        try:
            await asyncio.wait_for(self.lifespan.shutdown(), HURRY_S)
        except TimeoutError:
            _log.warning("server.stop.incomplete", waited_s=HURRY_S)


def listen(host: str, port: int) -> socket.socket:
    """A listening socket.

    Raises:
        PortTakenError: The address is taken or not this machine's.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address[:2], family=family, backlog=2048)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise PortTakenError(f"Port {port} on {host} is taken; RECSERVE_PORT chooses another.") from None
        reason = str(error.strerror).partition(" (")[0]
        raise PortTakenError(f"Cannot listen on {host} port {port} ({reason}); see RECSERVE_HOST.") from None


def run(
    app: ASGIApp,
    *,
    listener: socket.socket,
    drain: Drain,
    drain_s: float,
    takers: Sequence[Taker] = (),
    tell: Callable[[], None] = lambda: None,
) -> None:
    """Serve until told to stop.

    Args:
        app: The application.
        listener: Where.
        drain: Thrown when told to stop.
        drain_s: Seconds between that and the end.
        takers: Answer what is plain, in front of the application.
        tell: Called ten times a second, for figures that others read.
    """
    config = uvicorn.Config(
        app,
        lifespan="on",
        ws="none",
        http=WireProtocol,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=GRACE_S,
    )
    host, port = listener.getsockname()[:2]
    _log.info("server.listening", host=host, port=port)
    DrainingServer(config, drain=drain, drain_s=drain_s, takers=takers, tell=tell).run(sockets=[listener])
    tell()
    _log.info("server.stopped")
