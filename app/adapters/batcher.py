"""Many small questions asked at once, put to a server as one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Batcher(Generic[K, V]):
    """While one batch is on its way the next one gathers.

    Nobody gets an answer to a question that was put before they asked: who asks while a batch is on its way
    waits for the next.

    Args:
        ask: Answers distinct keys.
        most: Askers in one batch.
        timeout_s: For one batch, from when it is sent: a busy event loop is no fault of the server.
    """

    def __init__(
        self, ask: Callable[[Sequence[K]], Awaitable[Mapping[K, V]]], *, most: int, timeout_s: float
    ) -> None:
        self._ask = ask
        self._most = most
        self._timeout_s = timeout_s
        self._waiting: list[tuple[Sequence[K], asyncio.Future[list[V]]]] = []
        self._pump: asyncio.Task[None] | None = None

    async def get(self, keys: Sequence[K]) -> list[V]:
        """The answers, in the keys' order. Raises whatever asking raises."""
        future: asyncio.Future[list[V]] = asyncio.get_running_loop().create_future()
        self._waiting.append((keys, future))
        if self._pump is None:
            self._pump = asyncio.create_task(self._run(), name="batcher")
        return await future

    async def stop(self) -> None:
        """Wait for the batch on its way."""
        if self._pump is not None:
            await self._pump

    async def _run(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
                await self._answer([(keys, future) for keys, future in batch if not future.done()])
        finally:
            self._pump = None

    async def _answer(self, batch: list[tuple[Sequence[K], asyncio.Future[list[V]]]]) -> None:
        if not batch:
            return
        try:
            async with asyncio.timeout(self._timeout_s):
                found = await self._ask(list(dict.fromkeys(key for keys, _ in batch for key in keys)))
        except Exception as error:  # noqa: BLE001  # handed to everyone who asked: nothing is hidden
            # Those who wait for the next batch too: it would meet the same end a timeout later.
            behind, self._waiting = self._waiting, []
            for _, future in (*batch, *behind):
                if not future.done():
                    future.set_exception(error)
            return
        for keys, future in batch:
            if not future.done():
                future.set_result([found[key] for key in keys])
