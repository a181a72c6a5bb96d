"""Which models are tried, in which order, and with which presets: by facts of the data alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app.training.auto.facts import Facts
from app.training.presets import Form, presets
from models.base import Value
from models.registry import SPECS

Overrides = Mapping[str, Value]
MIN_REPEATS = 0.01
ORDER_MATTERS = 0.8
BASKETS = 2.0
"""Lines a moment from which on people fill baskets: their lines stand in no order that means much."""
LONG_DAYS = 60.0
"""From so many days on demand moves, and the trend of an item says something."""
TRANSITIONS: tuple[Overrides, ...] = (
    {"window": 1},
    {"window": 3},
    {"window": 3, "backwards": 0.5},
    {"window": 10, "backwards": 1.0, "gap_power": 0.5},
)
SESSIONS: tuple[Overrides, ...] = ({"backwards": 1.0}, {"backwards": 0.5})
NETWORKS: Mapping[Form, Sequence[str]] = {
    "leave-one-out": ("sasrec", "gru4rec", "multvae", "nextitnet", "caser"),
    "sessions": ("gru4rec", "sasrec", "nextitnet", "caser"),
    "split": ("multvae", "sasrec", "gru4rec"),
}
"""The one that is worth most a second first. A shop's order depends on what its tables say of order."""
MOST_ENTRIES = 20_000_000
"""Of a table: fewer are kept for each item where there are many items."""
DENSE_ITEMS = 3000
"""Items of a dense linear model that take about a second on one core; its time grows with their cube."""
PILOT_S = 1.2
MOST_DENSE_SHARE = 0.2
LEAST_DENSE = 1000


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
    known = presets(facts.form)
    transitions = known.get("transitions", {})
    wanted = [
        Candidate("popularity", tuple({"half_life_days": days} for days in (7.0, 14.0, 45.0, 0.0))),
        Candidate("transitions", (*TRANSITIONS, {**presets("leave-one-out")["transitions"], **transitions})),
        *([Candidate("repeats")] if facts.wants_repeats and facts.repeats > MIN_REPEATS else []),
        *([Candidate("sessions", SESSIONS)] if facts.per_moment < BASKETS else []),
        *([Candidate("content")] if facts.has_attributes else []),
        *_long_term(facts, budget_s),
        Candidate("itemknn"),
    ]
    return [_settled(candidate, facts) for candidate in wanted if candidate.name in SPECS]


def _long_term(facts: Facts, budget_s: float) -> list[Candidate]:
    """Tables of taste; a session is over before it shows any."""
    if facts.form == "sessions":
        return []
    dense: Overrides = {"max_items": _dense_items(budget_s)}
    return [
        Candidate("ease", tuple({**dense, **size} for size in _sizes(facts, budget_s))),
        *([Candidate("ease_trend", (dense,))] if facts.span_days > LONG_DAYS else []),
        Candidate("gfcf"),
        *([Candidate("elsa")] if facts.items > _dense_items(budget_s) else []),
    ]


def networks(facts: Facts, *, fading: float) -> list[Candidate]:
    """Networks, the one that is worth most a second first.

    Args:
        facts: Of the data; their form says which presets.
        fading: What a basket counts beside the one after it, where tables do best: low where order matters.
    """
    in_order = fading < ORDER_MATTERS
    readers = ("sasrec", "multvae", "gru4rec", "nextitnet", "caser")
    shops = readers if in_order else ("multvae", *(name for name in readers if name != "multvae"))
    known = presets(facts.form)
    names = NETWORKS.get(facts.form, shops)
    return [Candidate(name, (_alone(known.get(name, {})),)) for name in names if name in SPECS]


def _alone(overrides: Overrides) -> Overrides:
    """One network of its kind: a blend has other members, and the time is better spent on those."""
    return {name: value for name, value in overrides.items() if name != "members"}


def _settled(candidate: Candidate, facts: Facts) -> Candidate:
    """With the form's presets below what its variants say, and fewer entries an item where there are many."""
    usual = SPECS[candidate.name].parameters.get("keep")
    most = max(MOST_ENTRIES // max(facts.items, 1), 1)
    narrowed = {} if usual is None or most >= int(usual) else {"keep": most}
    known = {} if candidate.name == "transitions" else presets(facts.form).get(candidate.name, {})
    return Candidate(candidate.name, tuple({**known, **each, **narrowed} for each in candidate.variants))


def _sizes(facts: Facts, budget_s: float) -> tuple[Overrides, ...]:
    """Regularisations of EASE that are tried: more than the preset's where there is time."""
    seconds = PILOT_S * (min(facts.items, _dense_items(budget_s)) / DENSE_ITEMS) ** 3
    others: tuple[Overrides, ...] = ({"regularisation": 50.0}, {"regularisation": 800.0})
    return ({}, *others) if seconds < 0.02 * budget_s else ({},)


def _dense_items(budget_s: float) -> int:
    """Items that a dense linear model can take in its share of the time."""
    affordable = DENSE_ITEMS * (MOST_DENSE_SHARE * budget_s / PILOT_S) ** (1 / 3)
    return int(min(max(affordable, LEAST_DENSE), 20_000))
