"""Ridge regressions of each item on few others, one small system each."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

LARGEST = 1.0


def on_neighbours(
    gram: sparse.csr_array,
    diagonal: NDArray[np.float64],
    chosen: sparse.csr_array,
    wanted: sparse.csr_array,
) -> sparse.csr_array:
    r"""Solve one system for each item on the items chosen for it.

    .. math:: (G_{SS} + \lambda I)\, b_S = w_S

    Entries that `gram` does not hold count as nothing, so a system may lose a little of its soundness;
    weights are cut to -1 and 1, beyond which no weight of a sound one is of use.

    Args:
        gram: float32 (n, n), symmetric, G without its diagonal.
        diagonal: float64 (n,), G's diagonal with lambda.
        chosen: (n, n), row j holds S of item j.
        wanted: float32 (n, n), row j holds w of item j.

    Returns:
        float32 (n, n), B with b of item j in column j.
    """
    block = _Block(gram, diagonal, wanted)
    values = np.zeros(chosen.nnz, np.float32)
    for item in range(chosen.shape[0]):
        span = slice(int(chosen.indptr[item]), int(chosen.indptr[item + 1]))
        if span.stop > span.start:
            values[span] = block.solve(chosen.indices[span], item)
    np.clip(values, -LARGEST, LARGEST, out=values)
    return sparse.csr_array(sparse.csr_array((values, chosen.indices, chosen.indptr), shape=chosen.shape).T)


class _Block:
    """Cuts small dense systems out of sparse matrices; `_place` tells where an item stands in the block."""

    def __init__(
        self, gram: sparse.csr_array, diagonal: NDArray[np.float64], wanted: sparse.csr_array
    ) -> None:
        self._gram, self._diagonal, self._wanted = gram, diagonal, wanted
        self._lengths = np.diff(gram.indptr)
        self._place = np.full(gram.shape[0], -1, np.int32)

    def solve(self, chosen: NDArray[np.int32], item: int) -> NDArray[np.float64]:
        size, place = len(chosen), self._place
        place[chosen] = np.arange(size)
        lengths = self._lengths[chosen]
        ends = np.cumsum(lengths)
        entries = np.repeat(self._gram.indptr[chosen] - (ends - lengths), lengths) + np.arange(ends[-1])
        column = place[self._gram.indices[entries]]
        inside = column >= 0
        matrix = np.zeros((size, size))
        row = np.repeat(np.arange(size), lengths)[inside]
        matrix[row, column[inside]] = self._gram.data[entries[inside]]
        matrix[np.arange(size), np.arange(size)] = self._diagonal[chosen]
        span = slice(self._wanted.indptr[item], self._wanted.indptr[item + 1])
        column = place[self._wanted.indices[span]]
        right = np.zeros(size)
        right[column[column >= 0]] = self._wanted.data[span][column >= 0]
        place[chosen] = -1
        return np.asarray(np.linalg.solve(matrix, right))
