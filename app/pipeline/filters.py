"""The filter language: read once into clauses, then one boolean array for the whole catalogue.

    {"all": [CLAUSE…]} · {"any": [CLAUSE…]} · {"not": CLAUSE} · {"field": NAME, "op": OP, "value": VALUE}

VALUE may be taken from the item that the list is about: {"context": NAME}, or {"context": NAME, "times": 1.2}
of a number. Where there is no such item, or it lacks the value, there is nothing to compare with, and every
item satisfies the clause.

A field without a value satisfies `ne`, `none_of` and `exists: false` and nothing else. On a list
(`categories`, an attribute that is a list) `eq` means "holds".
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from app.domain.errors import FieldError, InvalidInputError
from app.pipeline.clauses import (
    LIST_OPS,
    ORDER_OPS,
    SET_OPS,
    All,
    Any,
    Clause,
    Exists,
    Not,
    Order,
    ToContext,
    Tokens,
)
from app.pipeline.columns import ATTRIBUTE_PREFIX, ITEM_FIELDS, Token

MAX_CLAUSES = 64
MAX_DEPTH = 8
MAX_VALUES = 100
MAX_VALUES_IN_ALL = 1000

NUMBER_FIELDS = frozenset({"price"})
TIME_FIELDS = frozenset({"published_at", "created_at"})
TRUTH_FIELDS = frozenset({"in_stock", "hidden"})

OPS = ("eq", "ne", *ORDER_OPS, "between", *LIST_OPS, "exists")


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
    if isinstance(value, Mapping) and "context" in value:
        return _to_context(field, str(op), value, at)
    if op == "between":
        low, high = _pair(value, at)
        least, most = _orderable(field, low, f"{at}/0"), _orderable(field, high, f"{at}/1")
        return All((Order(field, "gte", least), Order(field, "lte", most)))
    if op in ORDER_OPS:
        return Order(field, str(op), _orderable(field, value, at))
    return _exists(field, value, at) if op == "exists" else _tokens(field, str(op), value, at)


def _exists(field: str, value: object, at: str) -> Clause:
    if not isinstance(value, bool):
        raise _refuse(at, "exists takes true or false")
    return Exists(field, value)


def _tokens(field: str, op: str, value: object, at: str) -> Clause:
    values = _values(field, value, at) if op in LIST_OPS else (_token(field, value, at),)
    return Tokens(field, SET_OPS[op], values)


def _to_context(field: str, op: str, value: Mapping[str, object], at: str) -> Clause:
    for key in value:
        if key not in {"context", "times"}:
            raise _refuse(f"{at}/{escaped(key)}", "has no place beside context and times")
    other, times = value.get("context"), value.get("times", 1)
    if op not in ORDER_OPS and op not in SET_OPS:
        raise _refuse(at, f"{op} cannot be taken from the context item")
    if not isinstance(other, str) or not _is_field(other):
        raise _refuse(f"{at}/context", "is not a field of an item; attributes are attributes.NAME")
    if isinstance(times, bool) or not isinstance(times, int | float):
        raise _refuse(f"{at}/times", "a number is needed")
    if op in ORDER_OPS and not (_has_order(field) and _has_order(other)):
        raise _refuse(at, "this field has no order; price, times and number attributes have one")
    if times != 1 and TIME_FIELDS & {field, other}:
        raise _refuse(f"{at}/times", "a time cannot be multiplied")
    return ToContext(field, op, other, float(times))


def _has_order(field: str) -> bool:
    return field in NUMBER_FIELDS or field in TIME_FIELDS or field.startswith(ATTRIBUTE_PREFIX)


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
    if not _has_order(field):
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
