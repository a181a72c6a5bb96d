"""A merchandiser's rules: pin, boost, bury, exclude, and caps, for some scenarios and for some time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from app.domain.errors import FieldError, InvalidInputError
from app.domain.types import JsonObject
from app.pipeline.catalogue import CatalogueSnapshot
from app.pipeline.clauses import Clause, is_relative, kept_mask
from app.pipeline.columns import BoolArray, IntArray, Token
from app.pipeline.filters import parse_filter
from app.pipeline.scenarios import OVER_A_GIVEN_LIST

Adjustments = NDArray[np.float32]
PINNED = "pinned"
"""What the answer calls the source of a pinned item."""
FIRST_PER_PLACE = 2
AT_ONCE = 1024
"""Items looked at under caps before those that are left no place are taken out of the rest."""
CALLERS_OWN = frozenset(OVER_A_GIVEN_LIST)
"""Scenarios over a list of the caller's own: only rules that name them act there."""


class RuleKind(StrEnum):
    """What a rule does with the items that it speaks of."""

    PIN = "pin"
    BOOST = "boost"
    BURY = "bury"
    EXCLUDE = "exclude"
    CAP = "cap"


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule.

    Attributes:
        scenarios: Where it acts; everywhere but on a caller's own list where it names none.
        item_ids: The items it speaks of, beside those of the clause.
        clause: The items it speaks of; with neither, all of them.
        position: Of the first pinned item, from 1.
        strength: Standard deviations of score that a boost adds and a bury takes.
        field: A cap counts by this field's values; None counts all its items together.
        most: Places that a cap leaves to one value.
        priority: Rules of the same kind act in this order, the highest first.
        starts_at: It acts from then on, if given.
        ends_at: It acts before then, if given.
    """

    name: str
    kind: RuleKind
    scenarios: frozenset[str] = frozenset()
    item_ids: tuple[str, ...] = ()
    clause: Clause | None = None
    position: int = 1
    strength: float = 1.0
    field: str | None = None
    most: int = 1
    priority: int = 0
    active: bool = True
    starts_at: datetime | None = None
    ends_at: datetime | None = None

    def acts_at(self, now: datetime) -> bool:
        """Whether it is switched on and its time has come and not passed."""
        begun = self.starts_at is None or self.starts_at <= now
        return self.active and begun and (self.ends_at is None or now < self.ends_at)

    def acts_in(self, scenario: str) -> bool:
        """Whether it acts in a scenario."""
        return scenario in self.scenarios if self.scenarios else scenario not in CALLERS_OWN

    def mask(self, catalogue: CatalogueSnapshot, about: int | None) -> BoolArray:
        """Bool (items,), read-only: the items it speaks of."""
        if self.clause is not None and not self.item_ids:
            return kept_mask(self.clause, catalogue, about)
        if self.clause is not None and is_relative(self.clause):
            return self._spoken_of(catalogue, about)
        return catalogue.remembered((self.item_ids, self.clause), lambda: self._spoken_of(catalogue, None))

    def _spoken_of(self, catalogue: CatalogueSnapshot, about: int | None) -> BoolArray:
        if not self.item_ids and self.clause is None:
            return np.ones(len(catalogue), dtype=np.bool_)
        spoken = np.zeros(len(catalogue), dtype=np.bool_)
        spoken[catalogue.positions(self.item_ids)] = True
        return spoken if self.clause is None else spoken | self.clause.mask(catalogue, about)


def rule_of(name: str, body: JsonObject, *, at: str = "") -> Rule:
    """The rule that a definition describes.

    Raises:
        InvalidInputError: Its parts do not fit together; with pointers.
    """
    kind, filter_ = RuleKind(body["kind"]), body.get("filter")
    rule = Rule(
        name=name,
        kind=kind,
        scenarios=frozenset(body.get("scenarios", ())),
        item_ids=tuple(dict.fromkeys(body.get("item_ids", ()))),
        clause=None if filter_ is None else parse_filter(filter_, pointer=f"{at}/filter"),
        position=body.get("position") or 1,
        strength=body.get("strength") or 1.0,
        field=body.get("field"),
        most=body.get("most") or 1,
        priority=body.get("priority", 0),
        active=body.get("active", True),
        starts_at=_moment(body.get("starts_at")),
        ends_at=_moment(body.get("ends_at")),
    )
    faults = [FieldError(f"{at}{pointer}", reason) for pointer, reason in _faults(rule, body)]
    if faults:
        raise InvalidInputError("The rule is not valid.", faults)
    return rule


_ONLY_FOR = {"position": {RuleKind.PIN}, "strength": {RuleKind.BOOST, RuleKind.BURY}}
_ONLY_FOR |= {"field": {RuleKind.CAP}, "most": {RuleKind.CAP}}


def _faults(rule: Rule, body: JsonObject) -> Iterable[tuple[str, str]]:
    for member, kinds in _ONLY_FOR.items():
        if body.get(member) is not None and rule.kind not in kinds:
            yield f"/{member}", f"is for {' and '.join(sorted(kinds))} alone"
    if rule.kind is RuleKind.PIN and not rule.item_ids:
        yield "/item_ids", "is required by a pin"
    if rule.kind is RuleKind.PIN and rule.clause is not None:
        yield "/filter", "is not for a pin, which names its items"
    if rule.kind is RuleKind.CAP and body.get("most") is None:
        yield "/most", "is required by a cap"
    if rule.kind is RuleKind.EXCLUDE and not rule.item_ids and rule.clause is None:
        yield "/filter", "or item_ids is required: the rule would exclude everything"
    if rule.starts_at is not None and rule.ends_at is not None and rule.ends_at <= rule.starts_at:
        yield "/ends_at", "must be after starts_at"


def _moment(value: str | None) -> datetime | None:
    return None if value is None else datetime.fromisoformat(value)


def acting(rules: Sequence[Rule], scenario: str) -> tuple[Rule, ...]:
    """The rules that act in a scenario, in their order."""
    return tuple(
        sorted((one for one in rules if one.acts_in(scenario)), key=lambda one: (-one.priority, one.name))
    )


def moving(rules: Sequence[Rule]) -> tuple[Rule, ...]:
    """The boosts and buries among them."""
    return tuple(rule for rule in rules if rule.kind in {RuleKind.BOOST, RuleKind.BURY})


def are_relative(rules: Sequence[Rule]) -> bool:
    """Whether any of them speaks of other items for each page's item."""
    return any(rule.clause is not None and is_relative(rule.clause) for rule in rules)


def lifts(rules: Sequence[Rule], catalogue: CatalogueSnapshot, about: int | None) -> Adjustments:
    """float32 (items,): standard deviations that these boosts add and buries take."""
    total = np.zeros(len(catalogue), dtype=np.float32)
    for rule in rules:
        sign = 1.0 if rule.kind is RuleKind.BOOST else -1.0
        total[rule.mask(catalogue, about)] += sign * rule.strength
    return total


def pins(rules: Sequence[Rule], catalogue: CatalogueSnapshot, mask: BoolArray) -> list[tuple[int, int]]:
    """Places of the list, from 0, and the positions of the items pinned there that may be shown."""
    taken: dict[int, int] = {}
    for rule in rules:
        if rule.kind is RuleKind.PIN:
            wanted = rule.position - 1
            for position in catalogue.positions(rule.item_ids).tolist():
                if not mask[position] or position in taken.values():
                    continue
                while wanted in taken:
                    wanted += 1
                taken[wanted] = position
    return sorted(taken.items())


@dataclass(frozen=True, slots=True)
class _Cap:
    """A cap, the items that it counts, how many of each value are listed, and which have no place left."""

    rule: Rule
    mask: BoolArray
    counts: Counter[Token] = field(default_factory=Counter)
    spent: set[Token] = field(default_factory=set)

    def values(self, positions: IntArray, catalogue: CatalogueSnapshot) -> list[tuple[Token, ...]]:
        """What each position is counted by; nothing where the cap does not speak of it."""
        held = self._held(positions, catalogue)
        return [
            values if counted else ()
            for values, counted in zip(held, self.mask[positions].tolist(), strict=True)
        ]

    def _held(self, positions: IntArray, catalogue: CatalogueSnapshot) -> list[tuple[Token, ...]]:
        if self.rule.field is None:
            return [(True,)] * len(positions)
        column = catalogue.column(self.rule.field)
        sets, numbers = column.vocabulary.sets, column.numbers[positions]
        held = [sets[code] for code in column.codes[positions].tolist()]
        for number in np.flatnonzero(~np.isnan(numbers)).tolist():
            held[number] = (*held[number], float(numbers[number]))
        return held

    def count(self, values: Iterable[Token]) -> None:
        """Each of these stands in the list once more."""
        for value in values:
            self.counts[value] += 1
            if self.counts[value] >= self.rule.most:
                self.spent.add(value)

    def is_spent(self, values: tuple[Token, ...]) -> bool:
        """Whether one of the values has all its places."""
        return not self.spent.isdisjoint(values)


class Caps:
    """Counts what stands in a list, and says what a cap leaves out of the rest of it."""

    def __init__(self, rules: Sequence[Rule], catalogue: CatalogueSnapshot, about: int | None) -> None:
        self._catalogue = catalogue
        self._caps = [_Cap(rule, rule.mask(catalogue, about)) for rule in rules if rule.kind is RuleKind.CAP]

    def __bool__(self) -> bool:
        return bool(self._caps)

    def leave(self, mask: BoolArray) -> BoolArray:
        """Bool (items,): what of the mask the caps leave a place to, beside what stands in the list."""
        spent = [cap for cap in self._caps if cap.spent]
        left = mask.copy() if spent else mask
        for cap in spent:
            if cap.rule.field is None:
                left &= ~cap.mask
            else:
                left &= ~(cap.mask & self._catalogue.column(cap.rule.field).holds_any([*cap.spent]))
        return left

    def against(self, position: int) -> Rule | None:
        """The rule that leaves no place for the item, if any."""
        at = np.array([position], dtype=np.int64)
        return next((cap.rule for cap in self._caps if cap.is_spent(*cap.values(at, self._catalogue))), None)

    def count(self, positions: Iterable[int]) -> None:
        """These stand in the list."""
        if self._caps:
            at = np.array([*positions], dtype=np.int64)
            for cap in self._caps:
                cap.count(chain.from_iterable(cap.values(at, self._catalogue)))

    def kept(self, order: IntArray, most: int) -> IntArray:
        """Those of the order that the caps leave, counted as standing in the list; at most so many."""
        picked: list[int] = []
        some = FIRST_PER_PLACE * most  # Mostly all it takes.
        while len(order) and len(picked) < most:
            picked += self._kept(order[:some], most - len(picked))
            order, some = order[some:], AT_ONCE
            if len(order) and len(picked) < most:
                everything = np.ones(len(self._catalogue), dtype=np.bool_)
                order = order[self.leave(everything)[order]]
        return np.array(picked, dtype=np.int64)

    def _kept(self, order: IntArray, most: int) -> list[int]:
        # One by one, as each that is kept may leave no place to a later one.
        values = [cap.values(order, self._catalogue) for cap in self._caps]
        picked: list[int] = []
        for number, position in enumerate(order.tolist()):
            if len(picked) == most:
                break
            own = [(cap, held[number]) for cap, held in zip(self._caps, values, strict=True)]
            if any(cap.is_spent(held) for cap, held in own):
                continue
            for cap, held in own:
                cap.count(held)
            picked.append(position)
        return picked
