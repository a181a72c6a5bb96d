"""A process for the drain's tests: `python -m tests.integration.draining_app DRAIN_S`."""

import asyncio
import sys
from collections.abc import AsyncIterator

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route

from app.api.drain import Drain
from app.api.middleware import Observe
from app.api.reporting import Report
from app.api.server import listen, run
from app.telemetry import Metrics, configure_logging


def main(drain_s: float) -> None:
    """Listen on a free port, print it, serve."""
    configure_logging("WARNING")
    drain, held, holding = Drain(), asyncio.Event(), 0

    async def ready(_: Request) -> PlainTextResponse:
        return PlainTextResponse("no" if drain.started else "yes", status_code=503 if drain.started else 200)

    async def hold(_: Request) -> PlainTextResponse:
        nonlocal holding
        holding += 1
        await held.wait()
        return PlainTextResponse("held to the end")

    async def count(_: Request) -> PlainTextResponse:
        return PlainTextResponse(str(holding))

    async def slow(_: Request) -> StreamingResponse:
        async def parts() -> AsyncIterator[str]:
            yield "begun,"
            await asyncio.sleep(0.5)
            yield "ended"

        return StreamingResponse(parts())

    async def release(_: Request) -> PlainTextResponse:
        held.set()
        return PlainTextResponse("released")

    handlers = {"/readyz": ready, "/hold": hold, "/held": count, "/slow": slow, "/release": release}
    app = Starlette(routes=[Route(path, handler) for path, handler in handlers.items()])
    app.add_middleware(Observe, report=Report(Metrics()), drain=drain)
    listener = listen("127.0.0.1", 0)
    print(listener.getsockname()[1], flush=True)  # noqa: T201  # how the test learns the port
    run(app, listener=listener, drain=drain, drain_s=drain_s)


if __name__ == "__main__":
    main(float(sys.argv[1]))
