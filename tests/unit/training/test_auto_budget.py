"""The recipe keeps to its seconds, and its presets follow from facts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import pytest

from app.training.auto import fit_auto, recipe
from app.training.auto.budget import Budget
from app.training.auto.facts import Facts, facts_of
from app.training.auto.portfolio import counted, networks
from app.training.build import Plan, plan
from app.training.presets import Form, presets
from app.training.task import Member
from tests.unit.training.test_auto import task

SHOP = Facts(10_000, 500, 300, 20.0, 5.0, 365.0, 0.3, 6.0, True, True, False)
LINES = replace(SHOP, per_moment=1.0, span_days=0.2, repeats=0.0, wanted=1.0, wants_repeats=False)
SESSIONS = replace(SHOP, per_moment=1.0, wanted=1.0, wants_new=False)
SETS = replace(LINES, wanted=4.0)


class Clock:
    """Seconds that a test sets."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def fitted(seconds: float, *, network: bool) -> Member:
    return cast("Member", replace(_member(), seconds=seconds, network=cast("None", network or None)))


def _member() -> Member:
    return Member(plan("popularity", {}), lambda item_idx, _weight: item_idx.astype("float32"), 0.0, 0.0)


@pytest.mark.parametrize(
    ("facts", "form"),
    [(SHOP, "shop"), (LINES, "leave-one-out"), (SESSIONS, "sessions"), (SETS, "split")],
)
def test_the_form_follows_from_what_is_asked(facts: Facts, form: Form) -> None:
    assert facts.form == form
    for candidate in networks(facts, fading=0.5):
        assert candidate.variants == (presets(form).get(candidate.name, {}),)
        plan(candidate.name, candidate.variants[0])


def test_the_facts_of_a_shops_events_are_a_shops() -> None:
    assert facts_of(task()).form == "shop"


def test_tables_of_many_items_keep_fewer_entries_each() -> None:
    few, many = (
        {candidate.name: candidate.variants[0] for candidate in counted(facts, budget_s=60.0)}
        for facts in (SHOP, replace(SHOP, items=200_000))
    )
    assert "keep" not in few["gfcf"]
    assert many["gfcf"]["keep"] == 100


def test_a_table_that_would_take_more_than_the_tables_share_is_not_begun() -> None:
    clock = Clock()
    budget = Budget(100.0, 1, clock)
    budget.longest_s = 10.0
    clock.now += 19.0
    assert budget.has_time_for_table()
    budget.promise(fitted(2.0, network=False))
    assert not budget.has_time_for_table()


def test_tables_have_nearly_all_where_no_network_would_fit() -> None:
    clock = Clock()
    short, long = Budget(40.0, 2, clock), Budget(100.0, 2, clock)
    clock.now += 30.0
    assert (short.has_time_for_table(), long.has_time_for_table()) == (True, True)
    clock.now += 11.0
    assert (short.has_time_for_table(), long.has_time_for_table()) == (False, False)


def test_a_network_leaves_time_for_its_refit_and_for_others() -> None:
    clock = Clock()
    budget = Budget(100.0, 0, clock)
    alone = budget.for_network()
    assert 0 < alone < 90
    assert Budget(100.0, 2, clock).for_network() * (1 + 2 * 0.8) == pytest.approx(alone)
    clock.now += 95.0
    assert budget.for_network() < 0


def test_the_search_ends_when_only_the_refits_are_left_for() -> None:
    clock = Clock()
    budget = Budget(100.0, 1, clock)
    budget.promise(fitted(10.0, network=True))
    clock.now += 91.0
    assert not budget.is_over()
    clock.now += 2.0
    assert budget.is_over()


def test_a_budget_of_nothing_still_gives_a_blend_and_names_what_it_left_out() -> None:
    found = fit_auto(task(), budget_s=1e-3, seed=1)
    assert [member.name for member in found.members] == ["popularity"]
    assert {"transitions", "ease", "sasrec"} <= {left.name for left in found.left_out}


def test_every_table_is_fitted_once_before_any_is_fitted_again(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[str] = []
    fit = recipe.fit_member

    def heard(chosen: Plan, *rest: Any, **named: Any) -> Member:
        begun.append(chosen.spec.name)
        return fit(chosen, *rest, **named)

    monkeypatch.setattr(recipe, "fit_member", heard)
    monkeypatch.setattr(recipe.portfolio, "networks", lambda *_facts, **_fading: [])
    fit_auto(task(), budget_s=900.0, seed=1)

    firsts = [candidate.name for candidate in counted(facts_of(task()), budget_s=900.0)]
    assert begun[: len(firsts)] == firsts
    assert "popularity" in begun[len(firsts) :]


def test_variants_are_compared_as_each_does_best(monkeypatch: pytest.MonkeyPatch) -> None:
    def swept(member: Member, *_rest: Any, **_named: Any) -> Member:
        is_both_ways = member.chosen.parameters.get("backwards") == 0.5
        return replace(member, metric=1.0 if is_both_ways else 0.5)

    monkeypatch.setattr(recipe.sweep, "swept", swept)
    monkeypatch.setattr(recipe.portfolio, "networks", lambda *_facts, **_fading: [])
    made = fit_auto(task(), budget_s=900.0, seed=1)

    kept = [member.chosen.parameters for member in made.fitted if member.name == "transitions"]
    assert [(chosen["window"], chosen["backwards"]) for chosen in kept] == [(3, 0.5)]
