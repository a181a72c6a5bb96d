"""One field of every item, held so that a filter reads it without a loop over items."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from app.domain.types import Item

Token = str | bool | float
FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.int64]

NO_TOKENS = 0


class Vocabulary:
    """The distinct sets of tokens a field holds, numbered. Only ever grows, so snapshots share it."""

    __slots__ = ("_codes", "_containing", "sets")

    def __init__(self) -> None:
        self.sets: list[tuple[Token, ...]] = [()]
        self._codes: dict[tuple[tuple[type, Token], ...], int] = {(): NO_TOKENS}
        self._containing: dict[tuple[type, Token], list[int]] = {}

    def __len__(self) -> int:
        return len(self.sets)

    def code(self, tokens: tuple[Token, ...]) -> int:
        """The number of this set of tokens, a new one where it was never seen."""
        key = tuple(typed(token) for token in tokens)
        code = self._codes.get(key)
        if code is None:
            code = len(self.sets)
            self.sets.append(tokens)
            for token in dict.fromkeys(key):
                self._containing.setdefault(token, []).append(code)
            self._codes[key] = code
        return code

    def containing(self, token: Token) -> Sequence[int]:
        """Numbers of the sets that hold the token."""
        return self._containing.get(typed(token), ())


def typed(token: Token) -> tuple[type, Token]:
    """True and 1 are one dictionary key in Python but two values in JSON."""
    if isinstance(token, bool):
        return bool, token
    return (str, token) if isinstance(token, str) else (float, float(token))


@dataclass(frozen=True, slots=True)
class Column:
    """A field's numbers and its sets of tokens, one place an item.

    Attributes:
        numbers: float64 (items,), NaN where the value is not a number or a time.
        codes: int64 (items,) into `vocabulary`; 0 where there is none.
    """

    numbers: FloatArray
    codes: IntArray
    vocabulary: Vocabulary

    def holds(self, token: Token) -> BoolArray:
        """Which items hold the token."""
        return self.holds_any((token,))

    def holds_any(self, tokens: Sequence[Token]) -> BoolArray:
        """Which items hold at least one of the tokens."""
        found = np.zeros(len(self.vocabulary), dtype=np.bool_)
        for token in tokens:
            found[list(self.vocabulary.containing(token))] = True
        mask: BoolArray = found[self.codes]
        wanted = np.unique([float(token) for token in tokens if is_number(token)])
        if len(wanted):
            places = np.minimum(np.searchsorted(wanted, self.numbers), len(wanted) - 1)
            mask |= wanted[places] == self.numbers
        return mask

    def holds_all(self, tokens: Sequence[Token]) -> BoolArray:
        """Which items hold every one of the tokens."""
        held = np.ones(len(self.vocabulary), dtype=np.bool_)
        for token in tokens:
            found = np.zeros(len(held), dtype=np.bool_)
            found[list(self.vocabulary.containing(token))] = True
            held &= found
        mask: BoolArray = held[self.codes]
        # A plain number is one value: it holds all of several only if they are one.
        if tokens and all(is_number(token) and token == tokens[0] for token in tokens):
            mask |= self.numbers == float(tokens[0])
        return mask

    def present(self) -> BoolArray:
        """Which items have a value at all."""
        mask: BoolArray = (self.codes != NO_TOKENS) | ~np.isnan(self.numbers)
        return mask


def is_number(token: Token) -> bool:
    """Whether it is a number and no truth value, which Python takes for one."""
    return isinstance(token, int | float) and not isinstance(token, bool)


def number_of(value: object) -> float:
    """The value as a number: a time as seconds since 1970, NaN for anything that is neither."""
    if isinstance(value, bool):
        return np.nan
    if isinstance(value, int | float | Decimal):
        return float(value)
    return value.timestamp() if isinstance(value, datetime) else np.nan


def tokens_of(value: object) -> tuple[Token, ...]:
    """The value as tokens: a text or a truth value is one, a list has one for each of its scalars."""
    if isinstance(value, str | bool):
        return (value,)
    if isinstance(value, tuple | list):
        return tuple(v if isinstance(v, str | bool) else float(v) for v in value if _is_scalar(v))
    return ()


def _is_scalar(value: object) -> bool:
    return isinstance(value, str | bool | int | float)


def build_column(values: Iterable[object]) -> Column:
    """A column of its own vocabulary."""
    held = list(values)
    vocabulary = Vocabulary()
    return Column(
        numbers=np.array([number_of(value) for value in held], dtype=np.float64),
        codes=np.array([vocabulary.code(tokens_of(value)) for value in held], dtype=np.int64),
        vocabulary=vocabulary,
    )


def changed_column(column: Column, positions: Sequence[int], values: Sequence[object], size: int) -> Column:
    """A copy with new values at some positions, grown to `size` places."""
    grown = size - len(column.numbers)
    numbers = np.concatenate([column.numbers, np.full(grown, np.nan)])
    codes = np.concatenate([column.codes, np.zeros(grown, dtype=np.int64)])
    numbers[list(positions)] = [number_of(value) for value in values]
    codes[list(positions)] = [column.vocabulary.code(tokens_of(value)) for value in values]
    return Column(numbers=numbers, codes=codes, vocabulary=column.vocabulary)


ITEM_FIELDS: dict[str, Callable[[Item], object]] = {
    "item_id": lambda item: item.item_id,
    "title": lambda item: item.title,
    "description": lambda item: item.description,
    "categories": lambda item: item.categories,
    "price": lambda item: item.price,
    "currency": lambda item: item.currency,
    "image_url": lambda item: item.image_url,
    "url": lambda item: item.url,
    "brand": lambda item: item.brand,
    "in_stock": lambda item: item.in_stock,
    "hidden": lambda item: item.hidden,
    "published_at": lambda item: item.published_at,
    "created_at": lambda item: item.created_at,
}
ATTRIBUTE_PREFIX = "attributes."


def field_reader(name: str) -> Callable[[Item], object]:
    """How to read a field, or an attribute by `attributes.NAME`, from an item.

    Raises:
        KeyError: There is no such field.
    """
    if name.startswith(ATTRIBUTE_PREFIX):
        key = name.removeprefix(ATTRIBUTE_PREFIX)
        return lambda item: item.attributes.get(key)
    return ITEM_FIELDS[name]
