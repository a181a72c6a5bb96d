"""Step 2: a model's name and hyper-parameters to a plan, and the plan to a fresh network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

import models.quiet  # noqa: F401 (before Keras is imported anywhere)
from app.training.bounds import refusal
from app.training.errors import PlanError
from models.base import Interactions, ModelSpec, Value
from models.item_item import ItemItem
from models.registry import spec

if TYPE_CHECKING:
    from models.neural import Recommender


@dataclass(frozen=True, slots=True)
class Plan:
    """A model with every hyper-parameter settled.

    Attributes:
        spec: The model.
        parameters: Of the architecture.
        training: Of the fit.
    """

    spec: ModelSpec
    parameters: Mapping[str, Value]
    training: Mapping[str, Value]

    @property
    def max_length(self) -> int:
        """Newest places of a history that the model reads."""
        return int(self.training["max_length"])

    def config(self) -> dict[str, Any]:
        """What `config.json` holds."""
        return {
            "model": self.spec.name,
            "family": self.spec.family.value,
            "format": self.spec.format,
            "source": self.spec.source,
            "max_length": self.max_length,
            "parameters": dict(self.parameters),
            "training": dict(self.training),
        }


def plan(model: str, overrides: Mapping[str, Value]) -> Plan:
    """Settle the hyper-parameters.

    Args:
        model: A name of the registry.
        overrides: Values that differ from the registry's.

    Raises:
        PlanError: The model or a hyper-parameter is unknown, or a value is of the wrong kind or out of range.
    """
    try:
        known = spec(model)
    except ValueError as error:
        raise PlanError(str(error)) from error
    unknown = set(overrides) - set(known.parameters) - set(known.training)
    if unknown:
        there = ", ".join(sorted({*known.parameters, *known.training}))
        raise PlanError(f"{model} has no hyper-parameter {min(unknown)!r}; it has {there}")
    return Plan(
        known,
        {name: _settled(known.name, name, default, overrides) for name, default in known.parameters.items()},
        {name: _settled(known.name, name, default, overrides) for name, default in known.training.items()},
    )


def network(chosen: Plan, n_items: int, *, seed: int) -> Recommender:
    """A network with fresh weights."""
    built: Recommender = import_module(chosen.spec.module).build(n_items, seed=seed, **chosen.parameters)
    return built


def table(chosen: Plan, interactions: Interactions) -> ItemItem:
    """A fitted item-item table."""
    fitted: ItemItem = import_module(chosen.spec.module).fit(interactions, **chosen.parameters)
    return fitted


def _settled(model: str, name: str, default: Value, overrides: Mapping[str, Value]) -> Value:
    value = overrides.get(name, default)
    if isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if type(value) is not type(default):
        raise PlanError(f"{name} must be a {type(default).__name__}, like {default!r}")
    refused = refusal(model, name, value)
    if refused is not None:
        raise PlanError(refused)
    return value
