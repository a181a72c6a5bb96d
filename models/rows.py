"""From who had what to the sparse rows of an `ItemItem`, in memory that a block of rows bounds."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models.base import Interactions
from models.item_item import ItemItem

LONGEST = 2000
MOST_PRODUCTS = 2_000_000_000
PRODUCTS_AT_ONCE = 20_000_000

Rows = Callable[[sparse.csr_array, slice], sparse.csr_array]
"""A block of rows of X^T X, and which rows they are, to what the table holds in their place."""


def people_by_item(interactions: Interactions) -> sparse.csr_array:
    """Who had what at least once: float32 (n_users, n_items), column j is item j + 1.

    Of very long histories only the newest distinct items take part: as many that all pairs of items that
    somebody had, counted a person, stay below `MOST_PRODUCTS`, and `LONGEST` at most.
    """
    n = interactions.n_items + 1
    # Newest first, so that the place of a pair's first line tells how new it is.
    key = (interactions.user.astype(np.int64) * n + interactions.item)[::-1]
    pairs, first = np.unique(key, return_index=True)
    user, item = np.divmod(pairs, n)
    lengths = np.bincount(user, minlength=interactions.n_users)
    longest = _longest(lengths)
    if lengths.max(initial=0) > longest:
        order = np.lexsort((first, user))
        place = np.arange(len(order)) - (np.cumsum(lengths) - lengths)[user[order]]
        kept = np.sort(order[place < longest])
        user, item = user[kept], item[kept]
    ones = np.ones(len(user), np.float32)
    return sparse.csr_array((ones, (user, item - 1)), shape=(interactions.n_users, interactions.n_items))


def _longest(lengths: NDArray[np.int64]) -> int:
    """The largest halving of `LONGEST` that keeps the work within bounds."""
    longest = LONGEST
    while longest > 1 and np.square(np.minimum(lengths, longest), dtype=np.float64).sum() > MOST_PRODUCTS:
        longest //= 2
    return longest


def blocks(work: NDArray[np.float64], *, at_once: float) -> Iterator[slice]:
    """Neighbouring rows whose work adds up to `at_once` at most, a row of more alone.

    Args:
        work: float64 (n,), of each row.
        at_once: In the same unit.
    """
    start, total = 0, 0.0
    for row, more in enumerate(work.tolist()):
        if row > start and total + more > at_once:
            yield slice(start, row)
            start, total = row, 0.0
        total += more
    if start < len(work):
        yield slice(start, len(work))


def gram(
    people: sparse.csr_array, *, keep: int, rows: Rows = lambda block, _which: block
) -> sparse.csr_array:
    """The strongest entries of each row of X^T X, made block by block: the whole is never held.

    Args:
        people: float32 (users, n), X.
        keep: Entries a row.
        rows: What each block becomes before its strongest entries are chosen.

    Returns:
        float32 (n, n).
    """
    flipped = sparse.csr_array(people.T)
    work = np.asarray(flipped @ np.diff(people.indptr).astype(np.float64))
    made = [
        strongest(rows(sparse.csr_array(flipped[which] @ people), which), keep=keep)
        for which in blocks(work, at_once=PRODUCTS_AT_ONCE)
    ]
    return sparse.csr_array(sparse.vstack(made, format="csr"))


def without_diagonal(block: sparse.csr_array, which: slice) -> sparse.csr_array:
    """The block with nothing where a row meets its own column.

    Args:
        block: (rows, n).
        which: The rows' numbers among all n.
    """
    block = sparse.csr_array(block)
    row = np.repeat(np.arange(which.start, which.start + block.shape[0]), np.diff(block.indptr))
    block.data[row == block.indices] = 0
    block.eliminate_zeros()
    return block


def strongest(rows: sparse.csr_array, *, keep: int) -> sparse.csr_array:
    """The entries of largest absolute value in each row, ties by column.

    Args:
        rows: (m, n).
        keep: Entries a row at most.
    """
    rows = sparse.csr_array(rows)
    rows.sort_indices()
    kept = np.ones(len(rows.data), bool)
    for row in np.flatnonzero(np.diff(rows.indptr) > keep).tolist():
        span = slice(int(rows.indptr[row]), int(rows.indptr[row + 1]))
        size = np.abs(rows.data[span])
        least = np.partition(size, len(size) - keep)[len(size) - keep]
        above = size > least
        level = np.flatnonzero(size == least)[: keep - int(above.sum())]
        above[level] = True
        kept[span] = above
    kept &= rows.data != 0
    ends = np.concatenate([[0], np.cumsum(kept)])[rows.indptr]
    return sparse.csr_array((rows.data[kept], rows.indices[kept], ends), shape=rows.shape)


def as_table(
    rows: sparse.csr_array, popularity: NDArray[np.float32], *, recency: float = 1.0, prior: float = 1e-6
) -> ItemItem:
    """The table of a matrix.

    Args:
        rows: float32 (n_items, n_items); row and column j are item j + 1.
        popularity: float32 (n_items + 1,), row 0 zero.
        recency: What a basket counts beside the one after it.
        prior: What the share of demand adds, in units of the scores.
    """
    rows = sparse.csr_array(rows)
    rows.sort_indices()
    return ItemItem(
        data=rows.data.astype(np.float32),
        indices=(rows.indices + 1).astype(np.int32),
        indptr=np.concatenate([[0], rows.indptr]).astype(np.int64),
        popularity=popularity / max(float(popularity.sum()), 1e-9),
        recency=recency,
        prior=prior,
    )


def demand(interactions: Interactions, *, half_life_days: float = 30.0) -> NDArray[np.float32]:
    """Decayed demand of each item, float32 (n_items + 1,), row 0 zero: the prior of the counted tables."""
    age = np.maximum(interactions.now - interactions.time, 0.0)
    labels = interactions.weight * 0.5 ** (age / half_life_days)
    return np.bincount(interactions.item, weights=labels, minlength=interactions.n_items + 1).astype(
        np.float32
    )
