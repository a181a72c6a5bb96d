"""What `app.training.tune` tries of each hyper-parameter: narrower than what `app.training.bounds` allows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from app.training.bounds import CHOICES, refusal
from app.training.build import plan
from app.training.errors import PlanError
from models.base import Value


@dataclass(frozen=True, slots=True)
class Between:
    """Any value from `least` to `most`, both included; whole numbers where the model's own value is one.

    Attributes:
        by_ratio: Whether twice as much is as far everywhere, as for rates and days.
    """

    least: float
    most: float
    by_ratio: bool = False


@dataclass(frozen=True, slots=True)
class OneOf:
    """One of these values."""

    values: tuple[Value, ...]


Dimension = Between | OneOf
Space = Mapping[str, Dimension]

_SHARE = Between(0.0, 1.0)
_DAYS = Between(7.0, 730.0, by_ratio=True)
TRIED: Space = MappingProxyType(
    {
        "learning_rate": Between(5e-4, 0.02, by_ratio=True),
        "batch_size": OneOf((32, 64, 128, 256)),
        "negatives": OneOf((128, 512, 1024)),
        "negative_power": _SHARE,
        "look_ahead": OneOf((1, 10, 100)),
        "target_half_life_days": _DAYS,
        "temperature": OneOf((0.0, 0.05, 0.08, 0.12)),
        "dropout": Between(0.0, 0.8),
        "embedding_size": OneOf((32, 64, 128)),
        "units": OneOf((64, 128, 192)),
        "layers": OneOf((1, 2)),
        "blocks": OneOf((1, 2, 3)),
        "block": OneOf(CHOICES["block"]),
        "hidden_size": OneOf((128, 256, 512)),
        "latent_size": OneOf((32, 64, 128)),
        "beta": Between(1e-4, 0.2, by_ratio=True),
        "future_share": Between(0.0, 0.8),
        "power": _SHARE,
        "recency": Between(0.5, 1.0),
        "regularisation": Between(10.0, 5000.0, by_ratio=True),
        "half_life_days": _DAYS,
        "age_half_life_days": _DAYS,
        "trend_half_life_days": Between(3.0, 60.0, by_ratio=True),
        "trend_power": Between(0.0, 1.5),
        "window": OneOf((1, 2, 3, 5, 10)),
        "gap_power": Between(0.0, 2.0),
        "backwards": _SHARE,
        "row_power": _SHARE,
        "column_power": _SHARE,
        "user_power": _SHARE,
        "item_power": _SHARE,
        "shrinkage": Between(1.0, 200.0, by_ratio=True),
        "factors": OneOf((64, 128, 256, 512)),
        "low_pass": _SHARE,
        "nearest": Between(50, 1000, by_ratio=True),
        "gap_fade": Between(0.3, 1.0),
        "length_power": _SHARE,
        "rarity_power": Between(0.0, 3.0),
        "likeness_power": Between(0.5, 4.0),
        "demand_power": _SHARE,
    }
)
"""By hyper-parameter, for every model that has it. What costs memory or time alone is not tried."""


def space_of(model: str, ranges: Sequence[str] = ()) -> Space:
    """What to try of a model.

    Args:
        model: A name of the registry.
        ranges: ``name=least..most`` or ``name=one,other``; where there are any, nothing else is tried.

    Raises:
        PlanError: There is no such model or hyper-parameter, or a range cannot be read or holds what is not
            allowed.
    """
    chosen = plan(model, {})
    own = {**chosen.parameters, **chosen.training}
    if chosen.spec.format == "blend":
        raise PlanError(f"{model} tunes and weighs its members itself; name one of them")
    if ranges:
        return dict(_read(model, text, own) for text in ranges)
    return {name: TRIED[name] for name in own if name in TRIED}


def _read(model: str, text: str, own: Mapping[str, Value]) -> tuple[str, Dimension]:
    name, _, said = text.partition("=")
    if name not in own:
        raise PlanError(f"{model} has no hyper-parameter {name!r}; it has {', '.join(sorted(own))}")
    is_range = ".." in said and not isinstance(own[name], str | bool)
    words = said.split("..", 1) if is_range else said.split(",")
    try:
        values = tuple(_value(word, own[name]) for word in words)
    except ValueError as error:
        like = f"{name}={own[name]}..{own[name]}" if is_range else f"{name}={own[name]},{own[name]}"
        raise PlanError(f"{text!r} is no range; one looks like {like}") from error
    refused = [why for value in values if (why := refusal(model, name, value)) is not None]
    if refused:
        raise PlanError(refused[0])
    return name, _between(name, *map(float, values)) if is_range else OneOf(values)


def _between(name: str, least: float, most: float) -> Between:
    if least >= most:
        raise PlanError(f"the range of {name} must begin below its end, not {least:g}..{most:g}")
    known = TRIED.get(name)
    return Between(least, most, isinstance(known, Between) and known.by_ratio and least > 0)


def _value(word: str, like: Value) -> Value:
    """A word as the kind of value that the hyper-parameter has."""
    if isinstance(like, str):
        return word.strip()
    if isinstance(like, bool):
        if word.strip() not in {"true", "false"}:
            raise ValueError(word)
        return word.strip() == "true"
    number = float(word)
    if not math.isfinite(number) or (isinstance(like, int) and not number.is_integer()):
        raise ValueError(word)
    return int(number) if isinstance(like, int) else number
