"""Which models are tried, in which order, and with which presets: by facts of the data alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from app.training.auto.facts import Facts
from models.base import Value
from models.registry import SPECS

Overrides = Mapping[str, Value]
MIN_REPEATS = 0.01
ORDER_MATTERS = 0.8
DENSE_ITEMS = 3000
"""Items of a dense linear model that take about a second on one core; its time grows with their cube."""
PILOT_S = 1.2
MOST_DENSE_SHARE = 0.2
LEAST_DENSE = 1000


SKIPS: Overrides = {"window": 10, "gap_power": 0.5, "row_power": 0.5, "backwards": 0.2}
"""Two-way skips of a wide window, as they did best on the validation items of single-item histories."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model that may become a member.

    Attributes:
        name: Of the registry.
        variants: Hyper-parameters that differ from the registry's; the best on validation is kept.
    """

    name: str
    variants: tuple[Overrides, ...] = ({},)


def counted(facts: Facts, *, budget_s: float) -> list[Candidate]:
    """Tables, the quickest first."""
    wanted = [
        Candidate(
            "popularity", ({"half_life_days": 14.0}, {"half_life_days": 45.0}, {"half_life_days": 0.0})
        ),
        Candidate("transitions", (*({"window": window} for window in _windows(facts)), SKIPS)),
        Candidate("sessions", ({}, {"backwards": 1.0}, {"backwards": 0.5})),
        *([Candidate("repeats")] if facts.wants_repeats and facts.repeats > MIN_REPEATS else []),
        *([Candidate("content")] if facts.has_attributes else []),
        Candidate("ease", ({"max_items": _dense_items(budget_s)},)),
        *([Candidate("elsa")] if facts.items > _dense_items(budget_s) else []),
        Candidate("gfcf"),
        Candidate("itemknn"),
    ]
    return [candidate for candidate in wanted if candidate.name in SPECS]


def networks(*, fading: float) -> list[Candidate]:
    """Networks, the one that is worth most a second first.

    Args:
        fading: What a basket counts beside the one after it, where tables do best: low where order matters.
    """
    readers = ["sasrec", "gru4rec", "nextitnet", "caser"]
    in_order = [*readers[:1], "multvae", *readers[1:]]
    names = in_order if fading < ORDER_MATTERS else ["multvae", *readers]
    return [Candidate(name) for name in names if name in SPECS]


def _windows(facts: Facts) -> tuple[int, ...]:
    # Within a basket the lines stand in no order that means much: a wider window asks who is near at all.
    return (1, 3, 10) if facts.per_moment > 2.0 else (1, 3)


def _dense_items(budget_s: float) -> int:
    """Items that a dense linear model can take in its share of the time."""
    affordable = DENSE_ITEMS * (MOST_DENSE_SHARE * budget_s / PILOT_S) ** (1 / 3)
    return int(min(max(affordable, LEAST_DENSE), 20_000))
