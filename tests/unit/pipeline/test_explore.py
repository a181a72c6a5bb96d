from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np

from app.domain.types import Subject
from app.pipeline.explore import AT_ONCE, ENOUGH_PEOPLE, draw, pool
from app.pipeline.question import Question
from app.pipeline.run import listed
from app.pipeline.scenarios import SCENARIOS, Scenario
from tests.unit.pipeline.build import NOW, catalogue, ids, item, past, question

TODAY = "2026-11-24"
STOCK = [item(f"i{n:02}", published_at=NOW - timedelta(days=n)) for n in range(40)]
SNAPSHOT = catalogue(*STOCK)
COUNTS = [("i00", "view_item_list", TODAY, ENOUGH_PEOPLE), ("i30", "purchase", TODAY, 5)]
EXPLORING = replace(SCENARIOS["popular"], quotas=(("explore", 0.2),))


def asked(user_id: str, scenario: Scenario = EXPLORING, **fields: object) -> Question:
    made = question(SNAPSHOT, counts=COUNTS, subject=Subject(user_id=user_id), n=10, **fields)
    return replace(made, scenario=scenario)


def test_pool_is_of_the_newest_that_few_have_met() -> None:
    everything = np.ones(len(SNAPSHOT), dtype=np.bool_)
    found = {SNAPSHOT.items[place].item_id for place in pool(asked("u"), everything)}
    assert found == {f"i{n:02}" for n in range(1, 1 + AT_ONCE)}
    everything[SNAPSHOT.position("i01")] = False
    assert SNAPSHOT.position("i01") not in pool(asked("u"), everything)


def test_explored_items_have_their_share_of_the_places() -> None:
    made = listed(asked("u"))
    explored = [n for n, source in enumerate(made.sources) if source == "explore"]
    assert explored == [4, 9]
    assert len(made.positions) == len(set(made.positions.tolist())) == 10
    assert (
        len([source for source in listed(asked("u", SCENARIOS["popular"])).sources if source == "explore"])
        == 0
    )


def test_draw_is_the_same_for_the_same_person_and_changes_with_an_event() -> None:
    everything = np.ones(len(SNAPSHOT), dtype=np.bool_)
    before = draw(asked("u"), everything)
    assert np.array_equal(before, draw(asked("u"), everything))
    assert not np.array_equal(before, draw(asked("v"), everything))
    assert not np.array_equal(before, draw(asked("u", of=past(("view_item", "i35"))), everything))


def test_each_of_the_pool_is_drawn_about_equally_often() -> None:
    drawn = [ids(SNAPSHOT, listed(asked(f"u{n}")))[4] for n in range(800)]
    counts = np.array([drawn.count(f"i{n:02}") for n in range(1, 1 + AT_ONCE)])
    assert counts.sum() == 800
    expected = 800 / AT_ONCE
    chi_square = float(((counts - expected) ** 2 / expected).sum())
    assert chi_square < 24.3, "the 99.9th percentile of chi-square with 7 degrees of freedom"


def test_new_item_is_shown_within_a_hundred_answers() -> None:
    for n in range(1, 1 + AT_ONCE):
        assert any(f"i{n:02}" in ids(SNAPSHOT, listed(asked(f"u{number}"))) for number in range(100))


def test_rotation_takes_from_what_was_shown_and_not_taken_up() -> None:
    rotating = replace(SCENARIOS["latest"], rotation=3.0)
    shown = [("view_item_list", "i00")] * 3
    assert ids(SNAPSHOT, listed(asked("u", rotating)))[0] == "i00"
    after = ids(SNAPSHOT, listed(asked("u", rotating, of=past(*shown))))
    assert after[0] == "i01"
    assert "i00" not in after
    taken_up = past(*shown, ("view_item", "i00"))
    assert ids(SNAPSHOT, listed(asked("u", rotating, of=taken_up)))[0] == "i00"
