from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from app.training.bounds import refusal
from app.training.build import Plan, plan
from app.training.errors import NotEnoughDataError, PlanError
from app.training.fit import Epoch, History
from app.training.space import TRIED, Between, OneOf, space_of
from app.training.task import Member, OnEpoch, Task
from app.training.tune import Tried, Tuned, config_text, tune
from models.registry import SPECS

TASK: Any = None  # The fits of these tests read nothing.
NETWORK = {"dropout": Between(0.0, 0.8)}


class Fits:
    """Fits that take a while of a clock of their own; the nearer the value to 0.6, the better."""

    def __init__(self, *, each_s: float = 10.0, epochs: int = 0) -> None:
        self.now, self.each_s, self.epochs = 0.0, each_s, epochs
        self.asked: list[Plan] = []

    def clock(self) -> float:
        return self.now

    def __call__(
        self, chosen: Plan, task: Task, *, seed: int, on_epoch: OnEpoch, deadline_s: float | None
    ) -> Member:
        self.asked.append(chosen)
        metric = 1.0 - abs(float(chosen.parameters["dropout"]) - 0.6)
        history = History(best_epoch=self.epochs, stopped_early=bool(self.epochs))
        for number in range(1, self.epochs + 1):
            self.now += self.each_s / self.epochs
            epoch = Epoch(number, 1.0, 1.0, metric * number / self.epochs, self.each_s / self.epochs)
            history.epochs.append(epoch)
            on_epoch(epoch, self.epochs)
        if not self.epochs:
            self.now += self.each_s
        return Member(chosen, lambda items, _: items, self.each_s, metric, history)


def tuned(fits: Fits, *, budget_s: float = 205.0, model: str = "gru4rec", **more: Any) -> Tuned:
    return tune(model, TASK, NETWORK, budget_s=budget_s, seed=7, fit=fits, clock=fits.clock, **more)


@pytest.mark.parametrize("name", sorted(TRIED))
def test_what_is_tried_is_allowed_and_some_model_has_it(name: str) -> None:
    models = [one for one, spec in SPECS.items() if name in {**spec.parameters, **spec.training}]
    assert models
    dimension = TRIED[name]
    ends = dimension.values if isinstance(dimension, OneOf) else (dimension.least, dimension.most)
    assert {refusal(model, name, value) for model in models for value in ends} == {None}


@pytest.mark.parametrize("model", [name for name, spec in SPECS.items() if spec.format != "blend"])
def test_every_model_has_something_to_try(model: str) -> None:
    assert space_of(model)


@pytest.mark.parametrize(
    ("model", "text", "words"),
    [
        ("ease", "dropout=0..1", "ease has no hyper-parameter 'dropout'; it has keep, max_items"),
        ("gru4rec", "dropout=0..1.5", "dropout must be at least 0 and less than 1, not 1.5"),
        ("gru4rec", "dropout=0.5..0.1", "the range of dropout must begin below its end, not 0.5..0.1"),
        ("gru4rec", "dropout", "'dropout' is no range; one looks like dropout=0.25,0.25"),
        ("gru4rec", "layers=1..2.5", "'layers=1..2.5' is no range; one looks like layers=1..1"),
        ("gru4rec", "loss=softmax..gbce", "loss must be one of softmax, gbce, not 'softmax..gbce'"),
        ("gru4rec", "loss=hinge", "loss must be one of softmax, gbce, not 'hinge'"),
        ("gru4rec", "dropout=nan..1", "is no range"),
        ("auto", "budget_s=1..2", "auto tunes and weighs its members itself"),
        ("oracle", "x=1..2", "unknown model 'oracle'"),
    ],
)
def test_range_that_cannot_be_tried_is_refused_in_words(model: str, text: str, words: str) -> None:
    with pytest.raises(PlanError) as refused:
        space_of(model, [text])
    assert words in str(refused.value)


def test_ranges_take_the_place_of_the_models_own_list() -> None:
    space = space_of("gru4rec", ["layers=1,2", "learning_rate=0.001..0.01", "decay=none,linear"])
    assert space == {
        "layers": OneOf((1, 2)),
        "learning_rate": Between(0.001, 0.01, by_ratio=True),
        "decay": OneOf(("none", "linear")),
    }


def test_search_begins_with_the_values_as_they_are_and_finds_better_ones() -> None:
    fits = Fits()
    found = tuned(fits, given={"units": 32})
    assert found.first.values == {"dropout": 0.25}
    assert all(one.parameters["units"] == 32 for one in fits.asked)
    assert found.first.metric == pytest.approx(0.65)
    assert (found.best.metric or 0.0) > 0.95
    assert found.chosen.parameters["dropout"] == found.best.values["dropout"]


def test_no_trial_is_begun_that_would_not_fit_into_the_budget() -> None:
    fits = Fits(each_s=10.0)
    assert len(tuned(fits, budget_s=45.0).trials) == 4
    assert fits.now == 40.0


def test_fit_that_ran_into_the_end_of_the_budget_does_not_count() -> None:
    class Slower(Fits):
        def __call__(self, *args: Any, **more: Any) -> Member:
            self.each_s *= 3.0
            return super().__call__(*args, **more)

    found = tuned(Slower(each_s=1.0, epochs=4), budget_s=22.0)
    assert [one.given_up for one in found.trials] == [None, None, "late"]


def test_budget_that_ends_before_the_first_fit_is_said_to_be_too_short() -> None:
    with pytest.raises(NotEnoughDataError, match="5 s are too few for one fit of gru4rec"):
        tuned(Fits(each_s=10.0, epochs=2), budget_s=5.0)


def test_trials_behind_the_others_are_given_up_after_some_epochs() -> None:
    found = tuned(Fits(epochs=10), budget_s=400.0)
    pruned = [one for one in found.trials if one.given_up == "pruned"]
    assert pruned
    assert all(one.seconds < 10.0 and one.metric is None for one in pruned)


def test_same_seed_searches_the_same() -> None:
    assert tuned(Fits()).trials == tuned(Fits()).trials


def test_study_that_was_kept_goes_on_where_it_ended(tmp_path: Path) -> None:
    first = tuned(Fits(), most_trials=3, study=tmp_path / "study")
    later = tuned(Fits(), most_trials=2, study=tmp_path / "study")
    assert later.trials[:3] == first.trials
    assert len(later.trials) == 5
    assert later.first == first.first


def test_study_with_other_choices_is_refused(tmp_path: Path) -> None:
    def once(*values: int) -> Tuned:
        space = {"layers": OneOf(values)}
        file = tmp_path / "study"
        return tune("gru4rec", TASK, space, budget_s=100, seed=7, most_trials=1, study=file, fit=Fits())

    once(1, 2)
    with pytest.raises(PlanError, match="other choices"):
        once(1, 3)


def test_each_trial_is_told_with_the_best_so_far() -> None:
    told: list[tuple[Tried, Tried]] = []
    tuned(Fits(), on_trial=lambda tried, best: told.append((tried, best)))
    bests = [best.metric or 0.0 for _, best in told]
    assert bests == sorted(bests)
    assert [one.number for one, _ in told] == list(range(20))


def test_config_is_a_toml_with_every_value() -> None:
    found = tuned(Fits())
    body = tomllib.loads(config_text(found))
    assert body.pop("model") == "gru4rec"
    assert plan("gru4rec", {**body["architecture"], **body["training"]}) == found.chosen
