"""A PostgreSQL that is killed, or stands still: lists are made all the same, and in time."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from time import monotonic

import pytest

from app.adapters.sql.engine import Database
from app.adapters.sql.stores import sql_stores
from app.domain.recommendations import RecommendationRequest
from app.domain.types import Subject
from app.services.recommend import RecommendSettings
from migrations.run import upgrade
from tests.clocks import FixedClock
from tests.events import event
from tests.servers import PostgresServer
from tests.unit.services.shop import Shop, open_shop, table_scorer
from tests.waiting import until

# Twice the service's own deadline: tests share two cores.
SETTINGS = RecommendSettings(deadline_s=0.6, database_deadline_s=0.5)
SLACK_S = 1.0


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    """A PostgreSQL of the test's own, to do anything with."""
    own = PostgresServer()
    own.start()
    yield own
    own.close()


async def answers(shop: Shop, count: int) -> list[tuple[bool, float]]:
    """Ask for that many people who have no list yet; whether each answer was degraded, and its seconds."""

    async def ask(number: int) -> tuple[bool, float]:
        began = monotonic()
        subject = Subject(user_id=f"somebody-{number}-{began}")
        answer = await shop.recommend.recommend(RecommendationRequest(subject=subject, n=3))
        assert len(answer.items) == 3
        return answer.degraded, monotonic() - began

    return list(await asyncio.gather(*(ask(number) for number in range(count))))


@pytest.mark.parametrize("how", ["kill", "pause"])
async def test_lists_are_made_in_time_while_the_database_is_away(
    tmp_path: Path, server: PostgresServer, clock: FixedClock, how: str
) -> None:
    url = server.url()
    await asyncio.to_thread(upgrade, url)
    database = Database(url)
    stores = sql_stores(database, tenant="default", clock=clock)
    async with open_shop(tmp_path, scorer=table_scorer(), stores=stores, settings=SETTINGS) as shop:
        await shop.happened(event("e", "a"))
        server.kill() if how == "kill" else server.pause()
        for _ in range(4):
            took = await answers(shop, 30)
            assert all(late for late, _ in took)
            assert max(seconds for _, seconds in took) < SETTINGS.deadline_s + SLACK_S
        # Left alone by now: nobody waits for it.
        assert sorted(seconds for _, seconds in await answers(shop, 30))[15] < 0.3
        assert len(asyncio.all_tasks()) < 150, "tasks pile up behind a database that is away"
        await asyncio.to_thread(server.start if how == "kill" else server.resume)

        async def whole() -> bool:
            return not any(late for late, _ in await answers(shop, 1))

        await until(whole, within_s=30)
    await database.close()
    await asyncio.sleep(0)
