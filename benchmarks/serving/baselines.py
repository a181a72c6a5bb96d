"""What the service is held against: applications that do less, or the same in the usual way.

python -m benchmarks.serving.baselines hello --port 9000
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel
from redis.asyncio import Redis
from ulid import ULID

from benchmarks.serving.listening import listen

Asgi = Callable[[Any, Any, Any], Awaitable[None]]
LIST_LENGTH = 10


class ListedItem(BaseModel):
    """One place of a list."""

    item_id: str
    score: float
    source: str
    reason: str | None
    item: dict[str, Any] | None


class ListAnswer(BaseModel):
    """A list, field for field the service's."""

    recommendation_id: str
    scenario: str
    variant: str
    model_version: str | None
    served_by: str
    degraded: bool
    reason: str | None
    items: list[ListedItem]
    filled: int


def a_list(served_by: str) -> dict[str, Any]:
    """An answer of ten places, as a dictionary."""
    return {
        "recommendation_id": str(ULID()),
        "scenario": "home",
        "variant": "control",
        "model_version": "sasrec-bench",
        "served_by": served_by,
        "degraded": False,
        "reason": None,
        "items": [
            {
                "item_id": f"item-{place:07d}",
                "score": round(1 - place / 17, 6),
                "source": "sequence",
                "reason": None,
                "item": None,
            }
            for place in range(LIST_LENGTH)
        ],
        "filled": 0,
    }


def answering(body: Callable[[], bytes]) -> Asgi:
    """An ASGI application that answers every request with this."""

    async def app(scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 (ASGI's own)
        if scope["type"] == "lifespan":
            await _live(receive, send)
            return
        answer = body()
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(answer))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    return app


async def _live(receive: Any, send: Any) -> None:  # noqa: ANN401 (ASGI's own)
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.complete"})


def hello() -> Asgi:
    """Nothing but the server: what no application on it can be faster than."""
    return answering(lambda: b'{"hello":"world"}')


def null() -> Asgi:
    """A handler that only builds the answer."""
    return answering(lambda: json.dumps(a_list("model")).encode())


def pooled(redis_url: str) -> FastAPI:
    """The usual way: a FastAPI route with a response model, and a GET through redis-py's pool."""
    app, redis = FastAPI(), Redis.from_url(redis_url)

    @app.get("/v1/users/{user_id}/recommendations", response_model=ListAnswer)
    async def recommend(user_id: str, n: int = LIST_LENGTH) -> dict[str, Any]:
        key = f"naive:{user_id}:{n}"
        found = await redis.get(key)
        if found is None:
            found = json.dumps(a_list("cache")).encode()
            await redis.set(key, found, ex=3600)
        answer: dict[str, Any] = json.loads(found)
        return answer

    return app


def main() -> int:
    """Serve one of them on loopback, with the server's options of the service."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving.baselines", description=__doc__)
    parser.add_argument("name", choices=["hello", "null", "pooled"])
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--redis-url", default="")
    given = parser.parse_args()
    app = pooled(given.redis_url) if given.name == "pooled" else {"hello": hello, "null": null}[given.name]()
    listen(app, given.port)
    return 0


if __name__ == "__main__":
    sys.exit(main())
