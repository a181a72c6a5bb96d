from __future__ import annotations

import asyncio
import threading

import pytest

from app.services.deadlines import LateError, Patience
from app.services.lane import BusyError, Lane
from tests.waiting import until


async def test_lane_runs_one_piece_at_a_time_in_order_off_the_loop() -> None:
    lane, order, threads = Lane("test"), [], set()

    def work(number: int) -> int:
        order.append(number)
        threads.add(threading.get_ident())
        return number

    assert await asyncio.gather(*(lane.run(lambda n=n: work(n)) for n in range(20))) == list(range(20))  # type: ignore[misc]  # the default binds the loop's value
    assert order == list(range(20))
    assert len(threads) == 1
    assert threading.get_ident() not in threads
    lane.stop()


async def test_lane_refuses_more_than_it_may_hold_and_takes_more_later() -> None:
    lane, gate = Lane("test", most=2), threading.Event()
    held = [asyncio.create_task(lane.run(gate.wait)) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(BusyError):
        await lane.run(gate.wait)
    gate.set()
    await asyncio.gather(*held)
    await until(lambda: lane._held == 0)
    assert await lane.run(lambda: 1) == 1
    lane.stop()


async def test_lane_gives_back_what_the_work_raises() -> None:
    lane = Lane("test")
    with pytest.raises(ZeroDivisionError):
        await lane.run(lambda: 1 // 0)
    lane.stop()


async def test_patience_gives_back_what_is_done_in_time() -> None:
    async def work() -> int:
        return 7

    assert await Patience().within(work(), 5) == 7


async def test_patience_leaves_late_work_alone_and_bounds_it() -> None:
    patience, gate, ended = Patience(most_late=2), asyncio.Event(), []

    async def work() -> None:
        await gate.wait()
        ended.append(1)
        raise RuntimeError("nobody waits for this")

    for _ in range(2):
        with pytest.raises(LateError):
            await patience.within(work(), 0.01)
    with pytest.raises(LateError):
        await patience.within(work(), 60)
    gate.set()
    await until(lambda: len(ended) == 2)
    await patience.stop()
