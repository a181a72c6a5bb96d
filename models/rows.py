"""From pairs or a dense block to the sparse rows of an `ItemItem`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models.base import Interactions
from models.item_item import ItemItem


def people_by_item(interactions: Interactions) -> sparse.csr_array:
    """Who had what at least once: float32 (n_users, n_items), column j is item j + 1."""
    pairs = np.unique(np.stack([interactions.user, interactions.item], axis=1), axis=0)
    ones = np.ones(len(pairs), np.float32)
    shape = (interactions.n_users, interactions.n_items)
    return sparse.csr_array((ones, (pairs[:, 0], pairs[:, 1] - 1)), shape=shape)


def strongest(rows: sparse.csr_array, *, keep: int) -> sparse.csr_array:
    """The entries of largest absolute value in each row, ties by column.

    Args:
        rows: (m, n).
        keep: Entries a row at most.
    """
    rows = sparse.csr_array(rows)
    rows.sort_indices()
    row = np.repeat(np.arange(rows.shape[0]), np.diff(rows.indptr))
    order = np.lexsort((rows.indices, -np.abs(rows.data), row))
    place = np.arange(len(order)) - rows.indptr[row[order]]
    kept = np.sort(order[place < keep])
    values = (rows.data[kept], (row[kept], rows.indices[kept]))
    return sparse.csr_array(values, shape=rows.shape)


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
