"""The limit on requests in the works follows what the loop can do."""

from __future__ import annotations

import asyncio

from app.api.moving_limit import EVERY_S, LATE_S, LEAST, MovingLimit

MOST = 256


class _Loop:
    """A loop that comes round as late as it is told to, on a clock of its own."""

    def __init__(self) -> None:
        self.now = 100.0
        self.limit = MovingLimit(MOST, now=lambda: self.now)

    def rounds(self, count: int, took_s: float) -> None:
        for _ in range(count):
            since = self.now
            self.now += took_s
            self.limit.came_round(since)


def test_it_stays_where_it_began_while_rounds_are_short() -> None:
    loop = _Loop()
    loop.rounds(1000, LATE_S / 10)
    assert loop.limit.current == MOST


def test_it_falls_to_its_least_under_late_rounds_and_comes_back() -> None:
    loop = _Loop()
    loop.rounds(2, 2 * EVERY_S)
    assert LEAST < loop.limit.current < MOST
    loop.rounds(50, 2 * EVERY_S)
    assert loop.limit.current == LEAST
    fallen_at = loop.now
    loop.rounds(1300, LATE_S / 4)
    assert loop.limit.current == MOST
    assert loop.now - fallen_at <= 10.0


def test_a_burst_changes_nothing() -> None:
    loop = _Loop()
    for _ in range(50):
        loop.rounds(2, 2 * LATE_S)
        loop.rounds(10, LATE_S / 4)
    assert loop.limit.current == MOST


def test_a_small_limit_is_its_own_least() -> None:
    now = [0.0]
    limit = MovingLimit(8, now=lambda: now[0])
    for _ in range(20):
        since, now[0] = now[0], now[0] + 1.0
        limit.came_round(since)
    assert limit.current == 8


async def test_a_busy_loop_is_felt() -> None:
    clock = [0.0]
    limit = MovingLimit(MOST, late_s=0.5, now=lambda: clock[0])
    for _ in range(3):
        limit.feel()
        clock[0] += 1.0  # what others did meanwhile
        await asyncio.sleep(0)
    assert limit.current < MOST
