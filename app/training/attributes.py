"""Step 1b: the catalogue to attributes: brand, categories, price range, words, all else by its name."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType

import numpy as np

from app.domain.types import Item
from models.base import Attributes

MIN_ITEMS = 2
MAX_WORDS = 4_000
MAX_VALUES = 8_000
PRICE_RANGES = 10
MIN_NEW_ITEMS = 1_000
"""So many items without an event take part even where fewer have some."""

_WORD = re.compile(r"[^\W\d_]{2,}")
_STOP_WORDS = """
a about above after all also am an and any are as at be been but by can could did do does for from had has
have he her his how if in into is it its just me more most my no nor not of off on once only or other our
out over own same she so some such than that the their them then there these they this those to too under
until up very was we were what when where which while who whom why will with you your
"""
STOP_WORDS = frozenset(_STOP_WORDS.split())


@dataclass(frozen=True, slots=True)
class Described:
    """What the catalogue says, by external id.

    Attributes:
        bags: Each item's attributes, as ``brand=OPI``; items without any are not in it.
        since: Days since 1970 when an item that can be bought came into the catalogue; others are not in it.
    """

    bags: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    since: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))

    def new_items(self, with_events: Iterable[str], *, until: float) -> list[str]:
        """Items that nobody had yet and that attributes can speak for, newest first where there are too many.

        Args:
            with_events: External ids of the items that somebody had.
            until: Days since 1970; what came into the catalogue later is left out.
        """
        had = set(with_events)
        new = [
            item_id
            for item_id, since in self.since.items()
            if since <= until and item_id not in had and item_id in self.bags
        ]
        new.sort(key=lambda item_id: (-self.since[item_id], item_id))
        return new[: max(MIN_NEW_ITEMS, len(had))]

    def of(self, item_ids: Sequence[str], with_events: Iterable[str]) -> Attributes | None:
        """The attributes of numbered items; None where nothing is known of any.

        Args:
            item_ids: Items 1 to n.
            with_events: Those that somebody had: an attribute of none of them can mean nothing.
        """
        learned = {name for item_id in with_events for name in self.bags.get(item_id, ())}
        counts = Counter(name for item_id in item_ids for name in self.bags.get(item_id, ()))
        names = sorted(name for name in learned if counts[name] >= MIN_ITEMS)
        if not names:
            return None
        number = {name: place for place, name in enumerate(names)}
        rows = [
            [number[name] for name in self.bags.get(item_id, ()) if name in number] for item_id in item_ids
        ]
        lengths = np.array([0, 0, *map(len, rows)], np.int64)
        flat = [place for row in rows for place in row]
        return Attributes(names, np.array(flat, np.int32), np.cumsum(lengths))


def described(batches: Iterable[Sequence[Item]]) -> Described:
    """Read the catalogue.

    Every value of brand, category and the shop's own attributes, and every word of title and description, is
    an attribute where at least `MIN_ITEMS` items share it. A price says which tenth of the prices in its
    currency it belongs to. Memory grows with the items' attributes.
    """
    values: dict[str, list[str]] = {}
    words: dict[str, list[str]] = {}
    prices: dict[str, tuple[str, Decimal]] = {}
    since: dict[str, float] = {}
    for item in (item for batch in batches for item in batch):
        if item.deleted:
            continue
        values[item.item_id] = sorted(set(_values(item)))
        words[item.item_id] = sorted(set(_words(item)))
        if item.price is not None:
            prices[item.item_id] = (item.currency or "", item.price)
        if item.in_stock and not item.hidden:
            since[item.item_id] = _since(item)
    ranges = _price_ranges(prices)
    kept_values = _common(values.values(), most=MAX_VALUES)
    kept_words = _common(words.values(), most=MAX_WORDS)
    bags = {
        item_id: (
            *(value for value in values[item_id] if value in kept_values),
            *ranges.get(item_id, ()),
            *(word for word in words[item_id] if word in kept_words),
        )
        for item_id in values
    }
    return Described({item_id: bag for item_id, bag in bags.items() if bag}, since)


def _since(item: Item) -> float:
    entered: datetime | None = item.published_at or item.created_at
    return entered.timestamp() / 86_400 if entered is not None else -np.inf


def _values(item: Item) -> Iterator[str]:
    if item.brand:
        yield f"brand={item.brand.strip()}"
    for category in item.categories:
        for level in _levels(category):
            yield f"category={level}"
    for name, value in item.attributes.items():
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, str | int | float) and one != "":
                yield f"{name}={one}"


def _levels(category: str) -> Iterator[str]:
    """Every level of a path, as ``Home``, ``Home > Kitchen``; a plain name is one level."""
    parts = [part.strip() for part in re.split(r"\s*[>|]\s*|/", category) if part.strip()]
    for depth in range(1, len(parts) + 1):
        yield " > ".join(parts[:depth])


def _words(item: Item) -> Iterator[str]:
    for text in (item.title, item.description):
        for word in _WORD.findall((text or "").lower()):
            if word not in STOP_WORDS:
                yield f"word={word}"


def _common(bags: Iterable[Sequence[str]], *, most: int) -> frozenset[str]:
    """What at least `MIN_ITEMS` items have, but not all of them: the `most` commonest, ties by name."""
    total, counts = 0, Counter[str]()
    for bag in bags:
        total += 1
        counts.update(bag)
    shared = [
        (-count, name) for name, count in counts.items() if MIN_ITEMS <= count < max(total, MIN_ITEMS + 1)
    ]
    return frozenset(name for _, name in sorted(shared)[:most])


def _price_ranges(prices: Mapping[str, tuple[str, Decimal]]) -> dict[str, tuple[str]]:
    """The tenth that each price lies in, among those of its currency."""
    found: dict[str, tuple[str]] = {}
    for currency in sorted({currency for currency, _ in prices.values()}):
        item_ids = [item_id for item_id, (own, _) in prices.items() if own == currency]
        amounts = np.array([float(prices[item_id][1]) for item_id in item_ids])
        edges = np.quantile(amounts, np.arange(1, PRICE_RANGES) / PRICE_RANGES)
        places = np.searchsorted(edges, amounts, side="right")
        found.update(
            (item_id, (f"price={place}",)) for item_id, place in zip(item_ids, places.tolist(), strict=True)
        )
    return found
