"""What is in force now: scenarios, rules and the weights of events, under one name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from app.domain.fading import DEFAULT_FADING, CountsFading
from app.domain.weights import DEFAULT_WEIGHTS, EventWeight
from app.pipeline.experiments import Split
from app.pipeline.rules import Rule
from app.pipeline.scenarios import SCENARIOS, Scenario


@dataclass(frozen=True, slots=True)
class Steering:
    """Everything an administrator sets that a list depends on.

    Attributes:
        version: Another one whenever any of it is another; part of every list's key.
        rules: Those whose time it is.
        fading: How old counts of popular and trending lists are taken.
        splits: By scenario, the experiments whose time it is.
        model_versions: What they ask beside the live model, sorted.
    """

    version: str
    scenarios: Mapping[str, Scenario]
    rules: tuple[Rule, ...]
    weights: Mapping[str, EventWeight]
    fading: CountsFading = DEFAULT_FADING
    splits: Mapping[str, Split] = field(default_factory=dict)
    model_versions: tuple[str, ...] = ()


BUILT_IN = Steering("0", SCENARIOS, (), DEFAULT_WEIGHTS)
