"""One thread for work that would hold up the event loop, with a bounded queue before it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


class BusyError(Exception):
    """The queue is full."""


class Lane:
    """A single thread: models are asked one question at a time, in order.

    Args:
        name: Of the thread.
        most: Pieces of work that may wait or run at once.
    """

    def __init__(self, name: str, *, most: int = 64) -> None:
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)
        self._most = most
        self._held = 0

    async def run(self, work: Callable[[], T]) -> T:
        """The work's result. Raises `BusyError`, or what the work raises."""
        if self._held >= self._most:
            raise BusyError
        self._held += 1
        future = self._executor.submit(work)
        loop = asyncio.get_running_loop()
        future.add_done_callback(lambda _: self._release(loop))
        return await asyncio.wrap_future(future)

    def _release(self, loop: asyncio.AbstractEventLoop) -> None:
        # Counted on the loop's thread alone; a loop that is closing has nobody to count for.
        if not loop.is_closed():
            loop.call_soon_threadsafe(self._count_down)

    def _count_down(self) -> None:
        self._held -= 1

    def stop(self) -> None:
        """Take nothing new; what waits is dropped, what runs ends by itself."""
        self._executor.shutdown(wait=False, cancel_futures=True)
