from __future__ import annotations

import math

import pytest

from app.training.augment import WAYS
from app.training.bounds import CHOICES, OF_MODEL, RANGES
from app.training.build import plan
from app.training.errors import PlanError
from app.training.pace import DECAYS
from models.registry import SPECS

NUMBERS = [
    (model, name)
    for model, spec in SPECS.items()
    for name, default in {**spec.parameters, **spec.training}.items()
    if not isinstance(default, str | bool)
]


@pytest.mark.parametrize(
    ("model", "name", "value", "words"),
    [
        ("gru4rec", "epochs", 0, "epochs must be at least 1 and at most 1000, not 0"),
        ("gru4rec", "batch_size", 0, "batch_size must be at least 1 and at most 65536, not 0"),
        ("gru4rec", "dropout", 1.5, "dropout must be at least 0 and less than 1, not 1.5"),
        ("gru4rec", "dropout", 1, "dropout must be at least 0 and less than 1, not 1"),
        ("gru4rec", "learning_rate", 0.0, "learning_rate must be more than 0 and at most 1, not 0"),
        ("multvae", "max_length", 0, "max_length must be at least 1"),
        ("multvae", "future_share", 1.1, "future_share must be at least 0 and at most 1"),
        ("nextitnet", "blocks", -1, "blocks must be at least 1"),
        ("ease", "regularisation", 0, "regularisation must be more than 0"),
        ("transitions", "half_life_days", 0, "half_life_days must be more than 0"),
        ("popularity", "half_life_days", -1, "half_life_days must be at least 0"),
    ],
)
def test_plan_names_the_range_of_what_is_out_of_it(model: str, name: str, value: float, words: str) -> None:
    with pytest.raises(PlanError) as refused:
        plan(model, {name: value})
    assert words in str(refused.value)


@pytest.mark.parametrize(("model", "name"), NUMBERS)
def test_each_number_has_a_range_that_holds_its_default_and_no_nonsense(model: str, name: str) -> None:
    allowed = OF_MODEL.get((model, name), RANGES[name])
    default = {**SPECS[model].parameters, **SPECS[model].training}[name]
    assert isinstance(default, int | float)
    assert allowed.holds(default)
    assert not any(allowed.holds(value) for value in (math.nan, math.inf, -math.inf, -1))


def test_popularity_that_forgets_nothing_is_allowed() -> None:
    assert plan("popularity", {"half_life_days": 0}).parameters["half_life_days"] == 0.0


def test_plan_names_the_choices_of_a_word_that_is_none_of_them() -> None:
    with pytest.raises(PlanError, match="decay must be one of none, linear, cosine, not 'slow'"):
        plan("gru4rec", {"decay": "slow"})


def test_each_word_has_choices_that_hold_its_default() -> None:
    for spec in SPECS.values():
        for name, default in {**spec.parameters, **spec.training}.items():
            if isinstance(default, str):
                assert default in CHOICES[name], (spec.name, name)


def test_the_choices_are_those_that_the_fit_knows() -> None:
    assert CHOICES["augment"] == WAYS
    assert CHOICES["decay"] == tuple(DECAYS)
