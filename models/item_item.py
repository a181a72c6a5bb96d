"""Item-to-item tables: what popularity, transitions, item-kNN and EASE are served by. NumPy only."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

PADDING_SCORE = -np.inf
SAME_BASKET = 1e-6
_FIELDS = ("data", "indices", "indptr", "popularity", "recency", "prior")


@dataclass(frozen=True, slots=True)
class ItemItem:
    r"""A sparse matrix of item-to-item scores and a popularity prior.

    .. math:: s_j = \sum_t w_t\, r^{g_t}\, B_{i_t j} + \pi\, p_j

    with :math:`g_t` the number of baskets after place t and r the `recency`.

    Attributes:
        data: float32 (nonzeros,).
        indices: int32 (nonzeros,), columns, 1 to n.
        indptr: int64 (n + 2,), rows 0 to n; row 0 is empty.
        popularity: float32 (n + 1,), row 0 zero.
        recency: 0 to 1. What a basket counts beside the one after it; 1 leaves the weights as they are, 0
            asks the last basket alone. Neighbouring places of equal weight are one basket.
        prior: What popularity adds; it alone orders what the matrix leaves at zero.
    """

    data: NDArray[np.float32]
    indices: NDArray[np.int32]
    indptr: NDArray[np.int64]
    popularity: NDArray[np.float32]
    recency: float = 1.0
    prior: float = 1e-6

    @property
    def n_items(self) -> int:
        """Items known, padding not counted."""
        return len(self.popularity) - 1

    def score(self, item_idx: NDArray[np.int32], weight: NDArray[np.float32]) -> NDArray[np.float32]:
        """Score every item for every query.

        Args:
            item_idx: int32 (batch, time), oldest first, left-padded with 0.
            weight: float32 (batch, time), > 0 where there is an item.

        Returns:
            float32 (batch, n + 1); column 0 is -inf.
        """
        scores = np.empty((len(item_idx), self.n_items + 1), dtype=np.float32)
        for row, (items, weights) in enumerate(zip(item_idx, weight, strict=True)):
            scores[row] = self._score_one(items, weights)
        scores[:, 0] = PADDING_SCORE
        return scores

    def _score_one(self, items: NDArray[np.int32], weights: NDArray[np.float32]) -> NDArray[np.float32]:
        scores = self.prior * self.popularity
        for idx, weight in zip(items, self._faded(items, weights), strict=True):
            if weight > 0:
                span = slice(self.indptr[idx], self.indptr[idx + 1])
                scores[self.indices[span]] += weight * self.data[span]
        return scores

    def _faded(self, items: NDArray[np.int32], weights: NDArray[np.float32]) -> NDArray[np.float32]:
        faded = np.where(items > 0, weights, np.float32(0))
        if self.recency == 1.0 or not len(items):
            return faded
        new_basket = np.abs(np.diff(weights)) > SAME_BASKET * np.abs(weights[1:])
        later = np.append(np.cumsum(new_basket[::-1])[::-1], 0)
        return np.asarray(faded * np.power(np.float32(self.recency), later), dtype=np.float32)

    def save(self, path: Path) -> None:
        """Write an ``.npz`` without pickles."""
        arrays: dict[str, Any] = {name: np.asarray(getattr(self, name)) for name in _FIELDS}
        np.savez_compressed(path, **arrays)

    @classmethod
    def load(cls, path: Path) -> ItemItem:
        """Read what `save` wrote.

        Raises:
            ValueError: The arrays do not fit each other or are not finite.
            KeyError: An array is missing.
        """
        with np.load(path, allow_pickle=False) as arrays:
            table = cls(
                arrays["data"].astype(np.float32),
                arrays["indices"].astype(np.int32),
                arrays["indptr"].astype(np.int64),
                arrays["popularity"].astype(np.float32),
                float(arrays["recency"]),
                float(arrays["prior"]),
            )
        table.check()
        return table

    def check(self) -> None:
        """See that the table can be asked.

        Raises:
            ValueError: The arrays do not fit each other or are not finite.
        """
        rows_fit = len(self.indptr) == self.n_items + 2 and self.indptr[0] == 0
        rows_fit = rows_fit and self.indptr[-1] == len(self.data) == len(self.indices)
        if not rows_fit or np.any(np.diff(self.indptr) < 0):
            raise ValueError("the rows of the item-item table do not fit its columns")
        if len(self.indices) and not (self.indices.min() >= 1 and self.indices.max() <= self.n_items):
            raise ValueError("a column of the item-item table is no item")
        numbers = (self.data, self.popularity, np.array([self.recency, self.prior]))
        if not all(np.isfinite(array).all() for array in numbers):
            raise ValueError("the item-item table holds numbers that are not finite")
