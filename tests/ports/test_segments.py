"""How many people of each segment did what: the same from memory, SQLite and PostgreSQL."""

from __future__ import annotations

from datetime import timedelta

from app.domain.ports import Stores
from app.domain.types import User
from tests.clocks import NOON
from tests.events import event


async def test_segments_count_people_by_context_and_by_the_user_s_country(stores: Stores) -> None:
    await stores.users.put(User("u1", country="GB"))
    await stores.users.put(User("u2", country="GB"))
    await stores.users.merge("u2", "guest")
    await stores.events.append(
        [
            event("e1", "i1", "i2", user_id="u1", context={"device": "mobile"}),
            event("e2", "i1", user_id="u1"),
            event("e3", "i1", user_id=None, anonymous_id="guest"),
            event(
                "e4",
                "i2",
                user_id="u2",
                context={"country": "FR", "referrer": "https://www.News.example:8/a?b"},
            ),
            event("e7", user_id="u3", context={"country": "FR"}),
            event("old", "i9", user_id="u3", minutes=-60 * 48, context={"country": "FR"}),
        ],
        create_unknown=True,
    )
    last = [
        event("e5", "i2", user_id="u3", context={"country": "FR", "referrer": "news.example"}),
        event("e6", "i2", user_id="u4", context={"country": "ES"}),
    ]
    await stores.events.append(last, create_unknown=True)
    day, since = NOON.date().isoformat(), NOON - timedelta(days=1)

    async def counts(lines: int = 100, **bounds: int) -> list[tuple[str, str, str, int]]:
        rows = await stores.events.segment_counts(since, lines=lines, **bounds)
        assert {(name, at) for _, _, name, at, _ in rows} <= {("view_item", day)}
        return [(*segment, item_id, people) for segment, item_id, _, _, people in rows]

    country = [("country", "FR", "i2", 2), ("country", "GB", "i1", 2), ("country", "GB", "i2", 1)]
    referrer = [("referrer", "news.example", "i2", 2)]
    assert await counts(people=2, most=9) == [*country, *referrer]
    assert await counts(people=2, most=1) == [country[0], *referrer]
    mobile = [("device", "mobile", "i1", 1), ("device", "mobile", "i2", 1)]
    spain = [("country", "ES", "i2", 1)]
    assert await counts(people=1, most=9) == [*spain, *country, *mobile, *referrer]
    newest = await counts(people=1, most=9, lines=2)
    assert newest == [*spain, ("country", "FR", "i2", 1), ("referrer", "news.example", "i2", 1)]
