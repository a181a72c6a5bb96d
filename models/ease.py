"""EASE: a linear autoencoder, in closed form or, for large catalogues, item by item on its neighbours."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, sparse

from models.base import Interactions
from models.item_item import ItemItem
from models.regress import on_neighbours
from models.rows import as_table, demand, gram, people_by_item, strongest, without_diagonal

GRAM_KEEP = 300
SQUARE = 2048


def fit(
    interactions: Interactions,
    *,
    regularisation: float,
    keep: int,
    max_items: int,
    neighbours: int,
    recency: float,
    prior: float,
) -> ItemItem:
    r"""Regress each item on all others.

    .. math:: P = (X^\top X + \lambda I)^{-1}, \quad B_{ij} = -P_{ij} / P_{jj}, \quad B_{jj} = 0

    Args:
        interactions: The training slice; X says who had what at least once.
        regularisation: lambda.
        keep: Strongest entries of each row that are kept: the dense table would be n_items squared.
        max_items: Up to so many items the equation is solved as it stands, in 4 bytes times the square of
            the items. Above, each item is regressed on its `neighbours` alone, in memory that grows with the
            items.
        neighbours: Items that an item of a larger catalogue is regressed on.
        recency: What a basket of the query counts beside the one after it.
        prior: What the share of demand adds to a score.

    Source:
        Steck, "Embarrassingly shallow autoencoders for sparse data", WWW 2019, eq. 8, arXiv 1905.03375; large
        catalogues: after Steck, "Markov random fields for collaborative filtering", NeurIPS 2019,
        arXiv 1910.09645, whose sub-blocks are here one of each item.
        Deviations: `keep`, `recency` and the prior; the query is weighted by label and age; of very long
        histories the newest items alone, see `models.rows.people_by_item`.
    """
    rows = regressed(
        people_by_item(interactions),
        regularisation=regularisation,
        max_items=max_items,
        neighbours=neighbours,
    )
    return as_table(strongest(rows, keep=keep), demand(interactions), recency=recency, prior=prior)


def regressed(
    people: sparse.csr_array, *, regularisation: float, max_items: int, neighbours: int
) -> sparse.csr_array:
    """B, as it stands up to `max_items`, item by item above, float32 (n, n).

    Args:
        people: (users, n), how much who had what, 0 to 1.
        regularisation: lambda, > 0.
        max_items: As in `fit`.
        neighbours: As in `fit`.
    """
    if people.shape[1] <= max_items:
        return sparse.csr_array(weights_of(people, regularisation))
    return nearby_weights_of(people, regularisation, neighbours=neighbours)


def weights_of(people: sparse.csr_array, regularisation: float) -> NDArray[np.float32]:
    """B of the equation, dense float32 (n, n), made in the place of X^T X.

    Single precision is enough: lambda bounds the condition of what is inverted.

    Args:
        people: (users, n), who had what.
        regularisation: lambda, > 0.
    """
    matrix = np.asfortranarray((people.T @ people).toarray(), dtype=np.float32)
    matrix[np.diag_indices_from(matrix)] += regularisation
    # Symmetric and positive: Cholesky, then the inverse from its factor, n cubed operations in all.
    factor, inverse_of = linalg.get_lapack_funcs(("potrf", "potri"), (matrix,))
    matrix, failed = factor(matrix, lower=False, overwrite_a=True, clean=False)
    if not failed:
        matrix, failed = inverse_of(matrix, lower=False, overwrite_c=True)
    if failed:
        raise ValueError("the items' Gram matrix cannot be inverted; a larger regularisation can be")
    _mirror(matrix)
    diagonal = np.diag(matrix).copy()
    matrix /= -diagonal[None, :]
    np.fill_diagonal(matrix, 0.0)
    return np.asarray(matrix)


def _mirror(matrix: NDArray[np.float32]) -> None:
    """Copy the upper triangle to the lower one, a square at a time."""
    for start in range(0, len(matrix), SQUARE):
        rest, square = slice(start + SQUARE, None), slice(start, start + SQUARE)
        matrix[rest, square] = matrix[square, rest].T
        upper = np.triu(matrix[square, square])
        matrix[square, square] = upper + np.triu(upper, 1).T


def nearby_weights_of(
    people: sparse.csr_array, regularisation: float, *, neighbours: int
) -> sparse.csr_array:
    """B where each item's column knows its strongest neighbours alone, float32 (n, n).

    Args:
        people: (users, n), who had what.
        regularisation: lambda, > 0.
        neighbours: Items a column.
    """
    size = np.asarray(people.multiply(people).sum(axis=0), dtype=np.float64)
    scale = np.sqrt(size + regularisation)

    def likeness(block: sparse.csr_array, which: slice) -> sparse.csr_array:
        alone = without_diagonal(block, which)
        row = np.repeat(scale[which], np.diff(alone.indptr))
        alone.data = (alone.data / (row * scale[alone.indices])).astype(np.float32)
        return alone

    alike = gram(people, keep=max(GRAM_KEEP, neighbours), rows=likeness)
    alike = sparse.csr_array(alike.maximum(alike.T))
    # Neighbours of a neighbour are looked up in the same rows, so these are made whole again.
    chosen = strongest(alike, keep=neighbours)
    alike.data *= (np.repeat(scale, np.diff(alike.indptr)) * scale[alike.indices]).astype(np.float32)
    return on_neighbours(alike, size + regularisation, chosen, alike)
