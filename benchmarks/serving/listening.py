"""How a baseline listens: with the service's own options of its server."""

from __future__ import annotations

from typing import Any

import uvicorn


def listen(app: Any, port: int) -> None:  # noqa: ANN401 (any ASGI application)
    """Serve on loopback until ended."""
    uvicorn.run(
        app,
        port=port,
        http="httptools",
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=30,
    )
