"""The child of `test_kill.py`: sends batches through `Ingest` until it is killed.

Each id is written to the ledger, and to the disk, only after it was acknowledged. Two senders go at once, and
every batch begins with the last id of the one before, as a client does that was not answered.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from app.adapters.clock import SystemClock
from app.adapters.memory_cache import MemoryListCache
from app.adapters.sql.engine import Database
from app.adapters.sql.stores import sql_stores
from app.domain.types import EventItem
from app.services.ingest import Ingest
from tests.events import event

BATCH = 20
SENDERS = 3


async def send(ingest: Ingest, ledger: int, sender: str) -> None:
    """Send batches for ever."""
    number = 0
    while True:
        ids = [f"{sender}-{place}" for place in range(max(0, number - 1), number + BATCH)]
        await ingest.submit([event(name, items=(EventItem("i1"), EventItem("i2"))) for name in ids])
        os.write(ledger, "".join(f"{name}\n" for name in ids).encode())
        os.fsync(ledger)
        number += BATCH


async def main(url: str, ledger_file: str, run: str) -> None:
    """Ingest until killed."""
    database = Database(url, deadline_s=20.0)
    stores = sql_stores(database, tenant="default", clock=SystemClock())
    cache = MemoryListCache(ttl_s=60.0, entries=100)
    ingest = Ingest(events=stores.events, cache=cache, deadline_s=20.0)
    await ingest.start()
    ledger = os.open(Path(ledger_file), os.O_CREAT | os.O_APPEND | os.O_WRONLY)
    await asyncio.gather(*(send(ingest, ledger, f"{run}.{sender}") for sender in range(SENDERS)))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
