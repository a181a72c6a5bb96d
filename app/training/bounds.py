"""What a hyper-parameter may be: one place for every model's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from models.base import Value


@dataclass(frozen=True, slots=True)
class Range:
    """Smallest and largest value, both allowed unless said otherwise.

    Attributes:
        without_least: Whether `least` itself is not allowed.
        without_most: Whether `most` itself is not allowed.
    """

    least: float
    most: float
    without_least: bool = False
    without_most: bool = False

    def holds(self, value: float) -> bool:
        """Whether the value lies in it; what is no number does not."""
        above = value > self.least if self.without_least else value >= self.least
        below = value < self.most if self.without_most else value <= self.most
        return above and below

    def __str__(self) -> str:
        above = "more than" if self.without_least else "at least"
        below = "less than" if self.without_most else "at most"
        return f"{above} {self.least:g} and {below} {self.most:g}"


_COUNT = Range(1, 1_000_000)
_WIDTH = Range(1, 4096)
_DAYS = Range(0, 1e9, without_least=True)
_SHARE = Range(0, 1)
_DROPOUT = Range(0, 1, without_most=True)

RANGES: Mapping[str, Range] = MappingProxyType(
    {
        "budget_s": Range(1, 86_400),
        "epochs": Range(1, 1000),
        "patience": Range(1, 1000),
        "batch_size": Range(1, 65_536),
        "learning_rate": Range(0, 1, without_least=True),
        "max_length": Range(1, 10_000),
        "negatives": Range(0, 1_000_000),
        "negative_power": Range(0, 2),
        "correction": _SHARE,
        "calibration": _SHARE,
        "id_dropout": _DROPOUT,
        "augment_share": _SHARE,
        "warm_up": _DROPOUT,
        "weight_decay": Range(0, 1000),
        "validate_every": Range(1, 1000),
        "least_steps": Range(0, 1_000_000),
        "heads": Range(1, 64),
        "max_positions": Range(1, 10_000),
        "temperature": Range(0, 10),
        "look_ahead": Range(1, 10_000),
        "target_half_life_days": _DAYS,
        "beta": Range(0, 1000),
        "future_share": _SHARE,
        "dropout": _DROPOUT,
        "embedding_size": _WIDTH,
        "members": Range(1, 16),
        "units": _WIDTH,
        "layers": Range(1, 16),
        "blocks": Range(1, 8),
        "kernel": Range(1, 64),
        "horizontal": _WIDTH,
        "vertical": _WIDTH,
        "hidden_size": Range(1, 65_536),
        "latent_size": _WIDTH,
        "power": Range(0, 10),
        "half_life_days": _DAYS,
        "age_half_life_days": _DAYS,
        "trend_half_life_days": _DAYS,
        "trend_power": Range(0, 10),
        "window": Range(1, 1000),
        "gap_power": Range(0, 10),
        "backwards": Range(0, 10),
        "row_power": Range(0, 2),
        "column_power": Range(0, 2),
        "nearest": _COUNT,
        "candidates": _COUNT,
        "reach": Range(0, 10_000),
        "gap_fade": _SHARE,
        "length_power": Range(0, 2),
        "max_lines": Range(1, 1e9),
        "user_power": Range(0, 2),
        "item_power": Range(0, 2),
        "rarity_power": Range(0, 10),
        "likeness_power": Range(0, 100),
        "demand_power": Range(0, 2),
        "factors": Range(1, 4096),
        "steps": Range(1, 100_000),
        "low_pass": Range(0, 1000),
        "recency": _SHARE,
        "keep": _COUNT,
        "prior": Range(0, 1e6),
        "neighbours": _COUNT,
        "shrinkage": Range(0, 1e9),
        "regularisation": Range(0, 1e9, without_least=True),
        "max_items": _COUNT,
    }
)
CHOICES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "loss": ("softmax", "gbce"),
        "decay": ("none", "linear", "cosine"),
        "block": ("plain", "gated"),
        "positions": ("none", "alibi", "learned", "both"),
        "augment": ("none", "crop", "mask", "reorder", "all"),
    }
)
OF_MODEL: Mapping[tuple[str, str], Range] = MappingProxyType(
    # Popularity with a half-life of 0 counts people and forgets nothing.
    {("popularity", "half_life_days"): Range(0, 1e9)}
)


def refusal(model: str, name: str, value: Value) -> str | None:
    """Why the value must not be used, or None.

    Args:
        model: A name of the registry.
        name: Of the hyper-parameter.
        value: Of the right kind already.
    """
    if isinstance(value, str):
        known = CHOICES.get(name, (value,))
        return None if value in known else f"{name} must be one of {', '.join(known)}, not {value!r}"
    allowed = OF_MODEL.get((model, name)) or RANGES.get(name)
    if allowed is None or isinstance(value, bool) or allowed.holds(value):
        return None
    return f"{name} must be {allowed}, not {value:g}"
