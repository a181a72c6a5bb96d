"""The catalogue as arrays: a frozen snapshot, followed by cheap copies as rows change."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from app.domain.types import Item
from app.pipeline.columns import (
    ATTRIBUTE_PREFIX,
    BoolArray,
    Column,
    FloatArray,
    IntArray,
    build_column,
    changed_column,
    field_reader,
    number_of,
)

Scalar = TypeVar("Scalar", bound=np.generic)

COLUMNS_KEPT = 32
REMEMBERED = 64


class Positions:
    """External ids to positions. Only ever grows, so that snapshots share it without copying.

    A snapshot of n items sees the first n positions alone; later ids are unknown to it.
    """

    __slots__ = ("_marks", "_places", "item_ids")

    def __init__(self) -> None:
        self.item_ids: list[str] = []
        self._marks = np.zeros(0, dtype=np.uint32)
        self._places: dict[str, int] = {}

    def add(self, item_id: str) -> int:
        """The id's position, the next free one where it is new."""
        place = self._places.get(item_id)
        if place is None:
            place = len(self.item_ids)
            self.item_ids.append(item_id)
            self._places[item_id] = place
        return place

    def marks(self, size: int) -> NDArray[np.uint32]:
        """uint32 (size,): a number for each of the first ids, the same in every process."""
        marks = self._marks
        if len(marks) < size:
            added = (item_id.encode("utf-8", "surrogatepass") for item_id in self.item_ids[len(marks) : size])
            new = np.array([crc32(item_id) for item_id in added], dtype=np.uint32)
            marks = self._marks = np.concatenate([marks, new])
        return marks[:size]

    def extended_from(self, size: int) -> Positions:
        """What a snapshot of `size` items goes on with: these, unless another one did so before it."""
        if len(self.item_ids) == size:
            return self
        copy = Positions()
        for item_id in self.item_ids[:size]:
            copy.add(item_id)
        return copy

    def find(self, item_id: str, size: int) -> int:
        """The id's position among the first `size`, or -1."""
        place = self._places.get(item_id, -1)
        return place if place < size else -1


@dataclass(frozen=True, slots=True)
class CatalogueSnapshot:
    """Every item at one revision.

    Attributes:
        revision: Of the newest row in it.
        items: By position.
        eligible: bool (items,): neither deleted, nor hidden, nor out of stock.
        described: bool (items,): written by somebody and not deleted; not made by an event alone.
        fresh_at: float64 (items,): published, else created, in seconds since 1970; NaN where unknown.
        rank: int64 (items,): the item's place by id, which breaks every tie. Positions differ between
            processes (they follow the order of loading), ranks do not.
    """

    revision: int
    items: tuple[Item, ...]
    eligible: BoolArray
    described: BoolArray
    fresh_at: FloatArray
    rank: IntArray
    _positions: Positions
    _sorted_ids: tuple[str, ...]
    _columns: dict[str, Column] = field(default_factory=dict)
    _remembered: dict[Hashable, NDArray[Any]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.items)

    @property
    def lineage(self) -> Positions:
        """What positions are positions of: snapshots that came out of one another share it."""
        return self._positions

    @property
    def marks(self) -> NDArray[np.uint32]:
        """uint32 (items,): a number for each item, by its id alone; two items may share one."""
        return self._positions.marks(len(self.items))

    def position(self, item_id: str) -> int:
        """Where the item stands, or -1 where it is unknown."""
        return self._positions.find(item_id, len(self.items))

    def positions(self, item_ids: Sequence[str]) -> NDArray[np.int64]:
        """Positions of the known ones among the ids, in their order."""
        size = len(self.items)
        found = (self._positions.find(item_id, size) for item_id in item_ids)
        return np.array([place for place in found if place >= 0], dtype=np.int64)

    def aligned(self, item_ids: Sequence[str]) -> NDArray[np.int64]:
        """int64 (ids,): a position for each id, -1 where it is unknown."""
        size = len(self.items)
        return np.array([self._positions.find(item_id, size) for item_id in item_ids], dtype=np.int64)

    @property
    def in_range(self) -> BoolArray:
        """Bool (items,): what may be shown for no other reason than that the shop has it.

        The described items; all of them in a shop that describes none.
        """
        return self.described if self.described.any() else np.ones(len(self.items), dtype=np.bool_)

    def column(self, name: str) -> Column:
        """A field of all items, built when it is first asked for and kept.

        Raises:
            KeyError: There is no such field.
        """
        column = self._columns.get(name)
        if column is None:
            read = field_reader(name)
            column = build_column(read(item) for item in self.items)
            if len(self._columns) >= COLUMNS_KEPT:
                self._forget_an_attribute()
            self._columns[name] = column
        return column

    def remembered(self, of: Hashable, make: Callable[[], NDArray[Scalar]]) -> NDArray[Scalar]:
        """An array over the items, read-only: made when it is first asked for, kept until an item changes."""
        kept = self._remembered.pop(of, None)
        if kept is None:
            kept = make()
            kept.flags.writeable = False
            # Callers' own filters come here too: what was asked for longest ago goes.
            for oldest in tuple(self._remembered)[: len(self._remembered) + 1 - REMEMBERED]:
                self._remembered.pop(oldest, None)
        self._remembered[of] = kept
        return kept

    @property
    def newest(self) -> IntArray:
        """int64 (items,): positions by `fresh_at`, the newest first, those of unknown date last."""
        return self.remembered("newest", self._newest)

    def _newest(self) -> IntArray:
        fresh = np.where(np.isnan(self.fresh_at), -np.inf, self.fresh_at)
        return np.lexsort((self.rank, -fresh)).astype(np.int64)

    def _forget_an_attribute(self) -> None:
        # Attribute names come from outside; without a bound, asking for many would fill the memory.
        for name in tuple(self._columns):
            if name.startswith(ATTRIBUTE_PREFIX):
                self._columns.pop(name, None)
                return

    def with_changes(self, rows: Sequence[Item], *, revision: int) -> CatalogueSnapshot:
        """The snapshot after these rows; the old one stays as it is."""
        latest = {row.item_id: row for row in rows}
        before = len(self.items)
        positions = self._positions.extended_from(before)
        changed = {positions.add(item_id): row for item_id, row in latest.items()}
        items = [*self.items, *(row for place, row in sorted(changed.items()) if place >= before)]
        for place, row in changed.items():
            items[place] = row
        rank, sorted_ids = self._ranked(positions.item_ids[before:])
        return CatalogueSnapshot(
            revision=revision,
            items=tuple(items),
            eligible=put(self.eligible, changed, [_is_eligible(row) for row in changed.values()]),
            described=put(self.described, changed, [_is_described(row) for row in changed.values()]),
            fresh_at=put(self.fresh_at, changed, [_fresh_at(row) for row in changed.values()]),
            rank=rank,
            _positions=positions,
            _sorted_ids=sorted_ids,
            _columns=self._changed_columns(changed, len(items)),
        )

    def _ranked(self, added: Sequence[str]) -> tuple[IntArray, tuple[str, ...]]:
        if not added:
            return self.rank, self._sorted_ids
        before = len(self.items)
        order = np.empty(before, dtype=np.int64)
        order[self.rank] = np.arange(before)
        # Stable, so that ids which fall between the same two old ones keep their own order.
        new = sorted(range(len(added)), key=added.__getitem__)
        at = [bisect_left(self._sorted_ids, added[place]) for place in new]
        order = np.insert(order, at, [before + place for place in new])
        rank = np.empty(len(order), dtype=np.int64)
        rank[order] = np.arange(len(order))
        return rank, tuple(sorted([*self._sorted_ids, *added]))

    def _changed_columns(self, changed: dict[int, Item], size: int) -> dict[str, Column]:
        places, rows = list(changed), list(changed.values())
        kept: dict[str, Column] = {}
        for name, column in tuple(self._columns.items()):
            if len(column.vocabulary) > 2 * size + 1000:
                continue  # Values that no item holds any more have piled up: build it anew when asked.
            read = field_reader(name)
            kept[name] = changed_column(column, places, [read(row) for row in rows], size)
        return kept


def empty_catalogue() -> CatalogueSnapshot:
    """The snapshot before anything is known."""
    return CatalogueSnapshot(
        revision=0,
        items=(),
        eligible=np.zeros(0, dtype=np.bool_),
        described=np.zeros(0, dtype=np.bool_),
        fresh_at=np.zeros(0, dtype=np.float64),
        rank=np.zeros(0, dtype=np.int64),
        _positions=Positions(),
        _sorted_ids=(),
    )


def put(values: NDArray[Scalar], changed: Mapping[int, object], new: Sequence[object]) -> NDArray[Scalar]:
    """A copy with new values at the changed places, grown to hold the last of them."""
    size = max(len(values), max(changed, default=-1) + 1)
    copy = np.empty(size, dtype=values.dtype)
    copy[: len(values)] = values
    copy[list(changed)] = np.array(new, dtype=values.dtype)
    return copy


def _is_eligible(item: Item) -> bool:
    return item.in_stock and not item.hidden and not item.deleted


def _is_described(item: Item) -> bool:
    return not item.cold and not item.deleted


def _fresh_at(item: Item) -> float:
    return number_of(item.published_at or item.created_at)
