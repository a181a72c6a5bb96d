from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from app.adapters.batcher import Batcher
from tests.waiting import until


class Asked:
    """Doubles numbers, once its gate is open."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.gate = asyncio.Event()
        self.error: Exception | None = None

    async def __call__(self, keys: Sequence[int]) -> dict[int, int]:
        self.batches.append(list(keys))
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        return {key: 2 * key for key in keys}


async def test_batcher_puts_what_gathers_while_one_is_on_its_way_as_one() -> None:
    asked = Asked()
    batcher = Batcher(asked, most=100, timeout_s=20)
    first = asyncio.create_task(batcher.get([1]))
    await until(lambda: len(asked.batches) == 1)
    rest = [asyncio.create_task(batcher.get([number % 5, 1])) for number in range(20)]
    await asyncio.sleep(0)
    asked.gate.set()
    assert await first == [2]
    assert await asyncio.gather(*rest) == [[2 * (number % 5), 2] for number in range(20)]
    assert len(asked.batches) == 2
    assert sorted(asked.batches[1]) == [0, 1, 2, 3, 4]


async def test_batcher_bounds_a_batch() -> None:
    asked = Asked()
    asked.gate.set()
    batcher = Batcher(asked, most=4, timeout_s=20)
    await asyncio.gather(*(batcher.get([number]) for number in range(10)))
    assert [len(batch) for batch in asked.batches] == [4, 4, 2]


async def test_batcher_gives_everybody_the_failure_and_goes_on() -> None:
    asked = Asked()
    batcher = Batcher(asked, most=1, timeout_s=20)
    asking = [asyncio.create_task(batcher.get([number])) for number in range(3)]
    await until(lambda: len(asked.batches) == 1)
    asked.error = ValueError("down")
    asked.gate.set()
    assert [type(end) for end in await asyncio.gather(*asking, return_exceptions=True)] == [ValueError] * 3
    asked.error = None
    assert await batcher.get([4]) == [8]


async def test_batcher_gives_up_a_batch_in_time() -> None:
    with pytest.raises(TimeoutError):
        await Batcher(Asked(), most=1, timeout_s=0.01).get([1])


async def test_batcher_does_not_mind_askers_who_go_away() -> None:
    asked = Asked()
    batcher = Batcher(asked, most=10, timeout_s=20)
    gone, stays = asyncio.create_task(batcher.get([1])), asyncio.create_task(batcher.get([2]))
    await until(lambda: len(asked.batches) == 1)
    gone.cancel()
    asked.gate.set()
    assert await stays == [4]
