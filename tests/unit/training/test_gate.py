from __future__ import annotations

import math
from dataclasses import replace

import pytest

from app.training.gate import Check, Duel, Evidence, Measured, Parity, Verdict, judge

GOOD = Evidence(
    candidate=Measured(0.10, users=500, coverage=0.4),
    popularity=Measured(0.05, users=500, coverage=0.01),
    losses=(2.0, 1.5),
    parity=Parity(2e-6, same_top=True),
)


def failed(evidence: Evidence) -> list[str]:
    return [check.name for check in judge(evidence).checks if not check.passed]


def test_judge_passes_a_model_that_beats_popularity() -> None:
    verdict = judge(GOOD)
    assert verdict.passed
    assert verdict.summary == "It passed every check."


def test_judge_refuses_a_model_that_popularity_beats_and_says_so() -> None:
    verdict = judge(replace(GOOD, candidate=Measured(0.04, users=500, coverage=0.4)))
    assert not verdict.passed
    assert verdict.summary == (
        "NDCG@10 (mean of both readings) 0.0400 against 0.0500 of popularity on the later slice: not better."
    )


@pytest.mark.parametrize(
    ("ours", "theirs", "error", "names"),
    [
        (0.0501, 0.05, 0.0, []),
        (0.05, 0.05, 0.0, ["popularity"]),
        (0.0, 0.0, 0.0, ["popularity"]),
        (0.06, 0.05, 0.003, []),
        (0.06, 0.05, 0.004, ["popularity"]),
    ],
)
def test_judge_demands_a_win_over_popularity_that_luck_does_not_give(
    ours: float, theirs: float, error: float, names: list[str]
) -> None:
    candidate = Measured(ours, users=500, coverage=0.4, error=error)
    popularity = Measured(theirs, users=500, coverage=0.01, error=error)
    assert failed(replace(GOOD, candidate=candidate, popularity=popularity)) == names


@pytest.mark.parametrize(("users", "names"), [(50, []), (49, ["popularity"]), (3, ["popularity"])])
def test_judge_refuses_on_too_few_people_and_says_how_many(users: int, names: list[str]) -> None:
    evidence = replace(GOOD, candidate=Measured(0.10, users=users, coverage=0.4))
    assert failed(evidence) == names
    if names:
        said = f"Too few people to judge on the later slice: {users} of at least 50."
        assert judge(evidence).summary == said


def test_judge_lets_popularity_itself_go_live_where_nothing_is() -> None:
    same = Measured(0.05, users=3, coverage=0.01)
    verdict = judge(Evidence(candidate=same, popularity=same, is_popularity=True))
    assert verdict.passed
    assert verdict.checks[1].said == "It is popularity itself: there is nothing to beat."


def test_judge_holds_popularity_itself_against_the_live_version() -> None:
    same = Measured(0.05, users=500, coverage=0.01)
    assert failed(Evidence(same, same, live_recorded=0.10, is_popularity=True)) == ["live"]


def test_popularity_itself_need_not_cover_more_than_popularity() -> None:
    narrow, wide = Measured(0.05, 100, coverage=0.1), Measured(0.05, 100, coverage=0.3)
    assert "coverage" not in failed(Evidence(narrow, wide, is_popularity=True))
    assert "coverage" in failed(Evidence(narrow, wide))


@pytest.mark.parametrize(("live", "names"), [(0.102, []), (0.1021, ["live"])])
def test_judge_holds_a_model_against_the_live_one_on_the_same_users(live: float, names: list[str]) -> None:
    duel = Duel(candidate=Measured(0.10, users=50), live=Measured(live, users=50))
    assert failed(replace(GOOD, duel=duel, live_recorded=0.9)) == names


@pytest.mark.parametrize(("recorded", "names"), [(0.102, []), (0.2, ["live"])])
def test_judge_uses_the_recorded_figure_where_too_few_users_came_since(
    recorded: float, names: list[str]
) -> None:
    duel = Duel(candidate=Measured(0.0, users=49), live=Measured(1.0, users=49))
    assert failed(replace(GOOD, duel=duel, live_recorded=recorded)) == names


def test_judge_passes_the_first_version_ever() -> None:
    assert judge(GOOD).checks[-1] == Check("live", passed=True, said="No live version to compare with.")


@pytest.mark.parametrize("figure", [math.nan, math.inf])
def test_judge_refuses_figures_that_are_not_finite(figure: float) -> None:
    assert "finite" in failed(replace(GOOD, losses=(1.0, figure)))
    assert "finite" in failed(replace(GOOD, candidate=Measured(figure, users=500, coverage=0.4)))


def test_judge_fails_a_comparison_with_a_figure_that_is_no_number() -> None:
    assert "popularity" in failed(replace(GOOD, candidate=Measured(math.nan, users=500, coverage=0.4)))


def test_judge_refuses_a_model_that_shows_fewer_items_than_popularity() -> None:
    assert failed(replace(GOOD, candidate=Measured(0.10, users=500, coverage=0.005))) == ["coverage"]


@pytest.mark.parametrize("parity", [Parity(2e-4, same_top=True), Parity(1e-6, same_top=False)])
def test_judge_refuses_an_export_that_answers_otherwise(parity: Parity) -> None:
    assert failed(replace(GOOD, parity=parity)) == ["parity"]


def test_judge_refuses_when_nobody_can_be_measured() -> None:
    assert "popularity" in failed(replace(GOOD, candidate=Measured(0.0, users=0, coverage=0.4)))


def test_verdict_is_kept_check_by_check() -> None:
    verdict = Verdict((Check("a", passed=True, said="Fine."), Check("b", passed=False, said="Bad.")))
    assert verdict.to_json() == {
        "passed": False,
        "summary": "Bad.",
        "checks": [
            {"name": "a", "passed": True, "said": "Fine."},
            {"name": "b", "passed": False, "said": "Bad."},
        ],
    }
