"""Item-to-item tables: what popularity, transitions, item-kNN and EASE are served by. NumPy only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.memory import Memory

PADDING_SCORE = -np.inf
SAME_BASKET = 1e-6
AT_ONCE = 2**18
_FIELDS = ("data", "indices", "indptr", "popularity", "recency", "prior")
_FACTORS = ("reading", "writing")
_MEMORY = "memory."


@dataclass(frozen=True, slots=True)
class ItemItem:
    r"""A sparse matrix of item-to-item scores and a popularity prior.

    .. math:: s_j = \sum_t w_t\, r^{g_t}\, (B_{i_t j} + R_{i_t} \cdot W_j) + \pi\, p_j + M_j

    with :math:`g_t` the number of baskets after place t and r the `recency`. Where a catalogue is too large
    for its strongest entries to tell all, R and W say the rest at low rank. M is what the
    memory says, see `models.memory`, 0 where there is none.

    Attributes:
        data: float32 (nonzeros,).
        indices: int32 (nonzeros,), columns, 1 to n.
        indptr: int64 (n + 2,), rows 0 to n; row 0 is empty.
        popularity: float32 (n + 1,), row 0 zero.
        recency: 0 to 1. What a basket counts beside the one after it; 1 leaves the weights as they are, 0
            asks the last basket alone. Neighbouring places of equal weight are one basket.
        prior: What popularity adds; it alone orders what the matrix leaves at zero.
        reading: float32 (n + 1, d), R: what a place of the query says; row 0 zero. None where there are no
            factors.
        writing: float32 (n + 1, d), W: how an item hears it; row 0 zero. None together with `reading`.
        memory: Histories that are searched for those like the query, and add what these had.
    """

    data: NDArray[np.float32]
    indices: NDArray[np.int32]
    indptr: NDArray[np.int64]
    popularity: NDArray[np.float32]
    recency: float = 1.0
    prior: float = 1e-6
    reading: NDArray[np.float32] | None = None
    writing: NDArray[np.float32] | None = None
    memory: Memory | None = None

    @property
    def n_items(self) -> int:
        """Items known, padding not counted."""
        return len(self.popularity) - 1

    @property
    def reads_history(self) -> bool:
        """Whether the query plays a part at all."""
        return len(self.data) > 0 or self.reading is not None or self.memory is not None

    def score(self, item_idx: NDArray[np.int32], weight: NDArray[np.float32]) -> NDArray[np.float32]:
        """Score every item for every query.

        Args:
            item_idx: int32 (batch, time), oldest first, left-padded with 0.
            weight: float32 (batch, time), > 0 where there is an item.

        Returns:
            float32 (batch, n + 1); column 0 is -inf.
        """
        faded = self._faded(item_idx, weight)
        scores = self._by_factors(item_idx, faded)
        scores += np.float32(self.prior) * self.popularity
        self._add_rows(scores, item_idx, faded)
        if self.memory is not None:
            self.memory.add_to(scores, item_idx, faded)
        scores[:, 0] = PADDING_SCORE
        return scores

    def _by_factors(self, item_idx: NDArray[np.int32], faded: NDArray[np.float32]) -> NDArray[np.float32]:
        """Scores by the factors, float32 (batch, n + 1); 0 where the table has none."""
        if self.reading is None or self.writing is None or not item_idx.size:
            return np.zeros((len(item_idx), self.n_items + 1), np.float32)
        person = np.empty((len(item_idx), self.reading.shape[1]), np.float32)
        step = max(1, AT_ONCE // max(item_idx.shape[1] * self.reading.shape[1], 1))
        for start in range(0, len(item_idx), step):
            rows = slice(start, start + step)
            person[rows] = np.einsum("bt,btd->bd", faded[rows], self.reading[item_idx[rows]])
        return np.asarray(person @ self.writing.T)

    def _add_rows(
        self, scores: NDArray[np.float32], item_idx: NDArray[np.int32], faded: NDArray[np.float32]
    ) -> None:
        """Add the rows of all places to the scores, some 2 ** 18 entries at once."""
        query, place = np.nonzero(faded > 0)
        items, weights = item_idx[query, place], faded[query, place]
        lengths = self.indptr[items + 1] - self.indptr[items]
        ends = np.cumsum(lengths)
        shift = self.indptr[items] - (ends - lengths)
        flat, first = scores.reshape(-1), query * scores.shape[1]
        total = int(ends[-1]) if len(ends) else 0
        cuts = np.searchsorted(ends, np.arange(AT_ONCE, total + AT_ONCE, AT_ONCE), side="left") + 1
        for start, stop in pairwise([0, *cuts.tolist()]):
            some = slice(start, stop)
            if start >= len(ends) or not (n := lengths[some]).sum():
                continue
            offset = int(ends[start] - lengths[start])
            entries = np.repeat(shift[some], n) + np.arange(offset, offset + int(n.sum()))
            np.add.at(
                flat,
                np.repeat(first[some], n) + self.indices[entries],
                np.repeat(weights[some], n) * self.data[entries],
            )

    def _faded(self, item_idx: NDArray[np.int32], weight: NDArray[np.float32]) -> NDArray[np.float32]:
        faded = np.where(item_idx > 0, weight, np.float32(0)).astype(np.float32, copy=False)
        if self.recency == 1.0 or not item_idx.size:
            return faded
        new_basket = np.abs(np.diff(weight, axis=1)) > SAME_BASKET * np.abs(weight[:, 1:])
        later = np.zeros(weight.shape, np.int64)
        later[:, :-1] = np.cumsum(new_basket[:, ::-1], axis=1)[:, ::-1]
        return np.asarray(faded * np.power(np.float32(self.recency), later), dtype=np.float32)

    def save(self, path: Path) -> None:
        """Write an ``.npz`` without pickles."""
        names = _FIELDS if self.reading is None else (*_FIELDS, *_FACTORS)
        arrays: dict[str, Any] = {name: np.asarray(getattr(self, name)) for name in names}
        if self.memory is not None:
            arrays |= {_MEMORY + name: array for name, array in self.memory.arrays().items()}
        np.savez_compressed(path, **arrays)

    @classmethod
    def load(cls, path: Path) -> ItemItem:
        """Read what `save` wrote; a file without factors or memory is a table without.

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
                **{name: arrays[name].astype(np.float32) for name in _FACTORS if name in arrays},
                memory=_memory_of(arrays),
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
        self._check_factors()
        if self.memory is not None:
            self.memory.check(self.n_items)
        numbers = (self.data, self.popularity, np.array([self.recency, self.prior]), *self._factors())
        if not all(np.isfinite(array).all() for array in numbers):
            raise ValueError("the item-item table holds numbers that are not finite")

    def _factors(self) -> list[NDArray[np.float32]]:
        return [array for array in (self.reading, self.writing) if array is not None]

    def _check_factors(self) -> None:
        factors = self._factors()
        if not factors:
            return
        shapes = {array.shape for array in factors}
        rows_fit = all(array.ndim == 2 and len(array) == self.n_items + 1 for array in factors)
        if len(factors) != 2 or len(shapes) != 1 or not rows_fit:
            raise ValueError("the factors of the item-item table do not fit its items")


def _memory_of(arrays: Mapping[str, NDArray[Any]]) -> Memory | None:
    if f"{_MEMORY}items" not in arrays:
        return None
    return Memory.of(
        {name.removeprefix(_MEMORY): arrays[name] for name in arrays if name.startswith(_MEMORY)}
    )
