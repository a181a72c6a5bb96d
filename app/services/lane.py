"""One thread for work that would hold up the event loop, with a bounded queue before it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

T = TypeVar("T")
A = TypeVar("A")
B = TypeVar("B")


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


class BatchLane(Generic[A, B]):
    """Asks in batches as large as the thread lets them become: all that came while it was busy, at once.

    Nobody waits for a batch to fill: a lone ask on an idle thread goes alone.

    Args:
        lane: The thread.
        work: Answers asks in their order; an exception in place of an answer is that ask's alone.
        most_at_once: Asks in one batch.
        most: Asks that may wait or run at once.
    """

    def __init__(
        self,
        lane: Lane,
        work: Callable[[Sequence[A]], Sequence[B | Exception]],
        *,
        most_at_once: int,
        most: int = 64,
    ) -> None:
        self._lane, self._work = lane, work
        self._most_at_once, self._most = most_at_once, most
        self._waiting: list[tuple[A, asyncio.Future[B]]] = []
        self._held = 0
        self._pump: asyncio.Task[None] | None = None

    async def run(self, ask: A) -> B:
        """The answer. Raises `BusyError`, or what stands in its place."""
        if self._held >= self._most:
            raise BusyError
        future: asyncio.Future[B] = asyncio.get_running_loop().create_future()
        self._held += 1
        future.add_done_callback(lambda _: self._count_down())
        self._waiting.append((ask, future))
        if self._pump is None:
            self._pump = asyncio.create_task(self._run(), name="batch_lane")
        return await future

    def _count_down(self) -> None:
        self._held -= 1

    async def _run(self) -> None:
        try:
            while self._waiting:
                batch = self._waiting[: self._most_at_once]
                self._waiting = self._waiting[self._most_at_once :]
                # Whoever has gone meanwhile needs no answer.
                await self._answer([(ask, future) for ask, future in batch if not future.done()])
        finally:
            self._pump = None

    async def _answer(self, batch: list[tuple[A, asyncio.Future[B]]]) -> None:
        if not batch:
            return
        asks = [ask for ask, _ in batch]
        try:
            answers: Sequence[B | Exception] = await self._lane.run(lambda: self._work(asks))
        except Exception as error:  # noqa: BLE001  # handed to everyone who asked: nothing is hidden
            answers = [error] * len(batch)
        for (_, future), answer in zip(batch, answers, strict=True):
            if future.done():
                continue
            if isinstance(answer, Exception):
                future.set_exception(answer)
            else:
                future.set_result(answer)
