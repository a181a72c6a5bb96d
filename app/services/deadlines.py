"""Waiting for work no longer than a request can."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class LateError(Exception):
    """The work was not done in time, or so much is late already that it was not begun."""


class Patience:
    """Waits up to a deadline and then lets the work end by itself.

    A cancelled database call can take many times its timeout to come back, because drivers ask the server to
    cancel and wait for the answer; so late work is left alone, its outcome dropped, its number bounded.

    Args:
        most_late: Late tasks let live at once; beyond them nothing new is begun.
    """

    def __init__(self, *, most_late: int = 64) -> None:
        self._most_late = most_late
        self._late: set[asyncio.Task[Any]] = set()

    async def within(self, work: Coroutine[Any, Any, T], timeout_s: float) -> T:
        """The work's result. Raises `LateError`, or what the work raises."""
        if len(self._late) >= self._most_late:
            work.close()
            raise LateError
        task = asyncio.create_task(work)
        try:
            await asyncio.wait({task}, timeout=timeout_s)
        finally:
            if not task.done():
                self._late.add(task)
                task.add_done_callback(self._drop)
        if not task.done():
            raise LateError
        return task.result()

    async def stop(self) -> None:
        """Cancel what is late and wait for it."""
        late = tuple(self._late)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    def _drop(self, task: asyncio.Task[Any]) -> None:
        self._late.discard(task)
        if not task.cancelled():
            task.exception()  # Looked at, so that nobody is told of an outcome that nobody waits for.
