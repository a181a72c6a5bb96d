"""The worker process: runs the retraining jobs that the service queues, until it is told to stop."""

from __future__ import annotations

import asyncio
import signal

import structlog

from app import bootstrap
from app.settings import Settings
from app.telemetry import configure_logging

_log = structlog.get_logger(__name__)


def run_worker(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT; a running child is killed and its job fails."""
    configure_logging(settings.log_level, settings.log_format)
    asyncio.run(work(settings))


async def work(settings: Settings) -> None:
    """As `run_worker`, on a loop that runs already."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    base = bootstrap.lay_foundation(settings)
    jobs = bootstrap.make_running_jobs(base)
    await jobs.start()
    _log.info("worker.started")
    try:
        await stop.wait()
    finally:
        await jobs.stop()
        await base.close()
        _log.info("worker.stopped")
