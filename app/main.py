"""The server process: settings in, a service that answers until it is told to stop."""

from __future__ import annotations

import gc
import os
import socket
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from app import bootstrap
from app.adapters.allocator import give_back, limit_arenas
from app.adapters.fleet import Fleet, FleetError
from app.api.app import create_app
from app.api.drain import Drain
from app.api.server import PortTakenError, listen, run
from app.telemetry import METRICS_FOLDER, Metrics, configure_logging, forget_process, request_lines

if TYPE_CHECKING:
    from app.settings import Settings

__all__ = ["FleetError", "PortTakenError", "serve"]


def serve(settings: Settings) -> None:
    """Listen where the settings say, and serve until told to stop.

    Raises:
        PortTakenError: The address is taken or not this machine's.
        InvalidInputError: An address in the settings cannot be used, or not by several processes.
        FleetError: The processes end as soon as they are started.
    """
    configure_logging(settings.log_level, settings.log_format)
    bootstrap.check_workers(settings)
    listener = listen(settings.host, settings.port)
    if settings.workers == 1:
        _serve_on(listener, settings)
        return
    with tempfile.TemporaryDirectory(prefix="recserve-metrics-") as folder:
        # Read by prometheus_client when it is imported, by each process for itself.
        os.environ[METRICS_FOLDER] = folder
        Fleet(
            partial(_serve_one, listener, settings, Path(folder)),
            count=settings.workers,
            buried=forget_process,
        ).run()


def _settle() -> None:
    """Return what only the start needed, and spare the garbage collector what will stay."""
    gc.collect()
    gc.freeze()
    give_back()


def _serve_one(listener: socket.socket, settings: Settings, metrics_folder: Path, number: int) -> None:
    # One of them runs the jobs; the others' callers queue them in the database all the same.
    own = settings if number == 0 else settings.model_copy(update={"jobs": "worker"})
    configure_logging(own.log_level, own.log_format)
    _serve_on(listener, own, Metrics(shared_folder=metrics_folder))


def _serve_on(listener: socket.socket, settings: Settings, metrics: Metrics | None = None) -> None:
    limit_arenas()
    lines = request_lines(settings.log_level, settings.log_format)
    base, drain = bootstrap.lay_foundation(settings, metrics=metrics), Drain()
    app = create_app(
        bootstrap.build(base),
        bootstrap.api_settings(settings),
        metrics=base.metrics,
        drain=drain,
        now=base.clock.now,
        lines=lines,
        on_started=_settle,
        on_stopped=base.close,
    )
    run(
        app,
        listener=listener,
        drain=drain,
        drain_s=settings.drain_s,
        takers=app.state.takers,
        tell=base.metrics.tell,
    )
    if lines is not None:
        lines.flush()
    # Nobody listens any more, so be gone soon: looking for garbage on the way out would take a second.
    gc.freeze()
