"""What ingestion is held against: the usual way to take events, an insert and a commit a request.

    python -m benchmarks.serving.direct --port 9000 --database-url postgresql+asyncpg://…

FastAPI with its own models, a pool of connections, and one transaction a request into the service's own
table, so that both ways pay for the same indexes and refuse the same id twice.
"""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from fastapi import FastAPI
from pydantic import BaseModel
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from app.adapters.sql.engine import async_url
from app.adapters.sql.tables import events
from benchmarks.serving.listening import listen

PATIENCE_S = 30


class Line(BaseModel):
    """A product of an event."""

    item_id: str
    quantity: float | None = None
    price: Decimal | None = None
    index: int | None = None


class Sent(BaseModel):
    """An event."""

    event_id: str
    event: str
    user_id: str | None = None
    anonymous_id: str | None = None
    session_id: str | None = None
    timestamp: datetime | None = None
    items: list[Line] = []
    value: Decimal | None = None
    currency: str | None = None
    context: dict[str, Any] = {}


class Batch(BaseModel):
    """A request."""

    events: list[Sent]


class Taken(BaseModel):
    """An answer."""

    accepted: int
    duplicates: int


def rows_of(event: Sent, received_at: datetime) -> list[dict[str, Any]]:
    """The event's lines, as the service keeps them."""
    return [
        {
            "tenant": "default",
            "event_id": event.event_id,
            "item_index": index,
            "name": event.event,
            "user_id": event.user_id,
            "anonymous_id": event.anonymous_id,
            "session_id": event.session_id,
            "item_id": line.item_id,
            "list_position": line.index,
            "quantity": line.quantity,
            "price": line.price,
            "value": event.value,
            "currency": event.currency,
            "happened_at": event.timestamp or received_at,
            "received_at": received_at,
            "context": event.context or None,
        }
        for index, line in enumerate(event.items)
    ]


def pooled(url: str) -> AsyncEngine:
    """Connections as tutorials make them, but patient; SQLite with a write-ahead log, as ours."""
    engine = create_async_engine(async_url(url), pool_size=10, max_overflow=0, pool_timeout=PATIENCE_S)
    if engine.dialect.name == "sqlite":

        @sa.event.listens_for(engine.sync_engine, "connect")
        def connected(connection: Any, _: object) -> None:  # noqa: ANN401 (the driver's own)
            cursor = connection.cursor()
            for pragma in ("journal_mode = WAL", "synchronous = FULL", f"busy_timeout = {PATIENCE_S * 1000}"):
                cursor.execute(f"PRAGMA {pragma}")
            cursor.close()

    return engine


def direct(engine: AsyncEngine) -> FastAPI:
    """The application."""
    app = FastAPI()
    dialect = sqlite if engine.dialect.name == "sqlite" else postgresql
    statement = dialect.insert(events).on_conflict_do_nothing()

    @app.post("/v1/events", status_code=202, response_model=Taken)
    async def send_events(batch: Batch) -> dict[str, int]:
        now = datetime.now(UTC)
        rows = [row for event in batch.events for row in rows_of(event, now)]
        async with engine.begin() as connection:
            await connection.execute(statement, rows)
        return {"accepted": len(batch.events), "duplicates": 0}

    return app


def main() -> int:
    """Serve it on loopback, with the server's options of the service."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving.direct", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--database-url", required=True)
    given = parser.parse_args()
    listen(direct(pooled(given.database_url)), given.port)
    return 0


if __name__ == "__main__":
    sys.exit(main())
