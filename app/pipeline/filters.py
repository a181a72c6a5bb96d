"""The filter language: read once into clauses, then one boolean array for the whole catalogue.

    {"all": [CLAUSE…]} · {"any": [CLAUSE…]} · {"not": CLAUSE} · {"field": NAME, "op": OP, "value": VALUE}

A field without a value satisfies `ne`, `none_of` and `exists: false` and nothing else. On a list
(`categories`, an attribute that is a list) `eq` means "holds".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import numpy as np

from app.domain.errors import FieldError, InvalidInputError
from app.pipeline.catalogue import CatalogueSnapshot
from app.pipeline.columns import ATTRIBUTE_PREFIX, ITEM_FIELDS, BoolArray, Token

MAX_CLAUSES = 64
MAX_DEPTH = 8
MAX_VALUES = 100
MAX_VALUES_IN_ALL = 1000

NUMBER_FIELDS = frozenset({"price"})
TIME_FIELDS = frozenset({"published_at", "created_at"})
TRUTH_FIELDS = frozenset({"in_stock", "hidden"})

ORDER_OPS: Mapping[str, np.ufunc] = {
    "lt": np.less,
    "lte": np.less_equal,
    "gt": np.greater,
    "gte": np.greater_equal,
}
LIST_OPS = ("any_of", "all_of", "none_of")
OPS = ("eq", "ne", *ORDER_OPS, "between", *LIST_OPS, "exists")


class Clause(Protocol):
    """A part of a filter, or the whole of it."""

    def mask(self, catalogue: CatalogueSnapshot) -> BoolArray:
        """Bool (items,): which items satisfy it."""


@dataclass(frozen=True, slots=True)
class All:
    """Every clause holds; true where there is none."""

    clauses: tuple[Clause, ...]

    def mask(self, catalogue: CatalogueSnapshot) -> BoolArray:
        """Which items satisfy it."""
        held = np.ones(len(catalogue), dtype=np.bool_)
        for clause in self.clauses:
            held &= clause.mask(catalogue)
        return held


@dataclass(frozen=True, slots=True)
class Any:
    """At least one clause holds; false where there is none."""

    clauses: tuple[Clause, ...]

    def mask(self, catalogue: CatalogueSnapshot) -> BoolArray:
        """Which items satisfy it."""
        held = np.zeros(len(catalogue), dtype=np.bool_)
        for clause in self.clauses:
            held |= clause.mask(catalogue)
        return held


@dataclass(frozen=True, slots=True)
class Not:
    """The clause does not hold."""

    clause: Clause

    def mask(self, catalogue: CatalogueSnapshot) -> BoolArray:
        """Which items satisfy it."""
        return ~self.clause.mask(catalogue)


@dataclass(frozen=True, slots=True)
class Tokens:
    """`any_of`, `all_of`, `none_of`, and `eq` and `ne` as their forms with one value."""

    field: str
    op: str
    values: tuple[Token, ...]

    def mask(self, catalogue: CatalogueSnapshot) -> BoolArray:
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

    def mask(self, catalogue: CatalogueSnapshot) -> BoolArray:
        """Which items satisfy it."""
        held: BoolArray = ORDER_OPS[self.op](catalogue.column(self.field).numbers, self.value)
        return held


@dataclass(frozen=True, slots=True)
class Exists:
    """Whether there is a value."""

    field: str
    wanted: bool

    def mask(self, catalogue: CatalogueSnapshot) -> BoolArray:
        """Which items satisfy it."""
        present = catalogue.column(self.field).present()
        return present if self.wanted else np.logical_not(present)


def parse_filter(body: object, *, pointer: str = "/filter") -> Clause:
    """Read a filter.

    Raises:
        InvalidInputError: With the pointer of the clause that cannot be read.
    """
    return _Reader().clause(body, pointer, depth=0)


def _refuse(pointer: str, reason: str) -> InvalidInputError:
    return InvalidInputError("The filter cannot be read.", [FieldError(pointer, reason)])


class _Reader:
    """Counts clauses while it reads, so that no filter costs without bound."""

    def __init__(self) -> None:
        self._clauses = 0
        self._values = 0

    def clause(self, body: object, pointer: str, *, depth: int) -> Clause:
        self._clauses += 1
        if self._clauses > MAX_CLAUSES:
            raise _refuse(pointer, f"a filter has at most {MAX_CLAUSES} clauses")
        if depth > MAX_DEPTH:
            raise _refuse(pointer, f"clauses nest at most {MAX_DEPTH} deep")
        if not isinstance(body, Mapping):
            raise _refuse(pointer, "a clause is an object")
        keys = set(body)
        if keys in ({"all"}, {"any"}):
            (name,) = keys
            return (All if name == "all" else Any)(self._list(body[name], f"{pointer}/{name}", depth))
        if keys == {"not"}:
            return Not(self.clause(body["not"], f"{pointer}/not", depth=depth + 1))
        return self._comparison(body, pointer)

    def _list(self, body: object, pointer: str, depth: int) -> tuple[Clause, ...]:
        if not isinstance(body, list | tuple):
            raise _refuse(pointer, "a list of clauses is needed")
        return tuple(
            self.clause(part, f"{pointer}/{place}", depth=depth + 1) for place, part in enumerate(body)
        )

    def _comparison(self, body: Mapping[str, object], pointer: str) -> Clause:
        for key in body:
            if key not in {"field", "op", "value"}:
                reason = "a clause is one of all, any, not, or field with op and value"
                raise _refuse(f"{pointer}/{escaped(key)}", reason)
        for key in ("field", "op", "value"):
            if key not in body:
                raise _refuse(f"{pointer}/{key}", "is missing")
        value = body["value"]
        self._values += len(value) if isinstance(value, list | tuple) else 1
        if self._values > MAX_VALUES_IN_ALL:
            raise _refuse(f"{pointer}/value", f"a filter has at most {MAX_VALUES_IN_ALL} values in all")
        return comparison(body["field"], body["op"], value, pointer)


def escaped(key: object) -> str:
    """A key as one step of a JSON pointer, cut to a length fit for an answer."""
    return str(key)[:64].replace("~", "~0").replace("/", "~1")


def comparison(field: object, op: object, value: object, pointer: str) -> Clause:
    """One comparison. Raises `InvalidInputError`."""
    if not isinstance(field, str) or not _is_field(field):
        raise _refuse(f"{pointer}/field", "is not a field of an item; attributes are attributes.NAME")
    if op not in OPS:
        raise _refuse(f"{pointer}/op", f"is not one of {', '.join(OPS)}")
    at = f"{pointer}/value"
    if op == "exists":
        if not isinstance(value, bool):
            raise _refuse(at, "exists takes true or false")
        return Exists(field, value)
    if op in ORDER_OPS:
        return Order(field, str(op), _orderable(field, value, at))
    if op == "between":
        low, high = _pair(value, at)
        return All(
            (
                Order(field, "gte", _orderable(field, low, f"{at}/0")),
                Order(field, "lte", _orderable(field, high, f"{at}/1")),
            )
        )
    if op in LIST_OPS:
        return Tokens(field, str(op), _values(field, value, at))
    return Tokens(field, "any_of" if op == "eq" else "none_of", (_token(field, value, at),))


def _is_field(field: str) -> bool:
    return field in ITEM_FIELDS or (field.startswith(ATTRIBUTE_PREFIX) and len(field) > len(ATTRIBUTE_PREFIX))


def _pair(value: object, at: str) -> tuple[object, object]:
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise _refuse(at, "between takes two values: the least and the most")
    return value[0], value[1]


def _values(field: str, value: object, at: str) -> tuple[Token, ...]:
    if not isinstance(value, list | tuple):
        raise _refuse(at, "a list of values is needed")
    if len(value) > MAX_VALUES:
        raise _refuse(at, f"at most {MAX_VALUES} values")
    return tuple(_token(field, one, f"{at}/{place}") for place, one in enumerate(value))


def _token(field: str, value: object, at: str) -> Token:
    if field in NUMBER_FIELDS or field in TIME_FIELDS:
        return _orderable(field, value, at)
    if field in TRUTH_FIELDS:
        if not isinstance(value, bool):
            raise _refuse(at, "true or false is needed")
        return value
    if field.startswith(ATTRIBUTE_PREFIX):
        if not isinstance(value, str | bool | int | float):
            raise _refuse(at, "a text, a number, true or false is needed")
        return value if isinstance(value, str | bool) else float(value)
    if not isinstance(value, str):
        raise _refuse(at, "a text is needed")
    return value


def _orderable(field: str, value: object, at: str) -> float:
    if field in TIME_FIELDS:
        return _time(value, at)
    if field not in NUMBER_FIELDS and not field.startswith(ATTRIBUTE_PREFIX):
        raise _refuse(at, "this field has no order; price, times and number attributes have one")
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _refuse(at, "a number is needed")
    return float(value)


def _time(value: object, at: str) -> float:
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise _refuse(at, "an RFC 3339 time with an offset is needed")
    return moment.timestamp()
