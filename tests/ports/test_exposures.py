"""What was shown and what came of it: the same from memory, SQLite and PostgreSQL."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from app.domain.exposures import Cell, Exposure, Outcome, Response, Takings
from app.domain.ports import Stores
from app.domain.types import EventItem, Subject
from tests.clocks import NOON
from tests.events import event

HOUR = timedelta(hours=1)
HOME = Cell("home", "", "control", "m1")


def shown(recommendation_id: str, *, hours: float = 0, **fields: Any) -> Exposure:
    given: dict[str, Any] = {
        "subject": Subject(user_id="u1", session_id="s1"),
        "scenario": "home",
        "variant": "control",
        "model_version": "m1",
        "served_by": "model",
        "item_ids": ("i1", "i2"),
    }
    return Exposure(recommendation_id, shown_at=NOON + hours * HOUR, **(given | fields))


async def outcomes(stores: Stores, scenario: str | None = None) -> list[Outcome]:
    return await stores.exposures.outcomes(NOON, NOON + HOUR, scenario=scenario)


async def test_outcomes_count_lists_and_not_events(stores: Stores) -> None:
    await stores.exposures.append([shown("r1"), shown("r2"), shown("r3", subject=Subject(session_id="s2"))])
    await stores.events.append(
        [
            event("e1", "i1", "i2", name="select_item", recommendation_id="r1"),
            event("e2", "i1", name="view_item", recommendation_id="r1"),
            event("e3", "i1", name="view_item", recommendation_id="r3"),
            event("e4", "i1", name="add_to_cart", recommendation_id="r3", user_id="u9"),
            event("e5", "i1", name="select_item", recommendation_id="unknown"),
            event("e6", "i1", name="select_item"),
        ],
        create_unknown=True,
    )
    assert await outcomes(stores) == [
        Outcome(HOME, impressions=3, clicks=2, carts=1, purchases=0, sessions=2)
    ]


async def test_takings_are_summed_by_session_and_currency(stores: Stores) -> None:
    lines = (EventItem("i1", quantity=2, price=Decimal("1.25")), EventItem("i2", price=Decimal("3.1")))
    await stores.exposures.append([shown("r1"), shown("r2"), shown("r3", subject=Subject(anonymous_id="a"))])

    def bought(event_id: str, of: str, name: str = "purchase", **fields: Any) -> Any:
        return event(event_id, name=name, recommendation_id=of, items=lines, **fields)

    await stores.events.append(
        [
            bought("e1", "r1", value=Decimal("10.1"), currency="EUR"),
            bought("e2", "r2", currency="EUR"),
            bought("e3", "r3", value=Decimal(4), currency="EUR"),
            bought("e4", "r3", "refund", value=Decimal(1), currency="EUR"),
            bought("e5", "r1", value=Decimal(7)),
        ],
        create_unknown=True,
    )
    [outcome] = await outcomes(stores)
    assert (outcome.purchases, outcome.sessions) == (3, 2)
    assert outcome.takings == (
        Takings(None, Decimal(7), pytest.approx(49.0)),
        Takings("EUR", Decimal("18.7"), pytest.approx(15.7**2 + 3.0**2)),
    )


async def test_cells_are_told_apart_and_the_window_ends_before_its_end(stores: Stores) -> None:
    await stores.exposures.append(
        [
            shown("r1"),
            shown("r2", variant="b"),
            shown("r3", model_version=None),
            shown("r4", scenario="basket"),
            shown("early", hours=-0.1),
            shown("late", hours=1),
        ]
    )
    cells = [
        Cell("basket", "", "control", "m1"),
        Cell("home", "", "b", "m1"),
        Cell("home", "", "control", ""),
        HOME,
    ]
    assert [(found.cell, found.impressions) for found in await outcomes(stores)] == [(c, 1) for c in cells]
    assert [found.cell for found in await outcomes(stores, "basket")] == cells[:1]


async def test_list_that_is_written_twice_stands_once(stores: Stores) -> None:
    await stores.exposures.append([])
    await stores.exposures.append([shown("r1")])
    await stores.exposures.append([shown("r1", scenario="basket"), shown("r2")])
    assert [(found.cell, found.impressions) for found in await outcomes(stores)] == [(HOME, 2)]


async def test_propensities_come_back(stores: Stores) -> None:
    await stores.exposures.append([shown("r1", propensities=(1.0, None)), shown("r2")])
    exported = (await stores.users.export("u1"))["exposures"]
    assert [one["propensities"] for one in exported] == [[1.0, None], []]


async def test_responses_are_those_of_people(stores: Stores) -> None:
    both = Subject(user_id="u1", session_id="s2")
    guest = Subject(session_id="s1")
    met = {"experiment": "x", "variant": "b"}
    await stores.exposures.append(
        [
            shown("r1", **met),
            shown("r2", subject=both, **met),
            shown("r3", subject=guest, **met),
            shown("r4", subject=guest, experiment="x", variant="a"),
            shown("r5", experiment="y", variant="b"),
            shown("late", hours=1, **met),
        ]
    )
    bought = {"currency": "EUR", "name": "purchase"}
    await stores.events.append(
        [
            event("e1", "i1", recommendation_id="r1"),
            event("e2", "i1", name="select_item", recommendation_id="r2"),
            event("e3", "i1", value=Decimal(3), recommendation_id="r1", **bought),
            event("e4", "i1", value=Decimal(4), recommendation_id="r2", **bought),
            event("e5", "i1", value=Decimal(1), recommendation_id="r3", **bought),
            event("e6", "i1", recommendation_id="r5"),
        ],
        create_unknown=True,
    )
    takings = (Takings("EUR", Decimal(8), pytest.approx(50.0)),)
    assert await stores.exposures.responses("x", NOON, NOON + HOUR) == [
        Response("a", people=1, lists=1, clicked=0, carted=0, bought=0),
        Response("b", people=2, lists=3, clicked=1, carted=0, bought=2, takings=takings),
    ]
    assert await stores.exposures.responses("z", NOON, NOON + HOUR) == []


async def test_oldest_are_forgotten_first_and_so_many_at_most(stores: Stores) -> None:
    await stores.exposures.append([shown("r1", hours=0.5), shown("r2", hours=0.1), shown("r3", hours=0.2)])
    assert await stores.exposures.forget(NOON, most=9) == 0
    assert await stores.exposures.forget(NOON + HOUR, most=2) == 2
    [left] = await stores.exposures.outcomes(NOON + HOUR / 2, NOON + HOUR, scenario=None)
    assert left.impressions == 1
    assert await stores.exposures.forget(NOON + HOUR, most=2) == 1


async def test_person_s_exposures_are_exported_and_erased(stores: Stores) -> None:
    guest, other = Subject(anonymous_id="a1"), Subject(user_id="u2", anonymous_id="a1")
    await stores.users.merge("u1", "a1")
    await stores.exposures.append([shown("r1"), shown("r2", subject=guest), shown("r3", subject=other)])
    assert (await stores.users.export("u1"))["exposures"] == [
        {
            "recommendation_id": "r1",
            "user_id": "u1",
            "session_id": "s1",
            "scenario": "home",
            "variant": "control",
            "model_version": "m1",
            "served_by": "model",
            "item_ids": ["i1", "i2"],
            "propensities": [],
            "shown_at": "2026-11-24T12:00:00.000000Z",
        }
    ]
    assert (await stores.users.erase("u1", digest="d"))["exposures"] == 2
    [left] = await outcomes(stores)
    assert left.impressions == 1
