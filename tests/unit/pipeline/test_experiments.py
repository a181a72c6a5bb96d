"""Who meets which variant."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.errors import InvalidInputError
from app.domain.types import Subject
from app.pipeline.experiments import (
    Experiment,
    Variant,
    experiment_of,
    overridden,
    ranges_of,
    slots_for,
    splits_of,
)
from app.pipeline.scenarios import SCENARIOS
from tests.clocks import NOON

PEOPLE = [Subject(user_id=f"u{number}") for number in range(20_000)]
BODY: dict[str, Any] = {
    "scenarios": ["home"],
    "variants": [{"name": "control"}, {"name": "b", "overrides": {"diversity": 0.3}}],
}


def experiment(name: str, slots: range = range(1000), **fields: Any) -> Experiment:
    variants = (Variant("control", 1.0), Variant("b", 3.0, overrides={"diversity": 0.3}))
    given_ = {"scenarios": ("home",), "variants": variants, "salt": name} | fields
    return Experiment(name=name, slots=tuple(slots), **given_)


def met(*experiments: Experiment, people: list[Subject] = PEOPLE) -> list[tuple[str, str] | None]:
    split = splits_of(experiments, SCENARIOS)["home"]
    arms = [split.arm_of(one) for one in people]
    return [None if arm is None else arm.named for arm in arms]


def near(count: int, share: float) -> bool:
    """Within five standard deviations."""
    size = len(PEOPLE)
    return abs(count - size * share) < 5 * (size * share * (1 - share)) ** 0.5


def test_shares_are_those_of_slots_and_weights() -> None:
    counts = Counter(met(experiment("e", range(400))))
    assert near(counts["e", "control"], 0.1)
    assert near(counts["e", "b"], 0.3)
    assert near(counts[None], 0.6)


def test_more_slots_move_nobody_to_another_variant() -> None:
    before, after = met(experiment("e", range(100))), met(experiment("e", range(300)))
    assert all(was in {None, now} for was, now in zip(before, after, strict=True))
    assert before != after


def test_two_experiments_on_a_scenario_share_nobody_and_their_variants_are_independent() -> None:
    alone = met(experiment("one", range(500)))
    both = met(experiment("one", range(500)), experiment("two", range(500, 1000)))
    assert [pair for pair in both if pair is None] == []
    assert all(was in {None, now} for was, now in zip(alone, both, strict=True))
    first, second = met(experiment("one")), met(experiment("two"))
    together = sum(a == ("one", "b") and b == ("two", "b") for a, b in zip(first, second, strict=True))
    assert near(together, 9 / 16)


def test_slot_written_twice_belongs_to_the_first_by_name() -> None:
    names = {pair and pair[0] for pair in met(experiment("b"), experiment("a", range(500)))}
    assert names == {"a", "b"}
    assert met(experiment("b"), experiment("a")) == met(experiment("a"))


def test_nobody_is_in_no_experiment_and_a_user_counts_before_a_session() -> None:
    user, session, browser = "u1", "s1", "a1"
    split = splits_of([experiment("e")], SCENARIOS)["home"]
    assert split.arm_of(Subject()) is None
    whole = split.arm_of(Subject(user_id=user, session_id=session, anonymous_id=browser))
    assert whole is split.arm_of(Subject(user_id=user))
    guest = split.arm_of(Subject(session_id=session, anonymous_id=browser))
    assert guest is split.arm_of(Subject(session_id=session))
    assert split.arm_of(Subject(anonymous_id=browser)) is not None


@given(st.sets(st.integers(0, 999)), st.sets(st.integers(0, 999)), st.floats(0.001, 1))
def test_slots_are_free_as_many_as_asked_and_those_held_first(held: set, taken: set, share: float) -> None:
    found = slots_for(share, held=held, taken=taken)
    wanted = max(1, round(share * 1000))
    if found is None:
        assert 1000 - len(taken) < wanted
        return
    assert len(found) == wanted
    assert not taken & set(found)
    assert held - taken <= set(found) or set(found) <= held
    assert [slot for first, end in ranges_of(found) for slot in range(first, end)] == found


def test_experiments_meet_only_on_a_scenario_and_at_a_time() -> None:
    day = timedelta(days=1)
    early, late = experiment("a", ends_at=NOON), experiment("b", starts_at=NOON)
    assert not early.meets(late)
    assert not late.meets(early)
    assert early.meets(experiment("c", starts_at=NOON - day))
    assert not early.meets(experiment("d", scenarios=("basket",)))


def test_overrides_change_only_what_they_name() -> None:
    home = SCENARIOS["home"]
    made = overridden(home, {"diversity": 0.3})
    assert (made.diversity, made.sources, made.exclude_seen) == (0.3, home.sources, home.exclude_seen)
    only = {"field": "price", "op": "lte", "value": 5}
    filtered = overridden(home, {"filter": only})
    assert filtered.clause is not None
    assert overridden(filtered, {"novelty": 1.0}).clause is filtered.clause
    assert overridden(filtered, {"filter": None}).clause is None


def test_overrides_that_need_more_of_a_request_are_refused() -> None:
    with pytest.raises(InvalidInputError) as refusal:
        overridden(SCENARIOS["home"], {"sources": [{"source": "similar"}]}, at="/variants/1/overrides")
    assert refusal.value.errors[0].pointer == "/variants/1/overrides/sources"


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"variants": [{"name": "a", "model_version": "m"}, BODY["variants"][1]]}, "/variants/0"),
        ({"variants": [{"name": "a"}, {"name": "b"}]}, "/variants/1"),
        ({"variants": [{"name": "a"}, {"name": "a", "model_version": "m"}]}, "/variants/1/name"),
        ({"scenarios": ["home", "home"]}, "/scenarios/1"),
        ({"starts_at": "2026-01-02T00:00:00Z", "ends_at": "2026-01-02T00:00:00Z"}, "/ends_at"),
    ],
)
def test_experiment_whose_parts_do_not_fit_is_refused(changes: dict[str, Any], pointer: str) -> None:
    with pytest.raises(InvalidInputError) as refusal:
        experiment_of("e", BODY | changes)
    assert [fault.pointer for fault in refusal.value.errors] == [pointer]
