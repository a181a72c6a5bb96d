"""Product descriptions of a shop's till to stable ids, readable titles and categories."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

_APOSTROPHES = re.compile("['`\u2019]")
_NOT_ALNUM = re.compile(r"[^A-Z0-9]+")
_DIGITS = re.compile(r"\d+")
_COMMA = re.compile(r"\s*,\s*(?!\d{3}\b)")
_SPACE_BEFORE_MARK = re.compile(r"\s+(?=[.;:!?)](?:\s|$))")
_WORD = re.compile(r"[A-Za-z]+\d*(?:'[A-Za-z]+)?|\d+(?:\.\d+)?'?[A-Za-z]*")

SMALL_WORDS = frozenset({"a", "and", "at", "by", "for", "from", "in", "of", "on", "or", "the", "to", "with"})
CAPITALS = frozenset(
    {"BBQ", "DIY", "DVD", "EU", "FBA", "GB", "LED", "PC", "TV", "UK", "USA", "VIP", "XL", "XXL"}
)

MIN_SPELLING_LENGTH = 4
"""A differing word shorter than this may be another product (jug and mug), so it is never a misspelling."""
MAX_PRICE_RATIO = 1.25
MAX_TOGETHER = 0.15


@dataclass(frozen=True, slots=True)
class Sales:
    """What the till says about one spelling.

    Attributes:
        lines: How often it was sold.
        price: Its usual price.
        baskets: The baskets it was in, in any hashable form.
    """

    lines: int
    price: float
    baskets: frozenset[object]


def comparison_key(description: str) -> str:
    """The description without case, punctuation and odd spaces: what makes two spellings one product.

    >>> comparison_key("  Childrens' cutlery  (spaceboy). ")
    'CHILDRENS CUTLERY SPACEBOY'
    """
    upper = _APOSTROPHES.sub("", description.upper())
    return _NOT_ALNUM.sub(" ", upper).strip()


def slug(key: str) -> str:
    """A readable id of a comparison key; different keys give different ids.

    >>> slug("RED SPOTTY MUG")
    'red-spotty-mug'
    """
    return key.lower().replace(" ", "-")


def readable_title(description: str) -> str:
    """The till's capitals as a person would write them.

    >>> readable_title("SET OF 4 KNICK KNACK TINS 60CM  DOILEY .")
    'Set of 4 Knick Knack Tins 60cm Doiley'
    """
    collapsed = _SPACE_BEFORE_MARK.sub("", _COMMA.sub(", ", " ".join(description.split())))
    title = _WORD.sub(_written, collapsed.strip(" .,;"))
    return title[:1].upper() + title[1:]


def _written(match: re.Match[str]) -> str:
    word = match.group()
    if word.upper() in CAPITALS:
        return word.upper()
    if word.lower() in SMALL_WORDS or word[0].isdigit():
        return word.lower()
    return word[:1].upper() + word[1:].lower()


def merge_spellings(sales: Mapping[str, Sales]) -> dict[str, str]:
    """Each comparison key to the key it is sold under, where a small spelling difference is all there is.

    Two keys are one product when they hold the same words in another order, or differ by one letter or
    space; and have the same numbers and about the same price; and are hardly ever in one basket (a red and
    a rose mug are bought together, two spellings of the same mug are not). The oftener sold spelling wins.
    """
    parent = {key: key for key in sales}
    for one, other in sorted(_candidates(sales)):
        if _same_product(one, other, sales):
            first, second = _root(parent, one), _root(parent, other)
            kept, dropped = sorted((first, second), key=lambda key: (-sales[key].lines, key))
            parent[dropped] = kept
    return {key: _root(parent, key) for key in sales}


def _root(parent: dict[str, str], key: str) -> str:
    while parent[key] != key:
        key = parent[key]
    return key


def _candidates(keys: Iterable[str]) -> set[tuple[str, str]]:
    """Pairs with the same words, or one letter apart, found through their one-letter deletions."""
    buckets: dict[tuple[str, str], list[str]] = defaultdict(list)
    for key in keys:
        buckets["words", " ".join(sorted(key.split()))].append(key)
        letters = key.replace(" ", "")
        forms = {letters} | {letters[:i] + letters[i + 1 :] for i in range(len(letters))}
        for form in forms:
            buckets["letters", form].append(key)
    return {
        (min(one, other), max(one, other))
        for bucket in buckets.values()
        for i, one in enumerate(bucket)
        for other in bucket[i + 1 :]
        if one != other
    }


def _same_product(one: str, other: str, sales: Mapping[str, Sales]) -> bool:
    if sorted(_DIGITS.findall(one)) != sorted(_DIGITS.findall(other)):
        return False
    left, right = set(one.split()), set(other.split())
    changed = (left - right) | (right - left)
    if changed and max(map(len, changed)) < MIN_SPELLING_LENGTH:
        return False
    first, second = sales[one], sales[other]
    low, high = sorted((first.price, second.price))
    if high > low * MAX_PRICE_RATIO:
        return False
    together = len(first.baskets & second.baskets)
    return together <= MAX_TOGETHER * min(len(first.baskets), len(second.baskets))
