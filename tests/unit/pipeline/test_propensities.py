from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest

from app.domain.types import Subject
from app.pipeline.explore import AT_ONCE, ENOUGH_PEOPLE
from app.pipeline.propensities import propensities
from app.pipeline.question import Question
from app.pipeline.rules import Rule, RuleKind
from app.pipeline.run import listed
from app.pipeline.scenarios import SCENARIOS, Scenario
from tests.unit.pipeline.build import NOW, catalogue, ids, item, question

TODAY = "2026-11-24"
SNAPSHOT = catalogue(*(item(f"i{n:02}", published_at=NOW - timedelta(days=n)) for n in range(40)))
MET = [(f"i{n:02}", "purchase", TODAY, ENOUGH_PEOPLE + n) for n in range(30, 40)]
EXPLORING = replace(SCENARIOS["popular"], quotas=(("explore", 0.3),))


def asked(user_id: str, scenario: Scenario = EXPLORING, **fields: object) -> Question:
    made = question(SNAPSHOT, counts=MET, subject=Subject(user_id=user_id), n=10)
    return replace(made, scenario=scenario, **fields)


def of(made: Question) -> tuple[float | None, ...]:
    return propensities(made, listed(made))


def test_drawn_place_has_the_chance_of_its_draw() -> None:
    places = listed(asked("u"))
    expected = tuple(3 / AT_ONCE if source == "explore" else 1.0 for source in places.sources)
    assert expected.count(3 / AT_ONCE) == 3
    assert of(asked("u")) == expected


def test_chance_is_how_often_it_comes_true() -> None:
    shown: Counter[str] = Counter()
    for number in range(600):
        places = listed(asked(f"u{number}"))
        explored = zip(ids(SNAPSHOT, places), places.sources, strict=True)
        shown.update(item_id for item_id, source in explored if source == "explore")
    assert len(shown) == AT_ONCE
    assert all(count / 600 == pytest.approx(3 / AT_ONCE, abs=0.08) for count in shown.values())


def test_what_others_took_before_the_draw_is_not_in_it() -> None:
    few = [(f"i{n:02}", "purchase", TODAY, ENOUGH_PEOPLE) for n in range(4, 40)]
    scenario = replace(EXPLORING, quotas=(("latest", 0.1), ("explore", 0.2)))
    made = question(SNAPSHOT, counts=few, subject=Subject(user_id="u"), n=10)
    pin = Rule("pinned", RuleKind.PIN, item_ids=("i01",), position=1)
    made = replace(made, scenario=scenario, rules=(pin,))
    places = listed(made)
    found = dict(zip(ids(SNAPSHOT, places), of(made), strict=True))
    assert found["i01"] == found["i00"] == 1.0
    assert {found["i02"], found["i03"]} == {1.0}
    both = replace(made, rules=())
    chances = zip(listed(both).sources, of(both), strict=True)
    assert {chance for source, chance in chances if source == "explore"} == {2 / 3}


def test_chance_under_a_cap_is_not_known() -> None:
    capped = asked("u", rules=(Rule("few", RuleKind.CAP, most=9),))
    sources = listed(capped).sources
    assert of(capped) == tuple(None if source == "explore" else 1.0 for source in sources)


def test_draw_among_other_scores_is_not_known_and_no_draw_is_nothing() -> None:
    mixed = replace(SCENARIOS["popular"], sources=(("popular", 1.0), ("explore", 0.1)))
    assert of(asked("u", mixed)) == (None,) * 10
    assert of(asked("u", SCENARIOS["popular"])) == ()
