"""What a filter is made of: each part gives one boolean array for the whole catalogue."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from app.pipeline.catalogue import CatalogueSnapshot
from app.pipeline.columns import BoolArray, Token

ORDER_OPS: Mapping[str, np.ufunc] = {
    "lt": np.less,
    "lte": np.less_equal,
    "gt": np.greater,
    "gte": np.greater_equal,
}
LIST_OPS = ("any_of", "all_of", "none_of")
SET_OPS: Mapping[str, str] = {"eq": "any_of", "ne": "none_of", **{op: op for op in LIST_OPS}}


class Clause(Protocol):
    """A part of a filter, or the whole of it; equal ones are one key."""

    def __hash__(self) -> int: ...

    def mask(self, catalogue: CatalogueSnapshot, about: int | None = None, /) -> BoolArray:
        """Bool (items,): which items satisfy it, in a list about the item at position `about`."""


@dataclass(frozen=True, slots=True)
class All:
    """Every clause holds; true where there is none."""

    clauses: tuple[Clause, ...]

    def mask(self, catalogue: CatalogueSnapshot, about: int | None = None, /) -> BoolArray:
        """Which items satisfy it."""
        held = np.ones(len(catalogue), dtype=np.bool_)
        for clause in self.clauses:
            held &= clause.mask(catalogue, about)
        return held


@dataclass(frozen=True, slots=True)
class Any:
    """At least one clause holds; false where there is none."""

    clauses: tuple[Clause, ...]

    def mask(self, catalogue: CatalogueSnapshot, about: int | None = None, /) -> BoolArray:
        """Which items satisfy it."""
        held = np.zeros(len(catalogue), dtype=np.bool_)
        for clause in self.clauses:
            held |= clause.mask(catalogue, about)
        return held


@dataclass(frozen=True, slots=True)
class Not:
    """The clause does not hold."""

    clause: Clause

    def mask(self, catalogue: CatalogueSnapshot, about: int | None = None, /) -> BoolArray:
        """Which items satisfy it."""
        return ~self.clause.mask(catalogue, about)


@dataclass(frozen=True, slots=True)
class Tokens:
    """`any_of`, `all_of`, `none_of`, and `eq` and `ne` as their forms with one value."""

    field: str
    op: str
    values: tuple[Token, ...]

    def mask(self, catalogue: CatalogueSnapshot, _about: int | None = None, /) -> BoolArray:
        """Which items satisfy it."""
        column = catalogue.column(self.field)
        if self.op == "all_of":
            return column.holds_all(self.values)
        held = column.holds_any(self.values)
        return ~held if self.op == "none_of" else held


@dataclass(frozen=True, slots=True)
class Order:
    """A comparison with a number or a time."""

    field: str
    op: str
    value: float

    def mask(self, catalogue: CatalogueSnapshot, _about: int | None = None, /) -> BoolArray:
        """Which items satisfy it."""
        held: BoolArray = ORDER_OPS[self.op](catalogue.column(self.field).numbers, self.value)
        return held


@dataclass(frozen=True, slots=True)
class Exists:
    """Whether there is a value."""

    field: str
    wanted: bool

    def mask(self, catalogue: CatalogueSnapshot, _about: int | None = None, /) -> BoolArray:
        """Which items satisfy it."""
        present = catalogue.column(self.field).present()
        return present if self.wanted else np.logical_not(present)


@dataclass(frozen=True, slots=True)
class ToContext:
    """A comparison with what the item that the list is about holds in a field."""

    field: str
    op: str
    other: str
    times: float

    def mask(self, catalogue: CatalogueSnapshot, about: int | None = None, /) -> BoolArray:
        """Which items satisfy it; all where there is nothing to compare with."""
        compared = None if about is None else self._clause(catalogue, about)
        return np.ones(len(catalogue), dtype=np.bool_) if compared is None else compared.mask(catalogue)

    def _clause(self, catalogue: CatalogueSnapshot, about: int) -> Clause | None:
        column = catalogue.column(self.other)
        number = float(column.numbers[about])
        if self.op in ORDER_OPS:
            return None if np.isnan(number) else Order(self.field, self.op, self.times * number)
        held = column.vocabulary.sets[column.codes[about]]
        values = held if np.isnan(number) else (*held, self.times * number)
        return Tokens(self.field, SET_OPS[self.op], values) if values else None


def is_relative(clause: Clause) -> bool:
    """Whether any part of it compares with the item that a list is about."""
    if isinstance(clause, All | Any):
        return any(is_relative(part) for part in clause.clauses)
    return is_relative(clause.clause) if isinstance(clause, Not) else isinstance(clause, ToContext)


def kept_mask(clause: Clause, catalogue: CatalogueSnapshot, about: int | None) -> BoolArray:
    """Its mask, made once for a catalogue where no context is in it: for clauses that are asked often."""
    if is_relative(clause):
        return clause.mask(catalogue, about)
    return catalogue.remembered(clause, lambda: clause.mask(catalogue))
