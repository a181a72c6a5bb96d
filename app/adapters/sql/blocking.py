"""The database for callers that are not asynchronous: the training's child."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

from app.adapters.sql.engine import Database

T = TypeVar("T")

BATCH_DEADLINE_S = 60.0


class Run(Protocol):
    """Waits for what a coroutine gives."""

    def __call__(self, work: Coroutine[Any, Any, T]) -> T:
        """Its result."""


@contextmanager
def blocking(url: str, *, thread_name: str) -> Iterator[tuple[Database, Run]]:
    """Connections of their own, and what waits for them; usable in any thread.

    Args:
        url: The database's address.
        thread_name: Of the thread that the only PostgreSQL driver, which is asynchronous, gets a loop in.
    """
    runner = asyncio.Runner()
    with ThreadPoolExecutor(1, thread_name_prefix=thread_name) as thread:

        def run(work: Coroutine[Any, Any, T]) -> T:
            return thread.submit(runner.run, work).result()

        database = Database(url, deadline_s=BATCH_DEADLINE_S)
        try:
            yield database, run
        finally:
            run(database.close())
            thread.submit(runner.close).result()
