"""Lists of different lengths in two flat arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

Number = TypeVar("Number", bound=np.generic)


@dataclass(frozen=True, slots=True)
class Ragged(Generic[Number]):
    """Row i is ``values[offsets[i]:offsets[i + 1]]``.

    Attributes:
        values: (total,).
        offsets: int64 (rows + 1,), rising from 0.
    """

    values: NDArray[Number]
    offsets: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def row(self, number: int) -> NDArray[Number]:
        """One row, a view."""
        return self.values[self.offsets[number] : self.offsets[number + 1]]

    @property
    def lengths(self) -> NDArray[np.int64]:
        """int64 (rows,)."""
        return np.diff(self.offsets)

    def take(self, rows: NDArray[np.int64]) -> Ragged[Number]:
        """Some rows, in the order given."""
        return ragged([self.row(int(number)) for number in rows], self.values.dtype)


def ragged(rows: Sequence[NDArray[Number]], dtype: np.dtype[Number]) -> Ragged[Number]:
    """Flatten rows.

    Args:
        rows: One-dimensional arrays.
        dtype: Of the values, also where there is no row.
    """
    offsets = np.zeros(len(rows) + 1, np.int64)
    np.cumsum([len(row) for row in rows], out=offsets[1:])
    values = np.concatenate([*rows, np.empty(0, dtype)]).astype(dtype, copy=False)
    return Ragged(values, offsets)


def grouped(keys: NDArray[np.int64], values: NDArray[Number], n_rows: int) -> Ragged[Number]:
    """Rows of the values that share a key.

    Args:
        keys: int64 (total,), the row of each value, rising.
        values: (total,).
        n_rows: How many rows there are, empty ones included.
    """
    return Ragged(values, np.searchsorted(keys, np.arange(n_rows + 1)).astype(np.int64))
