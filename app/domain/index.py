"""External item ids to the model's internal numbers, and back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


class ItemIndex:
    """A fixed numbering of items: `item_idx` 1 to n; 0 is padding.

    Args:
        item_ids: Distinct external ids; their order is the numbering.

    Raises:
        ValueError: An id stands there twice.
    """

    __slots__ = ("_ids", "_positions")

    def __init__(self, item_ids: Iterable[str]) -> None:
        self._ids = tuple(item_ids)
        self._positions = {item_id: idx for idx, item_id in enumerate(self._ids, start=1)}
        if len(self._positions) != len(self._ids):
            raise ValueError("an item id stands twice in the index")

    def __len__(self) -> int:
        return len(self._ids)

    def __contains__(self, item_id: str) -> bool:
        return item_id in self._positions

    @property
    def item_ids(self) -> Sequence[str]:
        """External ids; `item_ids[item_idx - 1]`."""
        return self._ids

    def idx(self, item_id: str) -> int:
        """The item's number, or 0 where it is unknown."""
        return self._positions.get(item_id, 0)

    def item_id(self, item_idx: int) -> str:
        """The external id of a number from 1 to n."""
        if item_idx < 1:
            raise IndexError("0 is padding, not an item")
        return self._ids[item_idx - 1]
