"""An index over item vectors: every item in four bits per two numbers, scanned whole, its best read again.

Scanning codes of all items depends less on how the vectors lie than visiting some of many clusters does, and
takes a tenth of the exact products' time. What it puts first is scored again in float32 by whoever asks.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

LOOKED_AT = (2000, 4000, 8000, 16_000)
"""Candidates of a search: the fewest that reach the recall wanted."""
TOP = 100
_SAMPLE = 32_768
_AT_ONCE = 65_536
_SEED = 1

FloatArray = NDArray[np.float32]
IntArray = NDArray[np.int64]


class CodeIndex:
    """Product codes of item vectors and biases, by `item_idx`.

    Args:
        vectors: float32 (n + 1, d); row 0 is padding and never found.
        biases: float32 (n + 1,).

    Source:
        Codes and their scan: André et al., "Quicker ADC", TPAMI 2021, arXiv 1812.09162, as faiss has it.
        Deviation: the bias is one more number of the vector, and the query's is 1.
    """

    def __init__(self, vectors: FloatArray, biases: FloatArray) -> None:
        # 22 MB, which a process with a small catalogue need not pay.
        import faiss  # noqa: PLC0415

        # One inference thread a process: several processes share the cores.
        faiss.omp_set_num_threads(1)
        size = vectors.shape[1] + 1
        self._pairs, self.n_items = -(-size // 2), len(vectors) - 1
        self.looked_at = min(LOOKED_AT[0], self.n_items)
        self._index = faiss.IndexPQFastScan(2 * self._pairs, self._pairs, 4, faiss.METRIC_INNER_PRODUCT)
        self._fill(vectors, biases)

    def _fill(self, vectors: FloatArray, biases: FloatArray) -> None:
        some = 1 + np.random.default_rng(_SEED).permutation(self.n_items)[:_SAMPLE]
        self._index.train(self._rows(vectors[some], biases[some]))
        for start in range(1, self.n_items + 1, _AT_ONCE):
            part = slice(start, start + _AT_ONCE)
            self._index.add(self._rows(vectors[part], biases[part]))

    def _rows(self, vectors: FloatArray, last: FloatArray) -> FloatArray:
        rows = np.zeros((len(vectors), 2 * self._pairs), np.float32)
        rows[:, : vectors.shape[1]] = vectors
        rows[:, vectors.shape[1]] = last
        return rows

    def near(self, states: FloatArray) -> IntArray:
        """int64 (queries, `looked_at`): `item_idx` of items that score high, in no order that counts.

        Args:
            states: float32 (queries, d).
        """
        queries = self._rows(states, np.ones(len(states), np.float32))
        found: Any = self._index.search(queries, self.looked_at)[1]
        return np.asarray(found, np.int64) + 1

    def settle(self, states: FloatArray, exact: IntArray, *, least: float) -> float:
        """Look at as many candidates as the recall wanted takes; returns the recall that is reached.

        Args:
            states: float32 (queries, d).
            exact: int64 (queries, k), the true best.
            least: From 0 to 1.
        """
        reached = 0.0
        for looked_at in LOOKED_AT:
            self.looked_at = min(looked_at, self.n_items)
            found = self.near(states)
            # Scored again in float32, what is found stands in its true order: being found is all.
            shares = [np.isin(best, near).mean() for best, near in zip(exact, found, strict=True)]
            reached = float(np.mean(shares))
            if reached >= least or self.looked_at == self.n_items:
                break
        return reached
