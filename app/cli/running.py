"""`recserve serve` and `recserve worker`."""

from __future__ import annotations

from typing import Annotated

import typer

from app.cli.console import FailedError, load_settings, run


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(serve)
    app.command()(worker)


def serve(
    *,
    host: Annotated[str | None, typer.Option(help="Address to listen on; before RECSERVE_HOST.")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65_535, help="Port to listen on; before RECSERVE_PORT.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, max=64, help="Processes that serve; before RECSERVE_WORKERS.")
    ] = None,
) -> None:
    """Start the service. SIGTERM and Ctrl-C let the requests in flight end first.

    \b
    Examples:
      recserve serve
      recserve serve --host 0.0.0.0 --port 8081
      recserve serve --workers 4
      RECSERVE_REDIS_URL=redis://localhost:6379/0 recserve serve
    """
    from app.cli.opened import check_schema
    from app.main import FleetError, PortTakenError
    from app.main import serve as run_service

    settings = load_settings(host=host, port=port, workers=workers)
    run(check_schema(settings))
    try:
        run_service(settings)
    except (PortTakenError, FleetError) as error:
        raise FailedError(str(error)) from error


def worker() -> None:
    """Run retraining jobs that the service queues (with RECSERVE_JOBS=worker there).

    \b
    Example:
      RECSERVE_DATABASE_URL=postgresql://me:secret@localhost/shop recserve worker
    """
    from app.cli.opened import check_schema
    from app.worker import run_worker

    settings = load_settings()
    run(check_schema(settings))
    run_worker(settings)
