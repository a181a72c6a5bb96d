"""The server process: settings in, a service that answers until it is told to stop."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

from app import bootstrap
from app.adapters.allocator import limit_arenas
from app.api.app import create_app
from app.api.drain import Drain
from app.api.server import PortTakenError, listen, run
from app.telemetry import configure_logging, request_lines

if TYPE_CHECKING:
    from app.settings import Settings

__all__ = ["PortTakenError", "serve"]


def serve(settings: Settings) -> None:
    """Listen where the settings say, and serve until told to stop.

    Raises:
        PortTakenError: The address is taken or not this machine's.
        InvalidInputError: An address in the settings cannot be used.
    """
    limit_arenas()
    configure_logging(settings.log_level, settings.log_format)
    listener = listen(settings.host, settings.port)
    lines = request_lines(settings.log_level, settings.log_format)
    base, drain = bootstrap.lay_foundation(settings), Drain()
    app = create_app(
        bootstrap.build(base),
        bootstrap.api_settings(settings),
        metrics=base.metrics,
        drain=drain,
        now=base.clock.now,
        lines=lines,
        on_stopped=base.close,
    )
    run(app, listener=listener, drain=drain, drain_s=settings.drain_s)
    if lines is not None:
        lines.flush()
    # Nobody listens any more, so be gone soon: looking for garbage on the way out would take a second.
    gc.freeze()
